"""Amplitude's Export API: ask for a window, until a whole archive of it has been taken in.

Facts: https://amplitude.com/docs/apis/analytics/export. The status codes are explained in `means_data`.
"""

import base64
import json
import logging
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Self

import requests
import urllib3
from requests.adapters import HTTPAdapter

from exporter.clock import Clock, Deadline, Progress, unseen
from exporter.errors import BadArchiveError, PermanentError, RefusedError, RetriableError, WindowTooBigError
from exporter.retries import ExportRetry, Tries, in_words
from exporter.settings import is_loopback
from exporter.window import Window

CONNECT_SECONDS = 30
READ_SECONDS = 600
REQUEST_SECONDS = 3600
"""A body's total time: one that drips in passes every read time-out."""

PIECE = 1 << 18
ERROR_BODY = 1 << 14
ERROR_SECONDS = 60
NO_DATA_WORDS = "Raw data files were not found"
LENGTH = re.compile(r"[0-9]{1,18}")
SIZE_WORDS = re.compile(r"size|large|shorten|4\s*GB", re.IGNORECASE)
OWN_DESTINATION = (
    "Use Amplitude's own Azure Blob Storage or S3 destination for such hours (Data, Destinations in its web app)"
)

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
        progress: Progress = unseen,
    ) -> None:
        self.base_url = base_url
        self.requests = 0
        self.retries = 0
        self._attempts = attempts
        self._delay = delay
        self._archive_limit = archive_limit
        self._clock = clock
        self._progress = progress
        self._session = requests.Session()
        self._session.auth = keys
        self._secrets = (base64.b64encode(":".join(keys).encode()).decode(), *keys)
        self._session.trust_env = not is_loopback(base_url)  # no proxy on the way to this machine
        self._session.headers.update({"Accept": "application/zip", "Accept-Encoding": "identity"})
        self._adapter = HTTPAdapter()
        self._session.mount(f"{base_url}/", self._adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def fetch(self, window: Window, take: Take, deadline: Deadline | None = None) -> Answer:
        """Ask for ``window`` until ``take`` has taken a whole archive in, within one budget of requests.

        Raises:
            RefusedError: 401 or 403.
            WindowTooBigError: ask for less.
            RetriableError: the budget is used up.
            PermanentError: Amplitude says why it will not answer.
        """
        tries = Tries(window, self._attempts, self._delay, deadline or Deadline(self._clock))
        try:
            return self._within(tries, take)
        finally:
            self.requests += tries.made
            self.retries += tries.made - 1

    def _within(self, tries: Tries, take: Take) -> Answer:
        while True:
            try:
                return self._ask(tries, take)
            except (BadArchiveError, requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reason = str(error) if isinstance(error, BadArchiveError) else in_words(error)
                if not tries.left:
                    raise RetriableError(
                        f"window {tries.window}: {tries.made} requests failed, the last one because of: {reason}. "
                        f"Nothing of the day is visible; try again later. If this goes on, look at AMP_BASE_URL "
                        f"({self.base_url}) and at https://status.amplitude.com"
                    ) from error
                tries.wait(reason)

    def _ask(self, tries: Tries, take: Take) -> Answer:
        window = tries.window
        tries.deadline.check()
        tries.made += 1
        self._adapter.max_retries = ExportRetry(tries.left, tries=tries)
        log.info(f"asking Amplitude for window {window}: request {tries.made} of {tries.total} at most")
        self._progress("asking", 0, None)
        with self._session.get(
            f"{self.base_url}/api/2/export",
            params=window.wire(),
            stream=True,
            timeout=(CONNECT_SECONDS, tries.deadline.bounded(READ_SECONDS)),
            allow_redirects=False,
        ) as response:
            said = "" if response.status_code == HTTPStatus.OK else self._words(response, tries.deadline)
            if not means_data(response.status_code, said, window, self.base_url):
                return Answer(window, response.status_code, 0, tries.made)
            with tempfile.TemporaryFile() as archive:
                size = self._download(response, archive, tries)
                archive.seek(0)
                take(archive)
                log.info(f"Data fetched successfully (status 200): window {window}, {size} bytes, all of them verified")
                return Answer(window, HTTPStatus.OK, size, tries.made)

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
            archive.write(piece)
            size += len(piece)
            self._progress("downloading", size, expected)

    def _words(self, response: requests.Response, deadline: Deadline) -> str:
        """What an error's body says, as far as it comes within ERROR_SECONDS."""
        body, began = b"", self._clock.monotonic()
        while len(body) < ERROR_BODY and self._clock.monotonic() - began < ERROR_SECONDS:
            deadline.check()
            piece = response.raw.read1(ERROR_BODY - len(body), decode_content=False)
            if not piece:
                break
            body += piece
        return _quoted(body, self._secrets)


def means_data(status: int, said: str, window: Window, base_url: str) -> bool:
    """What a status means: True, an archive follows; False, the window is empty; everything else raises.

    ``said`` is what Amplitude wrote beside it. 429 and 5xx arrive here only after their retries.
    """
    quoted = f"status {status}" + (f", Amplitude says: {said}" if said else "")
    match status:
        case HTTPStatus.OK:
            return True
        case HTTPStatus.NOT_FOUND if NO_DATA_WORDS in said:
            return False
        case HTTPStatus.NOT_FOUND:
            raise PermanentError(f"window {window}: {quoted}. That is no Export API: look at AMP_BASE_URL ({base_url})")
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise RefusedError(
                f"Amplitude refuses the keys ({quoted}). Look at AMP_API_KEY, AMP_SECRET_KEY and the region: the "
                f"project must live behind AMP_BASE_URL ({base_url}; EU https://analytics.eu.amplitude.com, "
                "US https://amplitude.com)"
            )
        case HTTPStatus.BAD_REQUEST if not said or SIZE_WORDS.search(said):
            if window.hours > 1:
                raise WindowTooBigError(f"window {window}: {quoted}")
            raise PermanentError(f"hour {window.first} is too big for the Export API ({quoted}). {OWN_DESTINATION}")
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise RetriableError(
                f"window {window}: {quoted}, after every retry. Amplitude allows 5 requests at once, dashboards "
                "included: try again later, or lower EXPORT_CONCURRENCY"
            )
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RetriableError(f"window {window}: {quoted}, after every retry. Try again later")
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise PermanentError(f"window {window}: {quoted}, a redirect. Look at AMP_BASE_URL ({base_url})")
        case _:
            raise PermanentError(f"window {window}: {quoted}. Asking again will not help")


def _quoted(body: bytes, secrets: tuple[str, ...]) -> str:
    """Amplitude's own words from its error envelope, else the start of the body as one line of text.

    Some proxies show the request in their error page: the ``secrets`` are blanked.
    """
    try:
        error = json.loads(body)["error"]
        words = [error["message"], (error.get("metadata") or {}).get("details")]
        text = ": ".join(str(word) for word in words if word)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = re.sub(r"<[^>]*>", " ", body.decode("utf-8", "replace"))
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300].rstrip(".")
