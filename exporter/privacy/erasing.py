"""Take somebody's lines out of one day, which is locked meanwhile: then its table, and its past."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta

from exporter.days.erasures import DONE, ErasedDay
from exporter.days.manifest import Manifest
from exporter.errors import DayHeldError, LostRaceError
from exporter.privacy.book import Book, Work
from exporter.privacy.matching import Matcher
from exporter.privacy.replacing import replaced
from exporter.report import Step
from exporter.store import Remaining
from exporter.tables.derive import Tables

TURN = 5.0
"""Seconds until a held day is tried again."""
TRIES = 3
"""How often a day is begun anew that somebody else changed meanwhile."""


def erase_day(day: date, matcher: Matcher, book: Book, work: Work) -> ErasedDay | None:
    """Erase ``day``; return what is on record of it then, None if it holds nothing of theirs.

    Raises:
        ExportError: the day stays as it was, or is finished by the next call.
    """
    with _held(day, work):
        for left in reversed(range(TRIES)):
            try:
                manifest = replaced(day, matcher, book, work)
                break
            except LostRaceError:
                if not left:
                    raise
        entry = book.erasure.day(day)
        if entry is None:
            return None
        work.progress(Step.CLEARING, 0, None)
        _table(entry, manifest, work)
        _failure(day, matcher, work)
        work.progress(Step.PURGING, 0, None)
        past = purged(day, work)
        work.progress(Step.PURGED, 0, None)
        done = with_past(replace(entry, state=DONE, manifest=None, why=""), past, work.clock.now())
        book.write(book.erasure.with_day(done))
        return done


def purged(day: date, work: Work) -> list[Remaining]:
    """Remove what the store keeps of the past of a day's objects; what is left of each."""
    layout = work.days.layout
    names = layout.dump(day), layout.rejected(day), layout.table(day), layout.manifest(day), layout.failure(day)
    return [work.days.store.purge(name) for name in names]


def with_past(entry: ErasedDay, past: Iterable[Remaining], now: datetime) -> ErasedDay:
    """What is on record of a day, with what can still be brought back of it."""
    left = [one for one in past if one.versions]
    days = [one.days for one in left if one.days is not None]
    until = (now + timedelta(days=max(days) + 1)).replace(microsecond=0) if left and len(days) == len(left) else None
    return replace(entry, old_versions=sum(one.versions for one in left), until=until)


@contextmanager
def _held(day: date, work: Work) -> Iterator[None]:
    """The day's lock; one that is held is waited for.

    Raises:
        DayHeldError: for too long.
    """
    until = work.clock.monotonic() + work.patience
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(work.days.lock(day, work.run_id))
                break
            except DayHeldError:
                if work.clock.monotonic() + TURN > until:
                    raise
                work.clock.sleep(TURN)
        yield


def _table(entry: ErasedDay, manifest: Manifest | None, work: Work) -> None:
    """A table of another dump goes; where there was one, or each day has one, it is made anew."""
    tables, name = Tables(work.days, work.progress), work.days.layout.table(entry.day)
    there = work.days.store.stat(name)
    if there and not (manifest and tables.sources_of({entry.day: there}).get(entry.day) == manifest.sha256):
        work.days.store.delete(name)
    if manifest and (entry.table or work.derive):
        tables.try_to_derive([entry.day])


def _failure(day: date, matcher: Matcher, work: Work) -> None:
    """A failure record quotes no event. Should one name them all the same, it goes, whatever it was about."""
    name = work.days.layout.failure(day)
    stored = work.days.store.read(name)
    if stored and any(
        one.encode("utf-8", "replace") in stored[0] for one in matcher.wanted.ids.users | matcher.wanted.ids.devices
    ):
        work.days.store.delete(name)
