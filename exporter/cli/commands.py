"""What the commands do: each takes the arguments and returns the exit code.

A command imports what it alone needs when it is called: what only looks into the store starts in half the time.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta

from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.show import print_json, print_status, print_table
from exporter.days.coverage import read_coverage
from exporter.days.due import due_days_of, yesterday_of
from exporter.days.verify import verify_day
from exporter.errors import SettingsError
from exporter.settings import Settings
from exporter.wiring import open_store


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
    with open_store(settings) as store:
        coverage = read_coverage(store, settings.layout, yesterday_of(now))
    rows = [row for row in coverage.rows if (yesterday_of(now) - row.day).days < call.arguments.days]
    due = due_days_of(coverage, now, settings)
    if call.arguments.json:
        shown = {"newest": coverage.newest, "missing": coverage.missing, "due": due}
        print_json(shown | {"days": [row.plain() for row in rows]})
    else:
        print_status(coverage, rows)
        print(f"Due now: {', '.join(map(str, due)) or 'nothing'}.")
    return DONE


def _verify(call: Call) -> int:
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    call.warn_of_unknown_names()
    yesterday = yesterday_of(call.clock.now())
    with open_store(settings) as store:
        days = call.days()
        if not days:
            coverage = read_coverage(store, settings.layout, yesterday)
            oldest = yesterday - timedelta(days=settings.lookback_days)
            days = [row.day for row in coverage.rows if row.day >= oldest]
        found = [verify_day(day, store, settings.layout) for day in days]
    if call.arguments.json:
        print_json([vars(one) for one in found])
    else:
        lines = [(str(v.day), "see below" if v.problem else "ok", f"{v.events:,}", f"{v.size:,}") for v in found]
        print_table(("day", "result", "events", "bytes"), lines)
        for one in found:
            if one.problem:
                print(f"{one.day}: {one.problem}")
    return DONE if all(one.problem is None for one in found) else FAILED


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
    "simulate": _simulate,
    "demo": _demo,
}
