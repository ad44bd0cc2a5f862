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
    """A moment of the monotonic clock that a day's export must not pass; None means it may take its time."""

    clock: Clock
    at: float | None = None

    def check(self, wait: float = 0) -> None:
        """Raise DeadlineError if ``wait`` seconds from now are past the deadline."""
        if self.at is not None and self.clock.monotonic() + wait > self.at:
            raise DeadlineError(
                "the day took longer than it may. Nothing of it is visible; the next attempt starts again"
            )

    def bounded(self, seconds: float) -> float:
        """``seconds``, or what is left if that is less (at least one)."""
        return seconds if self.at is None else max(1.0, min(seconds, self.at - self.clock.monotonic()))
