"""`python -m tests.bench.people`: what finding and erasing a person costs; writes `docs/benchmarks-people.md`.

A simulated day is erased of a person who has events in every hour, as `erase` does it. Then somebody is looked for in
many days with tables, by the command `find`, and in one day without. Each in a process of its own that is measured
from outside. What years would take is reckoned from that.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console

from exporter.days.facts import Facts
from exporter.days.hours import hours_of
from exporter.days.manifest import Manifest
from exporter.dump import lines
from exporter.privacy.ids import ids_in
from exporter.settings import Settings
from exporter.store import ANY
from exporter.store.folder import LocalStore
from exporter.wiring import days_in, tables_of
from tests.bench.day import MEGABYTE, Day, made, make
from tests.bench.measure import REPOSITORY, watched
from tests.kit.rules import LAYOUT, manifest_of

SIZE, MOST_ERASE_S, MOST_FIND_S = 500, 2.0, 15.0
"""CPU seconds: of a day of so many MB that is written anew, and of a search of YEARS years of days of 100 MB."""
YEARS, HITS = 3, 30
"""What is reckoned: so many years, and so many days in them that hold the person, and are read."""
FIRST = date(2025, 1, 1)
KEY = "a-key-of-the-benchmark-that-is-no-secret"
NOBODY = "amplitude_id=123456789012\nuser_id=nobody-at-all@example.com\n"


@dataclass(frozen=True)
class Figures:
    """CPU seconds, each with the start of the program, which is ``start``.

    ``look``: of a dry run on a day of ``size`` MB, ``erase``: of its erasure; ``tables``: of a search of ``days`` of
    ``each`` MB with tables; ``read``: of a search of one that is read; ``one``: of a
    search of one small day with a table.
    """

    size: int
    look: float
    erase: float
    memory: int
    each: int
    days: int
    tables: float
    read: float
    start: float
    one: float

    @property
    def rewrite(self) -> float:
        """What writing the day anew takes."""
        return self.erase - self.look

    @property
    def years(self) -> float:
        """What a search of years takes: the tables of all days, and once the arrays of those that hold the person.

        A search without tables reads an array twice: for the user's other ids first.
        """
        tables = (self.tables - self.one) * YEARS * 365 / (self.days - 1)
        return self.one + tables + (self.read - self.start) / 2 * HITS


def main(words: Sequence[str], console: Console) -> int:
    """Measure, tell, write; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.people", description=__doc__)
    parser.add_argument("--size", type=int, default=500, help="MB of the day that is erased")
    parser.add_argument("--each", type=int, default=100, help="MB of each day that is searched")
    parser.add_argument("--days", type=int, default=20, help="how many of them")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build/bench")
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs")
    arguments = parser.parse_args(words)
    big, small = (_day(size, arguments.folder) for size in (arguments.size, arguments.each))
    with tempfile.TemporaryDirectory(dir=big.folder) as place:
        look, erase, memory = _erased(big, Path(place) / "erase")
        tables = _searched(small, Path(place) / "tables", arguments.days, made_tables=True)
        read = _searched(small, Path(place) / "read", 1, made_tables=False)
        start = _searched(_day(0, arguments.folder), Path(place) / "start", 1, made_tables=False)
        one = _searched(_day(1, arguments.folder), Path(place) / "one", 1, made_tables=True)
    found = Figures(arguments.size, look, erase, memory, arguments.each, arguments.days, tables, read, start, one)
    (arguments.docs / "benchmarks-people.md").write_text(_page(found))
    console.print(str(found), soft_wrap=True)
    slow = found.rewrite * SIZE / found.size > MOST_ERASE_S
    return 1 if slow or found.years > MOST_FIND_S else 0


def _day(size: int, folder: Path) -> Day:
    place = folder / str(size)
    return made(size, place) or make(size, place)


def _erased(day: Day, folder: Path) -> tuple[float, float, int]:
    """Erase somebody; the CPU seconds of a dry run, those of the erasure, and the most memory in bytes."""
    _put(day, folder / "out", [FIRST], link=False)
    (folder / "ids.txt").write_text(f"amplitude_id={_somebody(day)}\n")
    (folder / "ids.txt").chmod(0o600)
    words = [sys.executable, "-m", "exporter", "erase", "--ids", "ids.txt", "--reason", "benchmark"]
    look = watched([*words, "--dry-run"], folder, _env(folder), "the dry run")[1]
    _, cpu, memory, _ = watched([*words, "--yes"], folder, _env(folder), "the erasure")
    return look, cpu, memory


