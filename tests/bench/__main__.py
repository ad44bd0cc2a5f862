"""`make bench`: this exporter beside other ways, in turn, within one run; writes `docs/benchmarks.md` and a picture."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.azure.azurite import missing
from tests.bench import many_days, page, picture
from tests.bench.contenders import CONTENDERS, Contender, before, checked_out
from tests.bench.day import MEGABYTE, Day, made, make
from tests.bench.measure import REPOSITORY, Run, WrongOutputError, measured, measured_start, too_little_memory
from tests.bench.results import DAYS, Results, targets

LARGE_MB = 1_000
"""From this size on, every way runs once: ratios are told of a smaller one."""


@dataclass(frozen=True)
class Turn:
    """One measurement to be made."""

    size: int
    number: int
    contender: Contender

    def __str__(self) -> str:
        return f"{self.size:,} MB, run {self.number}: {self.contender.title}"


def main(words: Sequence[str], console: Console) -> int:
    """Measure, tell, write; exit code 1 if an output was wrong."""
    arguments = _arguments(words)
    runs = []
    try:
        sized = arguments.sizes if set(arguments.only) - {many_days.KEY} else ()
        days = {size: _day(size, arguments.folder, console) for size in sized}
        with console.status("start-up"):
            runs += [measured_start(arguments.folder, number) for number in range(1, arguments.runs + 1)]
        runs += _many_days(arguments, console)
        skipped = _skipped(arguments)
        turns = [turn for turn in _turns(arguments) if (turn.size, turn.contender.key) not in skipped]
        for count, turn in enumerate(turns, start=1):
            with console.status(f"{count} of {len(turns)}: {turn}"):
                run = measured(turn.contender, days[turn.size], turn.number)
            runs.append(run)
            console.print(f"{count} of {len(turns)}: {turn}: {_told(run)}", soft_wrap=True)
    except WrongOutputError as error:
        console.print(str(error))
        return 1
    for reason in skipped.values():
        console.print(f"not measured: {reason}")
    if turns:
        _write(Results(runs), list(skipped.values()), arguments.folder, arguments.docs)
        console.print(f"Written: {arguments.docs / 'benchmarks.md'}")
    for target in targets(Results(runs)):
        if target.reached is not None:
            console.print(f"{target.what}: {target.reached:.3g}{target.unit}, at most {target.must:.3g}{target.unit}")
    return 0


def _many_days(arguments: argparse.Namespace, console: Console) -> list[Run]:
    """Way after way through the small days."""
    runs = []
    for way in many_days.ways() if many_days.KEY in arguments.only else []:
        with console.status(f"{DAYS} days, {way.title}"):
            run = many_days.measured_days(way, arguments.folder, 1)
        runs.append(run)
        console.print(f"{DAYS} days, {way.title}: {_told(run)}", soft_wrap=True)
    return runs


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    keys = [*(contender.key for contender in CONTENDERS), "before", many_days.KEY]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--sizes", type=_sizes, default=[50, 500, 2000], help="MB of JSON lines (default: 50,500,2000)")
    parser.add_argument("--runs", type=int, default=5, help="of each way, fewer of large days (default: 5)")
    parser.add_argument("--against", metavar="REV", help="a revision of this repository to be paired with")
    parser.add_argument("--only", type=lambda text: text.split(","), default=keys, help=f"of {','.join(keys)}")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build/bench", help="for the simulated days")
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs", help="where the page goes")
    return parser.parse_args(words)


def _contenders(arguments: argparse.Namespace) -> list[Contender]:
    """Those of the page, and the revision before, right behind this one."""
    found = list(CONTENDERS)
    if arguments.against:
        local = next(number for number, contender in enumerate(found) if contender.key == "local")
        found.insert(local + 1, before(checked_out(arguments.against, arguments.folder)))
    return found


def _sizes(text: str) -> list[int]:
    return sorted({int(size) for size in text.split(",")})


def _day(size: int, folder: Path, console: Console) -> Day:
    """The day, made if it is not there yet."""
    place = folder / str(size)
    with console.status(f"making a day of {size:,} MB, once"):
        day = made(size, place) or make(size, place)
    archive = day.facts.archive_bytes / MEGABYTE
    console.print(f"{size:,} MB: {day.facts.events:,} events, an archive of {archive:,.0f} MB")
    return day


def _turns(arguments: argparse.Namespace) -> Iterator[Turn]:
    """Way after way, then all of them again."""
    for size in arguments.sizes:
        for number in range(1, arguments.runs + 1):
            for contender in _contenders(arguments):
                if contender.key in arguments.only and (number == 1 or size < LARGE_MB):
                    yield Turn(size, number, contender)


def _skipped(arguments: argparse.Namespace) -> dict[tuple[int, str], str]:
    """What cannot be measured here, and why."""
    found = {}
    for turn in _turns(arguments):
        reason = missing() if turn.contender.uploads else None
        if reason := reason or too_little_memory(turn.contender, turn.size):
            found[turn.size, turn.contender.key] = f"{turn.contender.title}, {turn.size:,} MB ({reason})"
    return found


def _told(run: Run) -> str:
    return (
        f"{run.wall:.2f} s, {run.cpu:.2f} s of CPU, {run.memory / MEGABYTE:,.0f} MB of memory, "
        f"{run.temp / MEGABYTE:,.0f} MB of working files"
    )


def _write(results: Results, skipped: Sequence[str], folder: Path, docs: Path) -> None:
    (folder / "results.json").write_text(json.dumps([asdict(run) for run in results.runs], indent=1))
    (docs / page.PICTURE).parent.mkdir(parents=True, exist_ok=True)
    (docs / page.PICTURE).write_text(picture.drawn(results))
    (docs / "benchmarks.md").write_text(page.written(results, skipped, datetime.now(UTC)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console(stderr=True, highlight=False)))
