"""Pieces of a member become blocks of whole lines. Pure; memory is bounded by the longest line."""

from collections.abc import Iterator
from io import BytesIO

from exporter.errors import PermanentError

ALONE = 1 << 17
"""Bytes. The end of a line that began so far back is a block of its own: it is not copied with what follows."""
LARGE = 1 << 20
"""Bytes of a line for which memory is taken at once. What is not written of it is not resident."""


class LongLineError(PermanentError):
    """A line is longer than the memory that a line may take."""


def whole_lines(pieces: Iterator[bytes], longest: int) -> Iterator[bytes]:
    r"""Cut at ``\n`` only: blocks of whole lines, each ending with it.

    A piece without a line end, also an empty one, gives an empty block: so whoever waits hears of it. No piece is
    longer than ``longest``.

    Raises:
        LongLineError: a line has more than ``longest`` bytes; the lines before it have been yielded.
    """
    held = _Held(longest)
    for piece in pieces:
        first = piece.find(b"\n") + 1
        if held.size + (first - 1 if first else len(piece)) > longest:
            raise LongLineError
        start, cut = 0, piece.rfind(b"\n") + 1
        if held.size > ALONE and first:
            held.add(memoryview(piece)[:first])
            yield held.take()
            start = first
        if start < cut:
            held.add(memoryview(piece)[start:cut])
            yield held.take()
        elif not cut:
            yield b""
        if cut < len(piece):
            held.add(memoryview(piece)[cut:])
    if held.size:
        held.add(b"\n")
        yield held.take()


class _Held:
    """What is waiting for its line end: a BytesIO gives its bytes away without a copy, so a line is in memory once."""

    def __init__(self, longest: int) -> None:
        self.size = 0
        self._longest = longest
        self._file = BytesIO()

    def add(self, piece: bytes | memoryview) -> None:
        """Put ``piece`` behind it. From LARGE on there is room for the longest line: growing would copy it."""
        if self.size <= LARGE < self.size + len(piece):
            begun, self._file = self._file.getvalue(), BytesIO(bytes(self._longest + len(b"\n")))
            self._file.write(begun)
        self._file.write(piece)
        self.size += len(piece)

    def take(self) -> bytes:
        """Give all of it away."""
        self._file.truncate()
        whole, self._file, self.size = self._file.getvalue(), BytesIO(), 0
        return whole
