"""The commands that export days."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import date

from exporter import report
from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.display import Display
from exporter.cli.logs import log_to_console, log_to_file
from exporter.cli.ping import Ping
from exporter.cli.results import Verification, export_document, exports_of, verify_document
from exporter.cli.show import print_json, print_run, print_verified
from exporter.cli.stopping import hang_up
from exporter.clock import SharedGate
from exporter.days.rules import Outcome
from exporter.days.scrub import try_to_scrub
from exporter.days.stored import Days
from exporter.errors import DayHeldError
from exporter.export import Exporter
from exporter.run import RunResult, Stop, Team, due_exported, export_days, export_side_by_side
from exporter.settings import Settings
from exporter.window import yesterday_of
from exporter.wiring import at_once, follow_deletions, new_run, open_days, open_exporter, share_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What a command exports with."""

    call: Call
    settings: Settings
    display: Display
    run_id: str
    stop: Stop = field(default_factory=Stop)

    def one_by_one(self, days: Sequence[date], *, force: bool = False) -> RunResult:
        """Export these days, one after the other."""
        with open_exporter(self.settings, self.call.clock, self.run_id, self.display.progress()) as core:
            result = export_days(days, core, force=force, watch=self.display)
            log.info(report.run_ended(self.run_id, core.days.ledger.shown(self.call.clock.now().year)))
            return result

    def side_by_side(self, asked: Sequence[date], days: Days) -> RunResult:
        """Export these days, as many at once as the settings allow."""
        clock = self.stop.clock(self.call.clock)
        gate = SharedGate(clock)

        def open_one(hand: int, hands: int) -> AbstractContextManager[Exporter]:
            progress = self.stop.progress(self.display.progress(hand))
            return open_exporter(share_of(self.settings, hands), clock, self.run_id, progress, gate)

        team = Team(at_once(self.settings), open_one, self.display, self.stop, hang_up)
        return export_side_by_side(asked, days, team)


def _export(call: Call) -> int:
    days = call.days() or [yesterday_of(call.clock.now())]
    return _exporting(call, lambda work: work.one_by_one(days, force=call.arguments.force))


def _run(call: Call) -> int:
    def due(work: Work) -> RunResult:
        with open_days(work.settings) as days:

            def exported(due: Sequence[date]) -> RunResult:
                result = work.side_by_side(due, days)
                if not result.stopped:
                    try_to_scrub(days, work.settings.scrub_days, work.run_id, call.clock)
                    follow_deletions(work.settings, call.clock, work.run_id)
                return result

            return due_exported(days, call.clock, exported)

    return _exporting(call, due)


def _backfill(call: Call) -> int:
    asked = call.days()

    def pending(work: Work) -> RunResult:
        with open_days(work.settings) as days:
            left = days.coverage(call.clock.now()).open_days(asked)
            log.info(f"backfill: {len(asked)} of the range's days, {len(asked) - len(left)} are final or empty already")
            result = work.side_by_side(left, days)
            if left and days.coverage(call.clock.now()).never_an_event:
                log.warning(report.NEVER_AN_EVENT)
            log.info(f"backfill ends: {len(result.done)} done, {len(result.failed)} failed, of {len(left)}")
            log.info(report.run_ended(work.run_id, days.ledger.shown(call.clock.now().year)))
        return result

    return _exporting(call, pending)


def repair(call: Call, found: Verification) -> int:
    """Export the days again that were ``found`` not to fit; return the exit code, 1 if one of them still does not."""
    wrong = [one.day for one in found.days if one.problem]
    if not call.arguments.json:
        print_verified(found, quiet=call.arguments.quiet)
    return _exporting(call, lambda work: work.one_by_one(wrong), found)


def _exporting(call: Call, do: Callable[[Work], RunResult], found: Verification | None = None) -> int:
    """Export, show, tell; ``found`` is what `verify` found before it had days repaired."""
    settings, now = Settings.from_mapping(call.environment), call.clock.now()
    quiet, as_json = call.arguments.quiet, call.arguments.json
    ping = Ping(settings.ping_url if found is None else "", call.environment)
    with ExitStack() as around:
        display = Display(call.clock.monotonic, quiet=quiet, lines=not as_json and not call.shown)
        log_to_console(settings, display.console)
        log_to_file(settings, now)
        log.info(report.program())
        if found is None:  # else it has been said
            call.warn()
        around.enter_context(ping.around())
        around.enter_context(display)
        result = do(Work(call, settings, display, new_run(now)))
    for day, error in result.failed:
        if isinstance(error, DayHeldError):  # no failure record and no line of its own yet
            log.error(report.day_failed(day, error.kind, str(error)))
    still_wrong = found is not None and (
        any(done.outcome is Outcome.KEPT for done in result.done)
        or any(one.problem and one.manifest and not one.damaged for one in found.days)  # what only --accept puts right
    )
    ok = result.ok and not still_wrong and not (found and found.ledger.problems)
    ping.end(result, ok=ok)
    if as_json and found is not None:
        print_json(verify_document(found, exports_of(result), ok=ok))
    elif as_json:
        print_json(export_document(call.arguments.command, result))
    elif call.shown and not quiet:
        print_run(result)
    return DONE if ok else FAILED


EXPORTING: dict[str, Callable[[Call], int]] = {"export": _export, "run": _run, "backfill": _backfill}
