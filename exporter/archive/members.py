"""The members of an archive: found by name, put in order, inflated with every checksum checked.

What comes from outside has a bound here: the directory, the names, and how much an archive may inflate to.
"""

import logging
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from io import SEEK_END, SEEK_SET
from typing import IO, BinaryIO, cast

from isal import isal_zlib
from isal.igzip_lib import IsalError

from exporter.errors import BadArchiveError
from exporter.window import Window

BIGGEST_DIRECTORY = 4 << 20
"""Bytes that are read of an archive at a time; its directory is read at once."""
INFLATED_FACTOR, INFLATED_EXTRA = 256, 256 << 20
"""An archive may inflate to its own size times the factor, plus the extra bytes."""
READ, PIECE = 1 << 16, 1 << 14
"""Bytes. With larger pieces the copies of their rests leave holes in the heap: 12 MB after 2 GB of JSON lines."""
GZIP = 31  # zlib's wbits for a gzip member with its header and trailer
ENCRYPTED = 0x1

MEMBER = re.compile(
    r"(?:.*/)?(?P<project>\d+)_(?P<date>\d{4}-\d{2}-\d{2})_(?P<hour>\d{1,2})#(?P<part>\d{1,9})\.json\.gz", re.ASCII
)
DIRECTORY_ENTRY = b"PK\x01\x02"
LONGEST_NAME = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """One gzipped file of JSON lines in an archive, as its name tells it."""

    info: zipfile.ZipInfo
    project: str
    hour: int
    part: int

    @property
    def name(self) -> str:
        """As it stands in the archive."""
        return self.info.filename


def open_archive(archive: BinaryIO) -> zipfile.ZipFile:
    """Read the archive's directory.

    Raises:
        BadArchiveError: it is no ZIP, or cut off, or its directory cannot be right.
    """
    archive.seek(0)
    start = archive.read(4)
    if not start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise BadArchiveError(f"the body is no ZIP archive: it is empty or starts with {start!r}")
    try:
        opened = zipfile.ZipFile(cast("BinaryIO", _BoundedReads(archive)))
    except _BROKEN as error:
        raise BadArchiveError(f"the archive is cut off or corrupt: {error}") from error
    if start.startswith(b"PK\x03") and not opened.infolist():
        raise BadArchiveError("the archive is corrupt: its directory names none of what it holds")
    return opened


def members(opened: zipfile.ZipFile, window: Window) -> list[Member]:
    """The members in order; none that was not asked for, none twice, none whose name cannot be read.

    Raises:
        BadArchiveError: events would be lost or counted twice.
    """
    found: dict[tuple[int, int], Member] = {}
    for info in opened.infolist():
        name = info.filename[:LONGEST_NAME]
        parsed = MEMBER.fullmatch(info.filename)
        if DIRECTORY_ENTRY in info.comment + info.extra:
            raise BadArchiveError(f"the archive's directory is corrupt after {name!r}")
        if parsed is None:
            if info.filename.endswith(".json.gz"):
                raise BadArchiveError(f"the name of member {name!r} cannot be read")
            _check_name(opened, info)
            if not info.is_dir():
                log.warning(f"window {window}: {name!r} in the archive is no member of Amplitude's and is skipped")
            continue
        member = Member(info, parsed["project"], int(parsed["hour"]), int(parsed["part"]))
        if not _asked_for(window, parsed["date"], member.hour):
            raise BadArchiveError(f"member {name!r} is of an hour that was not asked for ({window})")
        if info.flag_bits & ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadArchiveError(f"member {name!r} is encrypted, or compressed in a way that Amplitude does not use")
        if (member.hour, member.part) in found:
            raise BadArchiveError(f"member {name!r} is in the archive twice")
        found[member.hour, member.part] = member
    if len({member.project for member in found.values()}) > 1:
        raise BadArchiveError("the archive holds members of more than one project")
    return [found[place] for place in sorted(found)]


def _check_name(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """A damaged directory must not turn a member into something to skip: its name stands before its content too."""
    try:
        opened.open(info).close()
    except _BROKEN as error:
        raise BadArchiveError(f"{info.filename[:LONGEST_NAME]!r} in the archive is corrupt: {error}") from error


def _asked_for(window: Window, day: str, hour: int) -> bool:
    try:
        return window.holds(date.fromisoformat(day), hour)
    except ValueError:
        return False


def inflate(opened: zipfile.ZipFile, member: Member, room: "Room", block: int) -> Iterator[bytes]:
    """The member's JSON lines in pieces of at most ``block`` bytes; every CRC and gzip trailer is checked.

    Raises:
        BadArchiveError: the member is cut off or corrupt, or the archive inflates to more than ``room``.
    """
    stream, begun = None, False
    try:
        with opened.open(member.info) as raw:
            for packed in _pieces(raw):
                room.take(len(packed), member.name)  # padding and empty gzip members inflate to nothing, for ever
                piece = packed
                while piece := piece if stream or not begun else piece.lstrip(b"\0"):
                    stream, begun = stream or isal_zlib.decompressobj(wbits=GZIP), True
                    inflated = stream.decompress(piece, block)
                    piece = stream.unconsumed_tail
                    if stream.eof:
                        piece, stream = stream.unused_data, None
                    room.take(len(inflated), member.name)
                    if inflated:
                        yield inflated
    except _BROKEN as error:
        raise BadArchiveError(f"member {member.name!r} is corrupt: {error}") from error
    if stream or not begun:
        raise BadArchiveError(f"member {member.name!r} is cut off")


def _pieces(raw: IO[bytes]) -> Iterator[bytes]:
    """Read much, which is cheap, and hand it on in small pieces: isal gives back as a copy what it has not used yet."""
    while read := raw.read(READ):
        for start in range(0, len(read), PIECE):
            yield read[start : start + PIECE]


class Room:
    """How many bytes an archive of ``size`` bytes may still inflate to."""

    def __init__(self, size: int) -> None:
        self._left = size * INFLATED_FACTOR + INFLATED_EXTRA

    def take(self, size: int, name: str) -> None:
        """Use ``size`` bytes of it for the member ``name``, or raise BadArchiveError."""
        self._left -= size
        if self._left < 0:
            raise BadArchiveError(f"member {name!r} inflates to more than a sound archive of its size can hold")


class _BoundedReads:
    """A file whose single reads are bounded: `zipfile` reads a directory of any size at once.

    Nor does it look where a directory points to before it seeks.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, SEEK_END)
        self.tell, self.seekable = file.tell, file.seekable

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        if whence == SEEK_SET and not 0 <= offset <= self._size:
            raise BadArchiveError("the archive is cut off or corrupt: its directory points outside of it")
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if size > BIGGEST_DIRECTORY:
            raise BadArchiveError(f"the archive's directory is bigger than {BIGGEST_DIRECTORY} bytes")
        return self._file.read(size)


_BROKEN: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    cast("type[Exception]", IsalError),  # its stub calls the class an instance
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What the standard library and isal raise on broken archives; found by the fuzz test."""