def _searched(day: Day, folder: Path, count: int, *, made_tables: bool) -> float:
    """Look for nobody in so many days; the CPU seconds with the start."""
    days = [FIRST + timedelta(days=number) for number in range(count)]
    _put(day, folder / "out", days, link=True)
    if made_tables:
        archive = days_in(LocalStore(folder / "out"), Settings())
        assert tables_of(archive).try_to_derive(days[:1]) == []
        for other in days[1:]:
            table = folder / "out" / LAYOUT.table(other)
            table.parent.mkdir(parents=True)
            os.link(folder / "out" / LAYOUT.table(days[0]), table)
    (folder / "ids.txt").write_text(NOBODY)
    words = ["find", "--ids", "ids.txt"]
    return watched([sys.executable, "-m", "exporter", *words], folder, _env(folder), "the search")[1]


def _put(day: Day, folder: Path, days: Sequence[date], *, link: bool) -> None:
    """A store with the same events on each of these days."""
    (folder.parent / "tmp").mkdir(parents=True)
    folder.mkdir()
    store = LocalStore(folder)
    manifest: Manifest | None = None
    for number, one in enumerate(days):
        path = folder / LAYOUT.dump(one)
        if link and number:
            os.link(folder / LAYOUT.dump(days[0]), path)
        else:
            shutil.copyfile(day.dump, path)
        if manifest is None:
            with day.dump.open("rb") as dump:
                hours = hours_of(lines(iter(lambda: dump.read(MEGABYTE), b"")), date(2025, 11, 6))
            manifest = manifest_of(
                events=day.facts.events,
                size=day.facts.bytes,
                sha256=day.facts.sha256,
                hours={f"{h:02}": {"members": 1, "events": hours.get(f"{h:02}", 0)} for h in range(24)},
            )
        entry = store.stat(LAYOUT.dump(one))
        assert entry
        told = Manifest(**vars(manifest) | {"day": one, "dump": LAYOUT.dump(one), "etag": entry.etag})
        store.write(LAYOUT.manifest(one), told.to_json(), seen=ANY, metadata=Facts.of(told).metadata())


def _somebody(day: Day) -> int:
    """Whose events stand in the day first."""
    with day.dump.open("rb") as dump:
        dump.readline()
        return next(iter(ids_in(dump.readline().rstrip(b",\n")).amplitude))


def _env(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "TMPDIR": str(folder / "tmp"),
        "EXPORT_DATA_DIR": str(folder / "out"),
        "EXPORT_LOG_DIR": str(folder / "logs"),
        "EXPORT_ERASURE_KEY": KEY,
    }


def _page(found: Figures) -> str:
    rows = {
        f"`erase`: one person in a day of {found.size:,} MB is found": (found.look, None),
        f"... and the day written anew ({found.memory / MEGABYTE:.0f} MB of memory)": (found.rewrite, MOST_ERASE_S),
        f"`find`: nobody, in {found.days} days of {found.each} MB with tables": (found.tables, None),
        f"`find`: nobody, in one day of {found.each} MB that is read": (found.read, None),
        f"reckoned: {YEARS} years of days of {found.each} MB, {HITS} of them hold the person": (
            found.years,
            MOST_FIND_S,
        ),
    }
    head = [
        "# Benchmarks of finding and erasing",
        "",
        "Written by `python -m tests.bench.people`. CPU (user and system) in seconds, in a process of its own that is",
        f"measured from outside; its start ({found.start:.2f} s) is part of each but the second. Memory is the peak.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {os.cpu_count()} cores, Python {platform.python_version()}.",
        "",
        "| what | CPU | at most |",
        "| --- | --- | --- |",
    ]
    told = [f"| {what} | {cpu:.2f} | {most or ''} |" for what, (cpu, most) in rows.items()]
    return "\n".join([*head, *told, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console(stderr=True, highlight=False)))
