"""DuckDB reads the store through this: files of a folder or a container, by ranges, and never writes."""

import errno
import io
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fsspec import AbstractFileSystem

from exporter.store import Store

PROTOCOL = "archive"
AHEAD = 1 << 20
"""Bytes that are fetched at least: a request for each small read would take longer than the bytes do."""


class StoreFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The named objects of a store; ``sizes`` in bytes."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, store: Store, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self._store = store
        self._sizes = sizes

    def exists(self, path: str, **_: Any) -> bool:
        """Whether it is one of the objects."""
        return _name(path) in self._sizes

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Its size."""
        if not self.exists(path):
            raise FileNotFoundError(errno.ENOENT, "no such object", path)
        return {"name": path, "size": self._sizes[_name(path)], "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        """Itself: names are given in full."""
        return [path] if self.exists(path) else []

    def modified(self, path: str) -> datetime:
        """The same for all: while the archive is open no name is read as two contents."""
        self.info(path)
        return datetime(2000, 1, 1, tzinfo=UTC)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> "Ranges":
        if mode != "rb":
            raise PermissionError(errno.EROFS, "the archive is only read", path)
        return Ranges(self._store, _name(path), self.info(path)["size"])


class Ranges(io.RawIOBase):
    """An object that is read piece by piece; the last piece is kept.

    DuckDB's threads share a file, and seek and read are two calls: so each thread has its own place in it.
    """

    def __init__(self, store: Store, name: str, size: int) -> None:
        super().__init__()
        self._store, self._name, self._size = store, name, size
        self._own = _Place()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._own.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there."""
        self._own.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._own.at, io.SEEK_END: self._size}[whence]
        return self._own.at

    def read(self, size: int = -1) -> bytes:
        """The next bytes: so many, where the object has them."""
        own = self._own
        length = min(size if size >= 0 else self._size, self._size - own.at)
        begin = own.at - own.start
        if begin < 0 or begin + length > len(own.held):
            own.start = max(0, min(own.at, self._size - AHEAD))
            begin = own.at - own.start
            own.held = self._store.part(self._name, own.start, max(begin + length, AHEAD))
        own.at += length
        return own.held[begin : begin + length]


class _Place(threading.local):
    """A thread's place in a file, and what it read last."""

    at = start = 0
    held = b""


def _name(path: str) -> str:
    return path.removeprefix(f"{PROTOCOL}://")
