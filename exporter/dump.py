r"""The dump's text: one JSON array, one event a line. The only code that knows brackets and commas, written or read.

``[\n`` event ``,\n`` event ``\n]\n``; a day without events is ``[]\n``. No byte of an event changes.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from exporter.archive.unzip import Events
from exporter.errors import DamagedError
from exporter.forget import Forget
from exporter.report import Progress, Step, no_progress
from exporter.store import Draft

AFTER_THE_HOURS = 24
LONGEST_LINE = (16 << 20) + 2
"""Bytes: of an event, as long as one may be, and what follows it."""
SEPARATOR = b",\n"
"""What stands between two events. No event holds it: a line feed ends a line."""
_BRACKETS = frozenset({b"[", b"]", b"[]"})


@dataclass(frozen=True)
class Mark:
    """A place between two windows to come back to."""

    draft: int
    digest: Any
    size: int
    empty: bool


class Dump:
    """The day's text on its way into a draft; ``size`` in bytes."""

    def __init__(self, draft: Draft, progress: Progress = no_progress) -> None:
        self.size = 0
        self._draft = draft
        self._progress = progress
        self._digest = hashlib.sha256()
        self._empty = True

    @property
    def sha256(self) -> str:
        """Of everything written so far, in hex."""
        return self._digest.hexdigest()

    def mark(self) -> Mark:
        """Where the text stands, for `back`."""
        return Mark(self._draft.mark(), self._digest.copy(), self.size, self._empty)

    def back(self, mark: Mark) -> None:
        """Forget everything written since ``mark``."""
        self._draft.back(mark.draft)
        self._digest, self.size, self._empty = mark.digest.copy(), mark.size, mark.empty

    def add(self, events: Events) -> None:
        """Append a block of events; one without any is passed over."""
        if not events.count:
            return
        self._write(events.hour, b"[\n" if self._empty else SEPARATOR)
        self._empty = False
        if events.count == 1:  # it may be large: no copy
            self._write(events.hour, memoryview(events.text)[: -len(b"\n")])
        else:
            joined = events.text.replace(b"\n", SEPARATOR)
            self._write(events.hour, memoryview(joined)[: -len(SEPARATOR)])
        self._progress(Step.WRITING, self.size, None)

    def add_joined(self, hour: int, text: bytes | memoryview) -> None:
        """Append events of ``hour`` that stand joined already, `SEPARATOR` between them; one at least."""
        self._write(hour, b"[\n" if self._empty else SEPARATOR)
        self._empty = False
        self._write(hour, text)
        self._progress(Step.WRITING, self.size, None)

    def finish(self) -> None:
        """Close the array."""
        self._write(AFTER_THE_HOURS, b"[]\n" if self._empty else b"\n]\n")

    def _write(self, hour: int, text: bytes | memoryview) -> None:
        self._draft.write(hour, text)
        self._digest.update(text)
        self.size += len(text)


@dataclass(frozen=True)
class ReadBack:
    """What reading a dump back found; ``size`` in bytes."""

    events: int
    size: int
    sha256: str


def read_back(pieces: Iterable[bytes]) -> ReadBack:
    """Count and hash the text of a dump as it comes from a store. Memory does not grow with it."""
    digest, size, ends = hashlib.sha256(), 0, 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        ends += piece.count(b"\n")
    return ReadBack(max(0, ends - len(b"[]")), size, digest.hexdigest())  # each bracket ends a line of its own


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The events of a dump, each as its own bytes.

    Raises:
        DamagedError: a line is longer than any event may be.
    """
    held: list[bytes] = []
    for piece in pieces:
        first, *others = piece.split(b"\n")
        held.append(first)
        if sum(map(len, held)) > LONGEST_LINE:
            raise DamagedError(f"a line of the dump is longer than {LONGEST_LINE} bytes: it is damaged")
        for begun in others:
            yield from _event(b"".join(held))
            held = [begun]


def blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The events of a dump, many at a time, each time as an array of its own: whole lines, `SEPARATOR` between them.

    Memory is bounded by the longest piece and the longest event.
    """
    held: list[bytes] = []
    begun = False
    for piece in pieces:
        end = piece.rfind(b"\n")
        if end < 0:
            held.append(piece)
            continue
        if begun and piece[end - 1 : end] == b",":  # the common case: between two events, and each byte copied once
            yield b"".join((b"[", *held, memoryview(piece)[: end - 1], b"]"))
        else:
            text = b"".join((*held, memoryview(piece)[:end]))
            if text not in _BRACKETS:
                yield b"[" + text.removeprefix(b"[\n").removesuffix(b"\n]").removesuffix(b",") + b"]"
        held = [piece[end + 1 :]]
        begun = True


def watched(pieces: Iterable[bytes], forget: Forget, tell: Callable[[bytes], object]) -> Iterator[bytes]:
    """The pieces of a dump as they come, and ``tell`` each event in them that is of somebody who was erased.

    Where a line is longer than any event may be, nothing more is told: the dump is damaged.
    """
    held = b""
    for piece in pieces:
        if len(held) <= LONGEST_LINE:
            end = piece.rfind(b"\n") + 1
            if end:
                block = b"".join((held, memoryview(piece)[:end])).replace(SEPARATOR, b"\n")
                for line in forget(block, None)[1]:
                    tell(line)
            held = piece[end:] if end else held + piece
        yield piece


def _event(line: bytes) -> Iterator[bytes]:
    if line not in _BRACKETS:
        yield line.removesuffix(b",")
