"""The store: where dumps live. The seam only: a folder (`folder`) and a container (`blob`) stand behind it.

One suite of tests holds both to what is written here.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

ANY = "*"
"""In place of an ETag: whatever is there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as a listing shows it; ``metadata`` is None where the store has none."""

    name: str
    size: int
    etag: str
    metadata: Mapping[str, str] | None = None


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
    """Named objects, and drafts that become one."""

    def read(self, name: str) -> tuple[bytes, str] | None:
        """The content and ETag of a small object, or None."""

    def write(self, name: str, content: bytes | BinaryIO, *, seen: str | None, metadata: Mapping[str, str]) -> str:
        """Put an object in one step and return its ETag.

        ``seen`` is the ETag that must be there now, None if nothing must be there, or ANY.

        Raises:
            LostRaceError: something else is there.
        """

    def delete(self, name: str) -> None:
        """Remove an object; harmless if it is not there."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """All objects whose names start with ``prefix``, in order of name."""

    def stat(self, name: str) -> Entry | None:
        """One object as a listing shows it, or None."""

    def stream(self, name: str) -> Iterator[bytes]:
        """The content of an object of any size, in pieces."""

    def part(self, name: str, start: int, length: int) -> bytes:
        """So many bytes of an object from ``start`` on; fewer where it ends before."""

    def lock(self, name: str, run: str) -> AbstractContextManager[None]:
        """Hold ``name`` for ``run`` as long as the context lasts.

        Raises:
            DayHeldError: another exporter holds it.
        """

    def draft(self, name: str, seen: str | None) -> Draft:
        """Begin to write the dump ``name``, whose ETag is ``seen`` now (None: it is not there)."""
