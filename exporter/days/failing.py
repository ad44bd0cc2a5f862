"""What ends an attempt at a day: in one sentence, in the log, and on record while the day is still locked."""

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

from exporter import report
from exporter.clock import Clock
from exporter.days.erased import still_there
from exporter.days.manifest import Manifest
from exporter.days.rules import Decision, Outcome, StoredDay
from exporter.days.stored import Days
from exporter.errors import (
    DamagedError,
    DayHeldError,
    ExportError,
    LostRaceError,
    OtherSourceError,
    PermanentError,
    StoreError,
    UnexpectedError,
)

log = logging.getLogger(__name__)


@contextmanager
def on_record(day: date, days: Days, run_id: str, clock: Clock, hours: Callable[[], int]) -> Iterator[None]:
    """Put whatever ends the attempt on record; ``hours`` tells the widest window that may be asked for next time.

    Not where another exporter holds the day or was first: the day is whole or due by itself. Nor in a store that is
    not ours.

    Raises:
        ExportError: what ended it.
    """
    try:
        with _in_one_sentence():
            yield
    except DayHeldError:
        raise
    except ExportError as error:
        log.error(report.day_failed(day, error.kind, str(error)))
        if not isinstance(error, OtherSourceError | LostRaceError):
            _record(day, days, error, hours(), run_id, clock)
        raise


def check_kept(decision: Decision, stored: StoredDay, new: Manifest) -> None:
    """A day that was left as it is, since an export gave fewer events than are there: is that well?

    Raises:
        PermanentError: it holds events of people who were erased.
        DamagedError: it is damaged.
    """
    manifest = decision.manifest
    if decision.outcome is not Outcome.KEPT:
        return
    if stored.erased:
        raise PermanentError(still_there(manifest.dump, sum(stored.erased.values())))
    if stored.damage:
        raise DamagedError(
            f"{stored.damage}. Amplitude gives {new.events} events now, {manifest.events} are on record. Restore the "
            "day from a backup, or force it if fewer is right"
        )


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    """Say in one sentence what the operating system refused. What nobody thought of keeps its traceback in the log."""
    try:
        yield
    except ExportError:
        raise
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        where = error.filename or "the temp folder or the store's folder"
        todo = "Make room there, or lower EXPORT_TMP_LIMIT_MB" if full else "Look at the path and its permissions"
        raise StoreError(f"{error.strerror or error}: {where}. Nothing of the day is visible. {todo}") from error
    except Exception as error:
        log.exception("a mistake in the exporter; please report what follows")
        raise UnexpectedError(
            f"{type(error).__name__}: a mistake in the exporter. The log has the traceback; please report it"
        ) from error


def _record(day: date, days: Days, error: ExportError, hours: int, run_id: str, clock: Clock) -> None:
    try:
        days.record_failure(day, error, hours, run_id, clock.now())
    except (ExportError, OSError) as second:
        level = logging.DEBUG if isinstance(error, StoreError) else logging.ERROR  # it is the store that is away
        log.log(level, f"the failure of {day} could not be recorded: {second}")
