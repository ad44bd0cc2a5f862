"""What the commands print: tables for people, JSON for programs, bars while something is under way."""

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporter import report
from exporter.days.coverage import FAILED, MISSING, Coverage, Row
from exporter.days.manifest import DAMAGED
from exporter.days.verify import Verified
from exporter.report import Progress, Step, no_progress
from exporter.window import spans

if TYPE_CHECKING:
    from rich.console import Console

BARS = {Step.DOWNLOADING: "download", Step.UNZIPPING: "unzip", Step.WRITING: "write"}
STYLES = {
    MISSING: "red",
    FAILED: "bold red",
    DAMAGED: "bold red",
    "provisional": "yellow",
    "final": "green",
    "running": "cyan",
}


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, indent=1, default=str))


def print_status(coverage: Coverage, rows: Sequence[Row]) -> None:
    """The table of the days, then the gaps and the failures in words."""
    if not coverage.rows:
        print("The store is empty: no day has been exported yet.")
        return
    print_table(
        ("day", "state", "events", "bytes", "rejected", "note"),
        [(str(r.day), r.shown, f"{r.events:,}", f"{r.size:,}", str(r.rejected), _note(r)) for r in rows],
        styles=[STYLES.get(r.shown, "") for r in rows],
    )
    newest, missing = coverage.newest, coverage.missing
    print(f"Newest whole day: {newest or 'none'}. Days since the first record: {len(coverage.rows)}.")
    if missing:
        print(f"Missing: {len(missing)}. `run` repairs those that are due; for the others:")
        for first, last in spans(missing):
            print(f"  python -m exporter backfill --from {first} --to {last}")
    for row in rows:
        if row.damage:
            print(f"{row.day} is damaged: {row.damage}")
        elif row.failure:
            print(f"{row.day} failed last time: {row.failure.reason}")
    if coverage.ignored:
        print(report.days_ignored(coverage.ignored))
    if coverage.never_an_event:
        print(f"There is {report.NEVER_AN_EVENT}")


def print_verified(found: Sequence[Verified]) -> None:
    """The table of what was read back, then the problems in words."""
    lines = [(str(v.day), "see below" if v.problem else "ok", f"{v.events:,}", f"{v.size:,}") for v in found]
    print_table(("day", "result", "events", "bytes"), lines)
    for one in found:
        if one.problem:
            print(f"{one.day}: {one.problem}")


def print_table(head: Sequence[str], lines: Iterable[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """A table: in colours on a terminal, plain elsewhere."""
    lines = list(lines)
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.table import Table  # noqa: PLC0415 - as above

        table = Table(*head)
        for number, line in enumerate(lines):
            table.add_row(*line, style=styles[number] if styles else None)
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    for line in (head, *lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@contextmanager
def shown_progress() -> Iterator[tuple[Progress, logging.Handler]]:
    """Bars on a terminal, nothing elsewhere; and a log handler for stderr that keeps clear of them."""
    if not sys.stderr.isatty():
        yield no_progress, logging.StreamHandler(sys.stderr)
        return
    from rich import progress as bars  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415 - as above

    columns = (
        bars.TextColumn("{task.description:>8}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks = {step: shown.add_task(text, total=None, visible=False) for step, text in BARS.items()}

        def tell(step: Step, done: int, total: int | None) -> None:
            if step in tasks:
                shown.update(tasks[step], completed=done, total=total, visible=True)

        yield tell, _AboveTheBars(shown.console)


class _AboveTheBars(logging.Handler):
    def __init__(self, console: "Console") -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


def _note(row: Row) -> str:
    if row.failure and not row.damage:
        return f"{row.failure.kind}, attempt {row.failure.attempts}"
    if row.fewer_found is not None:
        return f"a later export found {row.fewer_found:,} events"
    if row.quiet_hours:
        return f"quiet hours: {', '.join(row.quiet_hours)}"
    return ""
