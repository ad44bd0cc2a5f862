"""When a request is sent again, and after what wait. Pure but for the log line and the sleep that is handed in.

One `Tries` counts every request for a window, whoever sends it again: urllib3 for a status, `AmplitudeClient` for a
connection, a body or an answer that is none, `load` for an archive that is not sound.
"""

import logging
import re
from calendar import timegm
from dataclasses import dataclass, field
from email.utils import parsedate_tz
from http import HTTPStatus
from typing import Any, Self

from urllib3 import BaseHTTPResponse, Retry

from exporter.amplitude.answers import PASSING, REGIONS
from exporter.amplitude.connection import Timer
from exporter.clock import Deadline, Gate, OpenGate
from exporter.errors import ExportError, RetriableError, WindowTooBigError
from exporter.window import Window

LONGEST_WAIT = 120.0
"""Seconds. A Retry-After beyond it ends the attempt: the queue, or a person, tries again later. Own waits end at it."""

GATEWAY_TIMEOUTS_BEFORE_HALVING = 2

log = logging.getLogger(__name__)


@dataclass
class Tries:
    """The requests for one window: at most ``total``, ``made`` so far. The first wait is ``delay`` seconds.

    ``name`` is what is asked for if that is no window; ``window`` is an hour then, so that nothing is halved.
    """

    window: Window
    base_url: str
    total: int
    delay: float
    deadline: Deadline
    made: int = 0
    gateway_timeouts: int = 0
    broken_off: bool = False
    """Whether a body began like an archive with something in it, and did not come to its end."""
    gate: Gate = field(default_factory=OpenGate)
    name: str = ""

    @property
    def asked(self) -> str:
        """What is asked for, for messages."""
        return self.name or f"window {self.window}"

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return self.total - self.made

    def again(self, reason: str, error: ExportError | None = None) -> None:
        """Wait before the next request for the window; if there is none left, the reason is the failure.

        Args:
            reason: why the last request failed; foreign text in it has passed its door.
            error: the cause, if it is one of ours: a traceback shows it, and others quote what they like.

        Raises:
            RetriableError: the budget is used up, or `wait` raises it.
        """
        if not self.left:
            raise RetriableError(
                f"{self.asked}: {self.made} requests failed, the last one because of: {reason}. "
                f"Nothing of the day is visible; try again later. If this goes on, look at AMP_BASE_URL "
                f"({self.base_url}; {REGIONS}) and at https://status.amplitude.com"
            ) from error
        self.wait(reason)

    def wait(self, reason: str, *, factor: float = 1, given: float | None = None, everybody: bool = False) -> None:
        """Log the retry and sleep: ``given`` seconds, else ``delay`` x ``factor``, doubled for each request made.

        ``everybody``: whoever asks through the same gate waits, too.

        Raises:
            RetriableError: Amplitude asks for a longer wait than LONGEST_WAIT.
            DeadlineError: the wait would end after the day's deadline.
        """
        if given is not None and given > LONGEST_WAIT:
            raise RetriableError(
                f"{self.asked}: {reason}, and Amplitude asks to wait {given:.0f} s, longer than the "
                f"{LONGEST_WAIT:.0f} s this exporter waits. Try again after that time"
            )
        seconds = min(self.delay * factor * 2 ** (self.made - 1), LONGEST_WAIT) if given is None else given
        log.warning(
            f"{self.asked}: request {self.made} of {self.total} failed ({reason}); "
            f"the next one follows in {seconds:g} s"
        )
        self.deadline.check(wait=seconds)
        if everybody:
            self.gate.hold(seconds)
        self.deadline.clock.sleep(seconds)
        self.gate.wait()


class ExportRetry(Retry):
    """urllib3's Retry with this exporter's waits: 5xx 1, 2, 4, 8 s; 429 2, 4, 8, 16 s; Retry-After wins.

    It sends a request again for its status only. An error leaves urllib3 as it is: else urllib3 would log it, with all
    that a proxy or a server wrote, and `AmplitudeClient` knows better what can pass.
    """

    def __init__(self, total: int | None, *, tries: Tries, timer: Timer, **options: Any) -> None:
        options["allowed_methods"] = frozenset({"GET"})
        options["status_forcelist"] = PASSING
        options["respect_retry_after_header"] = False  # `sleep` reads it; urllib3 would retry a 413 for it
        options["raise_on_status"] = False
        super().__init__(total, **options)
        self._tries = tries
        self._timer = timer

    def new(self, **changed: Any) -> Self:
        """A copy, as urllib3 makes one for every retry; the count of requests is shared."""
        same = {
            name: getattr(self, name) for name in ("total", "connect", "read", "redirect", "status", "other", "history")
        }
        return type(self)(tries=self._tries, timer=self._timer, **same | changed)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        *args: Any,
        **options: Any,
    ) -> Self:
        """Called by urllib3 after a request that may be repeated; raises when none is left."""
        if error is not None:
            raise error
        self._timer.check()
        if response is not None and response.status == HTTPStatus.GATEWAY_TIMEOUT:
            self._tries.gateway_timeouts += 1
            if self._tries.window.hours > 1 and self._tries.gateway_timeouts >= min(
                GATEWAY_TIMEOUTS_BEFORE_HALVING, self._tries.total
            ):
                response.close()
                raise WindowTooBigError(f"window {self._tries.window}: the gateway timed out twice (504)")
        again = super().increment(method, url, response, error, *args, **options)
        if response is not None:
            response.close()  # else urllib3 reads the rest of the body before it waits, however long that takes
        self._timer.stop()
        return again

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the request that follows, which is counted and timed from here on."""
        given, factor, tries = None, 1, self._tries
        too_many = response is not None and response.status == HTTPStatus.TOO_MANY_REQUESTS
        if response is not None:
            factor = 2 if too_many else 1
            given = _asked_wait(response, tries.asked)
        tries.wait(f"status {self.history[-1].status}", factor=factor, given=given, everybody=too_many)
        tries.made += 1
        self._timer.start(tries.deadline, tries.asked)


def _asked_wait(response: BaseHTTPResponse, asked_for: str) -> float | None:
    asked = response.headers.get("Retry-After")
    if asked is None:
        return None
    try:
        return seconds_asked(asked, response.headers.get("Date", ""))
    except (ValueError, OverflowError, TypeError):  # no number, no date, or a date beyond all calendars
        log.warning(f"{asked_for}: Amplitude sent a Retry-After that cannot be read")
        return None


def seconds_asked(retry_after: str, date: str) -> float:
    """The wait that a Retry-After asks for, in seconds or as a date; ``date`` is the answer's own, by the same clock.

    Raises:
        ValueError, OverflowError, TypeError: it cannot be read.
    """
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip(), re.ASCII):
        return int(retry_after)
    return max(0.0, _moment(retry_after) - _moment(date))


def _moment(text: str) -> float:
    """Seconds since the epoch of a date as HTTP spells it; without a zone it is UTC."""
    parts = parsedate_tz(text)
    if parts is None:
        raise ValueError(f"not a date: {text[:40]!r}")
    return timegm((*parts[:6], 0, 0, 0)) - (parts[9] or 0)
