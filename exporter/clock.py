"""The time, handed in: only the entry points read the system's clock."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Protocol

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


class Gate(Protocol):
    """Before each request: what one is told to wait, everybody waits who goes through the same gate."""

    def hold(self, seconds: float) -> None:
        """Close it for so long from now on, or leave it closed for longer."""

    def wait(self) -> None:
        """Return when it is open."""


class SharedGate:
    """A gate for threads that work side by side."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closed_until: float | None = None
        self._lock = threading.Lock()

    def hold(self, seconds: float) -> None:
        """See Gate."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            self._closed_until = until if self._closed_until is None else max(until, self._closed_until)

    def wait(self) -> None:
        """See Gate."""
        while (left := self._left()) > 0:
            self._clock.sleep(left)

    def _left(self) -> float:
        with self._lock:
            return 0 if self._closed_until is None else self._closed_until - self._clock.monotonic()


class OpenGate:
    """For who works alone: nobody else has to wait."""

    def hold(self, seconds: float) -> None:
        """See Gate."""

    def wait(self) -> None:
        """See Gate."""
