"""Memory does not grow with a line, with names, with members: each archive is unzipped in a process of its own."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.archive.directory import BIGGEST_DIRECTORY
from tests.kit import DAY, member, zipped

PROMISED = 64
"""MB: what README promises of a local export, which needs some 16 MB more than unzipping."""
MB = 1 << 20
LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by Linux's own figure")


def packed(*lines: bytes) -> bytes:
    """A gzip file of lines."""
    return gzip.compress(b"\n".join(lines), 1, mtime=0)


def several(*lines: bytes) -> bytes:
    """An archive with two members of these lines."""
    return zipped([(member(hour), packed(*lines)) for hour in (5, 6)])


def names(hour: int, count: int) -> bytes:
    """A line with so many names that no other hour has."""
    return b"{" + b",".join(b'"%x-%x":1' % (hour, number) for number in range(count)) + b"}"


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a line of 60 MB": (lambda: several(b'{"a":"' + b"x" * (60 * MB) + b'"}'), "LongLineError: line 1 of"),
    "lines of 16 MB": (
        lambda: several(*[b'{"a":"' + "\U0001f600".encode() + b"x" * (16 * MB - 12) + b'"}'] * 2),
        "events=4 rejected=0 unusual=0",
    ),
    "lines of 16 MB that end in CR LF": (
        lambda: several(b'{"event_time":"' + b"x" * (16 * MB - 18) + b'"}\r', b""),
        "events=2 rejected=0 unusual=0",
    ),
    "lines of 16 MB that follow each other": (
        lambda: several(*[b'{"a":"' + b"x" * (16 * MB - 9) + b'"}'] * 4),
        "events=8 rejected=0 unusual=0",
    ),
    "lines of 16 MB in another encoding": (
        lambda: several(b'{"a":"' + b"x" * (16 * MB - 9) + b'\xff"}'),
        "events=0 rejected=2 unusual=0",
    ),
    "a number of 16 MB": (lambda: several(b'{"a":' + b"9" * (16 * MB - 6) + b"}"), "events=2 rejected=0 unusual=2"),
    "names of 16 MB": (lambda: several(names(1, 1_300_000)), "events=2 rejected=0 unusual=0"),
    "first lines with names of their own": (
        lambda: zipped([(member(n % 24, n // 24), packed(names(n, 90_000), names(n, 9_000))) for n in range(30)]),
        "events=60 rejected=0 unusual=0",
    ),
    "arrays for a second opinion": (
        lambda: several(b'{"\\ud83d":[' + b"[],[[]]," * (4 * MB // 8 - 4) + b"0]}"),
        "events=2 rejected=0 unusual=2",
    ),
    "names for a second opinion": (
        lambda: several(b'{"\\ud83d":0' + b',"a":{"a":1}' * (4 * MB // 12 - 2) + b"}"),
        "events=2 rejected=0 unusual=2",
    ),
    "depth for a second opinion": (
        lambda: several(b'{"a":' + b"[" * (2 * MB - 4) + b"]" * (2 * MB - 4) + b"}"),
        "events=2 rejected=0 unusual=2",
    ),
    "more than a second opinion": (
        lambda: several(b'{"\\ud83d":"' + b"x" * (16 * MB - 13) + b'"}'),
        "events=0 rejected=2 unusual=0",
    ),
    "members": (
        lambda: zipped([(member(n % 24, n // 24), packed(b"{}")) for n in range(BIGGEST_DIRECTORY // 95)]),
        "events=22075 rejected=0 unusual=0",
    ),
    "foreign names": (lambda: zipped([(f"{n}.txt", b"") for n in range(30_000)]), "BadArchiveError: '0.txt' in the"),
}


@LINUX
@pytest.mark.parametrize("what", HOSTILE)
def test_memory_stays_within_the_promise(what: str, tmp_path: Path) -> None:
    """Whatever the archive holds."""
    make, outcome = HOSTILE[what]
    archive = tmp_path / "archive.zip"
    archive.write_bytes(make())
    command = [sys.executable, "-m", "tests.archive.unzip_alone", str(archive), str(DAY)]
    before, highest, told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split(" ", 2)
    assert told.startswith(outcome)
    assert float(before) < 30
    assert float(highest) < PROMISED
    assert float(highest) - float(before) < 36, "twice the longest line, and small things"
