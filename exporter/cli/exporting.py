"""The commands that export days."""

import logging
from collections.abc import Callable, Sequence

from exporter import report
from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.logs import setup_logging
from exporter.cli.show import print_json, print_verified, shown_progress
from exporter.days.rules import Outcome
from exporter.days.verify import Verified
from exporter.export import Exporter
from exporter.run import RunResult, export_days, export_due
from exporter.settings import Settings
from exporter.window import yesterday_of
from exporter.wiring import new_run, open_exporter

log = logging.getLogger(__name__)


def _export(call: Call) -> int:
    days = call.days() or [yesterday_of(call.clock.now())]
    return _exporting(call, lambda core: export_days(days, core, force=call.arguments.force))


def _run(call: Call) -> int:
    return _exporting(call, export_due)


def _backfill(call: Call) -> int:
    days = call.days()

    def pending_days(core: Exporter) -> RunResult:
        pending = core.days.coverage(call.clock.now()).open_days(days)
        log.info(f"backfill: {len(days)} of the range's days, {len(days) - len(pending)} are final or empty already")
        result = export_days(pending, core)
        log.info(f"backfill ends: {len(result.done)} done, {len(result.failed)} failed, of {len(pending)}")
        return result

    return _exporting(call, pending_days)


def repair(call: Call, found: Sequence[Verified]) -> int:
    """Export the days again that were ``found`` not to fit; return the exit code, 1 if one of them still does not."""
    if not call.arguments.json:
        print_verified(found)
    wrong = [one.day for one in found if one.problem]
    return _exporting(call, lambda core: export_days(wrong, core), verified=[vars(one) for one in found])


def _exporting(call: Call, work: Callable[[Exporter], RunResult], **told: object) -> int:
    settings = Settings.from_mapping(call.environment)
    with shown_progress() as (progress, console):
        setup_logging(settings.log_level, settings.log_dir, call.clock.now(), _secrets(settings), console)
        log.info(report.program())
        call.warn_of_unknown_names()
        run_id = new_run(call.clock.now())
        with open_exporter(settings, call.clock, run_id, progress) as core:
            result = work(core)
    if call.arguments.json:
        print_json(told | _plain(result))
    for day, error in result.failed:
        if error.kind == "held":  # no failure record and no line of its own yet
            log.error(report.day_failed(day, error.kind, str(error)))
    still_wrong = told and any(done.outcome is Outcome.KEPT for done in result.done)
    return DONE if result.ok and not still_wrong else FAILED


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
