"""What is said of a day that has been exported."""

import logging
from datetime import datetime

from exporter import report
from exporter.days.layout import Layout
from exporter.days.manifest import Manifest
from exporter.days.rules import Decision, Outcome, StoredDay

log = logging.getLogger(__name__)


def tell(decision: Decision, new: Manifest, stored: StoredDay, layout: Layout, now: datetime) -> None:
    """Log what was done with the day that was exported as ``new`` says, and what is remarkable about it."""
    manifest, old = decision.manifest, stored.manifest
    if decision.outcome is Outcome.KEPT:
        todo = "export it with force if fewer is right" if new.events else "delete its dump if it is to be empty"
        log.warning(
            f"{new.day}: Amplitude gives {new.events} events now, {manifest.events} are stored (fewer in the hours "
            f"{', '.join(decision.fewer) or 'of rejected lines'}). The stored day is kept; {todo}"
        )
    if old and old.rejected > new.rejected and decision.outcome is not Outcome.KEPT:
        log.info(f"{new.day}: {old.rejected} lines were rejected before, {new.rejected} are now")
    if old and decision.outcome is Outcome.WRITTEN and new.events < old.events:
        log.warning(
            f"{new.day}: its dump was gone; its manifest told of {old.events} events, {new.events} are there now"
        )
    if decision.outcome is Outcome.REPLACED and old:
        log.info(f"{new.day}: {old.events} events were stored, {new.events} are there now")
    if new.quiet_hours:
        log.warning(report.hours_quiet(new.day, new.quiet_hours, manifest.state))
    if new.rejected and decision.outcome is not Outcome.KEPT:
        log.warning(report.lines_rejected(new.day, new.rejected, layout.rejected(new.day)))
    figures = report.Figures(
        state=manifest.state,
        outcome=decision.outcome,
        events=manifest.events,
        bytes=manifest.size,
        rejected=new.rejected,
        windows=len(new.windows),
        requests=new.attempts,
        retries=new.retries,
        seconds=(now - new.started_at).total_seconds(),
    )
    log.info(report.day_exported(new.day, figures))
