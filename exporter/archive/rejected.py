"""Lines that are no events, kept aside so that every byte of them can be had back.

One JSON object a line: ``member``, ``line`` (1 is the first), ``reason``, and the line's bytes as ``text``, or as
``base64`` where they are not UTF-8 or the line is too long to be held in memory.
"""

import base64
import hashlib
import json
import tempfile
from typing import BinaryIO, Self

from exporter.errors import RejectedError

_TRIPLE = 3
_PIECE = 1 << 20


class RejectedLines:
    """A day's rejected lines in a temp file of at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.count = 0
        self._limit = limit
        self._size = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - __exit__ closes it
        self._odd = b""  # bytes of a long line that wait for the rest of their base64 triple

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, member: str, line: int, reason: str, content: bytes) -> None:
        """Keep one line, given without its line end.

        Raises:
            RejectedError: the rejected lines take more than the limit.
        """
        record: dict[str, str | int] = {"member": member, "line": line, "reason": reason}
        try:
            record["text"] = content.decode()
        except UnicodeDecodeError:
            record["base64"] = base64.b64encode(content).decode()
        self._write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self.count += 1

    def begin_long(self, member: str, line: int, reason: str) -> None:
        """Open the record of a line that comes in pieces."""
        record = json.dumps({"member": member, "line": line, "reason": reason, "base64": ""}, ensure_ascii=False)
        self._write(record.encode()[: -len('"}')])
        self.count += 1

    def add_long(self, piece: bytes) -> None:
        """The next piece of the long line."""
        held = self._odd + piece
        whole = len(held) - len(held) % _TRIPLE
        self._odd = held[whole:]
        self._write(base64.b64encode(memoryview(held)[:whole]))

    def end_long(self) -> None:
        """Close the record of the long line."""
        self._write(base64.b64encode(self._odd) + b'"}\n')
        self._odd = b""

    def mark(self) -> tuple[int, int]:
        """Where the file stands, for `back`."""
        return self._size, self.count

    def back(self, mark: tuple[int, int]) -> None:
        """Forget everything since ``mark``."""
        self._size, self.count = mark
        self._odd = b""
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

    def _write(self, record: bytes) -> None:
        if self._size + len(record) > self._limit:
            raise RejectedError(
                f"the rejected lines of the day take more than {self._limit} bytes (a quarter of EXPORT_TMP_LIMIT_MB). "
                "That is more than is kept: raise the setting to see them, or ask Amplitude's support about the day"
            )
        self._file.write(record)
        self._size += len(record)
