"""The commands that export days."""

import logging
from collections.abc import Callable

from exporter import report
from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.show import print_json, shown_progress
from exporter.days.coverage import read_coverage
from exporter.days.due import yesterday_of
from exporter.export import Exporter
from exporter.logging_config import setup_logging
from exporter.run import RunResult, export_days, run
from exporter.settings import Settings
from exporter.wiring import new_run, open_exporter

log = logging.getLogger(__name__)


def _export(call: Call) -> int:
    days = call.days() or [yesterday_of(call.clock.now())]
    return _exporting(call, lambda exporter: export_days(days, exporter, force=call.arguments.force))


def _run(call: Call) -> int:
    return _exporting(call, run)


def _backfill(call: Call) -> int:
    days = call.days()

    def pending_days(exporter: Exporter) -> RunResult:
        coverage = read_coverage(exporter.store, exporter.settings.layout, yesterday_of(call.clock.now()))
        final = coverage.final
        pending = [day for day in days if day not in final]
        log.info(f"backfill: {len(days)} of the range's days, {len(days) - len(pending)} are final already")
        result = export_days(pending, exporter)
        log.info(f"backfill ends: {len(result.done)} done, {len(result.failed)} failed, of {len(pending)}")
        return result

    return _exporting(call, pending_days)


def _exporting(call: Call, work: Callable[[Exporter], RunResult]) -> int:
    settings = Settings.from_mapping(call.environment)
    with shown_progress() as (progress, console):
        setup_logging(settings.log_level, settings.log_dir, call.clock.now(), _secrets(settings), console)
        call.warn_of_unknown_names()
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


def _secrets(settings: Settings) -> tuple[str, ...]:
    return settings.api_key, settings.secret_key, settings.storage_connection_string


EXPORTING: dict[str, Callable[[Call], int]] = {"export": _export, "run": _run, "backfill": _backfill}
