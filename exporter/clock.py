"""The time, handed in: only the entry points read the system's clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from exporter.errors import DeadlineError


@dataclass(frozen=True)
class Clock:
    """``now`` is aware and UTC; ``monotonic`` and ``sleep`` count seconds."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(frozen=True)
class Deadline:
    """A moment of the monotonic clock that a day's export must not pass; None means it may take its time.

    ``called_off`` tells whether nobody waits for the work any more: that ends it, too.
    """

    clock: Clock
    at: float | None = None
    called_off: Callable[[], bool] | None = None

    def check(self, ahead: float = 0) -> None:
        """Raise DeadlineError if ``ahead`` seconds from now are past the deadline, or the work was called off."""
        self.check_wanted()
        if self.at is not None and self.clock.monotonic() + ahead > self.at:
            raise DeadlineError(
                "the day took longer than it may. Nothing of it is visible; the next attempt starts again"
            )

    def check_wanted(self) -> None:
        """Raise DeadlineError if the work was called off."""
        if self.called_off and self.called_off():
            raise DeadlineError("nobody waits for this any more")

    def bounded(self, seconds: float) -> float:
        """``seconds``, or what is left if that is less (at least one)."""
        return seconds if self.at is None else max(1.0, min(seconds, self.at - self.clock.monotonic()))
