"""The members of an archive: found by name, put in order, inflated with every checksum checked.

What comes from outside has a bound here: the names, and how much an archive may inflate to.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, cast

from isal import isal_zlib
from isal.igzip_lib import IsalError

from exporter.archive.directory import files_in, names_in
from exporter.archive.entries import Entry, shown
from exporter.errors import BadArchiveError
from exporter.window import Window

INFLATED_FACTOR, INFLATED_EXTRA = 256, 256 << 20
"""An archive may inflate to its own size times the factor, plus the extra bytes."""
READ, PIECE = 1 << 16, 1 << 14
"""Bytes. With larger pieces the copies of their rests leave holes in the heap: 12 MB after 2 GB of JSON lines."""
_GZIP, _DEFLATE = 31, -15  # zlib's wbits for a gzip member with its header and trailer, and for a bare stream

MEMBER = re.compile(
    r"(?:(?P<folder>\d{1,20})/)?(?P<project>\d{1,20})_(?P<date>\d{4}-\d{2}-\d{2})_(?P<hour>\d{1,2})#(?P<part>\d{1,9})"
    r"\.json\.gz",
    re.ASCII,
)
"""``<project>/<project>_<date>_<H>#<part>.json.gz``; the folder may be missing. Hour and part are read as numbers."""

_BROKEN: tuple[type[Exception], ...] = (zlib.error, cast("type[Exception]", IsalError))  # its stub: an instance
"""What isal raises on broken content."""


@dataclass(frozen=True, slots=True)
class Member:
    """One gzipped file of JSON lines in an archive, as its name tells it."""

    entry: Entry
    project: str
    hour: int
    part: int

    @property
    def name(self) -> str:
        """As it stands in the archive."""
        return self.entry.name


def members(archive: BinaryIO, window: Window) -> list[Member]:
    """The members in order; nothing else is in the archive, none was not asked for, none is there twice.

    Raises:
        BadArchiveError: events would be lost or counted twice.
    """
    found: dict[tuple[int, int], Member] = {}
    project = ""
    for entry in files_in(archive):
        member = _member(entry, window)
        if project and member.project != project:
            raise BadArchiveError("the archive holds members of more than one project")
        project = member.project
        if (member.hour, member.part) in found:
            raise BadArchiveError(f"member {shown(entry.name)} is in the archive twice")
        found[member.hour, member.part] = member
    return [found[place] for place in sorted(found)]


def hours_named(archive: BinaryIO, window: Window) -> list[int]:
    """The hours of ``window`` that the directory of an archive that is not sound names, once for each part of them."""
    found = (MEMBER.fullmatch(name) for name in names_in(archive))
    places = {(int(one["hour"]), int(one["part"])) for one in found if one and one["date"] == str(window.day)}
    return [hour for hour, _ in places if window.holds(window.day, hour)]


def _member(entry: Entry, window: Window) -> Member:
    parsed = MEMBER.fullmatch(entry.name)
    if parsed is None or parsed["folder"] not in (None, parsed["project"]):
        raise BadArchiveError(
            f"{shown(entry.name)} in the archive is neither a folder nor a member of Amplitude's. "
            "What is not understood is not skipped, since it may hold events"
        )
    hour = int(parsed["hour"])
    try:
        asked_for = window.holds(date.fromisoformat(parsed["date"]), hour)
    except ValueError:
        asked_for = False
    if not asked_for:
        raise BadArchiveError(f"member {shown(entry.name)} is of an hour that was not asked for ({window})")
    return Member(entry, parsed["project"], hour, int(parsed["part"]))


class Allowance:
    """How many bytes an archive of ``size`` bytes may still inflate to."""

    def __init__(self, size: int) -> None:
        self._left = size * INFLATED_FACTOR + INFLATED_EXTRA

    def spend(self, size: int, name: str) -> None:
        """Use ``size`` bytes of it for the member ``name``.

        Raises:
            BadArchiveError: it is used up.
        """
        self._left -= size
        if self._left < 0:
            raise BadArchiveError(f"member {shown(name)} inflates to more than a sound archive of its size can hold")


def inflate(archive: BinaryIO, member: Member, allowance: Allowance, block: int) -> Iterator[bytes]:
    """The member's JSON lines in pieces of at most ``block`` bytes; every CRC and gzip trailer is checked.

    Where much is read and nothing comes of it, empty pieces come, so that somebody can look at the clock.

    Raises:
        BadArchiveError: the member is cut off or corrupt, or the archive inflates to more than its ``allowance``.
    """
    stream, begun = None, False
    try:
        for packed in _unzipped(archive, member.entry):
            allowance.spend(len(packed), member.name)  # padding and empty gzip members inflate to nothing, for ever
            piece, gave = packed, False
            while piece := piece if stream or not begun else piece.lstrip(b"\0"):
                stream, begun = stream or isal_zlib.decompressobj(wbits=_GZIP), True
                inflated = stream.decompress(piece, block)
                piece = stream.unconsumed_tail
                if stream.eof:
                    piece, stream = stream.unused_data, None
                allowance.spend(len(inflated), member.name)
                if inflated:
                    gave = True
                    yield inflated
            if not gave:
                yield b""
    except _BROKEN as error:
        raise BadArchiveError(f"member {shown(member.name)} is corrupt: {error}") from error
    if stream or not begun:
        raise BadArchiveError(f"member {shown(member.name)} is cut off")


def _unzipped(archive: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The gzip bytes that the ZIP holds, in small pieces; their length and CRC are those that it says."""
    pieces = _pieces(archive, entry)
    crc = size = 0
    for piece in _undeflated(pieces, entry.name) if entry.deflated else pieces:
        crc = isal_zlib.crc32(piece, crc)
        size += len(piece)
        yield piece
    if (crc, size) != (entry.crc, entry.size):
        raise BadArchiveError(f"member {shown(entry.name)} is corrupt: its length or CRC is not what the ZIP says")


def _pieces(archive: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Read much, which is cheap, and hand it on in small pieces: isal gives back as a copy what it has not used yet."""
    archive.seek(entry.start)
    left = entry.packed
    while left and (read := archive.read(min(READ, left))):
        left -= len(read)
        for start in range(0, len(read), PIECE):
            yield read[start : start + PIECE]


def _undeflated(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    stream = isal_zlib.decompressobj(wbits=_DEFLATE)
    for packed in pieces:
        if stream.eof:
            raise BadArchiveError(f"member {shown(name)} is corrupt: something stands behind its content")
        piece, more = packed, True
        while more and not stream.eof:
            inflated = stream.decompress(piece, READ)
            piece = stream.unconsumed_tail
            more = bool(piece) or len(inflated) == READ  # a full piece: more of it may wait inside
            if inflated:
                yield inflated
    if not stream.eof or stream.unused_data:
        raise BadArchiveError(f"member {shown(name)} is corrupt: its content does not end where the ZIP says")
