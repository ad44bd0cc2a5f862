"""What the store has of its days: everything that is read, in one object that answers for it."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing
from exporter.days.facts import Facts, proves, same_etag
from exporter.days.hours import hours_noted, hours_of
from exporter.days.layout import Layout
from exporter.days.ledger import Ledger
from exporter.days.manifest import DAMAGED, Failure, Manifest, Source
from exporter.days.records import ManifestRead, Records
from exporter.days.rules import Neighbours, StoredDay
from exporter.dump import lines, read_back
from exporter.errors import ExportError, OtherSourceError, PermanentError
from exporter.foreign import Foreign
from exporter.forget import ForgetOn, nothing
from exporter.store import ANY, Entry, Store
from exporter.window import OLDEST, days_of, yesterday_of

MOST_LISTED = 5000
"""Manifests that are listed at most to learn whose days a store holds: one page of Azure's."""
NEARBY = (1, -2, 2, -3, 3, -4, 4)
"""Where to look for a neighbour if the day before is not there: days that are exported side by side leave gaps."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Days:
    """The days of one project in ``store``, named by ``layout``; ``timing`` says when they are due.

    ``ledger`` lists every change to them. ``foreign`` is the door that stored sentences pass when they are read;
    ``forget_on`` tells what of a day is to be forgotten, for those who read its dump.
    """

    store: Store
    layout: Layout
    timing: Timing
    ledger: Ledger
    foreign: Foreign = field(default=Foreign(), repr=False, compare=False)
    forget_on: ForgetOn = field(default=nothing, repr=False, compare=False)

    @property
    def records(self) -> Records:
        """What is on record of each day."""
        return Records(self.store, self.layout, self.foreign)

    def lock(self, day: date, run_id: str) -> AbstractContextManager[None]:
        """Hold ``day`` for the run. Raises DayHeldError."""
        return self.store.lock(self.layout.lock(day), run_id)

    def stored(self, day: date) -> StoredDay:
        """What the store has of ``day``. Where only the bytes can tell whether a dump is whole, they are read.

        Raises:
            PermanentError: a record of a newer format.
            OtherSourceError: the store's dumps have other names.
            StoreError: the store cannot be read.
        """
        read, failure, dump = self.manifest(day), self.failure(day), self.store.stat(self.layout.dump(day))
        damage = read.damage or (failure.reason if failure and failure.kind == DAMAGED else "")
        stored = StoredDay(day, dump, read.manifest, read.etag, failure, damage=damage)
        if dump is None or (read.manifest and damage):
            return stored
        if read.manifest and _closer_look(dump, read.manifest) and dump.size == read.manifest.size:
            return self._hashed(stored, dump, read.manifest)
        return stored if stored.whole else replace(stored, unproven=self._events_by_hour(day, dump))

    def neighbours(self, stored: StoredDay) -> Neighbours:
        """What other days of the store tell: the window size that works, which hours are busy, whose days these are."""
        before = self._neighbour(stored.day - timedelta(days=1))
        nearby = (self._neighbour(stored.day + timedelta(days=away)) for away in NEARBY)
        after = None if before else next(filter(None, nearby), None)
        near = [found for found in (stored.manifest, before, after) if found]
        telling = next((found for found in near if found.source.project), None) or next(self._with_project(), None)
        source = telling or next(iter(near), None)
        gap = before is None and self._has_before(stored.day)
        if source is None:
            project = (stored.dump.metadata or {}).get("project", "") if stored.dump else ""
            return Neighbours(
                before, after, gap, Source("", project) if project else None, self.layout.dump(stored.day)
            )
        return Neighbours(before, after, gap, source.source, source.dump)

    def coverage(self, now: datetime) -> Coverage:
        """Every day from the oldest record to yesterday, from four listings and the failure records.

        A record that is damaged proves nothing: its day is not whole. It stops no other day. A lock that nobody holds
        is what a killed exporter left.
        """
        yesterday, layout = yesterday_of(now), self.layout
        dump_names = {entry.name: entry for entry in self.store.list(layout.dumps)}
        manifests, failures, locks = (self._listed(at) for at in (layout.manifests, layout.failures, layout.locks))
        dumps = {day for name in dump_names if (day := layout.day_of(name))}
        recorded = manifests.keys() | failures.keys() | dumps
        possible = {day for day in recorded if OLDEST <= day <= yesterday}
        running = {day for day, entry in locks.items() if (entry.metadata or {}).get("lease") == "leased"}
        rows = {day: Row(day, running=day in running) for day in possible | (running & {yesterday})}
        for day in sorted(possible):
            row = replace(rows[day], interrupted=day in locks.keys() - running)
            if day in manifests:
                row = self._row(row, manifests[day], dump_names)
            rows[day] = self._with_failure(row) if day in failures else row
        every = days_of(min(rows), yesterday) if rows else []
        return Coverage(
            tuple(rows.get(day, Row(day, running=day in running)) for day in every),
            yesterday,
            tuple(sorted(recorded - possible)),
        )

    def record_failure(self, day: date, error: ExportError, hours: int, run_id: str, now: datetime) -> Failure:
        """Put another failed attempt at ``day`` on record; ``hours``: no window was wider when it ended.

        What is known of damage stays until the day is written anew.

        Raises:
            PermanentError: a newer exporter has put one there. It is left alone.
        """
        last = self.failure(day)
        kind, reason = error.kind, str(error)
        if last:
            hours = min(hours, last.window_hours)
        if last and last.kind == DAMAGED and last.run:  # a record that could not be read has no run
            kind, reason = last.kind, last.reason
        failure = Failure(day, kind, reason, (last.attempts if last else 0) + 1, hours, run_id, now)
        self.store.write(self.layout.failure(day), failure.to_json(), seen=ANY, metadata={})
        return failure

    def _listed(self, place: str) -> dict[date, Entry]:
        named = ((self.layout.day_of(entry.name), entry) for entry in self.store.list(place))
        return {day: entry for day, entry in named if day}

    def _row(self, row: Row, listed: Entry, dumps: Mapping[str, Entry]) -> Row:
        facts, damage = Facts.from_metadata(listed.metadata), ""
        try:
            if facts is None:
                found = self.manifest(row.day)
                facts, damage = (Facts.of(found.manifest) if found.manifest else None), found.damage
            elif facts.dump not in ("", self.layout.dump(row.day)):
                damage = self.records.other_name(facts.dump, row.day, listed.name)
                facts = None
        except OtherSourceError as error:
            facts, damage = None, str(error)
        except PermanentError as error:
            return replace(row, newer=str(error))
        except OSError as error:
            facts, damage = None, _unreadable(listed.name, error)
        dump = dumps.get(self.layout.dump(row.day))
        return row.told(facts, whole=facts is not None and proves(dump, facts), damage=damage)

    def _with_failure(self, row: Row) -> Row:
        try:
            return replace(row, failure=self.failure(row.day))
        except PermanentError as error:
            return replace(row, newer=str(error))
        except OSError as error:
            return replace(row, record_damage=_unreadable(self.layout.failure(row.day), error))

    def manifest(self, day: date) -> ManifestRead:
        """See Records."""
        return self.records.manifest(day)

    def failure(self, day: date) -> Failure | None:
        """See Records."""
        return self.records.failure(day)

    def _neighbour(self, day: date) -> Manifest | None:
        try:
            found = self.manifest(day)
        except PermanentError as error:  # of a newer format
            found = ManifestRead(damage=str(error))
        except OSError as error:
            found = ManifestRead(damage=_unreadable(self.layout.manifest(day), error))
        if found.damage:  # that day's trouble, not this one's
            log.warning(found.damage)
        return found.manifest

    def _has_before(self, day: date) -> bool:
        """Whether the store has a manifest of an older day, or one of the day before that cannot be read."""
        oldest = next(self.store.list(self.layout.manifests, 1), None)
        first = self.layout.day_of(oldest.name) if oldest else None
        return first is not None and first < day

    def _with_project(self) -> Iterator[Manifest]:
        """Manifests that tell the project's id. A listing tells which do; where it does not, they are read."""
        for entry in self.store.list(self.layout.manifests, MOST_LISTED):
            day, facts = self.layout.day_of(entry.name), Facts.from_metadata(entry.metadata)
            if day is None or (facts and not facts.project and not facts.events):
                continue
            found = self._neighbour(day)
            if found and found.source.project:
                yield found

    def _hashed(self, stored: StoredDay, dump: Entry, manifest: Manifest) -> StoredDay:
        found = read_back(self.store.stream(dump.name))
        if found.sha256 == manifest.sha256:
            return replace(stored, hashed=True)
        return replace(stored, damage=f"{dump.name} has SHA-256 {found.sha256}; its manifest says {manifest.sha256}")

    def _events_by_hour(self, day: date, dump: Entry) -> dict[str, int]:
        """Of a dump that no manifest proves: as its metadata says, else counted by the time of each event."""
        noted = hours_noted((dump.metadata or {}).get("hours", ""))
        return noted or hours_of(lines(self.store.stream(dump.name)), day)


def _closer_look(dump: Entry, manifest: Manifest) -> bool:
    """Whether a listing cannot tell: a file of the right size and another time."""
    return "sha256" not in (dump.metadata or {}) and not same_etag(dump.etag, manifest.etag)


def _unreadable(name: str, error: OSError) -> str:
    return f"{name} cannot be read: {error.strerror}"
