"""The command `sql`: ask the archive."""

import csv
import json
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import islice
from typing import Any

from exporter.cli.call import DONE, Call
from exporter.cli.logs import log_to_console
from exporter.cli.show import print_lines, print_table
from exporter.errors import SettingsError
from exporter.settings import Settings
from exporter.tables.query import Answer, Archive, open_archive
from exporter.wiring import open_days, tables_of

PROMPT = "sql> "
LEAST = 9
"""Places that a column needs on a terminal with its border. Where there are too few, each row is a list."""
MOST_ROWS = 10_000
"""Rows of a table, whose columns are as wide as their widest cell: it is held until the last one is known."""
_NUMBERS = (int, float, Decimal, type(None))


def sql(call: Call) -> int:
    """Answer the query of the arguments, else those of standard input, each ending with a semicolon."""
    arguments = call.arguments
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    log_to_console(settings, logging.StreamHandler(sys.stderr))
    call.warn()
    named = call.days()
    with open_days(settings) as days:
        rows = [row for row in days.coverage(call.clock.now()).rows if not named or row.day in named]
        with open_archive(
            tables_of(days), rows, settings.tmp_limit, lambda text: print(text, file=sys.stderr)
        ) as archive:
            if arguments.query is not None:
                _show(archive.ask(arguments.query), call)
            elif sys.stdin.isatty():
                _converse(archive, call)
            else:
                for query in list(_queries(sys.stdin.read())) or [""]:
                    _show(archive.ask(query), call)
    return DONE


def _converse(archive: Archive, call: Call) -> None:
    """Ask and answer until the end of input; a wrong query is told and ends nothing."""
    with suppress(ImportError):
        import readline  # noqa: F401, PLC0415 - the arrows work: input() looks whether it is there
    print("Views: events, deliveries, sessions, people, daily, dumps. End each query with ; and this with Ctrl-D.")
    held = ""
    while True:
        try:
            held += input("...> " if held else PROMPT) + "\n"
        except EOFError:
            print()
            return
        if held.rstrip().endswith(";"):
            try:
                _show(archive.ask(held), call)
            except SettingsError as error:
                print(error)
            held = ""


def _queries(text: str) -> Iterator[str]:
    """The queries of a text: each ends with a semicolon at the end of a line, the last one may do without."""
    held = ""
    for line in text.splitlines(keepends=True):
        held += line
        if held.rstrip().endswith(";"):
            yield held
            held = ""
    if held.strip():
        yield held


def _show(answer: Answer, call: Call) -> None:
    if call.arguments.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.names)
        writer.writerows(answer.rows)
    elif call.arguments.json:
        print("[" + ",\n ".join(_documents(answer)) + "]")
    elif sys.stdout.isatty() and len(answer.names) * LEAST > shutil.get_terminal_size().columns:
        print_lines(_listed(answer))
    else:
        rows = list(islice(answer.rows, MOST_ROWS))
        columns = [_column(name, cells) for name, cells in zip(answer.names, zip(*rows, strict=True), strict=False)]
        print_table(answer.names, zip(*columns, strict=True))
        if next(answer.rows, None):
            print(f"There are more than these {MOST_ROWS:,} rows: --csv or --json gives all of them", file=sys.stderr)


def _listed(answer: Answer) -> Iterator[str]:
    """A row as a list of what it has."""
    width = max(map(len, answer.names))
    for number, row in enumerate(answer.rows, 1):
        yield f"row {number}"
        yield from (
            f"  {name:<{width}}  {cell}" for name, cell in zip(answer.names, row, strict=True) if cell is not None
        )


def _column(name: str, cells: Sequence[Any]) -> list[str]:
    """A column as text: numbers on the right, as they are, since an id has no separators."""
    texts = ["" if cell is None else str(cell) for cell in cells]
    width = max(map(len, (name, *texts))) if all(isinstance(cell, _NUMBERS) for cell in cells) else 0
    return [text.rjust(width) for text in texts]


def _documents(answer: Answer) -> Iterator[str]:
    for row in answer.rows:
        yield json.dumps(dict(zip(answer.names, map(_plain, row), strict=True)), default=str, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and value - value != 0 else value
