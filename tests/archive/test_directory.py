"""The ZIP around the members: whatever is not accounted for spoils the archive, before a byte of it is inflated."""

import gzip
import io
import random
import struct
import zipfile
import zlib
from dataclasses import dataclass, field, replace

import pytest

from exporter.archive import directory as module
from exporter.archive.directory import files_in
from exporter.archive.members import PIECE, members
from exporter.errors import BadArchiveError
from exporter.simulator.archive import Member, write_archive
from tests.kit import WHOLE_DAY, member, overwritten, unzipped, zipped

LINE = b'{"event_time":"2025-11-06 05:00:00","a":1}'
BODY = gzip.compress(LINE, mtime=0)
LIMIT = 0xFFFFFFFF
DIRECTORY, END = b"PK\x01\x02", b"PK\x05\x06"


@dataclass(frozen=True)
class Zipped:
    """An entry as a ZIP spells it; what it says of itself can be changed for each of its places."""

    name: bytes = member().encode()
    body: bytes = BODY
    flags: int = 0
    method: int = 0
    size: int | None = None
    local: dict[str, int | bytes] = field(default_factory=dict)
    named: dict[str, int | bytes] = field(default_factory=dict)
    zip64: bool = False
    behind: bytes = b""

    def says(self, where: dict[str, int | bytes]) -> tuple[bytes, int, int, int, int, int]:
        """Name, flags, method, CRC, packed and real size."""
        crc, size = zlib.crc32(self.body), len(self.body) if self.size is None else self.size
        usual = {"name": self.name, "flags": self.flags, "method": self.method, "crc": crc, "packed": len(self.body)}
        found = {**usual, "size": size, **where}
        return tuple(found.values())  # type: ignore[return-value]

    def before(self) -> bytes:
        """The local header."""
        name, flags, method, crc, packed, size = self.says(self.local)
        extra = struct.pack("<2H2Q", 1, 16, size, packed) if self.zip64 else b""
        sizes = (crc, LIMIT, LIMIT) if self.zip64 else (crc, packed, size)
        head = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, flags, method, 0, 0, *sizes, len(name), len(extra))
        return head + name + extra

    def entry(self, offset: int) -> bytes:
        """The entry in the directory."""
        name, flags, method, crc, packed, size = self.says(self.named)
        extra = struct.pack("<2H3Q", 1, 24, size, packed, offset) if self.zip64 else b""
        numbers = (crc, LIMIT, LIMIT) if self.zip64 else (crc, packed, size)
        head = struct.pack("<4s6H3L", DIRECTORY, 45, 45, flags, method, 0, 0, *numbers)
        tail = struct.pack("<5H2L", len(name), len(extra), 0, 0, 0, 0, LIMIT if self.zip64 else offset)
        return head + tail + name + extra


def spelled(
    *entries: Zipped, before: bytes = b"", between: bytes = b"", zip64: bool = False, counted: int = 0
) -> bytes:
    """A ZIP of the entries with these bytes before and between them; ``counted`` is added to its count."""
    text, directory = before, b""
    for entry in entries:
        directory += entry.entry(len(text))
        text += entry.before() + entry.body + entry.behind + between
    count, begin, end = len(entries) + counted, len(text), b""
    if zip64:
        end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), begin)
        end += struct.pack("<4sLQL", b"PK\x06\x07", 0, begin + len(directory), 1)
        numbers = (0xFFFF, 0xFFFF, LIMIT, LIMIT)
    else:
        numbers = (count, count, len(directory), begin)
    return text + directory + end + END + struct.pack("<4H2LH", 0, 0, *numbers, 0)


def spoilt(content: bytes, says: str = "corrupt") -> None:
    """The members are not even counted."""
    with pytest.raises(BadArchiveError, match=says) as raised:
        members(io.BytesIO(content), WHOLE_DAY)
    assert len(str(raised.value)) < 400


FIRST, SECOND = Zipped(), Zipped(member(6).encode())
SOUND = spelled(FIRST, SECOND)


