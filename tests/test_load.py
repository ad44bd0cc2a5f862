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
GOOD = gzip.compress(EVENT)
NO_DATA = http(404, b"Raw data files were not found.")
EMPTY_ZIP = http(200, zipped([]))
BAD_GATEWAY = http(504, b"<html>")
TOO_LARGE = http(400, b"too large")
MAYBE = http(200, b"PK\x03\x04 and then nothing")


def members(*parts: tuple[int, int, int], broken: tuple[int, int] | None = None) -> bytes:
    """An answer with members of an hour, a part and so many events each; one of them may be cut off."""
    bodies = []
    for hour, part, events in parts:
        body = gzip.compress(b"\n".join([EVENT] * events))
        bodies.append((member(hour, part), body[:-1] if broken == (hour, part) else body))
    return http(200, zipped(bodies))


def cut(answer: bytes, at: int) -> bytes:
    """An answer whose last bytes never come, though its head announces them."""
    return answer[:-at]


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
        [cut(archive(1, 2), 10), *[NO_DATA] * 4],
        [cut(archive(1, 2), 10), *[EMPTY_ZIP] * 4],
        [http(200, zipped([(member(3), GOOD), ("readme.txt", b"x"), (member(4), GOOD)])), *[archive(3)] * 4],
        [members((5, 0, 9), (5, 1, 9), (6, 0, 9), broken=(6, 0)), *[members((5, 0, 9), (6, 0, 9))] * 4],
        [members((5, 0, 9), (6, 0, 9), broken=(6, 0)), *[members((5, 0, 1), (6, 0, 1))] * 4],
        [members((5, 0, 9), (6, 0, 9), broken=(6, 0)), *[members((5, 0, 0), (6, 0, 0))] * 4],
    ],
    ids=range(17),
)
def test_a_contradiction_is_a_failed_attempt(answers: list[bytes], tmp_path: Path) -> None:
    """Never an empty day, never a third of a day: nothing is stored, and the reason is told."""
    with served(tmp_path, *answers) as core, pytest.raises(RetriableError, match="now, and there was"):
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
        ([cut(archive(1, 2), 10), archive(1, 2)], 2),
        ([members((5, 0, 2), (6, 0, 2), broken=(6, 0)), members((5, 0, 3), (6, 0, 2))], 5),
        ([TOO_LARGE, archive(1), archive(12)], 2),
        ([TOO_LARGE, NO_DATA, archive(1), archive(12)], 2),
        ([archive(1, 2, damaged=True), TOO_LARGE, archive(1, 2), archive(13)], 3),
    ],
    ids=range(12),
)
def test_what_fits_together_is_a_whole_day(answers: list[bytes], events: int, tmp_path: Path) -> None:
    """A contradiction that goes away is forgotten; what was never seen is no evidence."""
    with served(tmp_path, *answers) as core:
        done = export_day(DAY, core)
    assert (done.outcome, done.manifest.events) == ("written" if events else "empty", events)
    assert files_in(tmp_path)["20251106_0000_ampl_dump.json"] == dump_of([EVENT] * events)


def test_windows_of_two_projects_are_no_day(tmp_path: Path) -> None:
    """Whatever the store knows: the second one's archive is refused, and nothing is written."""
    other = http(200, zipped([(member(13, project=222), GOOD)]))
    wrong = pytest.raises(RetriableError, match="of another project than the windows before it")
    with served(tmp_path, TOO_LARGE, archive(1), *[other] * 5) as core, wrong:
        export_day(DAY, core)
    assert files_in(tmp_path).keys() == {"failures/20251106_0000.json"}
