"""The body of an answer: an archive as it comes in, or what an error says, as far as that arrives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from exporter.amplitude.answers import ZIP_BEGIN, FailedRequestError, Words, begins_as_zip, no_zip, words_of
from exporter.amplitude.connection import Timer
from exporter.errors import WindowTooBigError
from exporter.foreign import Foreign
from exporter.report import Progress, Step
from exporter.window import Window

PIECE = 1 << 17
ERROR_BODY = 1 << 14
LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Body:
    """The body that follows the head of ``response``, in the time that ``timer`` gives."""

    response: Response
    timer: Timer
    foreign: Foreign

    def words(self) -> Words:
        """What the answer says. Below 400 nobody wrote an error: no body is read, and a redirect says where to."""
        if self.response.status_code < HTTPStatus.BAD_REQUEST:
            return Words(self.foreign(self.response.headers.get("Location", "")))
        return words_of(*self._beginning(), self.foreign)

    def archive(self, window: Window, limit: int, progress: Progress) -> Iterator[bytes]:
        """The pieces of a body that begins as an archive does, has at most ``limit`` bytes and comes in time.

        Raises:
            WindowTooBigError: it is bigger, or its Content-Length says so.
            FailedRequestError: it is no archive.
            RetriableError, DeadlineError: it takes too long.
        """
        length = self.response.headers.get("Content-Length", "")
        expected = int(length) if LENGTH.fullmatch(length) else None
        size, begin, begun = 0, b"", False
        while True:
            if max(size, expected or 0) > limit:
                raise WindowTooBigError(
                    f"window {window}: its archive is bigger than {limit} bytes, its share of EXPORT_TMP_LIMIT_MB"
                )
            piece = self._read(PIECE)
            self.timer.check()  # before the end of a body is believed
            if not begun:
                begin += piece
                begun = len(begin) >= ZIP_BEGIN or not piece
                if begun and not begins_as_zip(begin):
                    raise no_zip(begin + self._beginning()[0], self.foreign)
            if not piece:
                return
            size += len(piece)
            yield piece
            progress(Step.DOWNLOADING, size, expected)

    def text(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            FailedRequestError: it has more than ``limit`` bytes.
            RetriableError, DeadlineError: it takes too long.
        """
        found = bytearray()
        while piece := self._read(PIECE):
            self.timer.check()
            found += piece
            if len(found) > limit:
                raise FailedRequestError(f"the answer has more than {limit} bytes")
        self.timer.check()
        return bytes(found)

    def _beginning(self) -> tuple[bytes, bool]:
        """The next ERROR_BODY bytes, and whether they came, or the body's own end."""
        self.timer.words_follow()
        body = b""
        try:
            while len(body) < ERROR_BODY and (piece := self._read(ERROR_BODY - len(body))):
                body += piece
        except (RequestException, HTTPError):
            return body, False
        return body, not self.timer.fired

    def _read(self, size: int) -> bytes:
        """What is there, at most ``size`` bytes; empty at the end."""
        piece: bytes = self.response.raw.read1(size, decode_content=False)
        return piece
