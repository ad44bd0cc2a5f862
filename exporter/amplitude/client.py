"""Amplitude's Export API: ask for a window, until a whole archive of it has been taken in.

Facts: https://amplitude.com/docs/apis/analytics/export. What a status means stands in `meaning`.
"""

import base64
import logging
import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Self, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter

from exporter.amplitude.ahead import Ahead, Body, Share
from exporter.amplitude.answers import means_data, words_of
from exporter.amplitude.retries import ExportRetry, Tries, in_words
from exporter.clock import Clock, Deadline
from exporter.errors import BadArchiveError, RetriableError, WindowTooBigError
from exporter.report import Progress, Step, no_progress
from exporter.settings import is_loopback
from exporter.window import Window

CONNECT_SECONDS = 30
READ_SECONDS = 600
REQUEST_SECONDS = 3600
"""A body's total time: one that drips in passes every read time-out."""

PIECE = 1 << 17
ERROR_BODY = 1 << 14
ERROR_SECONDS = 60
LENGTH = re.compile(r"[0-9]{1,18}")

log = logging.getLogger(__name__)

Take = Callable[[BinaryIO], None]
"""Takes a whole archive in; raises BadArchiveError if it is not sound. Called again with the next one then."""


@dataclass(frozen=True)
class Answer:
    """How a window was answered: 200 with an archive that was taken in, or 404: nothing in the window."""

    window: Window
    status: int
    archive_bytes: int
    requests: int


