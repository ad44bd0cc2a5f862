"""The time, handed in: only the entry points read the system's clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import inf

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
        if wait > self.left():
            raise self.late()

    def left(self) -> float:
        """Seconds until the deadline; less than 0 after it, without end if there is none."""
        return inf if self.at is None else self.at - self.clock.monotonic()

    def late(self) -> DeadlineError:
        """What there is to say when the deadline has passed."""
        return DeadlineError("the day took longer than it may. Nothing of it is visible; the next attempt starts again")
