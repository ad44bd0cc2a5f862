"""Lines that are no events, kept aside so that every byte of them can be had back: their records, written and read.

One JSON object a line: ``member``, ``line`` (1 is the first), ``reason``, and the line's bytes as ``text``, or as
``base64`` where they are not UTF-8 or more than LONGEST_TEXT.
"""

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, BinaryIO, Self

import msgspec

from exporter.errors import RejectedError
from exporter.foreign import Foreign

LONGEST_TEXT = 1 << 16
"""Bytes of a line that is kept as text. A longer one goes to the file in pieces, as base64: no copy is in memory."""
_DOOR = Foreign()
_PIECE = 3 << 14  # base64 makes four characters of each three bytes


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """Where a line that was rejected stood (``line`` 1 is the member's first), and why it was; not what it holds."""

    member: str
    line: Annotated[int, msgspec.Meta(ge=0, le=2**62)]
    reason: str


def read_rejected(records: bytes, foreign: Foreign = _DOOR) -> Iterator[RejectedLine]:
    """What `RejectedLines` wrote, in its order; whatever cannot be read is left out. Its texts pass the door."""
    read = msgspec.json.Decoder(RejectedLine).decode
    start = 0
    while start < len(records):
        end = records.find(b"\n", start) + 1 or len(records)
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the others can still be read
            found = read(memoryview(records)[start:end])
            yield RejectedLine(foreign(found.member), found.line, foreign(found.reason))
        start = end


class RejectedLines:
    """A day's rejected lines in a temp file of at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.count = 0
        self._limit = limit
        self._size = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - __exit__ closes it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, member: str, line: int, reason: str, content: bytes | memoryview) -> None:
        """Keep one line, given without its line end.

        Raises:
            RejectedError: the rejected lines take more than the limit.
        """
        record: dict[str, str | int] = {"member": member, "line": line, "reason": reason}
        if len(content) <= LONGEST_TEXT:
            try:
                record["text"] = bytes(content).decode()
            except UnicodeDecodeError:
                record["base64"] = base64.b64encode(content).decode()
            text = _spelled(record) + b"\n"
            self._take(len(text))
            self._file.write(text)
        else:
            before, after = _spelled(record | {"base64": ""})[: -len('"}')], b'"}\n'
            self._take(len(before) + -(-len(content) // 3) * 4 + len(after))
            self._file.write(before)
            for start in range(0, len(content), _PIECE):
                self._file.write(base64.b64encode(content[start : start + _PIECE]))
            self._file.write(after)
        self.count += 1

    def mark(self) -> tuple[int, int]:
        """Where the file stands, for `back`."""
        return self._size, self.count

    def back(self, mark: tuple[int, int]) -> None:
        """Forget everything since ``mark``."""
        self._size, self.count = mark
        self._file.seek(self._size)
        self._file.truncate()

    @property
    def sha256(self) -> str:
        """Of all the records, in hex; "" without any."""
        digest = hashlib.sha256()
        records = self.open()
        while piece := records.read(_PIECE):
            digest.update(piece)
        return digest.hexdigest() if self.count else ""

    def open(self) -> BinaryIO:
        """All the records, from the first byte on."""
        self._file.seek(0)
        return self._file

    def _take(self, size: int) -> None:
        if self._size + size > self._limit:
            raise RejectedError(
                f"the rejected lines of the day take more than {self._limit} bytes (a quarter of EXPORT_TMP_LIMIT_MB). "
                "That is more than is kept: raise the setting to see them, or ask Amplitude's support about the day"
            )
        self._size += size


def _spelled(record: dict[str, str | int]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()
