"""What the store has of its days: everything that is read, in one object that answers for it."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing
from exporter.days.facts import Facts, proves, same_etag
from exporter.days.hours import hours_noted, hours_of
from exporter.days.layout import Layout
from exporter.days.manifest import DAMAGED, Failure, Manifest
from exporter.days.rules import Neighbours, StoredDay
from exporter.dump import lines, read_back
from exporter.errors import DamagedError, ExportError, OtherSourceError, PermanentError
from exporter.store import ANY, Entry, Store
from exporter.window import HOURS_A_DAY, OLDEST, day_end, days_of, yesterday_of

MOST_ASKED = 10
"""Manifests that are read at most to learn whose days a store holds."""
NEARBY = (1, -2, 2, -3, 3, -4, 4)
"""Where to look for a neighbour if the day before is not there: days that are exported side by side leave gaps."""

log = logging.getLogger(__name__)


class ManifestRead(NamedTuple):
    """A manifest as it was read: None where it is not there or damaged, and why."""

    manifest: Manifest | None = None
    etag: str | None = None
    damage: str = ""


@dataclass(frozen=True)
class Days:
    """The days of one project in ``store``, named by ``layout``; ``timing`` says when they are due."""

    store: Store
    layout: Layout
    timing: Timing

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
        return Neighbours(before, after, source.source if source else None, source.dump if source else "")

    def coverage(self, now: datetime) -> Coverage:
        """Every day from the oldest record to yesterday, from four listings and the failure records.

        A record that is damaged proves nothing: its day is not whole. It stops no other day.
        """
        yesterday, layout = yesterday_of(now), self.layout
        places = layout.dumps, layout.manifests, layout.failures, layout.locks
        dumps, manifests, failures, locks = (self._listed(place) for place in places)
        recorded = manifests.keys() | failures.keys()
        possible = {day for day in recorded if OLDEST <= day <= yesterday}
        running = {day for day, entry in locks.items() if (entry.metadata or {}).get("lease") == "leased"}
        rows = {day: Row(day, running=day in running) for day in possible | (running & {yesterday})}
        for day in sorted(possible):
            row = self._row(rows[day], manifests[day], dumps.get(day)) if day in manifests else rows[day]
            rows[day] = replace(row, failure=self.failure(day)) if day in failures else row
        every = days_of(min(rows), yesterday) if rows else []
        return Coverage(
            tuple(rows.get(day, Row(day, running=day in running)) for day in every),
            yesterday,
            tuple(sorted(recorded - possible)),
        )

    def record_failure(self, day: date, error: ExportError, hours: int, run_id: str, now: datetime) -> Failure:
        """Put another failed attempt at ``day`` on record; ``hours``: no window was wider when it ended.

        What is known of damage stays until the day is written anew.
        """
        try:
            last = self.failure(day)
        except PermanentError:  # of a newer format: that may be the very failure
            last = None
        kind, reason = error.kind, str(error)
        if last:
            hours = min(hours, last.window_hours)
        if (
            last and last.kind == DAMAGED and last.run
        ):  # until the day is written anew; a record that was none has no run
            kind, reason = last.kind, last.reason
        failure = Failure(day, kind, reason, (last.attempts if last else 0) + 1, hours, run_id, now)
        self.store.write(self.layout.failure(day), failure.to_json(), seen=ANY, metadata={})
        return failure

    def _listed(self, place: str) -> dict[date, Entry]:
        named = ((self.layout.day_of(entry.name), entry) for entry in self.store.list(place))
        return {day: entry for day, entry in named if day}

    def _row(self, row: Row, listed: Entry, dump: Entry | None) -> Row:
        facts, damage = Facts.from_metadata(listed.metadata), ""
        try:
            if facts is None:
                found = self.manifest(row.day)
                facts, damage = (Facts.of(found.manifest) if found.manifest else None), found.damage
            elif facts.dump:
                self.layout.check_dump(facts.dump, row.day, listed.name)
        except (PermanentError, OtherSourceError) as error:
            facts, damage = None, str(error)
        return row.told(facts, whole=facts is not None and proves(dump, facts), damage=damage)

    def manifest(self, day: date) -> ManifestRead:
        """Read the manifest of ``day``.

        Raises:
            PermanentError: its format is newer than this version.
            OtherSourceError: the store's dumps have other names.
        """
        name = self.layout.manifest(day)
        stored = self.store.read(name)
        if stored is None:
            return ManifestRead()
        try:
            found = Manifest.from_json(stored[0], name, day)
            self.layout.check_dump(found.dump, day, name)
        except DamagedError as error:
            return ManifestRead(None, stored[1], str(error))
        return ManifestRead(found, stored[1])

    def failure(self, day: date) -> Failure | None:
        """Read the failure record of ``day``. One that is damaged says so itself.

        Raises:
            PermanentError: its format is newer than this version.
        """
        name = self.layout.failure(day)
        stored = self.store.read(name)
        if stored is None:
            return None
        try:
            return Failure.from_json(stored[0], name, day)
        except DamagedError as error:
            return Failure(day, DAMAGED, str(error), 0, HOURS_A_DAY, "", day_end(day))

    def _neighbour(self, day: date) -> Manifest | None:
        try:
            found = self.manifest(day)
        except PermanentError as error:  # of a newer format
            found = ManifestRead(damage=str(error))
        if found.damage:  # that day's trouble, not this one's
            log.warning(found.damage)
        return found.manifest

    def _with_project(self) -> Iterator[Manifest]:
        """Manifests that tell the project's id. A listing tells which do; where it does not, some are read."""
        asked = 0
        for entry in self.store.list(self.layout.manifests):
            day, facts = self.layout.day_of(entry.name), Facts.from_metadata(entry.metadata)
            if day is None or (facts and not facts.project and not facts.events):
                continue
            found = self._neighbour(day)
            if found and found.source.project:
                yield found
            asked += 1
            if asked >= MOST_ASKED:
                return

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
