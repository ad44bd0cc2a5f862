"""An archive of a window becomes verified blocks of events.

Everything is checked on the way: each member's name and hour, each CRC, each gzip trailer, each line. Memory is
bounded whatever the archive, the member or the line holds.
"""

import logging
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from io import SEEK_END, SEEK_SET
from typing import BinaryIO, cast

from isal import isal_zlib
from isal.igzip_lib import IsalError

from exporter.clock import Progress, unseen
from exporter.errors import BadArchiveError
from exporter.events import add_days, event_date, fault, keys, lines_of, prove
from exporter.rejected import RejectedLines
from exporter.window import Window

LONGEST_LINE = 64 << 20
"""Bytes of a line without its line feed; a longer one is rejected as too long."""
BIGGEST_DIRECTORY = 4 << 20
"""Bytes that are read of an archive at a time; its directory is read at once."""
INFLATED_FACTOR, INFLATED_EXTRA = 256, 256 << 20
"""An archive may inflate to its own size times the factor, plus the extra bytes."""
READ = 1 << 15
BLOCK = 1 << 18
GZIP = 31  # zlib's wbits for a gzip member with its header and trailer
ENCRYPTED = 0x1

MEMBER = re.compile(
    r"(?:.*/)?(?P<project>\d+)_(?P<date>\d{4}-\d{2}-\d{2})_(?P<hour>\d{1,2})#(?P<part>\d{1,9})\.json\.gz", re.ASCII
)
DIRECTORY_ENTRY = b"PK\x01\x02"
LONGEST_NAME = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Events:
    r"""A block of verified events of one hour: ``count`` lines, each ending with ``\n``."""

    hour: int
    text: bytes
    count: int


@dataclass
class Tally:
    """What has been found so far: per hour, per event date, per project; and where the rejected lines go."""

    rejected: RejectedLines
    members: Counter[int] = field(default_factory=Counter)
    events: Counter[int] = field(default_factory=Counter)
    event_days: dict[str, int] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    columns: set[frozenset[str]] = field(default_factory=set)

    def add(self, window: "Tally") -> None:
        """Add what was found in one more window; its rejected lines are in the same place already."""
        self.members += window.members
        self.events += window.events
        add_days(self.event_days, window.event_days)
        self.projects |= window.projects
        self.columns |= window.columns


@dataclass(frozen=True, slots=True)
class _Member:
    info: zipfile.ZipInfo
    project: str
    hour: int
    part: int


def unzip(
    archive: BinaryIO,
    window: Window,
    tally: Tally,
    progress: Progress = unseen,
    *,
    longest_line: int = LONGEST_LINE,
    block: int = BLOCK,
) -> Iterator[Events]:
    """Yield the events of ``archive`` in order of hour, part and line; count and reject on the way into ``tally``.

    ``block``, in bytes and at most ``longest_line``, is how much is inflated at a time; it never changes the result.

    Raises:
        BadArchiveError: the archive is not whole, not sound, or not of this window.
        RejectedError: the rejected lines take too much room.
    """
    size = archive.seek(0, SEEK_END)
    room = _Room(size * INFLATED_FACTOR + INFLATED_EXTRA)
    with _open(archive) as opened:
        for member in _members(opened, window):
            tally.members[member.hour] += 1
            tally.projects.add(member.project)
            pieces = _inflate(opened, member.info, room, block)
            for text, count in _events(member.info.filename, pieces, tally, longest_line):
                tally.events[member.hour] += count
                yield Events(member.hour, text, count)
            progress("unzipping", archive.tell(), size)


def _open(archive: BinaryIO) -> zipfile.ZipFile:
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


def _members(opened: zipfile.ZipFile, window: Window) -> list[_Member]:
    """The members in order; none that was not asked for, none twice, none whose name cannot be read."""
    found: dict[tuple[int, int], _Member] = {}
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
        member = _Member(info, parsed["project"], int(parsed["hour"]), int(parsed["part"]))
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


