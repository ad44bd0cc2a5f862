"""The command `tables`: make the tables of days that are there already."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.display import Display
from exporter.cli.documents import Table, TableFailed, TablesDocument
from exporter.cli.logs import log_to_console, log_to_file
from exporter.cli.show import print_json, print_table
from exporter.settings import Settings
from exporter.wiring import open_days, tables_of

if TYPE_CHECKING:
    from exporter.days.coverage import Row
    from exporter.tables.derive import Tables


def tables(call: Call) -> int:
    """Make what is missing; exit code 1 if a table could not be made."""
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    display = Display(call.clock.monotonic, lines=False)
    log_to_console(settings, display.console)
    log_to_file(settings, call.clock.now())
    call.warn()
    with display, open_days(settings, display.progress()) as days:
        named, coverage = call.days(), days.coverage(call.clock.now())
        rows = [row for row in coverage.rows if row.good and (not named or row.day in named)]
        told, failed = _made(tables_of(days, display.progress()), rows)
    if call.arguments.json:
        print_json(TablesDocument(command="tables", ok=not failed, tables=told, failed=failed))
    else:
        if told:
            print_table(("day", "table", "events"), [(str(one.day), one.table, one.events) for one in told])
        else:
            print("None of these days is whole, so there is nothing to make a table of: `status` shows what is there.")
        for one in failed:
            print(f"{one.day}: {one.reason}")
    return FAILED if failed else DONE


def _made(made: "Tables", rows: Sequence["Row"]) -> tuple[list[Table], list[TableFailed]]:
    from exporter.tables.derive import due_tables  # noqa: PLC0415 - this command only

    due = due_tables(rows, made.sources(rows))
    failed = made.try_to_derive(due)
    wrong = {day for day, _ in failed}

    def became(day: date) -> Literal["made", "there", "failed"]:
        return "failed" if day in wrong else "made" if day in due else "there"

    told = [Table(day=row.day, table=became(row.day), events=row.events) for row in rows]
    return told, [TableFailed(day=day, reason=reason) for day, reason in failed]
