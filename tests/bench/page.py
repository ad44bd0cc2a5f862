"""The results as a page, `docs/benchmarks.md`. Pure but for what it reads of the machine."""

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from tests.bench.contenders import CONTENDERS, Contender
from tests.bench.day import MEGABYTE
from tests.bench.many_days import MANY
from tests.bench.measure import REPOSITORY, Run
from tests.bench.results import DAYS, FIRST_BYTE_SECONDS, Results, Target, cpu, memory, targets, wall

PICTURE = "pictures/benchmarks.svg"
PACKAGES = ("isal", "pysimdjson", "msgspec", "requests", "urllib3", "azure-storage-blob", "azure-identity")

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; anybody can run it again (`make bench ARGS="--sizes 50 --runs 1"` is quick).

One simulated day, from an Export API on loopback to one JSON array. Each way runs by itself, in a process of its own
that is measured from outside; those of one turn run right after each other, and ratios are taken within a turn, because
the machine's speed drifts. Memory is touched before each, since its first use costs a virtual machine as much as the
work. What counts are the ratios, and of those the **worst**: that is what the targets are held against.
**Every output was checked**: the exporter's, the upload's and
the floor's by SHA-256 against what the generator wrote, the others' by the number of their events."""

WAYS = """\
| way | what it does |
|---|---|
| naive script | requests, zipfile, gzip, `json.loads` a line, one list, `json.dump`: as this tool's first version did |
| plain streaming | the same a line at a time, from a temp file |
| this exporter | `python -m exporter export`: lock, download, every CRC and line proven, SHA-256, commit, manifest |
| to Azurite | over HTTPS with a token of a managed identity, as in Azure; Azurite is Microsoft's storage emulator |
| upload alone | the ready dump staged as blocks and committed by the SDK, same block size and as many at a time |
| floor | a plain download, and `python -m isal.igzip` of all members to a file: nothing is proven |"""

COLUMNS = """\
Wall and CPU (user and system) in seconds, peak memory and the most that working files took in MB; requests to the
Export API and to the storage. The day's size is that of its JSON lines. The naive script holds its archive in memory
instead of the temp folder. Medians; CPU with its least and its most."""


def written(results: Results, skipped: Sequence[str], now: datetime) -> str:
    """The whole page."""
    parts = [
        INTRODUCTION,
        f"![CPU and peak memory of each way]({PICTURE})",
        f"{now:%Y-%m-%d %H:%M} UTC. {_machine()}. {_versions()}.",
        "## Targets",
        _table(
            ("what", "at most", "worth reaching for", "reached: worst", "best", "pairs", ""),
            map(_target_row, targets(results)),
        ),
        "## Figures",
        COLUMNS,
        *(_figures(results, size) for size in results.sizes),
        *([] if not skipped else ["Not measured: " + "; ".join(skipped) + "."]),
        "## Growth",
        "What a MB costs, and what memory it takes, as the day grows.",
        _growth(results),
        *_many_days(results),
        *_start(results),
        "## The ways",
        WAYS,
    ]
    return "\n\n".join(parts) + "\n"


def _figures(results: Results, size: int) -> str:
    rows = [_row(results, contender, size) for contender in CONTENDERS if results.of(contender.key, size)]
    head = ("way", "runs", "wall", "CPU", "memory", "working files", "requests", "CPU against this exporter")
    return f"### {size:,} MB\n\n" + _table(head, rows)


def _row(results: Results, contender: Contender, size: int) -> list[str]:
    runs = results.of(contender.key, size)
    asked, stored = runs[0].asked, runs[0].stored
    against = results.ratio(contender.key, ["local"], size, cpu)
    return [
        contender.title,
        str(len(runs)),
        _text(results.median(contender.key, size, wall)),
        _spread([run.cpu for run in runs]),
        _text(results.median(contender.key, size, memory), 0),
        _text(results.median(contender.key, size, _temp), 0),
        f"{asked} + {stored}" if contender.uploads else str(asked),
        "" if against is None else f"{against:.2g} x",
    ]


def _spread(found: Sequence[float]) -> str:
    """The median, and between what it lies."""
    middle = _text(median(found))
    return middle if len(found) == 1 else f"{middle} ({_text(min(found))} to {_text(max(found))})"


def _temp(run: Run) -> float:
    return run.temp / MEGABYTE


def _growth(results: Results) -> str:
    rows = []
    for contender in CONTENDERS:
        for figure, unit, per_mb in ((cpu, "CPU, ms a MB", True), (memory, "memory, MB", False)):
            found = [(results.median(contender.key, size, figure), size) for size in results.sizes]
            texts = ["" if f is None else _text(1000 * f / s if per_mb else f) for f, s in found]
            if any(texts):
                rows.append([contender.title, unit, *texts])
    return _table(("way", "", *(f"{size:,} MB" for size in results.sizes)), rows)


def _many_days(results: Results) -> list[str]:
    rows = []
    for way in MANY:
        runs = results.of(way.key, 0)
        if runs:
            a_day = results.median(way.key, 0, lambda run: run.wall / DAYS)
            figures = ((wall, 2), (cpu, 2), (memory, 0), (_temp, 0))
            texts = [_text(results.median(way.key, 0, figure), digits) for figure, digits in figures]
            rows.append([way.title, _text(a_day), *texts, str(runs[0].asked)])
    if not rows:
        return []
    told = (
        f"A `backfill` of {DAYS} days of 240 events, whose first byte takes {FIRST_BYTE_SECONDS:g} s, into an empty "
        "store. Nobody was asked more often at once than is said here, and every dump was checked by SHA-256."
    )
    head = ("at once", "seconds a day", "wall", "CPU", "memory", "working files", "requests")
    return ["## Many days, several at once", told, _table(head, rows)]


def _start(results: Results) -> list[str]:
    runs = results.of("start", 0)
    if not runs:
        return []
    figures = [results.median("start", 0, figure) for figure in (wall, cpu, memory)]
    told = (
        f"`python -m exporter status` on an empty folder (imports, settings, a look at the store): "
        f"{_text(figures[0])} s, {_text(figures[1])} s of CPU, {_text(figures[2], 0)} MB."
    )
    return ["## Start-up", told]


def _target_row(target: Target) -> list[str]:
    if target.reached is None:
        verdict = "not measured"
    elif target.reached <= target.wish:
        verdict = "reached, and what is worth reaching for"
    else:
        verdict = "reached" if target.reached <= target.must else "**missed**"
    bounds = (target.must, target.wish, target.reached, min(target.found, default=None))
    return [
        target.what,
        *("" if b is None else _bound(b) + target.unit for b in bounds),
        str(len(target.found)),
        verdict,
    ]


def _bound(value: float) -> str:
    """Shares below a half are told as one part of many."""
    return f"1/{1 / value:.0f}" if value < 1 / 2 else f"{value:.3g}"


def _text(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _machine() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(": ")[2] if models else platform.machine()
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return f"{os.cpu_count()} cores ({model}), {memory_gb:.0f} GB of memory, {system}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _versions() -> str:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    found = [f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in PACKAGES)]
    lock = REPOSITORY / "tests/node/node_modules/azurite/package.json"
    if lock.exists():
        found.append(f"Azurite {lock.read_text().partition('"version": "')[2].partition('"')[0]} on node {node}")
    return ", ".join(found)