def test_a_zip_as_others_spell_it_is_sound() -> None:
    """Stored, deflated, as a stream, as Zip64, with a folder, with old and new sizes behind a member."""
    deflated = zlib.compress(BODY, wbits=-15)
    crc, packed, size = zlib.crc32(BODY), len(deflated), len(BODY)
    unknown: dict[str, int | bytes] = {"crc": 0, "packed": 0, "size": 0}
    said: dict[str, int | bytes] = {"crc": crc, "packed": packed, "size": size}
    stream = Zipped(SECOND.name, deflated, 8, 8, local=unknown, named=said)
    for sizes in ("<2L", "<2Q"):
        for mark in (b"", b"PK\x07\x08"):
            behind = mark + struct.pack("<L", crc) + struct.pack(sizes, packed, size)
            for zip64 in (False, True):
                folder = Zipped(b"100/", b"")
                content = spelled(folder, FIRST, replace(stream, behind=behind), zip64=zip64)
                assert unzipped(content).lines == [LINE, LINE]
    assert unzipped(spelled(replace(FIRST, zip64=True), replace(SECOND, zip64=True), zip64=True)).lines == [LINE, LINE]
    empty: dict[str, int | bytes] = {"crc": 0, "size": 0}
    for sizes in ("<2L", "<2Q"):
        behind = b"PK\x07\x08" + bytes(4) + struct.pack(sizes, 2, 0)
        java = Zipped(b"100/", b"\x03\x00", 8, 8, local=unknown, named=empty, behind=behind)
        assert unzipped(spelled(java, FIRST)).lines == [LINE]


@pytest.mark.parametrize("seed", range(12))
def test_the_simulators_archives_are_sound(seed: int) -> None:
    """Streamed or not, with a folder or not, stored or deflated."""
    file = io.BytesIO()
    each = [Member(member(hour), BODY, stored=hour % 2 == 0) for hour in range(3)]
    write_archive(file, each, random.Random(seed))
    assert [entry.name for entry in files_in(file)] == [member(hour) for hour in range(3)]


