"""What the commands print: tables for people, JSON for programs, a line a day where nobody watches."""

import contextlib
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from exporter import report
from exporter.cli.documents import Document, LedgerState
from exporter.days.coverage import FAILED, MISSING, Coverage, Row
from exporter.days.manifest import DAMAGED
from exporter.errors import ExportError
from exporter.window import spans

if TYPE_CHECKING:  # it brings what talks to Amplitude, and `status` does not
    from exporter.cli.results import Verification
    from exporter.run.book import Ended, RunResult

STYLES = {
    MISSING: "red",
    FAILED: "bold red",
    DAMAGED: "bold red",
    "provisional": "yellow",
    "final": "green",
    "running": "cyan",
}
WITHOUT_LEDGER = "No ledger was read: nothing but its manifest proves a day"
MOST_ROWS = 40
"""Days of a run's table; a longer one names those that failed, and the rest as a sum."""
UNCUT = frozenset({"day", "erasure", "state", "asked"})
"""Columns that somebody may want to copy."""
MOST_IN_BOXES = 6
"""Columns that have borders on a narrow terminal, too."""
DAY_WIDTH = len("2025-11-06")

Cells = Sequence[str | int]


def printable(text: str) -> str:
    """What a terminal may be sent: a stored text, or a foreign one, moves no cursor and sets no title."""
    return "".join(c if c.isprintable() else " " for c in text)


def print_json(document: Document) -> None:
    """One JSON document on stdout."""
    print(msgspec.json.format(msgspec.json.encode(document), indent=1).decode())


def print_lines(lines: Iterable[str]) -> None:
    """Lines on stdout, at once. A reader who has seen enough stops no run."""
    with contextlib.suppress(BrokenPipeError):
        for line in lines:
            print(printable(line), flush=True)


def day_line(day: date, ended: "Ended") -> str:
    """What became of a day, on a line."""
    if isinstance(ended, ExportError):
        return f"{day}  failed     {ended.kind}: {ended}"
    found = ended.manifest
    return f"{day}  {ended.outcome:<9}  {found.state:<11}  {found.events:>13,} events  {found.size:>17,} bytes"


def print_run(result: "RunResult") -> None:
    """The table at the end of a run: its days, and what they are together."""
    many = len(result.done) + len(result.failed) > MOST_ROWS
    rows: list[tuple[str, str, str, str | int, str | int]] = []
    for done in () if many else result.done:
        found = done.manifest
        rows.append((str(found.day), str(done.outcome), found.state, found.events, found.size))
    rows += [(str(day), FAILED, error.kind, "", "") for day, error in result.failed]
    if len(result.done) > 1:
        events, size = (sum(getattr(done.manifest, name) for done in result.done) for name in ("events", "size"))
        rows.append((f"{len(result.done)} days", "", "", events, size))
    if rows:
        styles = ["bold red" if row[1] == FAILED else "" for row in rows]
        print_table(("day", "outcome", "state", "events", "bytes"), rows, styles)
    for day, error in result.failed:
        print(printable(f"{day} failed: {error}"))
    if result.not_tried:
        print(f"Not tried: {_days(result.not_tried)}.")


def print_status(coverage: Coverage, rows: Sequence[Row], program: str, place: str) -> None:
    """The table of the days, then the gaps and the failures in words, however old they are; ``place``: of the store."""
    if not coverage.rows:
        print(f"The store is empty: no day has been exported yet into {printable(place)}.")
        return
    print_table(
        ("day", "state", "events", "bytes", "rejected", "note"),
        [(str(r.day), r.shown, r.events, r.size, r.rejected, _note(r)) for r in rows],
        [STYLES.get(r.shown, "") for r in rows],
    )
    newest, missing = coverage.newest, coverage.missing
    print(f"Newest whole day: {newest or 'none'}. Days since the first record: {len(coverage.rows)}.")
    if missing:
        print(f"Missing: {len(missing)}. `run` repairs those that are due, and this all of them:")
        for first, last in spans(missing):
            print(f"  {program} backfill --from {first} --to {last}")
    for row in coverage.rows:
        if row.damage:
            print(printable(f"{row.day} is damaged: {row.damage}"))
        elif row.failure:
            print(printable(f"{row.day} failed last time: {row.failure.reason}"))
    if coverage.ignored:
        print(report.days_ignored(coverage.ignored))
    if coverage.never_an_event:
        print(f"There is {report.NEVER_AN_EVENT}")


def print_verified(found: "Verification", *, quiet: bool = False) -> None:
    """The table of what was read back, then the problems in words; only these if ``quiet``."""
    if not quiet:
        lines = [(str(v.day), "see below" if v.problem else "ok", v.events, v.size) for v in found.days]
        styles = ["bold red" if v.problem else "" for v in found.days]
        if lines:
            print_table(("day", "result", "events", "bytes"), lines, styles)
        else:
            print("No day is on record: there is nothing to read back.")
    for one in found.days:
        if one.problem:
            print(printable(f"{one.day}: {one.problem}"))
    print_ledger(found.ledger, quiet=quiet)


def print_ledger(ledger: LedgerState, *, quiet: bool = False) -> None:
    """Its head, on a line that can be kept, and what is wrong with it; only this if ``quiet``."""
    if not quiet:
        print(f"The last line of the ledger: ledger={ledger.head}" if ledger.head else f"{WITHOUT_LEDGER}.")
    for sentence in ledger.problems:
        print(printable(f"The ledger is broken: {sentence}"))


def print_table(head: Sequence[str], lines: Iterable[Cells], styles: Sequence[str] = ()) -> None:
    """A table: in colours on a terminal, plain elsewhere. Numbers stand on the right, and days are never cut."""
    lines = list(lines)
    columns = list(zip(*lines, strict=True)) if lines else [()] * len(head)
    numbers = [any(isinstance(cell, int) for cell in column) for column in columns]
    texts = [[f"{cell:,}" if isinstance(cell, int) else printable(cell) for cell in line] for line in lines]
    if sys.stdout.isatty():
        _print_coloured(head, texts, numbers, styles)
        return
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    for line in (head, *texts):
        cells = zip(line, widths, numbers, strict=True)
        print("  ".join(cell.rjust(width) if number else cell.ljust(width) for cell, width, number in cells).rstrip())


def _print_coloured(
    head: Sequence[str], lines: Sequence[Sequence[str]], numbers: Sequence[bool], styles: Sequence[str]
) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table()
    for name, number in zip(head, numbers, strict=True):
        widest = DAY_WIDTH if name == "day" else None
        table.add_column(
            name,
            justify="right" if number else "left",
            min_width=widest,
            no_wrap=name in UNCUT or number,
            overflow="fold",
        )
    for place, line in enumerate(lines):
        # Text, never markup: what stands in a cell may have come from anywhere
        table.add_row(*map(Text, line), style=styles[place] if styles else None)
    console = Console()
    wide = sum(max(map(len, column)) + 3 for column in zip(head, *lines, strict=True)) >= console.width
    if wide and len(head) > MOST_IN_BOXES:
        table.box, table.padding, table.pad_edge = (
            None,
            (0, 1, 0, 0),
            False,
        )  # words are cut for want of a border's room
    console.print(table)


def _days(days: Sequence[date]) -> str:
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans(sorted(days)))


def _note(row: Row) -> str:
    if row.failure and not row.damage:
        return f"{row.failure.kind}, attempt {row.failure.attempts}"
    if row.fewer_found is not None:
        return f"a later export found {row.fewer_found:,} events"
    if row.quiet_hours:
        return f"quiet hours: {', '.join(row.quiet_hours)}"
    return ""
