"""The command `tables`: make the tables of days that are there already. And the words of its sisters."""

import argparse
import logging
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.logs import setup_logging
from exporter.cli.show import print_json, print_table, shown_progress
from exporter.settings import Settings
from exporter.wiring import open_days, tables_of

if TYPE_CHECKING:
    from exporter.days.coverage import Row
    from exporter.tables.derive import Tables

log = logging.getLogger(__name__)

Adds = Callable[[argparse.ArgumentParser], None]


def add_to(commands: Any, add_days: Adds, add_json: Adds) -> None:
    """Add `tables`, `sql` and `report` to the command line's others."""
    tables = commands.add_parser("tables", help="make the Parquet tables of whole days that have none, or an old one")
    add_days(tables)
    add_json(tables)
    sql = commands.add_parser(
        "sql", help="ask the archive in SQL: views events, sessions, people, daily (docs/tables.md)"
    )
    sql.add_argument("query", nargs="?", metavar="QUERY", help="default: those of standard input, each ending with ;")
    add_days(sql)
    report = commands.add_parser("report", help="write one HTML page about the last 90 days")
    report.add_argument("--out", required=True, metavar="FILE", help="where it goes")
    how = sql.add_mutually_exclusive_group()
    how.add_argument("--csv", action="store_true", help="print the rows as CSV")
    how.add_argument("--json", action="store_true", help="print the rows as JSON")


def tables(call: Call) -> int:
    """Make what is missing; exit code 1 if a table could not be made."""
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    with shown_progress() as (progress, console):
        secrets = settings.api_key, settings.secret_key, settings.storage_connection_string
        setup_logging(settings.log_level, settings.log_dir, call.clock.now(), secrets, console)
        call.warn_of_unknown_names()
        with open_days(settings, progress) as days:
            named, coverage = call.days(), days.coverage(call.clock.now())
            rows = [row for row in coverage.rows if row.good and (not named or row.day in named)]
            made = tables_of(days, progress)
            told, failed = _made(made, rows)
    if call.arguments.json:
        print_json({"tables": told, "failed": [{"day": day, "reason": reason} for day, reason in failed]})
    else:
        print_table(
            ("day", "table", "events"), [(str(one["day"]), str(one["table"]), f"{one['events']:,}") for one in told]
        )
        for day, reason in failed:
            print(f"{day}: {reason}")
    return FAILED if failed else DONE


def _made(made: "Tables", rows: Sequence["Row"]) -> tuple[list[dict[str, Any]], list[tuple[date, str]]]:
    from exporter.tables.derive import due_tables  # noqa: PLC0415 - this command only

    due = due_tables(rows, made.sources(rows))
    failed = made.try_to_derive(due)
    wrong = {day for day, _ in failed}
    told = [
        {
            "day": row.day,
            "table": "failed" if row.day in wrong else "made" if row.day in due else "there",
            "events": row.events,
        }
        for row in rows
    ]
    return told, failed
