r"""The ZIP around the members: its directory is read, and every byte of the archive is accounted for.

From the first byte to the last there is only: a header and the content of each entry, in the order of the directory;
the directory; its end. Both say the same of each entry. So nothing is hidden between entries, behind a directory that
counts fewer than there are, before the first or after the last: an archive with anything else is spoilt. A comment at
the end counts as something else; Amplitude writes none.
"""

from collections.abc import Iterator
from io import SEEK_END
from struct import Struct
from typing import BinaryIO

from exporter.archive.entries import IN_ZIP64, START, Entry, found, named, shown
from exporter.errors import BadArchiveError

BIGGEST_DIRECTORY = 2 << 20
"""Bytes. A directory is read at once; there is room in it for some 20,000 members."""

_END = Struct("<4s4H2LH")
_LOCATOR64 = Struct("<4sLQL")
_END64 = Struct("<4sQ2H2L4Q")
_IN_ZIP64_16 = 0xFFFF
"""A count that says: look into the Zip64 end. So does IN_ZIP64 in a length."""
_EMPTY_DEFLATE = b"\x03\x00"


def holds_members(archive: BinaryIO) -> bool:
    """Whether a body, sound or not, begins like a ZIP with something in it."""
    archive.seek(0)
    return archive.read(len(START)) == START


def files_in(archive: BinaryIO) -> Iterator[Entry]:
    """The files in the order of the directory; folders, which hold nothing, are left out.

    Take all of them before you believe one: what is wrong behind the last entry is raised after it.

    Raises:
        BadArchiveError: it is no ZIP, or cut off, or a byte of it is not accounted for.
    """
    size = archive.seek(0, SEEK_END)
    archive.seek(0)
    start = archive.read(4)
    if start not in (START, b"PK\x05\x06"):
        raise BadArchiveError(f"the body is no ZIP archive: it is empty or starts with {start!r}")
    count, begin, directory = _directory(archive, size)
    in_directory = in_body = 0
    for _ in range(count):
        entry, head, in_directory = named(directory, in_directory)
        if head.offset != in_body:
            raise BadArchiveError(
                f"the archive is corrupt before {shown(entry.name)}: something hides or is missing there"
            )
        entry, in_body = found(archive, entry, head)
        if not entry.name.endswith("/"):
            yield entry
        elif entry.size or entry.crc or _content(archive, entry) not in (b"", _EMPTY_DEFLATE):
            raise BadArchiveError(f"{shown(entry.name)} in the archive is a folder and holds data")
    if in_directory != len(directory):
        raise BadArchiveError(f"the archive is corrupt: its directory counts {count} entries and names more")
    if in_body != begin:
        raise BadArchiveError("the archive is corrupt: it holds something that its directory does not name")


def names_in(archive: BinaryIO) -> Iterator[str]:
    """The names in the directory of an archive that is not sound, as far as they can be read."""
    try:
        count, _, directory = _directory(archive, archive.seek(0, SEEK_END))
        place = 0
        for _ in range(count):
            entry, _, place = named(directory, place)
            yield entry.name
    except BadArchiveError:
        return


def _directory(archive: BinaryIO, size: int) -> tuple[int, int, bytes]:
    """How many entries the directory counts, where it begins, and its bytes."""
    stop = size - _END.size
    if stop < 0:
        raise BadArchiveError("the archive is cut off: it is too short")
    archive.seek(stop)
    mark, disk, disk_of_directory, here, count, length, begin, comment = _END.unpack(archive.read(_END.size))
    if mark != b"PK\x05\x06" or comment:
        raise BadArchiveError("the archive is cut off or corrupt: the end of its directory is not at its end")
    if wide := _directory64(archive, stop):
        stop, (*counts, wide_length, wide_begin) = wide
        fits = all(old in (_IN_ZIP64_16, new) for old, new in zip((here, count), counts, strict=True)) and all(
            old in (IN_ZIP64, new) for old, new in ((length, wide_length), (begin, wide_begin))
        )
        if not fits:
            raise BadArchiveError("the archive is corrupt: its two directory ends contradict each other")
        (here, count), length, begin = counts, wide_length, wide_begin
    if disk or disk_of_directory or here != count:
        raise BadArchiveError("the archive is corrupt: its directory is only a part of one")
    if length > BIGGEST_DIRECTORY:
        raise BadArchiveError(f"the archive's directory is bigger than {BIGGEST_DIRECTORY} bytes")
    if begin + length != stop:
        raise BadArchiveError("the archive is cut off or corrupt: its directory is not where its end says")
    archive.seek(begin)
    return count, begin, archive.read(length)


def _directory64(archive: BinaryIO, stop: int) -> tuple[int, list[int]] | None:
    """Where the Zip64 end begins, and its two counts, its length and its begin; None if there is none."""
    place = stop - _LOCATOR64.size
    if place < 0:
        return None
    archive.seek(place)
    mark, disk, at, disks = _LOCATOR64.unpack(archive.read(_LOCATOR64.size))
    if mark != b"PK\x06\x07":
        return None
    if disk or disks != 1 or at != place - _END64.size:
        raise BadArchiveError("the archive is cut off or corrupt: its Zip64 end is not where its directory's end says")
    archive.seek(at)
    mark, length, _made, _needs, this_disk, disk, *numbers = _END64.unpack(archive.read(_END64.size))
    if mark != b"PK\x06\x06" or length != _END64.size - 12 or this_disk or disk:
        raise BadArchiveError("the archive is corrupt: its Zip64 end cannot be read")
    return at, numbers


def _content(archive: BinaryIO, entry: Entry) -> bytes:
    archive.seek(entry.start)
    return archive.read(min(entry.packed, len(_EMPTY_DEFLATE) + 1))
