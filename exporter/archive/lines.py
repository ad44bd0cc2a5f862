"""Pieces of a member become blocks of whole lines. Pure; memory is bounded by the longest line."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LongPiece:
    """A piece of a line that is too long; ``first`` and ``last`` of the line's pieces."""

    text: bytes
    first: bool
    last: bool


def whole_lines(pieces: Iterator[bytes], longest: int) -> Iterator[bytes | LongPiece]:
    r"""Cut at ``\n`` only: blocks of whole lines, each ending with it, and the pieces of lines that are too long."""
    held: list[bytes] = []
    size = 0
    too_long = False
    for piece in pieces:
        rest = piece
        if size + _first_line(rest) > longest or too_long:
            end = rest.find(b"\n")
            line, rest = (rest, b"") if end < 0 else (rest[:end], rest[end + 1 :])
            yield from _long(held, line, too_long=too_long, ends=end >= 0)
            held, size, too_long = [], 0, end < 0
        cut = rest.rfind(b"\n") + 1
        if cut:
            block = b"".join((*held, rest[:cut]))
            held, size = [], 0
            yield block
        if cut < len(rest):
            held.append(rest[cut:])
            size += len(rest) - cut
    if too_long:
        yield LongPiece(b"", first=False, last=True)
    elif held:
        yield b"".join((*held, b"\n"))


def _first_line(piece: bytes) -> int:
    end = piece.find(b"\n")
    return len(piece) if end < 0 else end


def _long(held: list[bytes], line: bytes, *, too_long: bool, ends: bool) -> Iterator[LongPiece]:
    texts = [*held, line]
    for number, text in enumerate(texts):
        first = not too_long and number == 0
        yield LongPiece(text, first=first, last=ends and number == len(texts) - 1)
