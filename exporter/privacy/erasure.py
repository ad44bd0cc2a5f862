"""A whole erasure: those who are erased are remembered by keyed hashes, put on record, and taken out of day after day.

In this order: the hashes, so that no export that begins from now on brings anybody back; the record; the days. Called
again with the same ids, an erasure that was stopped goes on: its hashes tell that it is theirs.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self

from exporter import report
from exporter.days.erasures import BEGUN, DONE, ErasedDay, Erasure, Erasures
from exporter.days.stored import Days
from exporter.errors import ExportError
from exporter.privacy.book import Book, Work
from exporter.privacy.erasing import erase_day, purged, with_past
from exporter.privacy.ids import AMPLITUDE, DEVICE, USER, Ids
from exporter.privacy.keyed import Kept, Keyed
from exporter.privacy.matching import Matcher, Wanted
from exporter.privacy.request import Request, Stopped
from exporter.privacy.search import Found
from exporter.report import Step
from exporter.tables.derive import Tables

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """What there was before anything was looked for: what has changed since then has to be looked at, too."""

    days: Days
    etags: dict[str, str]

    @classmethod
    def of(cls, days: Days) -> Self:
        """What is there now."""
        return cls(days, _etags(days))

    def changed(self) -> set[date]:
        """The days whose dump or rejected lines are others now, or that somebody is at work on."""
        locks = self.days.store.list(self.days.layout.locks)
        names = {one.name for one in locks if (one.metadata or {}).get("lease") == "leased"}
        names |= {name for name, etag in _etags(self.days).items() if self.etags.get(name) != etag}
        return {day for day in map(self.days.layout.day_of, names) if day}


def _etags(days: Days) -> dict[str, str]:
    places = days.layout.dumps, days.layout.rejections
    return {entry.name: entry.etag for place in places for entry in days.store.list(place)}


@dataclass(frozen=True)
class Erasing:
    """Carries erasures out. ``begins`` hears of each day, and of how many there are."""

    work: Work
    kept: Kept
    records: Erasures
    begins: Callable[[date, int], None] = lambda _day, _count: None

    def book(self, request: Request, found: Found, was: Stopped | None) -> Book:
        """The record to work by: of an erasure that was stopped, or of a new one, which has the run's name.

        Raises:
            See `begin`.
        """
        if was:
            return self.go_on(request, found, was)
        return self.begin(request, found, self.work.run_id, self.work.clock.now())

    def begin(self, request: Request, found: Found, name: str, now: datetime) -> Book:
        """Remember the people who were found, and put the erasure ``name`` on record.

        Raises:
            PermanentError: EXPORT_ERASURE_KEY is missing, or not that of the other erasures.
            StoreError: the store cannot be written.
        """
        keyed = self.kept.remember(found.ids, name, now)
        self.work.progress(Step.REMEMBERED, 0, None)
        return self._book(request, found, keyed, _counts(found.ids))

    def go_on(self, request: Request, found: Found, was: Stopped) -> Book:
        """Take up an erasure that was stopped."""
        if was.record is None:
            return self._book(request, found, was.keyed, {"ids": len(was.keyed.hashes)})
        stored = self.records.read(was.record.id)
        book = Book(self.records, was.record, stored[1] if stored else None, self.work.progress)
        for one in _open_days(found):
            if book.erasure.day(one.day) is None:
                book.erasure = book.erasure.with_day(one)
        return book

    def _book(self, request: Request, found: Found, keyed: Keyed, ids: dict[str, int]) -> Book:
        foreign = self.work.days.foreign
        erasure = Erasure(
            id=keyed.erasure,
            state=BEGUN,
            reason=foreign(request.reason),
            by=foreign(request.by),
            asked_at=keyed.before,
            ids=ids,
            days=_open_days(found),
            run=self.work.run_id,
        )
        book = Book(self.records, erasure, None, self.work.progress)
        book.write(erasure)
        return book

    def carry_out(self, book: Book, wanted: Wanted, since: Snapshot) -> Erasure:
        """Erase the open days of ``book``, then others that changed ``since``; return what is on record then.

        Days of after the request are another request's.

        A day that cannot be erased now says why, and keeps the erasure open.

        Raises:
            PermanentError: somebody else is at work on the same erasure.
            StoreError: the record cannot be written.
        """
        matcher, open_days = Matcher(wanted), [one.day for one in book.erasure.open_days]
        for day in open_days:
            self.begins(day, len(open_days))
            self._try(day, matcher, book)
        for day in sorted(since.changed() - {one.day for one in book.erasure.days}):
            if day < book.erasure.asked_at.date():
                self.begins(day, len(open_days))
                self._try(day, matcher, book)
        self._derived()
        done = not book.erasure.open_days
        now = self.work.clock.now()
        book.write(replace(book.erasure, state=DONE if done else BEGUN, done_at=now if done else None))
        _tell(book.erasure)
        return book.erasure

    def forget_past(self, record: Erasure) -> Erasure:
        """Try once more to remove what can still be brought back of an erasure that is done."""
        stored = self.records.read(record.id)
        book = Book(self.records, record, stored[1] if stored else None, self.work.progress)
        erasure = record
        for one in record.days:
            if one.old_versions:
                self.begins(one.day, len(record.days))
                erasure = erasure.with_day(with_past(one, purged(one.day, self.work), self.work.clock.now()))
        book.write(erasure)
        _tell(erasure)
        return erasure

    def _try(self, day: date, matcher: Matcher, book: Book) -> None:
        try:
            done = erase_day(day, matcher, book, self.work)
        except (ExportError, OSError) as error:
            why = self.work.days.foreign.sentence(str(error))
            log.error(report.day_not_erased(day, why))
            entry = book.erasure.day(day) or ErasedDay(day, 0, 0)
            book.write(book.erasure.with_day(replace(entry, why=why)))
            return
        if done:
            log.info(report.day_erased(day, done.events, done.rejected))

    def _derived(self) -> None:
        """Drafts that were never finished and tables of dumps that are no more may hold them. The page comes anew."""
        store, rows = self.work.days.store, self.work.days.coverage(self.work.clock.now()).rows
        for name in (*Tables(self.work.days).stale(rows), self.work.days.layout.report):
            store.delete(name)
            store.purge(name)
        store.sweep(self.work.days.layout.prefix)


def _open_days(found: Found) -> tuple[ErasedDay, ...]:
    """What there is to do: the days that hold anything of theirs, and those that could not be read."""
    days = {day: ErasedDay(day, 0, 0) for day in found.archived}
    days |= {one.day: ErasedDay(one.day, one.events, one.rejected) for one in found.days}
    return tuple(days[day] for day in sorted(days))


def _counts(ids: Ids) -> dict[str, int]:
    return {USER: len(ids.users), AMPLITUDE: len(ids.amplitude), DEVICE: len(ids.devices)}


def _tell(erasure: Erasure) -> None:
    done = [one for one in erasure.days if one.state == DONE]
    log.info(
        report.erasure_ended(
            erasure.id,
            days=len(done),
            events=sum(one.events for one in done),
            rejected=sum(one.rejected for one in done),
            open_days=len(erasure.open_days),
            kept=erasure.old_versions,
        )
    )
