"""The archive reader against mutated archives. FUZZ multiplies how many (for a soak); the seed stands here.

Whatever comes in: the events of the sound archive, or an error of ours. Never another exception, never other events.
"""

import gzip
import io
import os
import random
import zipfile
import zlib

import pytest

from exporter.archive.rejected import RejectedLines
from exporter.archive.unzip import Bounds, Tally, unzip
from exporter.errors import BadArchiveError, ExportError
from exporter.simulator.archive import Member, write_archive
from tests.kit import WHOLE_DAY, member, zipped

ROUNDS = 4_000 * int(os.environ.get("FUZZ", "1"))
"""Mutated archives of each kind; there are six kinds."""
MARKS = (
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    b"\x1f\x8b\x08",
    b"\n",
)
OVERWRITTEN = 0.8
NUMBERS = (0, 1, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62, (1 << 64) - 1)


def packed(text: bytes) -> bytes:
    """A gzip file."""
    return gzip.compress(text, mtime=0)


def streamed(seed: int) -> bytes:
    """As the simulator spells archives, with sizes behind the members or not, with a folder or not."""
    file = io.BytesIO()
    write_archive(file, [Member(member(hour), packed(b'{"a":%d}\n' % hour)) for hour in (3, 4)], random.Random(seed))
    return file.getvalue()


def wide() -> bytes:
    """Zip64 members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open(member(), "w", force_zip64=True) as entry:
        entry.write(packed(b'{"a":1}\nbad\n'))
    return file.getvalue()


SOUND: dict[str, bytes] = {
    "deflated": zipped([("100/", b""), *((member(5, part), packed(b'{"part":%d}\n' % part)) for part in (0, 3))]),
    "stored": zipped([(member(1), packed(b"{}\nbad\n") + packed(b"{}"))], compression=zipfile.ZIP_STORED),
    "streamed": streamed(1),
    "streamed with a folder": streamed(4),
    "wide": wide(),
}


def taken(archive: bytes) -> tuple[bytes, bytes, dict[int, int]]:
    """Events, rejected lines and members of an archive."""
    with io.BytesIO(archive) as file, RejectedLines(1 << 20) as rejected:
        tally = Tally(rejected)
        text = b"".join(block.text for block in unzip(file, WHOLE_DAY, tally, bounds=Bounds(64, 1 << 20)))
        return text, rejected.open().read(), dict(tally.members)


def new_bytes(content: bytes, rng: random.Random) -> bytes:
    """Random ones, a number that is a bound of something, a mark of ZIP or gzip, a piece of the archive, or none."""
    size = rng.choice((1, 2, 4, 8))
    match rng.randrange(5):
        case 0:
            return rng.randbytes(size)
        case 1:
            return (rng.choice(NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        case 2:
            return rng.choice(MARKS)
        case 3:
            at = rng.randrange(len(content) + 1)
            return content[at : at + rng.choice((1, 4, 30, 46, 100))]
        case _:
            return b""


def changed(content: bytes, rng: random.Random) -> bytes:
    """The archive with one to three changes: bytes written over others, put in, or taken out."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, new = rng.randrange(len(content) + 1), new_bytes(content, rng)
        over = len(new) if rng.random() < OVERWRITTEN else rng.choice((0, 1, 4, 30))
        content = content[:at] + new + content[at + over :]
    return content


def refusal(archive: bytes, right: tuple[bytes, bytes, dict[int, int]]) -> str:
    """Why the archive is refused; empty if it gives what is right."""
    try:
        found = taken(archive)
    except BadArchiveError as error:
        return str(error)
    assert found == right
    return ""


@pytest.mark.parametrize("kind", SOUND)
def test_a_mutated_archive_is_refused_or_right(kind: str) -> None:
    """Most are refused: the changes are in places that matter. What is said can be shown."""
    content, rng = SOUND[kind], random.Random(f"20251106 {kind}")
    right = taken(content)
    reasons = [refusal(changed(content, rng), right) for _ in range(ROUNDS)]
    assert len(list(filter(None, reasons))) > ROUNDS / 2
    assert all(len(reason) < 1_000 and reason.isprintable() for reason in reasons)


def test_mutated_lines_are_events_or_rejected() -> None:
    """In a sound ZIP and a sound gzip, whatever the member holds."""
    rng = random.Random("20251106 lines")
    text = b'{"event_time":"2025-11-06 05:00:00","a":[-2.5e3,"\\ud83d\\ude00",{"b":null}]}\r\n\n{"\xc3\xa9":123456}'
    for _ in range(ROUNDS):
        content = changed(text, rng)
        events, rejected, members = taken(zipped([(member(), zlib.compress(content, 0, 31))]))
        lines = [line for line in content.split(b"\n") if line.strip(b" \t\r")]
        assert events.count(b"\n") + rejected.count(b"\n") == len(lines)
        assert members == {5: 1}


def test_any_bytes_are_refused() -> None:
    """Behind the first bytes of a ZIP, or none."""
    rng = random.Random("20251106 bytes")
    for _ in range(ROUNDS // 4):
        content = rng.choice((b"", b"PK\x03\x04", b"PK\x05\x06")) + rng.randbytes(rng.randrange(120))
        with pytest.raises(ExportError):
            taken(content)
