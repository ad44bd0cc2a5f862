"""Amplitude's Export API: ask for a window, and say what came.

Facts: https://amplitude.com/docs/apis/analytics/export. What a status means stands in `answers`.
"""

import base64
import logging
import re
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Self, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter

from exporter.amplitude.answers import means_data, words_of
from exporter.amplitude.retries import ExportRetry, Tries, in_words
from exporter.clock import Clock, Deadline, Gate, OpenGate
from exporter.errors import RetriableError, WindowTooBigError
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


@dataclass(frozen=True)
class Answer:
    """How a window was answered: 200 with an archive in a temp file, or 404: Amplitude has nothing in it.

    ``archive`` is whole as HTTP tells it, nobody has looked inside, and whoever takes it closes it. ``size`` in bytes.
    """

    status: int
    archive: BinaryIO | None
    size: int


NO_DATA = Answer(HTTPStatus.NOT_FOUND, None, 0)


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
        gate: what everybody goes through who asks at the same time.
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
        gate: Gate | None = None,
    ) -> None:
        self.base_url = base_url
        self._gate = gate or OpenGate()
        self._attempts = attempts
        self._delay = delay
        self._archive_limit = archive_limit
        self._clock = clock
        self._progress = progress
        self._secrets = (base64.b64encode(":".join(keys).encode()).decode(), *keys)
        self._session = requests.Session()
        self._session.auth = keys
        self._session.trust_env = not is_loopback(base_url)  # no proxy on the way to this machine
        self._session.headers.update({"Accept": "application/zip", "Accept-Encoding": "identity"})
        self._session.mount(f"{base_url}/", HTTPAdapter())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def tries(self, window: Window, deadline: Deadline | None = None) -> Tries:
        """The budget of requests for ``window``: whatever goes wrong, `ask` is called with the same one again."""
        deadline = deadline or Deadline(self._clock)
        return Tries(window, self.base_url, self._attempts, self._delay, deadline, gate=self._gate)

    def ask(self, tries: Tries) -> Answer:
        """Ask for the window until a whole body is there, or Amplitude's word that there is none.

        Raises:
            RefusedError: 401 or 403.
            WindowTooBigError: ask for less.
            RetriableError: the budget is used up.
            PermanentError: Amplitude says why it will not answer.
        """
        while True:
            try:
                return self._ask_once(tries)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                tries.again(in_words(error), error)

    def _ask_once(self, tries: Tries) -> Answer:
        window = tries.window
        self._gate.wait()
        tries.deadline.check()
        tries.made += 1
        adapter = cast("HTTPAdapter", self._session.get_adapter(f"{self.base_url}/"))
        adapter.max_retries = ExportRetry(tries.left, tries=tries)
        log.info(f"asking Amplitude for window {window}: request {tries.made} of {tries.total} at most")
        self._progress(Step.ASKING, 0, None)
        with self._session.get(
            f"{self.base_url}/api/2/export",
            params=window.wire(),
            stream=True,
            timeout=(CONNECT_SECONDS, tries.deadline.bounded(READ_SECONDS)),
            allow_redirects=False,
        ) as response:
            words = "" if response.status_code == HTTPStatus.OK else self._words(response, tries.deadline)
            if not means_data(response.status_code, words, window, self.base_url):
                return NO_DATA
            archive = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who takes it
            with ExitStack() as undo:
                undo.callback(archive.close)
                size = self._download(response, archive, tries)
                archive.seek(0)
                undo.pop_all()
                return Answer(response.status_code, archive, size)

    def _download(self, response: requests.Response, archive: BinaryIO, tries: Tries) -> int:
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
