"""`python -m tests.bench.tables`: what a table costs, and what it saves; writes `docs/benchmarks-tables.md`.

A day of each size becomes a table, in a process of its own that is measured from outside. Then six queries are asked of
the array, of JSON lines and of the table, in turn; every answer is compared.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich.console import Console

from tests.bench.day import MEGABYTE, Day, made, make
from tests.bench.measure import REPOSITORY, watched
from tests.bench.table_steps import FORMS, QUERIES

SMALL, MOST_CPU_S, MOST_MEMORY_MB, CHEAPER = 500, 5.0, 250, 10
"""What a day of 500 MB may take, and how much cheaper each query must be."""


@dataclass(frozen=True)
class Written:
    """What one table took: seconds of CPU, bytes of memory, and of the array, its gzip and the table."""

    size: int
    cpu: float
    memory: int
    temp: int
    array: int
    gzipped: int
    table: int


def main(words: Sequence[str], console: Console) -> int:
    """Measure, tell, write; exit code 1 if answers differ or a bound is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tables", description=__doc__)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=[500, 2000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build/bench")
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs")
    arguments = parser.parse_args(words)
    written: list[Written] = []
    asked: dict[tuple[int, str, str], list[float]] = {}
    for size in arguments.sizes:
        day = made(size, arguments.folder / str(size)) or make(size, arguments.folder / str(size))
        with tempfile.TemporaryDirectory(dir=day.folder) as place:
            folder = Path(place)
            for _ in range(arguments.runs):
                written.append(_write(day, folder))
                console.print(str(written[-1]), soft_wrap=True)
            answers: dict[str, str] = {}
            for form in FORMS * arguments.runs:
                for name, seconds, answer in _ask(form, day, folder):
                    asked.setdefault((size, name, form), []).append(seconds)
                    assert answers.setdefault(name, answer) == answer, (name, form)
    (arguments.docs / "benchmarks-tables.md").write_text(_page(written, asked))
    worst = max(written, key=lambda one: one.cpu if one.size == arguments.sizes[0] else 0)
    ratios = [_ratio(asked, size, name) for size in arguments.sizes for name in QUERIES]
    console.print(
        f"{worst.cpu:.1f} s, {worst.memory / MEGABYTE:.0f} MB at worst; queries from {min(ratios):.0f} x cheaper"
    )
    small = arguments.sizes[0] > SMALL or (worst.cpu <= MOST_CPU_S and worst.memory <= MOST_MEMORY_MB * MEGABYTE)
    return 0 if small and min(ratios) >= CHEAPER else 1


def _write(day: Day, folder: Path) -> Written:
    (folder / "tmp").mkdir(exist_ok=True)
    table = folder / "events.parquet"
    command = [sys.executable, "-m", "tests.bench.table_steps", "write", str(day.dump), str(table)]
    _, cpu, memory, temp = watched(command, folder, _env(folder), "the table")
    with duckdb.connect() as database:
        found = database.execute("SELECT count(*), count(DISTINCT uuid) FROM read_parquet(?)", [str(table)]).fetchall()
    assert found == [(day.facts.events, day.facts.events)]
    zipped = folder / "dump.json.gz"
    if not zipped.exists():
        with day.dump.open("rb") as dump, gzip.open(zipped, "wb", 6) as file:
            shutil.copyfileobj(dump, file)
    sizes = (path.stat().st_size for path in (day.dump, zipped, table))
    return Written(day.size, cpu, memory, temp, *sizes)


def _ask(form: str, day: Day, folder: Path) -> list[tuple[str, float, str]]:
    """Each query's name, CPU seconds and answer, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.table_steps", form, str(day.dump), str(folder / "events.parquet")]
    watched(command, folder, _env(folder), form)
    return [(one["name"], one["cpu"], one["answer"]) for one in json.loads((folder / "said").read_text())]


def _env(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder / "tmp")}


def _ratio(asked: dict[tuple[int, str, str], list[float]], size: int, name: str) -> float:
    return min(a / b for a, b in zip(asked[size, name, "array"], asked[size, name, "table"], strict=True))


def _page(written: list[Written], asked: dict[tuple[int, str, str], list[float]]) -> str:
    rows = [
        "# Benchmarks of tables",
        "",
        "Written by `python -m tests.bench.tables`. A simulated day becomes a table, in a process of its own that is",
        "measured from outside. CPU (user and system) in seconds, with the start; memory is the peak.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {os.cpu_count()} cores, Python {platform.python_version()},",
        f"DuckDB {duckdb.__version__}.",
        "",
        "| MB of lines | CPU | a MB | memory MB | working files MB | array MB | gzip MB | table MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in written:
        counts = (one.memory, one.temp, one.array, one.gzipped, one.table)
        files = " | ".join(f"{count / MEGABYTE:,.0f}" for count in counts)
        rows.append(f"| {one.size:,} | {one.cpu:.2f} | {one.cpu / one.size * 1000:.1f} ms | {files} |")
    rows += [
        "",
        "Six queries, CPU seconds of the query alone (medians). DuckDB reads the array and the lines with only those",
        "columns given that the query needs, the table as `sql` does. Every answer was the same. The last column is",
        "the least ratio of a turn.",
        "",
        "| MB | query | array | lines | table | cheaper than the array |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for size, name in dict.fromkeys((size, name) for size, name, _ in asked):
        middle = " | ".join(f"{statistics.median(asked[size, name, form]):.3f}" for form in FORMS)
        rows.append(f"| {size:,} | {name} | {middle} | {_ratio(asked, size, name):.0f} x |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console(stderr=True, highlight=False)))
