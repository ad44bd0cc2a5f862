"""Make a day visible: dump, rejected lines, the ledger's line, manifest. The next attempt does each of them anew.

Between the commit and the manifest the day is not whole, and therefore due. What is to be done has been decided.
"""

from dataclasses import replace
from typing import BinaryIO

from exporter.days.facts import Facts, proves
from exporter.days.hours import note_hours
from exporter.days.manifest import Manifest
from exporter.days.recording import recorded, restate
from exporter.days.rules import Decision, Outcome, StoredDay
from exporter.days.stored import Days
from exporter.errors import LostRaceError
from exporter.report import Progress, Step
from exporter.store import ANY, Draft


def publish(
    decision: Decision, stored: StoredDay, draft: Draft, rejected: BinaryIO | None, days: Days, progress: Progress
) -> Manifest:
    """Commit the dump, then its rejected lines, the ledger's line, and the manifest that proves it; return what stands.

    ``rejected`` are the rejected lines from their first byte on, None without any.

    Raises:
        LostRaceError: another exporter was first.
    """
    store, layout, manifest = days.store, days.layout, decision.manifest
    if decision.writes_dump:
        manifest = replace(manifest, etag=draft.commit(_metadata(manifest)))
    if decision.outcome is not Outcome.KEPT:
        progress(Step.REJECTING, manifest.rejected, None)
        _check_ours(days, manifest)
        if rejected:
            store.write(layout.rejected(stored.day), rejected, seen=ANY, metadata={})
        else:
            store.delete(layout.rejected(stored.day))
    manifest = replace(manifest, ledger=recorded(decision, manifest, stored, days, progress))
    progress(Step.PROVING, 0, None)
    facts = Facts.of(manifest).metadata()
    try:
        store.write(layout.manifest(stored.day), manifest.to_json(), seen=stored.manifest_etag, metadata=facts)
    except LostRaceError:
        restate(manifest, days)
        raise
    progress(Step.PROVEN, 0, None)
    keeps_failure = Outcome.KEPT if stored.damage else Outcome.ERASED  # which is no export: a failed one is due still
    if stored.failure and decision.outcome is not keeps_failure:
        store.delete(layout.failure(stored.day))
    return manifest


def _metadata(manifest: Manifest) -> dict[str, str]:
    """What the dump itself tells, for the case that its manifest is never written."""
    hours = note_hours(manifest.event_hours())
    found = {"sha256": manifest.sha256, "events": str(manifest.events), "run": manifest.run}
    told = {"hours": hours, "project": manifest.source.project}
    return found | {name: text for name, text in told.items() if text}


def _check_ours(days: Days, manifest: Manifest) -> None:
    """Another exporter may have replaced the dump since our commit: then the rejected lines are its own, too.

    Raises:
        LostRaceError: it has.
    """
    if not proves(days.store.stat(manifest.dump), Facts.of(manifest)):
        raise LostRaceError(f"{manifest.dump} was replaced by another exporter before its manifest was written")
