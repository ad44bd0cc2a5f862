"""Whose the rejected lines are: they are no events, so it is told as well as it can be.

A line is somebody's as `ids_in` says. What another person's line only mentions makes it nobody else's.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from exporter.privacy.ids import ids_in
from exporter.privacy.matching import Matcher


class _Record(msgspec.Struct):
    text: str | None = None
    base64: str | None = None


_decode = msgspec.json.Decoder(_Record).decode


@dataclass
class Sifted:
    """What was found in the rejected lines of a day: ``silent`` ones name nobody, so a person has to look at them."""

    taken: int = 0
    kept: int = 0
    silent: int = 0


def sift(pieces: Iterable[bytes], matcher: Matcher, keep: BinaryIO | None, take: list[bytes] | None) -> Sifted:
    """Go through the records in ``pieces``: those of the wanted are put into ``take``, all others into ``keep``.

    Memory is bounded by the longest record.
    """
    found = Sifted()
    for record in _records(pieces):
        ids = ids_in(content_of(record))
        if matcher.wanted.has(ids):
            found.taken += 1
            if take is not None:
                take.append(record)
            continue
        found.kept += 1
        found.silent += not ids
        if keep is not None:
            keep.write(record + b"\n")
    return found


def content_of(record: bytes) -> bytes:
    """The bytes of the line that a record keeps; of what is no record, the record itself."""
    try:
        found = _decode(record)
        if found.base64 is not None:
            return base64.b64decode(found.base64)
        if found.text is not None:
            return found.text.encode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error):
        pass
    return record


def _records(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for one in whole:
            yield b"".join((*held, one))
            held = []
        held.append(rest)
    if last := b"".join(held):
        yield last
