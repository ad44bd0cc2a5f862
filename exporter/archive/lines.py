"""Pieces of a member become blocks of whole lines. Pure; memory is bounded by the longest line."""

from collections.abc import Iterator
from io import BytesIO

from exporter.errors import PermanentError

ALONE = 1 << 17
"""Bytes. The end of a line that began so far back is a block of its own: it is not copied with what follows."""


class LongLineError(PermanentError):
    """A line is longer than the memory that a line may take."""


def whole_lines(pieces: Iterator[bytes], longest: int) -> Iterator[bytes]:
    r"""Cut at ``\n`` only: blocks of whole lines, each ending with it.

    A piece without a line end, also an empty one, gives an empty block: so whoever waits hears of it. No piece is
    longer than ``longest``.

    Raises:
        LongLineError: a line has more than ``longest`` bytes; the lines before it have been yielded.
    """
    held, size = BytesIO(), 0  # a BytesIO gives its bytes away without a copy: a long line is in memory once
    for piece in pieces:
        first = piece.find(b"\n") + 1
        if size + (first - 1 if first else len(piece)) > longest:
            raise LongLineError
        start, cut = 0, piece.rfind(b"\n") + 1
        if size > ALONE and first:
            held.write(memoryview(piece)[:first])
            yield held.getvalue()
            start, held, size = first, BytesIO(), 0
        if start < cut:
            held.write(memoryview(piece)[start:cut])
            block = held.getvalue()
            held, size = BytesIO(), 0
            yield block
        elif not cut:
            yield b""
        if cut < len(piece):
            held.write(memoryview(piece)[cut:])
            size += len(piece) - cut
    if size:
        held.write(b"\n")
        yield held.getvalue()
