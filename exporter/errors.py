"""Everything that can go wrong with an export, and who can do something about it.

::

    ExportError
    ├── SettingsError      the settings or the command are wrong: nothing was tried (exit 2)
    ├── StopError          no other day will do better: stop the run
    │   ├── RefusedError       Amplitude refuses the keys (401, 403)
    │   ├── OtherSourceError   the store holds days of another host or project, or days with other names
    │   └── LedgerError        the ledger that the stored days name is gone
    ├── RetriableError     the next attempt may succeed
    │   ├── BadArchiveError    a body that is not a sound archive: cut off, corrupt, hostile, foreign
    │   ├── DeadlineError      the day took longer than it may
    │   ├── DayHeldError       another exporter is at work on the day
    │   └── LostRaceError      another exporter finished the day first
    ├── PermanentError     asking again will not help; a person has to look
    │   ├── WindowTooBigError  more than one answer can carry: ask for less (the loader halves the window)
    │   ├── RejectedError      too many lines of the day are no events
    │   └── DamagedError       a record in the store does not fit its name, or is none
    ├── CrashedError       every attempt ended without a word of its own
    ├── UnexpectedError    a mistake in the exporter itself; the log has its traceback
    └── StoreError         the store cannot be reached, or does not let us in

Every message says what happened, where, and what to do next, and none holds a key.
"""

from typing import ClassVar


class ExportError(Exception):
    """The root: whatever the exporter itself has to say about a failure."""

    kind: ClassVar[str] = "permanent"


class SettingsError(ExportError):
    """The settings or the command are wrong; carries every problem at once."""


class StopError(ExportError):
    """No other day will do better: the run, and every chain of it, stops."""


class RefusedError(StopError):
    """Amplitude refused the keys: 401 or 403."""

    kind = "refused"


class OtherSourceError(StopError):
    """The stored days came from another host or project, or have other names. Nothing is put beside them."""


class LedgerError(StopError):
    """The ledger is gone, and stored days name it: nothing is written that would hide that."""

    kind = "ledger"


class RetriableError(ExportError):
    """A passing fault that outlasted its attempts."""

    kind = "retriable"


class BadArchiveError(RetriableError):
    """The body is not a sound archive of the window that was asked for."""


class DeadlineError(RetriableError):
    """The day's deadline has passed."""

    kind = "deadline"


class DayHeldError(RetriableError):
    """Another exporter holds the day; ``holder`` is the id of its run, empty when unknown."""

    kind = "held"

    def __init__(self, message: str, holder: str = "") -> None:
        super().__init__(message)
        self.holder = holder


class LostRaceError(RetriableError):
    """Another exporter changed the day since this one looked."""


class PermanentError(ExportError):
    """Asking again will not help."""


class WindowTooBigError(PermanentError):
    """The window holds more than one answer can carry, here or at Amplitude."""


class RejectedError(PermanentError):
    """More lines of the day were rejected than is allowed."""


class DamagedError(PermanentError):
    """What is stored of a day does not fit: its record is none, or speaks of another day."""

    kind = "damaged"


class CrashedError(ExportError):
    """The platform gave a day up, and no attempt said why."""

    kind = "crashed"


class UnexpectedError(ExportError):
    """Something that nobody thought of; ``__cause__`` is what was raised."""

    kind = "unexpected"


class StoreError(ExportError):
    """The store cannot be reached, or refuses."""

    kind = "retriable"
