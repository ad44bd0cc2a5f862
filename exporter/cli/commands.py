"""What the commands do: each takes the arguments and returns the exit code."""

import argparse
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import date, timedelta

from exporter import report
from exporter.cli.show import print_json, print_status, print_table, shown_progress
from exporter.clock import Clock
from exporter.coverage import read_coverage
from exporter.due import RunResult, due_days_of, export_days, run, yesterday_of
from exporter.errors import SettingsError
from exporter.export import Exporter
from exporter.logging_config import setup_logging
from exporter.settings import Settings, unknown_names
from exporter.verify import verify_day
from exporter.window import OLDEST, days_of
from exporter.wiring import new_run, open_exporter, open_store

DONE, FAILED, WRONG = 0, 1, 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """One call of the command line."""

    arguments: argparse.Namespace
    environment: Mapping[str, str]
    clock: Clock


def perform(call: Call) -> int:
    """Do what was asked.

    Raises:
        SettingsError: the settings or the arguments are wrong.
        ExportError: what a day's failure does not cover, e.g. the store cannot be reached.
    """
    commands: dict[str, Callable[[Call], int]] = {
        "export": _export,
        "run": _run,
        "backfill": _backfill,
        "status": _status,
        "verify": _verify,
        "simulate": _simulate,
        "demo": _demo,
    }
    return commands[call.arguments.command](call)


def _export(call: Call) -> int:
    days = _days(call) or [yesterday_of(call.clock.now())]
    return _exporting(call, lambda exporter: export_days(days, exporter, force=call.arguments.force))


def _run(call: Call) -> int:
    return _exporting(call, run)


def _backfill(call: Call) -> int:
    days = _days(call)

    def backfill(exporter: Exporter) -> RunResult:
        coverage = read_coverage(exporter.store, exporter.settings.layout, yesterday_of(call.clock.now()))
        final = coverage.final
        pending = [day for day in days if day not in final]
        log.info(f"backfill: {len(days)} of the range's days, {len(days) - len(pending)} are final already")
        result = export_days(pending, exporter)
        log.info(f"backfill ends: {len(result.done)} done, {len(result.failed)} failed, of {len(pending)}")
        return result

    return _exporting(call, backfill)


def _exporting(call: Call, work: Callable[[Exporter], RunResult]) -> int:
    settings = Settings.from_mapping(call.environment)
    with shown_progress() as (progress, console):
        setup_logging(settings.log_level, settings.log_dir, call.clock.now(), _secrets(settings), console)
        _warn_of_unknown_names(call)
        run_id = new_run(call.clock.now())
        with open_exporter(settings, call.clock, run_id, progress) as exporter:
            result = work(exporter)
    if call.arguments.json:
        print_json(_plain(result))
    for day, error in result.failed:
        if error.kind == "held":  # no failure record and no line of its own yet
            log.error(report.day_failed(day, error.kind, str(error)))
    return DONE if result.ok else FAILED


def _plain(result: RunResult) -> dict[str, object]:
    return {
        "done": [
            {
                "day": done.manifest.day,
                "outcome": done.outcome,
                "state": done.manifest.state,
                "dump": done.manifest.dump,
                "events": done.manifest.events,
                "bytes": done.manifest.size,
                "rejected": done.manifest.rejected,
                "sha256": done.manifest.sha256,
            }
            for done in result.done
        ],
        "failed": [{"day": day, "kind": error.kind, "reason": str(error)} for day, error in result.failed],
    }


def _status(call: Call) -> int:
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    _warn_of_unknown_names(call)
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
    _warn_of_unknown_names(call)
    yesterday = yesterday_of(call.clock.now())
    with open_store(settings) as store:
        days = _days(call)
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


def _days(call: Call) -> list[date]:
    """The days that the arguments name, oldest first; none if they name none."""
    arguments = call.arguments
    day, first, last = getattr(arguments, "day", None), arguments.first, arguments.last
    if day and (first or last):
        raise SettingsError("--day names one day, --from and --to a range: use one of the two")
    if day:
        days = [day]
    elif first and last:
        days = days_of(first, last)
        if not days:
            raise SettingsError(f"--from {first} is after --to {last}")
    elif first or last:
        raise SettingsError("--from and --to go together")
    else:
        return []
    if days[0] < OLDEST:
        raise SettingsError(f"{days[0]} is before {OLDEST}: Amplitude has nothing so old")
    yesterday = yesterday_of(call.clock.now())
    if days[-1] > yesterday:
        raise SettingsError(
            f"{days[-1]} is not over yet (days are UTC): the newest day that can be named is {yesterday}"
        )
    return days


def _warn_of_unknown_names(call: Call) -> None:
    for warning in unknown_names(call.environment):
        log.warning(warning)


def _secrets(settings: Settings) -> tuple[str, ...]:
    return settings.api_key, settings.secret_key, settings.storage_connection_string
