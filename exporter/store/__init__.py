"""The store: where dumps live. The seam only: a folder (`folder`) and a container (`blob`) stand behind it.

One suite of tests holds both to what is written here.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from exporter.errors import DamagedError, StoreError

LARGEST_READ = 4 << 20
"""Bytes of an object that is read at once. No record has so many."""
ANY = "*"
"""In place of an ETag: whatever is there."""
ARCHIVED = "Archive"
"""The tier of objects that cannot be read before somebody has brought them back."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as a listing shows it; ``metadata`` is None where the store has none, ``tier`` "" likewise."""

    name: str
    size: int
    etag: str
    metadata: Mapping[str, str] | None = None
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What can still be brought back of an object's past: so many old ``versions``, at most so many ``days`` longer.

    ``days`` is None where there are none, or the store does not say. ``why`` is the store's word for what kept them.
    """

    versions: int = 0
    days: int | None = None
    why: str = ""


def too_large(name: str, size: int) -> DamagedError:
    """The error about an object that is no record, by its size."""
    return DamagedError(f"{name} is damaged: it has {size} bytes, more than the {LARGEST_READ} that a record may have")


def gone(name: str) -> StoreError:
    """The error about an object that is not there although it was listed, or named by another."""
    return StoreError(f"{name}: the object is not there any more. Call again")


class Draft(Protocol):
    """A day being written. Nothing of it can be read under the dump's name before `commit`."""

    def write(self, hour: int, text: bytes | memoryview) -> None:
        """Append; ``hour`` (0 to 24) never decreases but after `back`."""

    def mark(self) -> int:
        """A place to come `back` to; between two hours only."""

    def back(self, mark: int) -> None:
        """Forget everything written since ``mark``."""

    def commit(self, metadata: Mapping[str, str]) -> str:
        """Put the whole text under the dump's name in one step and return its ETag.

        Raises:
            LostRaceError: the dump is not the one that was there when the draft was begun.
        """

    def discard(self) -> None:
        """Leave nothing behind; harmless after `commit`."""


class Store(Protocol):
    """Named objects, and drafts that become one.

    A name is parts between single slashes, of which none begins with a dot. Every method raises StoreError for any
    other, so that no name leads out of the store.
    """

    def read(self, name: str) -> tuple[bytes, str] | None:
        """The content and ETag of a small object, or None.

        Raises:
            DamagedError: it has more than LARGEST_READ bytes.
        """

    def write(self, name: str, content: bytes | BinaryIO, *, seen: str | None, metadata: Mapping[str, str]) -> str:
        """Put an object in one step and return its ETag.

        ``seen`` is the ETag that must be there now, None if nothing must be there, or ANY.

        Raises:
            LostRaceError: something else is there.
        """

    def append(self, name: str, content: bytes, *, at: int) -> None:
        """Add whole lines to an object that is only ever appended to; lasting when this returns.

        ``at`` is its length now; 0 where it is not there yet: it is made, and then holds all of ``content`` or nothing.
        What follows its last line end is no line (a crash left it), does not count, and may be gone afterwards. Where
        nothing can be taken away it is given its line end, and has won the race.

        Raises:
            LostRaceError: it has another length.
            StoreError: it cannot be made or appended to.
        """

    def delete(self, name: str) -> None:
        """Remove an object, for good when this returns; harmless if it is not there."""

    def purge(self, name: str) -> Remaining:
        """Remove what the store keeps of an object beside what it is now: old versions, and what was deleted.

        As far as the store allows, and whoever asks may; what is left is told, and no error.
        """

    def sweep(self, prefix: str) -> None:
        """Remove what killed exporters left of drafts of objects whose names start with ``prefix``, if it stays."""

    def list(self, prefix: str, most: int | None = None) -> Iterator[Entry]:
        """The objects whose names start with ``prefix``, in order of name; one that is locked has ``lease: leased``.

        All of them, or the first ``most``, for which one request is enough.

        Looking never keeps an exporter from its lock.
        """

    def stat(self, name: str) -> Entry | None:
        """One object as a listing shows it, or None."""

    def stream(self, name: str) -> Iterator[bytes]:
        """The content of an object of any size, in pieces.

        Raises:
            StoreError: it is not there.
        """

    def part(self, name: str, start: int, length: int) -> bytes:
        """So many bytes of an object from ``start`` on; fewer where it ends before."""

    def lock(self, name: str, run: str) -> AbstractContextManager[None]:
        """Hold ``name`` for ``run`` as long as the context lasts.

        Raises:
            DayHeldError: another exporter holds it.
        """

    def draft(self, name: str, seen: str | None, *, afresh: bool = False) -> Draft:
        """Begin to write the dump ``name``, whose ETag is ``seen`` now (None: it is not there).

        ``afresh``: what is there is damaged, so not a byte of it is used again.
        """
