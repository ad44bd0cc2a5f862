"""The entries of a ZIP: what the directory says of each, and what stands before and behind its content.

Both say the same, byte for byte and number for number, or the archive is spoilt.
"""

from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

from exporter.errors import BadArchiveError

START = b"PK\x03\x04"
"""The first bytes of an entry, and so of every ZIP with something in it."""
LONGEST_SHOWN = 200
"""Characters of a name in a message."""

IN_ZIP64 = 0xFFFFFFFF
"""A length or place that says: look into the Zip64 field."""
_ENTRY = Struct("<4s6H3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_ZIP64_FIELD, _WIDE = 1, 8
"""The kind of the field; the bytes of each number in it."""
_STORED, _DEFLATED = 0, 8
_SIZES_FOLLOW, _HARMLESS_FLAGS = 0x8, 0x80E
"""Sizes behind the content; the same, the names' encoding, and how much the deflater tried."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in the archive: ``packed`` bytes from ``start`` on, which are ``size`` bytes with this ``crc``."""

    name: str
    start: int
    packed: int
    size: int
    crc: int
    deflated: bool


@dataclass(frozen=True, slots=True)
class Head:
    """What the directory says of an entry that `Entry` does not."""

    raw_name: bytes
    flags: int
    method: int
    offset: int


def shown(name: str) -> str:
    """A foreign name for a message: printable, quoted, at most LONGEST_SHOWN characters of it."""
    return repr("".join(c if c.isprintable() else "?" for c in name[:LONGEST_SHOWN]))


def named(directory: bytes, at: int) -> tuple[Entry, Head, int]:
    """The entry that the directory names at ``at``, and where the next one stands.

    Raises:
        BadArchiveError: there is none, or it is packed in a way that nobody reads.
    """
    end = at + _ENTRY.size
    if end > len(directory):
        raise BadArchiveError("the archive is corrupt: its directory counts more entries than it names")
    fields = _ENTRY.unpack_from(directory, at)
    mark, _made, _needs, flags, method, _time, _date, crc, packed, size, name_length, *rest = fields
    extra_length, comment_length, disk, _inner, _outer, offset = rest
    raw_name = directory[end : end + name_length]
    name = raw_name.decode(errors="replace")
    extra_at, next_at = end + name_length, end + name_length + extra_length + comment_length
    if mark != b"PK\x01\x02" or disk:
        raise BadArchiveError("the archive is corrupt: an entry of its directory cannot be read")
    if flags & ~_HARMLESS_FLAGS or method not in (_STORED, _DEFLATED):
        raise BadArchiveError(f"member {shown(name)} is encrypted, or compressed in a way that Amplitude does not use")
    extra = directory[extra_at : extra_at + extra_length]
    size, packed, offset = _wide(extra, size, packed, offset)
    head = Head(raw_name, flags, method, offset)
    return Entry(name, 0, packed, size, crc, deflated=method == _DEFLATED), head, next_at


def found(archive: BinaryIO, entry: Entry, head: Head) -> tuple[Entry, int]:
    """The entry with its place in the archive, and where the next one must begin.

    Raises:
        BadArchiveError: it is not there, or what stands before or behind its content says something else.
    """
    archive.seek(head.offset)
    read = archive.read(_LOCAL.size)
    if not read.startswith(START) or len(read) < _LOCAL.size:
        raise BadArchiveError(f"the archive is corrupt: {shown(entry.name)} is not where its directory says")
    (_mark, _needs, flags, method, _time, _date, crc, packed, size, name_length, extra_length) = _LOCAL.unpack(read)
    name, extra = archive.read(name_length), archive.read(extra_length)
    start = head.offset + _LOCAL.size + name_length + extra_length
    stop = start + entry.packed
    same = (name, flags, method) == (head.raw_name, head.flags, head.method)
    if flags & _SIZES_FOLLOW:
        behind = _sizes_behind(archive, entry, stop)
        same, stop = same and behind > 0, stop + behind
    elif same:
        same = (crc, *_wide(extra, size, packed)) == (entry.crc, entry.size, entry.packed)
    if not same:
        raise BadArchiveError(f"the archive is corrupt: {shown(entry.name)} is described in two ways that do not agree")
    return Entry(entry.name, start, entry.packed, entry.size, entry.crc, entry.deflated), stop


def _sizes_behind(archive: BinaryIO, entry: Entry, stop: int) -> int:
    """Length of the sizes behind a content that ends at ``stop``; 0 if they are not there, or others."""
    archive.seek(stop)
    there = archive.read(24)
    crc = entry.crc.to_bytes(4, "little")
    for width in (8, 4):  # the longer first: it may begin like the shorter one
        if max(entry.packed, entry.size) >> (8 * width):
            continue
        sizes = crc + entry.packed.to_bytes(width, "little") + entry.size.to_bytes(width, "little")
        for form in (b"PK\x07\x08" + sizes, sizes):
            if there.startswith(form):
                return len(form)
    return 0


def _wide(extra: bytes, *values: int) -> list[int]:
    """The values; those that say so are taken from the Zip64 field, in its order."""
    if IN_ZIP64 not in values:
        return list(values)
    field, at = b"", 0
    while at + 4 <= len(extra):
        kind, length = int.from_bytes(extra[at : at + 2], "little"), int.from_bytes(extra[at + 2 : at + 4], "little")
        if kind == _ZIP64_FIELD:
            field = extra[at + 4 : at + 4 + length]
            break
        at += 4 + length
    wide = []
    for value in values:
        width = _WIDE if value == IN_ZIP64 else 0
        if len(field) < width:
            raise BadArchiveError("the archive is corrupt: a Zip64 field is missing")
        wide.append(int.from_bytes(field[:width], "little") if width else value)
        field = field[width:]
    return wide
