"""What a person changed on purpose (a restored backup, days that retention took away) is put on record, with a line."""

import logging
from dataclasses import replace
from datetime import datetime

from exporter.days.audit import Audit
from exporter.days.chain import DELETED, Change, Content
from exporter.days.facts import Facts
from exporter.days.manifest import LedgerLine
from exporter.days.stored import Days
from exporter.days.verify import Verified, verify_day

log = logging.getLogger(__name__)
NOT_ACCEPTED = (
    "It was not accepted: a day has to fit its own manifest, or to be gone with it (its rejected lines and table, too)"
)


def accept(found: Verified, days: Days, audit: Audit, run_id: str, now: datetime) -> Verified:
    """Write a line about a day that is not what the ledger says: `found` if it is whole, `deleted` if nothing is there.

    What does not fit its own manifest is not accepted. The lines before stay, and what differs from them is told.
    Killed anywhere, it may be called again.

    Raises:
        DayHeldError: an exporter is at work on the day.
        StoreError: the store refuses.
    """
    if found.problem is None or not audit.there:
        return found
    day, layout = found.day, days.layout
    with days.lock(day, run_id):
        read, line = days.manifest(day), audit.chain.newest.get(day)
        if read.manifest and found.manifest == read.manifest:
            head = days.ledger.append([Change(day, "found", Content.of(read.manifest), run_id, now)])
            manifest = replace(read.manifest, ledger=LedgerLine(number=head.number, sha256=head.sha256))
            facts = Facts.of(manifest).metadata()
            days.store.write(layout.manifest(day), manifest.to_json(), seen=read.etag, metadata=facts)
        elif line and read.etag is None and days.store.stat(layout.dump(day)) is None:
            days.ledger.append([Change(day, DELETED, line.content, run_id, now)])
        else:
            return replace(found, problem=f"{found.problem}. {NOT_ACCEPTED}")
        log.warning(f"{day}: put into the ledger as it is now. Before: {found.problem}")
        days.store.delete(layout.failure(day))
    return verify_day(day, days, audit)
