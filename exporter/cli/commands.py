"""What the commands do: each takes the arguments and returns the exit code.

A command imports what it alone needs when it is called: what only looks into the store starts in half the time.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import date, datetime, timedelta

from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.show import print_json, print_status, print_table, print_verified
from exporter.days.due import due_days
from exporter.days.repair import note_verified
from exporter.days.stored import Days
from exporter.days.verify import verify_day
from exporter.errors import SettingsError
from exporter.settings import Settings
from exporter.wiring import new_run, open_days


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
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    call.warn_of_unknown_names()
    now = call.clock.now()
    with open_days(settings) as days:
        coverage = days.coverage(now)
    rows = [row for row in coverage.rows if (coverage.yesterday - row.day).days < call.arguments.days]
    due = due_days(coverage, now, days.timing)
    if call.arguments.json:
        print_json(coverage.plain(rows, due))
    else:
        print_status(coverage, rows)
        print(f"Due now: {', '.join(map(str, due)) or 'nothing'}.")
    return DONE


def _verify(call: Call) -> int:
    settings = Settings.from_mapping(call.environment, keys_needed=call.arguments.repair)
    call.warn_of_unknown_names()
    with open_days(settings) as days:
        named = call.days() or _lookback(days, call.clock.now())
        run_id, now = new_run(call.clock.now()), call.clock.now()
        found = [note_verified(verify_day(day, days), days, run_id, now) for day in named]
    if call.arguments.repair:
        from exporter.cli.exporting import repair  # noqa: PLC0415 - see above

        return repair(call, found)
    if call.arguments.json:
        print_json([vars(one) for one in found])
    else:
        print_verified(found)
    return FAILED if any(one.problem for one in found) else DONE


def _lookback(days: Days, now: datetime) -> list[date]:
    coverage = days.coverage(now)
    oldest = coverage.yesterday - timedelta(days=days.timing.lookback_days)
    return [row.day for row in coverage.rows if row.day >= oldest]


def _doctor(call: Call) -> int:
    from exporter.doctor.checks import check_all  # noqa: PLC0415 - this command only

    found = check_all(call.environment, call.clock, new_run(call.clock.now()))
    if call.arguments.json:
        print_json(found.plain())
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
            raise SettingsError(f"--port {arguments.port} cannot be used: {error}. 0 picks a free one") from error
        print(f"A simulated Amplitude Export API listens on {simulator.url}. In another terminal:\n")
        print(f"  export AMP_BASE_URL={simulator.url} \\")
        print(f"         AMP_API_KEY={simulator.api_key} AMP_SECRET_KEY={simulator.secret_key}")
        print("  python -m exporter export\n\nCtrl-C stops it.", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return DONE


def _demo(call: Call) -> int:
    from exporter.cli.demo import demo  # noqa: PLC0415 - this command only

    return demo(call.clock)


COMMANDS: dict[str, Callable[[Call], int]] = {
    "status": _status,
    "verify": _verify,
    "doctor": _doctor,
    "simulate": _simulate,
    "demo": _demo,
}
