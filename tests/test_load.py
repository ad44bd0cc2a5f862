"""What an attempt has seen of its day adds up: no later answer takes it back."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.errors import RetriableError
from exporter.export import Exporter, export_day
from tests.kit import DAY, RawServer, Time, dump_of, exporting, files_in, http, member, zipped

EVENT = b'{"a":1}'
NO_DATA = http(404, b"Raw data files were not found.")
EMPTY_ZIP = http(200, zipped([]))
BAD_GATEWAY = http(504, b"<html>")
TOO_LARGE = http(400, b"too large")
MAYBE = http(200, b"PK\x03\x04 and then nothing")


def archive(*hours: int, damaged: bool = False) -> bytes:
    """An answer with one event in each of these hours; the last member may be cut off."""
    bodies = [gzip.compress(EVENT) for _ in hours]
    if damaged:
        bodies[-1] = bodies[-1][:-1]
    return http(200, zipped([(member(hour), body) for hour, body in zip(hours, bodies, strict=True)]))


@contextmanager
def served(folder: Path, *answers: bytes) -> Iterator[Exporter]:
    """An exporter of a server that gives these answers."""
    with RawServer(*answers) as server, exporting(server, folder, time=Time()) as core:
        yield core


@pytest.mark.parametrize(
    "answers",
    [
        [archive(1, 2, damaged=True), *[NO_DATA] * 4],
        [archive(1, 2, damaged=True), *[EMPTY_ZIP] * 4],
        [archive(1, 2, damaged=True), *[archive(1)] * 4],
        [MAYBE, *[NO_DATA] * 4],
        [MAYBE, *[EMPTY_ZIP] * 4],
        [TOO_LARGE, *[NO_DATA] * 5],
        [BAD_GATEWAY, *[NO_DATA] * 4],
        [BAD_GATEWAY, BAD_GATEWAY, *[NO_DATA] * 5],
        [TOO_LARGE, archive(1), *[NO_DATA] * 5],
        [TOO_LARGE, archive(1), *[EMPTY_ZIP] * 5],
        [TOO_LARGE, TOO_LARGE, archive(1), *[NO_DATA] * 5],
    ],
    ids=range(11),
)
def test_a_contradiction_is_a_failed_attempt(answers: list[bytes], tmp_path: Path) -> None:
    """Never an empty day, never a third of a day: nothing is stored, and the reason is told."""
    with served(tmp_path, *answers) as core, pytest.raises(RetriableError, match="now, and there was before"):
        export_day(DAY, core)
    assert files_in(tmp_path).keys() == {"failures/20251106_0000.json"}


@pytest.mark.parametrize(
    ("answers", "events"),
    [
        ([archive(1, 2, damaged=True), archive(1, 2)], 2),
        ([archive(1, 2, damaged=True), archive(1, 2, 3)], 3),
        ([archive(1, 2, damaged=True), NO_DATA, archive(1, 2)], 2),
        ([http(200, b"<html>sorry"), NO_DATA], 0),
        ([http(200, b""), EMPTY_ZIP], 0),
        ([http(503), NO_DATA], 0),
        ([BAD_GATEWAY, NO_DATA, archive(1)], 1),
        ([TOO_LARGE, archive(1), archive(12)], 2),
        ([TOO_LARGE, NO_DATA, archive(1), archive(12)], 2),
        ([archive(1, 2, damaged=True), TOO_LARGE, archive(1, 2), archive(13)], 3),
    ],
    ids=range(10),
)
def test_what_fits_together_is_a_whole_day(answers: list[bytes], events: int, tmp_path: Path) -> None:
    """A contradiction that goes away is forgotten; what was never seen is no evidence."""
    with served(tmp_path, *answers) as core:
        done = export_day(DAY, core)
    assert (done.outcome, done.manifest.events) == ("written" if events else "empty", events)
    assert files_in(tmp_path)["20251106_0000_ampl_dump.json"] == dump_of([EVENT] * events)