def _inflate(opened: zipfile.ZipFile, info: zipfile.ZipInfo, room: "_Room", block: int) -> Iterator[bytes]:
    """The member's JSON lines in pieces of at most ``block`` bytes; every CRC and gzip trailer is checked."""
    stream, begun = None, False
    try:
        with opened.open(info) as raw:
            while piece := raw.read(READ):
                room.take(len(piece), info.filename)  # padding and empty gzip members inflate to nothing, for ever
                while piece := piece if stream or not begun else piece.lstrip(b"\0"):
                    stream, begun = stream or isal_zlib.decompressobj(wbits=GZIP), True
                    inflated = stream.decompress(piece, block)
                    piece = stream.unconsumed_tail
                    if stream.eof:
                        piece, stream = stream.unused_data, None
                    room.take(len(inflated), info.filename)
                    if inflated:
                        yield inflated
    except _BROKEN as error:
        raise BadArchiveError(f"member {info.filename!r} is corrupt: {error}") from error
    if stream or not begun:
        raise BadArchiveError(f"member {info.filename!r} is cut off")


def _events(name: str, pieces: Iterator[bytes], tally: Tally, longest: int) -> Iterator[tuple[bytes, int]]:
    number = 0  # of lines seen, blank ones too
    for found in _whole_lines(pieces, longest):
        if isinstance(found, bytes):
            if not number:
                tally.columns.add(keys(found[: found.index(b"\n")]))
            days: dict[str, int] = {}
            count = prove(found, days)
            text, lines = found, count
            if count is None:
                days = {}
                text, count, lines = _careful(name, number, found, tally.rejected, days)
            add_days(tally.event_days, days)
            number += lines or 0
            if count:
                yield text, count
        else:
            number += _reject_long(name, number + 1, found, longest, tally.rejected)


def _careful(
    name: str, before: int, block: bytes, rejected: RejectedLines, days: dict[str, int]
) -> tuple[bytes, int, int]:
    """Line by line: the good lines as a block of their own, how many they are, how many lines there were."""
    good, number = [], before
    for number, line in enumerate(lines_of(block[:-1]), start=before + 1):
        if not line.strip(b" \t\r"):
            continue
        if prove(line + b"\n", days) is None:
            if reason := fault(line):
                rejected.add(name, number, reason, line)
                continue
            date_of = event_date(line)
            days[date_of] = days.get(date_of, 0) + 1
        good.append(line)
    return b"".join(line + b"\n" for line in good), len(good), number - before


@dataclass(frozen=True, slots=True)
class _LongPiece:
    """A piece of a line that is too long; ``first`` and ``last`` of the line's pieces."""

    text: bytes
    first: bool
    last: bool


def _reject_long(name: str, number: int, piece: _LongPiece, longest: int, rejected: RejectedLines) -> int:
    """Pass a piece on; returns how many lines ended with it."""
    if piece.first:
        rejected.begin_long(name, number, f"longer than {longest} bytes")
    rejected.add_long(piece.text)
    if piece.last:
        rejected.end_long()
    return int(piece.last)


def _whole_lines(pieces: Iterator[bytes], longest: int) -> Iterator[bytes | _LongPiece]:
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
        yield _LongPiece(b"", first=False, last=True)
    elif held:
        yield b"".join((*held, b"\n"))


def _first_line(piece: bytes) -> int:
    end = piece.find(b"\n")
    return len(piece) if end < 0 else end


def _long(held: list[bytes], line: bytes, *, too_long: bool, ends: bool) -> Iterator[_LongPiece]:
    texts = [*held, line]
    for number, text in enumerate(texts):
        first = not too_long and number == 0
        yield _LongPiece(text, first=first, last=ends and number == len(texts) - 1)


class _Room:
    """How many bytes the archive may still inflate to."""

    def __init__(self, room: int) -> None:
        self._left = room

    def take(self, size: int, name: str) -> None:
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
