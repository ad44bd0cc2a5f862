"""Read days back, hold them against the ledger, and show how far that is."""

import logging
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from exporter.cli.display import Display
from exporter.cli.logs import log_to_console
from exporter.cli.results import Verification, audit_state
from exporter.days.accepting import accept
from exporter.days.audit import Audit, asked_of
from exporter.days.chain import Head
from exporter.days.repair import note_verified
from exporter.days.verify import Verified, verify_day
from exporter.report import Step
from exporter.wiring import new_run

if TYPE_CHECKING:
    from exporter.cli.call import Call
    from exporter.days.stored import Days
    from exporter.settings import Settings

log = logging.getLogger(__name__)


def verification(
    named: Sequence[date], days: "Days", kept: Head | None, settings: "Settings", call: "Call"
) -> Verification:
    """Hold each day that was named against its manifest and the ledger; what is damaged goes on record.

    Without names: the days of the lookback, or all of them, as far as there is a record or a line of the ledger.
    """
    display, now = Display(call.clock.monotonic, quiet=call.arguments.quiet), call.clock.now()
    log_to_console(settings, display.console)
    call.warn()
    audit = Audit(days.ledger, now.year, kept)
    named = named or _on_record(days, audit, call)
    found, run_id = [], new_run(now)
    with display:
        display.planned(len(named))
        for day in named:
            display.begins(0, day, Step.PROVING)
            found.append(_read_back(day, days, audit, call, run_id))
            display.ends(0)
    return Verification(found, audit_state(audit))


def _read_back(day: date, days: "Days", audit: Audit, call: "Call", run_id: str) -> Verified:
    now = call.clock.now()
    try:
        found = verify_day(day, days, audit)
    except OSError as error:  # a bad sector is that day's trouble
        return Verified(day, 0, 0, f"it cannot be read back: {error}")
    if call.arguments.accept:
        return accept(found, days, audit, run_id, now)
    return note_verified(found, days, run_id, now, audit)


def _on_record(days: "Days", audit: Audit, call: "Call") -> list[date]:
    coverage = days.coverage(call.clock.now())
    oldest = date.min if call.arguments.all else coverage.yesterday - timedelta(days=days.timing.lookback_days)
    return asked_of(audit, coverage.rows, oldest, coverage.yesterday)
