"""The benchmark still runs: every way with a very small day, every output checked. No figure is judged here."""

import io
import os
import tempfile
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.azure.azurite import Azurite
from tests.bench import ledger
from tests.bench.__main__ import main
from tests.bench.contenders import CONTENDERS, Contender
from tests.bench.day import Day, made, make
from tests.bench.many_days import Way, measured_days
from tests.bench.measure import Run, WrongOutputError, measured
from tests.bench.page import written
from tests.bench.results import Results, cpu, targets, wall
from tests.bench.server import Server
from tests.bench.watch import temp_bytes

OFFLINE = [contender for contender in CONTENDERS if not contender.uploads]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day of 1 MB."""
    return make(1, tmp_path_factory.mktemp("bench") / "1")


def bench(day: Day, docs: Path, *words: str) -> str:
    """Run the benchmark once with the day of 1 MB; return what it said."""
    said = io.StringIO()
    folder = str(day.folder.parent)
    code = main(["--sizes", "1", "--runs", "1", "--folder", folder, "--docs", str(docs), *words], Console(file=said))
    assert code == 0, said.getvalue()
    return said.getvalue()


def run(contender: str, turn: int, seconds: float, size: int = 500, megabytes: int = 30) -> Run:
    """A made-up measurement."""
    return Run(size, turn, contender, seconds, seconds, megabytes * 1_000_000, 0, 1, 0)


def test_every_way_without_storage_gives_the_whole_day_and_the_page_tells_of_it(day: Day, tmp_path: Path) -> None:
    """Naive script, plain streaming, this exporter and the floor run, are checked, and stand in page and picture."""
    bench(day, tmp_path, "--only", ",".join(contender.key for contender in OFFLINE))
    page = (tmp_path / "benchmarks.md").read_text()
    picture = ET.fromstring((tmp_path / "pictures/benchmarks.svg").read_text())  # noqa: S314 - made right here
    for contender in OFFLINE:
        assert f"| {contender.title} | 1 |" in page
        assert contender.title in [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]


def test_the_ways_to_storage_give_the_whole_day(day: Day, tmp_path: Path, azurite: Azurite) -> None:
    """This exporter to Azurite and the upload alone run, and their blobs are read back."""
    assert azurite.blob_url  # it can run here; the benchmark starts its own
    said = bench(day, tmp_path, "--only", "azurite,upload")
    assert "not measured" not in said
    assert "| upload alone, to Azurite | 1 |" in (tmp_path / "benchmarks.md").read_text()


def test_days_side_by_side_are_whole_and_nobody_is_asked_too_often(tmp_path: Path) -> None:
    """A backfill of three days, two at once: every dump is checked, and the requests at once are counted."""
    found = measured_days(Way(2), tmp_path, 1, days=3, seconds=0.05)
    assert (found.contender, found.asked) == ("many-2", 3)
    text = written(
        Results([run("local", 1, 1), replace(found, contender="many-4")]), [], datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert "| 4 at once, to a folder |" in text
    assert "against one at a time" in text


@pytest.mark.parametrize("contender", OFFLINE, ids=lambda contender: contender.key)
def test_a_wrong_output_is_found(contender: Contender, day: Day) -> None:
    """A way whose output is not what the generator wrote fails the benchmark."""
    other = replace(day.facts, events=day.facts.events + 1, sha256="0" * 64, lines_sha256="0" * 64)
    with pytest.raises(WrongOutputError, match="the output is wrong"):
        measured(contender, replace(day, facts=other), 1)


def test_a_day_is_made_once_and_again_when_its_code_has_changed(day: Day) -> None:
    """What was made by other code is not taken."""
    assert made(1, day.folder) == day
    facts = day.folder / "facts.json"
    text = facts.read_text()
    facts.write_text(text.replace(day.facts.made_by, "other code"))
    try:
        assert made(1, day.folder) is None
    finally:
        facts.write_text(text)


def test_the_server_answers_any_window_with_an_archive_of_its_own(day: Day, tmp_path: Path) -> None:
    """The archives of two halves are sound and hold the day's members, in order."""
    with Server(day.archive, tmp_path / "requests") as server, day.archive.open("rb") as archive:
        names = []
        for first, last in ((0, 6), (7, 23)):
            found = server.window(first, last)
            assert found
            archive.seek(found.start)
            half = io.BytesIO(archive.read(found.length) + found.directory)
            with zipfile.ZipFile(half) as opened:
                assert opened.testzip() is None
                names += opened.namelist()
        assert server.window(24, 24) is None
    with zipfile.ZipFile(day.archive) as whole:
        assert names == whole.namelist()


def test_working_files_without_a_name_are_seen(tmp_path: Path) -> None:
    """An open file counts with its blocks, whether its name is there or not; one that is elsewhere does not."""
    with tempfile.TemporaryFile(dir=tmp_path) as unnamed:
        unnamed.write(bytes(1 << 20))
        unnamed.flush()
        os.fsync(unnamed.fileno())
        assert temp_bytes(os.getpid(), str(tmp_path)) >= 1 << 20
        with (tmp_path / "named").open("wb") as named:
            named.write(bytes(1 << 16))
            named.flush()
            os.fsync(named.fileno())
        assert temp_bytes(os.getpid(), str(tmp_path)) >= (1 << 20) + (1 << 16)
        assert temp_bytes(os.getpid(), str(tmp_path / "elsewhere")) == 0


def test_ratios_are_taken_within_a_turn() -> None:
    """A turn in which the machine is ten times slower changes no ratio; one without the other way is left out."""
    runs = [run("local", 1, 1), run("naive", 1, 20), run("local", 2, 10), run("naive", 2, 200), run("local", 3, 99)]
    assert Results(runs).ratio("local", ["naive"], 500, cpu) == 1 / 20
    assert Results([*runs, run("upload", 1, 4)]).ratio("local", ["naive", "upload"], 500, wall) == 1 / 20
    assert Results(runs[:1]).ratio("local", ["naive"], 500, cpu) is None


def test_memory_targets_look_at_every_size() -> None:
    """The largest peak counts, and growth is the largest size's by the smallest one's."""
    runs = [run("local", 1, 1, size=50, megabytes=30), run("local", 1, 9, size=2000, megabytes=36)]
    reached = {target.what: target.reached for target in targets(Results(runs))}
    assert reached["peak memory, to a folder, any size"] == 36
    assert reached["memory to a folder, 2000 MB against 50 MB"] == 36 / 30


def test_the_worst_pair_is_claimed() -> None:
    """Not the median: identical code took half as much again on a shared machine."""
    pairs = [(1, 30), (2, 30), (1, 40), (1, 25), (1, 31)]
    runs = [run(("local", "naive")[i], turn, both[i]) for turn, both in enumerate(pairs) for i in (0, 1)]
    target = targets(Results(runs))[0]
    assert (target.reached, min(target.found), len(target.found)) == (1 / 15, 1 / 40, 5)


def test_a_revision_before_can_be_paired_with(day: Day, tmp_path: Path) -> None:
    """Its code runs with today's packages, right behind this one's, and its output is checked, too."""
    bench(day, tmp_path, "--only", "local,before", "--against", "HEAD")
    assert (
        "| CPU against the revision before, 1 MB, to a folder | 1.1 | 1 |" in (tmp_path / "benchmarks.md").read_text()
    )


def test_the_ledgers_figures_are_told() -> None:
    """A small one is made and read."""
    said = io.StringIO()
    ledger.main(300, Console(file=said))
    assert "500 lines" in said.getvalue()
    assert "breaks: none" in said.getvalue()