def test_a_zip64_of_pythons_is_sound() -> None:
    """Its members are spelled as if they could be larger than 4 GiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open(member(), "w", force_zip64=True) as entry:
        entry.write(BODY)
    assert unzipped(file.getvalue()).lines == [LINE]


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("counted", [-2, -1, 1, 65_536, 2**40])
def test_a_directory_counts_what_it_names(zip64: bool, counted: int) -> None:
    """Neither fewer nor more."""
    if zip64 or 0 <= 2 + counted < 2**16:
        spoilt(spelled(FIRST, SECOND, zip64=zip64, counted=counted), "counts")


def test_an_entry_of_another_disk_is_spoilt() -> None:
    """Its content is somewhere else."""
    spoilt(overwritten(SOUND, SOUND.index(DIRECTORY) + 34, "<H", 1), "cannot be read")


@pytest.mark.parametrize("length", [28, 30, 32])
def test_an_entry_that_reaches_out_of_the_directory_is_spoilt(length: int) -> None:
    """By its name, its extra field or its comment."""
    last = SOUND.rindex(DIRECTORY)
    for size in (1, 100, 60_000):
        spoilt(overwritten(SOUND, last + length, "<H", len(SECOND.name) + size), "corrupt")


def test_the_two_counts_of_a_directory_are_the_same() -> None:
    """In either form, and a plain one beside a Zip64 one."""
    end = SOUND.index(END)
    spoilt(overwritten(SOUND, end + 8, "<H", 1), "only a part")
    spoilt(overwritten(SOUND, end + 4, "<H", 1), "only a part")
    spoilt(overwritten(SOUND, end + 6, "<H", 1), "only a part")
    wide = spelled(FIRST, SECOND, zip64=True)
    end = wide.index(END)
    assert unzipped(overwritten(wide, end + 8, "<2H", 2, 2)).lines == [LINE, LINE]
    spoilt(overwritten(wide, end + 10, "<H", 1), "contradict")
    spoilt(overwritten(wide, end + 12, "<L", 1), "contradict")
    spoilt(overwritten(wide, end + 16, "<L", 1), "contradict")
    at = wide.index(b"PK\x06\x06")
    spoilt(overwritten(wide, at + 24, "<Q", 1), "only a part")
    for place in (at, at + 4, at + 16, at + 20, end - 16, end - 12, end - 4):
        spoilt(overwritten(wide, place, "<L", 77))


def test_an_entry_that_is_missing_is_seen() -> None:
    """Its member stands in the body: before the others, between them, after them, or as the only one."""
    entries = [FIRST, SECOND, Zipped(member(7).encode())]
    for gone in range(3):
        content = spelled(*entries)
        begin = content.index(DIRECTORY)
        size = len(FIRST.entry(0))
        directory = b"".join(content[begin + n * size :][:size] for n in range(3) if n != gone)
        end = END + struct.pack("<4H2LH", 0, 0, 2, 2, len(directory), begin, 0)
        spoilt(content[:begin] + directory + end)
    begin = SOUND.index(DIRECTORY)
    spoilt(SOUND[:begin] + END + struct.pack("<4H2LH", 0, 0, 0, 0, 0, begin, 0), "does not name")


def test_two_archives_end_to_end_are_spoilt() -> None:
    """Whichever of them the places fit, and whether the first one takes the second for its comment."""
    other = spelled(Zipped(member(7).encode()))
    empty = zipped([])
    spoilt(SOUND + other)
    spoilt(spelled(Zipped(member(7).encode()), before=SOUND))
    spoilt(spelled(FIRST, before=empty))
    spoilt(empty + SOUND)
    spoilt(SOUND + empty)
    spoilt(overwritten(SOUND, len(SOUND) - 2, "<H", len(other)) + other)
    spoilt(spelled(FIRST, replace(SECOND, behind=other)))


@pytest.mark.parametrize("more", [b"\0", b"\n", b"\0" * 100, b"PK\x03\x04", END, b"x" * 70_000])
def test_bytes_that_belong_to_nothing_are_spoilt(more: bytes) -> None:
    """Before the first header, between members, before the directory, behind its end, as a comment."""
    spoilt(spelled(FIRST, SECOND, before=more), "corrupt|no ZIP")
    spoilt(spelled(FIRST, SECOND, between=more))
    spoilt(spelled(replace(FIRST, behind=more), SECOND))
    spoilt(spelled(FIRST, replace(SECOND, behind=more)))
    spoilt(SOUND + more, "cut off")
    spoilt(overwritten(SOUND, len(SOUND) - 2, "<H", 1), "cut off")
    if len(more) < 2**16:
        spoilt(overwritten(SOUND, len(SOUND) - 2, "<H", len(more)) + more, "cut off")


def test_members_are_where_the_directory_says_in_its_order() -> None:
    """None twice under two names, none over another, none far away."""
    begin = SOUND.index(DIRECTORY)
    size = len(FIRST.entry(0))
    first, second, end = SOUND[begin:][:size], SOUND[begin + size :][:size], SOUND[begin + 2 * size :]
    spoilt(SOUND[:begin] + second + first + end, "hides or is missing")
    spoilt(overwritten(SOUND, begin + size + 42, "<L", 0), "hides or is missing")
    spoilt(overwritten(SOUND, begin + 42, "<L", 1), "hides or is missing")
    for packed in (0, 1, len(BODY) - 1, len(BODY) + 1, 10_000, 2**32 - 2):
        spoilt(overwritten(SOUND, begin + 20, "<L", packed), "hides or is missing|two ways")


@pytest.mark.parametrize("place", [2**31, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_zip64_that_points_far_away_is_spoilt(place: int) -> None:
    """Beyond the file, beyond every file, beyond every number of the system."""
    entry = replace(FIRST, zip64=True)
    content = spelled(entry, zip64=True)
    field = content.index(DIRECTORY) + 46 + len(FIRST.name) + 4
    for number in range(3):
        spoilt(overwritten(content, field + 8 * number, "<Q", place))
    end = content.index(b"PK\x06\x06")
    spoilt(overwritten(content, end + 40, "<Q", place), "bigger than|not where")
    spoilt(overwritten(content, end + 48, "<Q", place), "not where")
    spoilt(overwritten(content, content.index(b"PK\x06\x07") + 8, "<Q", place), "not where")
    spoilt(overwritten(content, field - 4, "<H", 2), "Zip64 field is missing")
    spoilt(overwritten(content, field - 2, "<H", 15), "Zip64 field is missing")


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"name": member(7).encode()}, "two ways"),
        ({"name": b"100/"}, "two ways"),
        ({"name": b"readme.txt"}, "two ways"),
        ({"flags": 2}, "two ways"),
        ({"method": 8}, "two ways"),
        ({"crc": 1}, "two ways"),
        ({"packed": 1}, "two ways"),
        ({"size": 1}, "two ways"),
    ],
)
def test_header_and_directory_say_the_same(where: dict[str, int | bytes], says: str) -> None:
    """A name that turned foreign in one of them is not believed, nor is a length."""
    spoilt(spelled(FIRST, replace(SECOND, local=where)), says)
    spoilt(spelled(FIRST, replace(SECOND, named=where)), says)


def test_sizes_behind_a_member_are_those_of_the_directory() -> None:
    """All three numbers; and they must be there."""
    crc, size = zlib.crc32(BODY), len(BODY)
    sound = replace(SECOND, flags=8, behind=struct.pack("<3L", crc, size, size))
    assert unzipped(spelled(FIRST, sound)).lines == [LINE, LINE]
    for numbers in ((crc ^ 1, size, size), (crc, size + 1, size), (crc, size, size - 1)):
        spoilt(spelled(FIRST, replace(sound, behind=struct.pack("<3L", *numbers))), "two ways")
    spoilt(spelled(FIRST, replace(sound, behind=b"")), "two ways")
    spoilt(spelled(FIRST, replace(sound, behind=sound.behind + b"\0")), "does not name")


def test_a_folder_holds_nothing() -> None:
    """A member that turned into a folder, in both places, is not skipped."""
    for body, method, size in ((BODY, 0, None), (b"\x03\x01", 8, 0), (b"\0", 0, 0), (b"", 0, 1)):
        crc: dict[str, int | bytes] = {} if body is BODY else {"crc": 0}
        folder = Zipped(b"100/", body, 0, method, size, local=crc, named=crc)
        spoilt(spelled(folder, FIRST), "is a folder and holds data")
    spoilt(spelled(Zipped(b"100/", b"", local={"crc": 1}, named={"crc": 1}), FIRST), "is a folder and holds data")
    assert unzipped(spelled(Zipped(b"100/", b""), Zipped(b"a/b/", b""), FIRST)).lines == [LINE]


def test_encrypted_and_unknown_compression_are_refused() -> None:
    """What cannot be read is not skipped."""
    for flags in (1, 0x20, 0x40, 0x2000):
        spoilt(spelled(FIRST, replace(SECOND, flags=flags)), "encrypted")
    for method in (1, 9, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93):
        spoilt(spelled(FIRST, replace(SECOND, method=method)), "compressed in a way")


def test_a_content_ends_where_the_zip_says() -> None:
    """Neither earlier, with something behind it, nor later; its CRC and length are the ZIP's."""
    deflated = zlib.compress(BODY, wbits=-15)
    named: dict[str, int | bytes] = {"crc": zlib.crc32(BODY)}
    entry = Zipped(FIRST.name, deflated, 0, 8, len(BODY), named, named)
    assert unzipped(spelled(entry)).lines == [LINE]
    hidden = SECOND.before() + SECOND.body
    for changed in (
        replace(entry, body=deflated + b"\0"),
        replace(entry, body=deflated + hidden),
        replace(entry, body=deflated + b"\0" * 100_000),
        replace(entry, body=deflated[:-1]),
        replace(entry, body=b""),
        replace(entry, size=len(BODY) - 1),
        replace(entry, size=len(BODY) + 1),
        replace(entry, local={"crc": 1}, named={"crc": 1}),
        replace(FIRST, local={"crc": 1}, named={"crc": 1}),
    ):
        with pytest.raises(BadArchiveError, match=r"corrupt|cut off"):
            unzipped(spelled(changed))