class AmplitudeClient:
    """One project's Export API at ``base_url``.

    Args:
        base_url: scheme and host, no path.
        keys: the API key and the secret key.
        attempts: requests for one window at most, over everything that can go wrong.
        delay: seconds, the first wait.
        archive_limit: bytes; a bigger archive counts as a window too big.
        clock: for the total time of a request, and to sleep.
        progress: told how many bytes have arrived.

    Attributes:
        requests: sent so far, over all windows.
        retries: how many of them asked for the same window again.
    """

    def __init__(
        self,
        base_url: str,
        keys: tuple[str, str],
        *,
        attempts: int,
        delay: float,
        archive_limit: int,
        clock: Clock,
        progress: Progress = no_progress,
    ) -> None:
        self.base_url = base_url
        self.requests = 0
        self.retries = 0
        self._attempts = attempts
        self._delay = delay
        self._archive_limit = archive_limit
        self._clock = clock
        self._progress = progress
        self._keys = keys
        self._secrets = (base64.b64encode(":".join(keys).encode()).decode(), *keys)
        self._session = self._new_session()
        self._ahead: Ahead | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.call_off()
        self._session.close()

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.auth = self._keys
        session.trust_env = not is_loopback(self.base_url)  # no proxy on the way to this machine
        session.headers.update({"Accept": "application/zip", "Accept-Encoding": "identity"})
        session.mount(f"{self.base_url}/", HTTPAdapter())
        return session

    def fetch(
        self, window: Window, take: Take, deadline: Deadline | None = None, *, then: Window | None = None
    ) -> Answer:
        """Ask for ``window`` until ``take`` has taken a whole archive in, within one budget of requests.

        While ``take`` is at work, the archive of ``then`` may arrive already: for the next call, which has to be for
        that window, or for `call_off`.

        Raises:
            RefusedError: 401 or 403.
            WindowTooBigError: ask for less.
            RetriableError: the budget is used up.
            PermanentError: Amplitude says why it will not answer.
        """
        deadline = deadline or Deadline(self._clock)
        ahead = self._asked_ahead(window)
        tries = ahead.tries if ahead else self._tries(window, deadline)
        try:
            body = ahead.body() if ahead else self._arrive(tries)
            while body.archive:
                try:
                    with body.archive as archive:
                        self._ask_ahead(then, body.size, deadline)
                        take(archive)
                except BadArchiveError as error:
                    self.call_off()  # its room is needed, and one request at a time is enough
                    self._wait(tries, str(error), error)
                    body = self._arrive(tries)
                else:
                    if self._ahead:
                        self._ahead.share.open()
                    log.info(
                        f"Data fetched successfully (status 200): window {window}, {body.size} bytes, "
                        "all of them verified"
                    )
                    return Answer(window, HTTPStatus.OK, body.size, tries.made)
            return Answer(window, HTTPStatus.NOT_FOUND, 0, tries.made)
        finally:
            self._count(tries)

    def call_off(self) -> None:
        """Forget the window that was asked for ahead."""
        if self._ahead:
            self._end(self._ahead)
            self._ahead = None

    def _asked_ahead(self, window: Window) -> Ahead | None:
        if self._ahead and self._ahead.window != window:  # the plan has changed
            self.call_off()
        ahead, self._ahead = self._ahead, None
        return ahead

    def _end(self, ahead: Ahead) -> None:
        ahead.call_off()
        self._count(ahead.tries)

    def _count(self, tries: Tries) -> None:
        self.requests += tries.made
        self.retries += max(0, tries.made - 1)

    def _tries(self, window: Window, deadline: Deadline) -> Tries:
        return Tries(window, self._attempts, self._delay, deadline)

    def _ask_ahead(self, window: Window | None, held: int, deadline: Deadline) -> None:
        """Only if the two archives are likely to have room together: a download that has to pause may break."""
        if window and 2 * held <= self._archive_limit:
            self._ahead = Ahead(self._tries(window, deadline), self._arrive, self._archive_limit - held)

    def _arrive(self, tries: Tries, share: Share | None = None) -> Body:
        """Ask until a whole body is there, or Amplitude's word that there is none."""
        with ExitStack() as undo:
            session = undo.enter_context(self._new_session()) if share else self._session
            while True:
                try:
                    return self._ask(session, tries, share or Share())
                except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                    self._wait(tries, in_words(error), error)

    def _wait(self, tries: Tries, reason: str, error: Exception) -> None:
        """Wait before the next request; the reason is an error if there is none left."""
        if not tries.left:
            raise RetriableError(
                f"window {tries.window}: {tries.made} requests failed, the last one because of: {reason}. "
                f"Nothing of the day is visible; try again later. If this goes on, look at AMP_BASE_URL "
                f"({self.base_url}) and at https://status.amplitude.com"
            ) from error
        tries.wait(reason)

    def _ask(self, session: requests.Session, tries: Tries, share: Share) -> Body:
        window = tries.window
        tries.deadline.check()
        tries.made += 1
        adapter = cast("HTTPAdapter", session.get_adapter(f"{self.base_url}/"))
        adapter.max_retries = ExportRetry(tries.left, tries=tries)
        log.info(f"asking Amplitude for window {window}: request {tries.made} of {tries.total} at most")
        self._progress(Step.ASKING, 0, None)
        with session.get(
            f"{self.base_url}/api/2/export",
            params=window.wire(),
            stream=True,
            timeout=(CONNECT_SECONDS, tries.deadline.bounded(READ_SECONDS)),
            allow_redirects=False,
        ) as response:
            said = "" if response.status_code == HTTPStatus.OK else self._words(response, tries.deadline)
            if not means_data(response.status_code, said, window, self.base_url):
                return Body(None, 0)
            archive = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who takes it in
            with ExitStack() as undo:
                undo.callback(archive.close)
                size = self._download(response, archive, tries, share)
                archive.seek(0)
                undo.pop_all()
                return Body(archive, size)

    def _download(self, response: requests.Response, archive: BinaryIO, tries: Tries, share: Share) -> int:
        length = response.headers.get("Content-Length", "")
        expected = int(length) if LENGTH.fullmatch(length) else None
        size, began = 0, self._clock.monotonic()
        while True:
            if max(size, expected or 0) > self._archive_limit:
                raise WindowTooBigError(
                    f"window {tries.window}: its archive is bigger than {self._archive_limit} bytes, its share of "
                    "EXPORT_TMP_LIMIT_MB"
                )
            if self._clock.monotonic() - began > REQUEST_SECONDS:
                raise RetriableError(f"window {tries.window}: the body is still coming in after {REQUEST_SECONDS} s")
            tries.deadline.check()
            piece = response.raw.read1(PIECE, decode_content=False)
            if not piece:
                return size
            size += len(piece)
            share.wait_for(size, tries.deadline)
            archive.write(piece)
            self._progress(Step.DOWNLOADING, size, expected)

    def _words(self, response: requests.Response, deadline: Deadline) -> str:
        """What an error's body says, as far as it comes within ERROR_SECONDS."""
        body, began = b"", self._clock.monotonic()
        while len(body) < ERROR_BODY and self._clock.monotonic() - began < ERROR_SECONDS:
            deadline.check()
            piece = response.raw.read1(ERROR_BODY - len(body), decode_content=False)
            if not piece:
                break
            body += piece
        return words_of(body, self._secrets)
