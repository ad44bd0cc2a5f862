"""What the commands do: each takes the arguments and returns the exit code.

A command imports what it alone needs when it is called: what only looks into the store starts in half the time.
"""

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import date

from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.logs import log_to_console
from exporter.cli.putting import place_of, write_coverage
from exporter.cli.results import doctor_document, ledger_state, status_document, verify_document
from exporter.cli.show import print_json, print_ledger, print_status, print_table, print_verified, printable
from exporter.days.chain import Head
from exporter.days.check import problems
from exporter.days.coverage import Coverage, Row
from exporter.days.due import due_days
from exporter.errors import SettingsError
from exporter.settings import Settings
from exporter.wiring import new_run, open_days, tables_of


def perform(call: Call) -> int:
    """Do what was asked.

    Raises:
        SettingsError: the settings or the arguments are wrong.
        ExportError: what a day's failure does not cover, e.g. the store cannot be reached.
    """
    command = call.arguments.command
    if command in COMMANDS:
        return COMMANDS[command](call)
    from exporter.cli.exporting import EXPORTING  # noqa: PLC0415 - see above

    return EXPORTING[command](call)


def _status(call: Call) -> int:
    arguments, now = call.arguments, call.clock.now()
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    log_to_console(settings, logging.StreamHandler(sys.stderr))
    call.warn()
    with open_days(settings) as days:
        coverage = days.coverage(now)
        tables_due = tables_of(days).due(coverage) if settings.tables else None
        rows, ledger = _asked(call, coverage), ledger_state(days, coverage, now.year)
        if arguments.html:
            write_coverage(call, coverage, days, settings, tables_due)
    found = problems(coverage, now, arguments.by, days.timing) if arguments.check else None
    due = due_days(coverage, now, days.timing)
    if arguments.json:
        print_json(status_document(coverage, rows, due, found, tables_due, ledger))
    elif not arguments.quiet:
        print_status(coverage, rows, call.program, place_of(settings, full=True))
        print(f"Due now: {', '.join(map(str, due)) or 'nothing'}.")
        if tables_due is not None:
            print(f"Tables due: {len(tables_due) or 'none'}.{' `tables` makes them.' if tables_due else ''}")
        if coverage.rows or ledger.head or ledger.problems:
            print_ledger(ledger)
    if found is not None and not arguments.json:
        _print_check(found, ledger.problems, quiet=arguments.quiet)
    return FAILED if found or (arguments.check and ledger.problems) else DONE


def _asked(call: Call, coverage: Coverage) -> list[Row]:
    """The rows that the arguments ask for."""
    if call.arguments.first:
        first = call.day(call.arguments.first)
        return [row for row in coverage.rows if row.day >= first]
    return [row for row in coverage.rows if (coverage.yesterday - row.day).days < call.arguments.days]


def _print_check(found: Sequence[tuple[date, str]], broken: Sequence[str], *, quiet: bool) -> None:
    for sentence in broken:
        print(printable(f"Not well: the ledger is broken: {sentence}"))
    for day, problem in found:
        print(printable(f"Not well: {day} is {problem}"))
    if not (found or broken or quiet):
        print("All is well.")


def _verify(call: Call) -> int:
    from exporter.cli.verifying import verification  # noqa: PLC0415 - see above

    arguments = call.arguments
    settings = Settings.from_mapping(call.environment, keys_needed=arguments.repair)
    named = call.days()
    if named and arguments.all:
        raise SettingsError("--all names every day on record: use it without --day, --from and --to")
    if arguments.accept and (not named or arguments.repair):
        raise SettingsError(
            "--accept is about days that you name, with --day or --from and --to, and not with --repair"
        )
    kept = Head.read(arguments.head) if arguments.head is not None else None
    with open_days(settings) as days:
        found = verification(named, days, kept, settings, call)
    if arguments.repair:
        from exporter.cli.exporting import repair  # noqa: PLC0415 - see above

        return repair(call, found)
    if arguments.json:
        print_json(verify_document(found, None, ok=found.ok))
    else:
        print_verified(found, quiet=arguments.quiet)
        if kept and not (found.ledger.problems or arguments.quiet):
            print(f"Line {kept.number} is the one that you kept: no line up to it was changed, added or taken out.")
    return DONE if found.ok else FAILED


def _doctor(call: Call) -> int:
    from exporter.doctor.checks import check_all  # noqa: PLC0415 - this command only

    found = check_all(call.environment, call.clock, new_run(call.clock.now()))
    if call.arguments.json:
        print_json(doctor_document(found))
    else:
        print_table(("check", "result", "what was found"), [(c.name, c.result, c.sentence) for c in found.checks])
    return DONE if found.ok else FAILED


def _simulate(call: Call) -> int:
    from exporter.simulator import FAULT_NAMES, Simulator, parse_faults  # noqa: PLC0415 - this command only

    arguments = call.arguments
    if arguments.list_faults:
        print_table(("fault", "what it does"), FAULT_NAMES.items())
        return DONE
    try:
        script = parse_faults(arguments.faults)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    simulator = Simulator(
        events_per_hour=arguments.events_per_hour,
        seed=arguments.seed,
        project=arguments.project,
        port=arguments.port,
        clock=call.clock.now,
    )
    for item in script:
        simulator.add(item)
    with ExitStack() as running:
        try:
            running.enter_context(simulator)
        except (OSError, OverflowError) as error:
            raise SettingsError(
                f"--port {arguments.port} cannot be used: {str(error).rstrip('.')}. 0 picks a free one"
            ) from error
        print(f"A simulated Amplitude Export API listens on {simulator.url}. In another terminal:\n")
        print(f"  export AMP_BASE_URL={simulator.url} \\")
        print(f"         AMP_API_KEY={simulator.api_key} AMP_SECRET_KEY={simulator.secret_key}")
        print(f"  {call.program} export\n\nCtrl-C stops it.", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return DONE


def _asking(call: Call) -> int:
    from exporter.cli import reporting, sql, tables  # noqa: PLC0415 - these commands only

    commands = {"tables": tables.tables, "sql": sql.sql, "report": reporting.write_report}
    return commands[call.arguments.command](call)


def _people(call: Call) -> int:
    from exporter.cli import erasing, finding  # noqa: PLC0415 - these commands only

    return {"find": finding.find, "erase": erasing.erase, "erasures": erasing.erasures}[call.arguments.command](call)


def _demo(call: Call) -> int:
    from exporter.cli.demo import demo  # noqa: PLC0415 - this command only

    return demo(call)


COMMANDS: dict[str, Callable[[Call], int]] = {
    "status": _status,
    "verify": _verify,
    "doctor": _doctor,
    "simulate": _simulate,
    "demo": _demo,
    "tables": _asking,
    "sql": _asking,
    "report": _asking,
    "find": _people,
    "erase": _people,
    "erasures": _people,
}