def test_a_piece_of_its_own_behind_a_content_is_seen() -> None:
    """Where the content ends exactly with a piece that is read."""
    padded = BODY + b"\0" * (PIECE - 5 - len(BODY))  # five bytes are deflate's head of a block that it stores
    deflate = zlib.compressobj(0, wbits=-15)
    exact = deflate.compress(padded) + deflate.flush()
    assert len(exact) == PIECE
    says: dict[str, int | bytes] = {"crc": zlib.crc32(padded)}
    assert unzipped(spelled(Zipped(FIRST.name, exact, 0, 8, len(padded), says, says))).lines == [LINE]
    with pytest.raises(BadArchiveError, match="something stands behind its content"):
        unzipped(spelled(Zipped(FIRST.name, exact + b"x", 0, 8, len(padded), says, says)))


def test_a_directory_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at once, so it may not be of any size."""
    assert module.BIGGEST_DIRECTORY == 2 << 20
    length = len(SOUND) - SOUND.index(DIRECTORY) - 22
    monkeypatch.setattr(module, "BIGGEST_DIRECTORY", length)
    assert unzipped(SOUND).lines == [LINE, LINE]
    monkeypatch.setattr(module, "BIGGEST_DIRECTORY", length - 1)
    spoilt(SOUND, f"directory is bigger than {length - 1} bytes")
