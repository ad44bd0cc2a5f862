"""When a request is sent again, and after what wait. Pure but for the log line and the sleep that is handed in.

One `Tries` counts every request for a window, whoever sends it again: urllib3 for a status or a connection,
`AmplitudeClient` for a body that broke off, `load` for an archive that is not sound.
"""

import logging
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import InvalidHeader

from exporter.clock import Deadline, Gate, OpenGate
from exporter.errors import RetriableError, WindowTooBigError
from exporter.window import Window

LONGEST_WAIT = 120.0
"""Seconds. A Retry-After beyond it ends the attempt: the queue, or a person, tries again later."""

LONGEST_RETRY_AFTER = 10**9
"""Seconds. urllib3 would cut a Retry-After down to six hours, and the message would name what nobody said."""

GATEWAY_TIMEOUTS_BEFORE_HALVING = 2

log = logging.getLogger(__name__)


@dataclass
class Tries:
    """The requests for one window: at most ``total``, ``made`` so far. The first wait is ``delay`` seconds."""

    window: Window
    base_url: str
    total: int
    delay: float
    deadline: Deadline
    made: int = 0
    gateway_timeouts: int = 0
    gate: Gate = field(default_factory=OpenGate)

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return self.total - self.made

    def again(self, reason: str, error: Exception) -> None:
        """Wait before the next request for the window; if there is none left, the reason is the failure.

        Raises:
            RetriableError: the budget is used up, or `wait` raises it.
        """
        if not self.left:
            raise RetriableError(
                f"window {self.window}: {self.made} requests failed, the last one because of: {reason}. "
                f"Nothing of the day is visible; try again later. If this goes on, look at AMP_BASE_URL "
                f"({self.base_url}) and at https://status.amplitude.com"
            ) from error
        self.wait(reason)

    def wait(self, reason: str, *, factor: float = 1, given: float | None = None, everybody: bool = False) -> None:
        """Log the retry and sleep: ``given`` seconds, else ``delay`` x ``factor``, doubled for each request made.

        ``everybody``: whoever asks through the same gate waits, too.

        Raises:
            RetriableError: Amplitude asks for a longer wait than LONGEST_WAIT.
            DeadlineError: the wait would end after the day's deadline.
        """
        seconds = self.delay * factor * 2 ** (self.made - 1) if given is None else given
        if seconds > LONGEST_WAIT:
            raise RetriableError(
                f"window {self.window}: {reason}, and Amplitude asks to wait {seconds:.0f} s, longer than the "
                f"{LONGEST_WAIT:.0f} s this exporter waits. Try again after that time"
            )
        log.warning(
            f"window {self.window}: request {self.made} of {self.total} failed ({reason}); "
            f"the next one follows in {seconds:g} s"
        )
        self.deadline.check(wait=seconds)
        if everybody:
            self.gate.hold(seconds)
        self.deadline.clock.sleep(seconds)
        self.gate.wait()


class ExportRetry(Retry):
    """urllib3's Retry with this exporter's waits: 5xx 1, 2, 4, 8 s; 429 2, 4, 8, 16 s; Retry-After wins."""

    def __init__(self, total: int | None, *, tries: Tries, **options: Any) -> None:
        options["allowed_methods"] = frozenset({"GET"})
        options["status_forcelist"] = frozenset({HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)})
        options["raise_on_status"] = False
        options["retry_after_max"] = LONGEST_RETRY_AFTER
        super().__init__(total, **options)
        self._tries = tries

    def new(self, **changed: Any) -> Self:
        """A copy, as urllib3 makes one for every retry; the count of requests is shared."""
        kept = {
            name: getattr(self, name) for name in ("total", "connect", "read", "redirect", "status", "other", "history")
        }
        return type(self)(tries=self._tries, **kept | changed)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        *args: Any,
        **options: Any,
    ) -> Self:
        """Called by urllib3 after a request that may be repeated; raises when none is left."""
        if response is not None and response.status == HTTPStatus.GATEWAY_TIMEOUT:
            self._tries.gateway_timeouts += 1
            if self._tries.window.hours > 1 and self._tries.gateway_timeouts >= min(
                GATEWAY_TIMEOUTS_BEFORE_HALVING, self._tries.total
            ):
                response.close()
                raise WindowTooBigError(f"window {self._tries.window}: the gateway timed out twice (504)")
        again = super().increment(method, url, response, *args, **options)
        if response is not None:
            response.close()  # else urllib3 reads the rest of the body before it waits, however long that takes
        return again

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the request that follows, which is counted here."""
        given, factor, last = None, 1, self.history[-1]
        too_many = response is not None and response.status == HTTPStatus.TOO_MANY_REQUESTS
        if response is not None:
            factor = 2 if too_many else 1
            try:
                given = self.get_retry_after(response)
            except (InvalidHeader, ValueError, OverflowError):  # no number, no date, or a date beyond all calendars
                log.warning(f"window {self._tries.window}: Amplitude sent a Retry-After that cannot be read")
        reason = f"status {last.status}" if last.status else in_words(last.error)
        self._tries.wait(reason, factor=factor, given=given, everybody=too_many)
        self._tries.made += 1


def in_words(error: Exception | None) -> str:
    """The innermost reason of an error of requests or urllib3, on one line."""
    inner: object = error
    while isinstance(inner, Exception):
        deeper = getattr(inner, "reason", None) or next((a for a in inner.args if isinstance(a, Exception)), None)
        if not isinstance(deeper, Exception):
            break
        inner = deeper
    return f"{type(inner).__name__}: {inner}".replace("\n", " ")
