"""Memory is bounded whatever the day holds, shown in processes of their own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tables.hostile import event

MEGABYTE = 1_000_000
LONG = 15 * MEGABYTE


def many_lines() -> Iterator[bytes]:
    """A day of 60 MB: more than two pieces."""
    yield from (event(number) for number in range(45_000))


def long_lines() -> Iterator[bytes]:
    """Lines about as long as a line may be."""
    yield from (event(number, event_properties={"text": "é\\" + "x" * LONG}) for number in range(3))


def long_lines_kept_whole() -> Iterator[bytes]:
    """And each of them twice in its row: as its values, and as the line."""
    yield from (line.replace(b'"text"', b'"\\ud83d"') for line in long_lines())


def long_lines_of_many_values() -> Iterator[bytes]:
    """Not one long text but a million short ones, and columns that nobody knows."""
    yield from (event(number, event_properties=dict.fromkeys(map(str, range(900_000)), 1)) for number in range(2))
    yield event(3, **{f"new_{number}": number for number in range(100_000)})


@pytest.mark.parametrize(
    ("lines", "most"),
    [(many_lines, 250), (long_lines, 300), (long_lines_kept_whole, 300), (long_lines_of_many_values, 300)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_table_takes_bounded_memory(lines: object, most: int, tmp_path: Path) -> None:
    """At most 250 MB for ordinary events, 300 MB for the longest lines that there can be."""
    assert callable(lines)
    path, count = tmp_path / "dump.json", 0
    with path.open("wb") as file:
        for line in lines():
            file.write((b",\n" if count else b"[\n") + line)
            count += 1
        file.write(b"\n]\n")
    done = subprocess.run(
        [sys.executable, "-m", "tests.tables.alone", path], check=True, capture_output=True, text=True, timeout=120
    )
    rows, peak = map(int, done.stdout.split())
    assert rows == count
    assert peak < most * MEGABYTE
