"""Make a day visible: dump, rejected lines, manifest, in this order, each undone by the next attempt.

Between the commit and the manifest the day is not whole, and therefore due.
"""

from dataclasses import dataclass, replace

from exporter.archive.rejected import RejectedLines
from exporter.days.layout import Layout
from exporter.days.manifest import FINAL, Manifest
from exporter.days.rules import Known, Outcome, kept, proves, says_the_same
from exporter.errors import LostRaceError
from exporter.report import Progress, Step
from exporter.store import ANY, Draft, Store


@dataclass(frozen=True)
class Shelf:
    """Where a day is put, and who is told of each step."""

    store: Store
    layout: Layout
    progress: Progress


def publish(
    known: Known, new: Manifest, outcome: Outcome, shelf: Shelf, draft: Draft, rejected: RejectedLines
) -> Manifest:
    """Commit the dump, then its rejected lines, then the manifest that proves it; return the manifest that stands.

    Raises:
        LostRaceError: another exporter was first.
    """
    store, layout, day = shelf.store, shelf.layout, new.day
    match outcome:
        case Outcome.KEPT if known.manifest:
            new = kept(known.manifest, new)
        case Outcome.UNCHANGED if known.manifest and known.dump and says_the_same(known, new):
            store.delete(layout.failure(day))
            return known.manifest
        case Outcome.UNCHANGED if known.dump:
            was_final = known.whole and known.manifest is not None and known.manifest.state == FINAL
            new = replace(new, etag=known.dump.etag, state=FINAL if was_final else new.state)
        case _:
            metadata = {"sha256": new.sha256, "events": str(new.events), "run": new.run}
            new = replace(new, etag=draft.commit(metadata))
    if outcome is not Outcome.KEPT:
        shelf.progress(Step.REJECTING, rejected.count, None)
        _check_ours(store, new)
        if rejected.count:
            store.write(layout.rejected(day), rejected.open(), seen=ANY, metadata={})
        else:
            store.delete(layout.rejected(day))
    shelf.progress(Step.PROVING, 0, None)
    store.write(layout.manifest(day), new.to_json(), seen=known.manifest_etag, metadata=new.metadata())
    shelf.progress(Step.PROVEN, 0, None)
    store.delete(layout.failure(day))
    return new


def _check_ours(store: Store, new: Manifest) -> None:
    """Another exporter may have replaced the dump since our commit: then the rejected lines are its own, too.

    Raises:
        LostRaceError: it has.
    """
    if not proves(store.stat(new.dump), new.sha256, new.etag):
        raise LostRaceError(f"{new.dump} was replaced by another exporter before its manifest was written")
