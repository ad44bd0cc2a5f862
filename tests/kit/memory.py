"""A store in memory that keeps metadata, as a container does. The contract holds for it, too."""

import errno
import itertools
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO

from exporter.errors import DayHeldError, LostRaceError
from exporter.report import Progress, Step, no_progress
from exporter.store import ANY, LARGEST_READ, Entry, Remaining, gone, too_large
from exporter.store.names import checked, checked_prefix

PIECE = 1 << 20


class MemoryStore:
    """Objects in a dictionary; ``room`` bounds the bytes of all of them, as a disk does."""

    def __init__(self, progress: Progress = no_progress, room: int | None = None) -> None:
        self.progress = progress
        self._room = room
        self._objects: dict[str, tuple[bytes, Entry]] = {}
        self._holders: dict[str, list[str]] = {}
        self._versions = itertools.count(1)
        self._alone = threading.Lock()

    def read(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""
        found = self._objects.get(checked(name))
        if found and len(found[0]) > LARGEST_READ:
            raise too_large(name, len(found[0]))
        return (found[0], found[1].etag) if found else None

    def write(self, name: str, content: bytes | BinaryIO, *, seen: str | None, metadata: Mapping[str, str]) -> str:
        """See Store."""
        return self.put(name, content if isinstance(content, bytes) else content.read(), seen, metadata)

    def put(self, name: str, content: bytes, seen: str | None, metadata: Mapping[str, str]) -> str:
        """Store ``content`` if what was ``seen`` is there.

        Raises:
            LostRaceError: something else is there.
            OSError: there is no room.
        """
        with self._alone:
            there = self._objects.get(checked(name))
            if seen not in (ANY, there[1].etag if there else None):
                raise LostRaceError(f"{name} was changed")
            others = sum(entry.size for other, (_, entry) in self._objects.items() if other != name)
            if self._room is not None and others + len(content) > self._room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
            entry = Entry(name, len(content), f'"{next(self._versions)}"', dict(metadata))
            self._objects[name] = (content, entry)
            return entry.etag

    def append(self, name: str, content: bytes, *, at: int) -> None:
        """See Store."""
        there = self._objects.get(checked(name))
        if (len(there[0]) if there else 0) != at:
            if there and not there[0].endswith(b"\n") and len(there[0]) > at:
                self.put(name, there[0] + b"\n", there[1].etag, {})
            raise LostRaceError(f"{name} has another length")
        self.put(name, (there[0] if there else b"") + content, there[1].etag if there else None, {})

    def delete(self, name: str) -> None:
        """See Store."""
        self._objects.pop(checked(name), None)

    def sweep(self, prefix: str) -> None:
        """See Store; nothing is left of a draft."""

    def purge(self, name: str) -> Remaining:
        """See Store."""
        checked(name)
        return Remaining()

    def list(self, prefix: str, most: int | None = None) -> Iterator[Entry]:
        """See Store."""
        checked_prefix(prefix)
        holders = self._holders.copy()
        held = {name: Entry(name, 0, '"held"', {"run": run, "lease": "leased"}) for name, (run,) in holders.items()}
        there = {name: entry for name, (_, entry) in self._objects.copy().items()} | held
        yield from [there[name] for name in sorted(there) if name.startswith(prefix)][:most]

    def stat(self, name: str) -> Entry | None:
        """See Store."""
        found = self._objects.get(checked(name))
        return replace(found[1]) if found else None

    def stream(self, name: str) -> Iterator[bytes]:
        """See Store."""
        if checked(name) not in self._objects:
            raise gone(name)
        content = self._objects[name][0]
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]

    def part(self, name: str, start: int, length: int) -> bytes:
        """See Store."""
        return self._objects[name][0][start : start + length]

    @contextmanager
    def lock(self, name: str, run: str) -> Iterator[None]:
        """See Store."""
        ours = [run]
        holder = self._holders.setdefault(checked(name), ours)  # one step, so that of two threads one is the first
        if holder is not ours:
            raise DayHeldError(f"{name} is held by run {holder[0]}", holder[0])
        try:
            self.progress(Step.LOCKED, 0, None)
            yield
        finally:
            del self._holders[name]

    def draft(self, name: str, seen: str | None, *, afresh: bool = False) -> "MemoryDraft":  # noqa: ARG002 - it always is
        """See Store."""
        return MemoryDraft(self, checked(name), seen)


class MemoryDraft:
    """A text that becomes an object at its commit."""

    def __init__(self, store: MemoryStore, name: str, seen: str | None) -> None:
        self._store, self._name, self._seen = store, name, seen
        self._text = bytearray()

    def write(self, hour: int, text: bytes | memoryview) -> None:  # noqa: ARG002 - memory needs no hours
        """See Draft."""
        self._text += text

    def mark(self) -> int:
        """See Draft."""
        return len(self._text)

    def back(self, mark: int) -> None:
        """See Draft."""
        del self._text[mark:]

    def commit(self, metadata: Mapping[str, str]) -> str:
        """See Draft."""
        self._store.progress(Step.COMMITTING, 0, None)
        etag = self._store.put(self._name, bytes(self._text), self._seen, metadata)
        self._store.progress(Step.COMMITTED, 0, None)
        return etag

    def discard(self) -> None:
        """See Draft."""
        self._text.clear()
