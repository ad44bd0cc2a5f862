"""Histories of days without Amplitude: a few lines a day, decided and published by the real rules."""

import hashlib
import io
import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from exporter.days.audit import Audit, asked_of
from exporter.days.chain import Head
from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL, Manifest
from exporter.days.publish import publish
from exporter.days.recording import ready
from exporter.days.rules import Neighbours, Outcome, StoredDay, decide
from exporter.days.stored import Days
from exporter.days.verify import verify_day
from exporter.errors import LostRaceError, RetriableError
from exporter.report import Progress, no_progress
from exporter.store import Store
from exporter.window import day_end
from tests.kit import DAY, dump_of
from tests.kit.rules import days_on, manifest_of

SETTLE = timedelta(hours=12)


@dataclass(frozen=True)
class Given:
    """What Amplitude has of a day: so many events, and so many lines that are none."""

    events: int = 3
    rejected: int = 0


def lines_of(day: date, events: int) -> list[bytes]:
    """Events of a day; a larger number of them begins with the same ones."""
    return [json.dumps({"uuid": f"{day}-{number}"}).encode() for number in range(events)]


def manifest_for(day: date, given: Given, now: datetime, run: str) -> Manifest:
    """The manifest of an export that found what is given."""
    text, rejected = dump_of(lines_of(day, given.events)), b"odd\n" * given.rejected
    settled = now >= day_end(day) + SETTLE
    return manifest_of(
        day,
        state=(FINAL if given.events or given.rejected else EMPTY) if settled else PROVISIONAL,
        events=given.events,
        rejected=given.rejected,
        rejected_sha256=hashlib.sha256(rejected).hexdigest() if rejected else "",
        size=len(text),
        sha256=hashlib.sha256(text).hexdigest(),
        run=run,
        finished_at=now,
    )


@dataclass
class Attempt:
    """An export that has looked at the day and not published yet; another one may come between."""

    days: Days
    day: date
    now: datetime
    run: str = "run-1"

    def __post_init__(self) -> None:
        self.stored: StoredDay = self.days.stored(self.day)
        ready(self.days, self.stored, Neighbours(), self.run, self.now)

    def end(self, given: Given, *, force: bool = False, progress: Progress = no_progress) -> Outcome | None:
        """Publish what is given; None if another exporter was first."""
        draft = self.days.store.draft(
            self.days.layout.dump(self.day),
            self.stored.dump.etag if self.stored.dump else None,
            afresh=bool(self.stored.damage),
        )
        try:
            draft.write(0, dump_of(lines_of(self.day, given.events)))
            decision = decide(self.stored, manifest_for(self.day, given, self.now, self.run), force=force)
            rejected = io.BytesIO(b"odd\n" * given.rejected) if given.rejected else None
            publish(decision, self.stored, draft, rejected, self.days, progress)
        except (LostRaceError, RetriableError):  # or the dump of one that was killed has more
            return None
        finally:
            draft.discard()
        return decision.outcome


def export(
    store: Store, day: date, given: Given, now: datetime, *, force: bool = False, progress: Progress = no_progress
) -> Outcome | None:
    """One export of a day that finds what is given."""
    return Attempt(days_on(store), day, now).end(given, force=force, progress=progress)


def verified(store: Store, now: datetime, kept: Head | None = None) -> list[str]:
    """What `verify --all` finds wrong, in days and in the ledger."""
    days = days_on(store)
    audit = Audit(days.ledger, now.year, kept)
    coverage = days.coverage(now)
    asked = asked_of(audit, coverage.rows, date.min, coverage.yesterday)
    found = [verify_day(day, days, audit) for day in asked]
    return [*audit.problems, *(f"{one.day}: {one.problem}" for one in found if one.problem)]


def put(store: Store, manifest: Manifest, dump: bytes | None = None) -> None:
    """Write a manifest, and a dump that it then proves, as somebody does who knows how."""
    days = days_on(store)
    if dump is not None:
        digest, entry = hashlib.sha256(dump).hexdigest(), store.stat(manifest.dump)
        store.write(manifest.dump, dump, seen=entry.etag if entry else None, metadata={"sha256": digest})
        found = store.stat(manifest.dump)
        events = 0 if dump == b"[]\n" else dump.count(b"\n") - 2
        hours = {hour: {"members": 1, "events": events if hour == "03" else 0} for hour in manifest.hours}
        etag = found.etag if found else ""
        manifest = replace(manifest, sha256=digest, size=len(dump), events=events, hours=hours, etag=etag)
    name = days.layout.manifest(manifest.day)
    entry = store.stat(name)
    store.write(name, manifest.to_json(), seen=entry.etag if entry else None, metadata={})


def day_number(number: int) -> date:
    """DAY and the days behind it."""
    return DAY + timedelta(days=number)
