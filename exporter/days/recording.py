"""What is written into the ledger when a day changes, and what was there before it: its baseline.

A line stands between the commit of a dump and its manifest. Killed before or after it, an exporter leaves a day that is
not whole, and the next attempt writes the line (again). So a line may stand twice, and none is ever missing.
"""

import logging
from collections.abc import Iterator
from datetime import date, datetime

from exporter import report
from exporter.days.chain import Cause, Change, Content, Head
from exporter.days.facts import Facts, proves
from exporter.days.manifest import EMPTY, LedgerLine, Manifest
from exporter.days.rules import Decision, Neighbours, Outcome, StoredDay
from exporter.days.stored import Days
from exporter.days.tail import gone
from exporter.errors import ExportError
from exporter.report import Progress, Step

CAUSES: dict[Outcome, Cause] = {
    Outcome.WRITTEN: "written",
    Outcome.REPLACED: "replaced",
    Outcome.EMPTY: "empty",
    Outcome.ERASED: "erased",
}

log = logging.getLogger(__name__)


def cause_of(decision: Decision, stored: StoredDay) -> Cause | None:
    """Why the ledger gets a line about the day; None where neither its bytes nor its state change. Pure.

    A day that a person forces gets a line in any case.
    """
    if decision.forced or decision.outcome in CAUSES:
        return "forced" if decision.forced else CAUSES[decision.outcome]
    if decision.outcome is Outcome.KEPT:
        return None
    if stored.manifest is None or not stored.whole:  # an exporter was stopped behind its commit
        return "written" if decision.manifest.events else "empty"
    was, becomes = Content.of(stored.manifest), Content.of(decision.manifest)
    if was == becomes:
        return None
    if was.rejected_sha256 != becomes.rejected_sha256:
        return "replaced"
    return "empty" if becomes.state == EMPTY else "final"


def recorded(
    decision: Decision, manifest: Manifest, stored: StoredDay, days: Days, progress: Progress
) -> LedgerLine | None:
    """Write the line about the day that was just committed, if there is one to write; return what its manifest names.

    Raises:
        StoreError: the ledger cannot be written. The day is not whole then, and therefore due.
    """
    cause = cause_of(decision, stored)
    if cause is None:
        return stored.manifest.ledger if stored.manifest else None
    run, at = decision.by or (manifest.run, manifest.finished_at)
    if not days.ledger.checked:
        ready(days, stored, Neighbours(), run, at)
    progress(Step.RECORDING, 0, None)
    head = days.ledger.append([Change(manifest.day, cause, Content.of(manifest), run, at)])
    progress(Step.RECORDED, 0, None)
    return LedgerLine(number=head.number, sha256=head.sha256)


def restate(manifest: Manifest, days: Days) -> None:
    """Another exporter was first, and our line stands behind its own: write what it left once more.

    Else the newest line about the day would be one of bytes that were never to be seen.
    """
    try:
        stands = days.manifest(manifest.day).manifest
        if stands and proves(days.store.stat(stands.dump), Facts.of(stands)):
            days.ledger.append([Change(stands.day, "found", Content.of(stands), stands.run, manifest.finished_at)])
    except (ExportError, OSError) as error:
        log.warning(f"{manifest.day}: the ledger could not be told that another exporter was first: {error}")


def ready(days: Days, stored: StoredDay, near: Neighbours, run_id: str, now: datetime) -> None:
    """See before any work that the ledger is there, and fits what the manifests at hand say of it.

    A store without one gets its baseline: a line for each day that is whole. What is broken is said once, and goes on:
    no line behind a break can hide it, and a night that was not exported helps nobody.

    Raises:
        LedgerError: there is none, and stored manifests name its lines.
        StoreError: it cannot be read.
    """
    ledger, at_hand = days.ledger, [found for found in (stored.manifest, near.before, near.after) if found]
    if not ledger.checked:
        tail = ledger.look(now.year)
        if tail is None and any(manifest.ledger for manifest in at_hand):
            raise gone(days.layout.ledger.name(now.year))
        if tail is None or not tail.head.number:
            _begin(days, run_id, now, anew=tail is not None)
        ledger.checked = True
    for manifest in at_hand:
        if manifest.ledger and ledger.lacks(named_by(manifest.ledger), now.year):
            ledger.note(
                f"the manifest of {manifest.day} names line {manifest.ledger['number']}, and the ledger has no such "
                "line: its end was cut off, or it was written anew"
            )
    for sentence in ledger.untold():
        log.error(report.ledger_broken(sentence))


def named_by(line: LedgerLine) -> Head:
    """The line that a manifest names."""
    return Head(line["number"], line["sha256"])


def _begin(days: Days, run_id: str, now: datetime, *, anew: bool) -> None:
    """The baseline; ``anew``: an empty ledger was put there, so it is right that there is none."""
    found = []
    for manifest in _whole(days, now):
        if manifest.ledger and not anew:
            raise gone(days.layout.ledger.name(now.year))
        found.append(Change(manifest.day, "found", Content.of(manifest), run_id, now))
    if found and days.ledger.begin(found):
        log.info(report.ledger_begun(len(found), days.layout.ledger.name(now.year)))


def _whole(days: Days, now: datetime) -> Iterator[Manifest]:
    """The manifests of all whole days, oldest first."""
    for row in days.coverage(now).rows:
        if row.whole and not row.newer:
            found = days.manifest(row.day).manifest
            if found:
                yield found


def deleted(day: date, manifest: Manifest, run_id: str, now: datetime) -> Change:
    """The line about a day that a person removed on purpose."""
    return Change(day, "deleted", Content.of(manifest), run_id, now)
