"""Amplitude's list of deletions, held against what is erased here, and those who are left erased."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from exporter.amplitude.deletions import Deletion
from exporter.days.erasures import DONE, Erasure, Erasures
from exporter.privacy.book import Work
from exporter.privacy.erasure import Erasing, Snapshot
from exporter.privacy.ids import Ids
from exporter.privacy.keyed import Kept, Keyed, hash_of
from exporter.privacy.matching import Wanted
from exporter.privacy.request import Request, stopped
from exporter.privacy.search import Search

LOOK_BACK, LOOK_AHEAD = timedelta(days=149), timedelta(days=30)
"""The days of the jobs that a night asks for: together no more than one request may."""
REASON = "Amplitude's list of deletions"
BY = "EXPORT_ERASE_CONFIRM=auto"


@dataclass(frozen=True)
class Held:
    """Who is on Amplitude's list: ``left`` are to be erased here, ``erased`` so many are already.

    ``waiting`` so many can still be taken off the list: nothing is done for them yet.
    """

    left: Ids = field(repr=False)
    erased: int
    waiting: int

    @property
    def count(self) -> int:
        """How many people are on the list."""
        return len(self.left) + self.erased + self.waiting


def held(listed: Sequence[Deletion], kept: Kept, records: Erasures, today: date) -> Held:
    """Hold the list against what is erased here; an erasure that has not ended leaves its people to be erased.

    So does one that was asked for before the day of a job that has run: what came between the two is gone at Amplitude
    only.

    Raises:
        PermanentError: the key is missing or wrong, or what is kept cannot be read.
        StoreError: the store cannot be read.
    """
    done: dict[str, date] = {}
    for keyed in _keyed(kept, records, ended=True):
        done |= {one: max(keyed.before.date(), done.get(one, date.min)) for one in keyed.hashes}
    certain = [one for one in listed if one.certain]

    def is_left(one: Deletion) -> bool:
        last = done.get(hash_of(_spelled(one.amplitude_id), kept.key))
        return last is None or last <= one.day < today

    left = frozenset(one.amplitude_id for one in certain if is_left(one))
    return Held(Ids(amplitude=left), len(certain) - len(left), len(listed) - len(certain))


def grouped(left: Ids, kept: Kept, records: Erasures) -> Iterator[Ids]:
    """Those who are ``left``, by what is to be done: those of each erasure that was stopped, then the others."""
    numbers = set(left.amplitude)
    for keyed in _keyed(kept, records, ended=False):
        hashes = set(keyed.hashes)
        begun = {one for one in numbers if hash_of(_spelled(one), kept.key) in hashes}
        if begun:
            numbers -= begun
            yield Ids(amplitude=frozenset(begun))
    if numbers:
        yield Ids(amplitude=frozenset(numbers))


def erase(asked: Ids, work: Work, kept: Kept, temp_limit: int) -> Erasure:
    """Find and erase those ``asked`` for, without asking anybody.

    Raises:
        ExportError: it stays as far as it came; the next call goes on.
    """
    request, records = Request(asked, REASON, BY), Erasures.of(work.days)
    since, was = Snapshot.of(work.days), stopped(asked, kept, records)
    erasing = Erasing(work, kept, records)
    with Search(work.days, work.clock.now(), temp_limit, work.progress) as search:
        wanted = was.wanted(asked, kept.key) if was else Wanted(search.expanded(asked, devices=False))
        found = search.find(wanted)
    book = erasing.book(request, was.concerning(found) if was else found, was)
    return erasing.carry_out(book, wanted, since)


def _keyed(kept: Kept, records: Erasures, *, ended: bool) -> list[Keyed]:
    """What is kept of each erasure that has ended, or of each that has not."""
    kept.check()
    found = []
    for entry in kept.listed():
        keyed = kept.read(entry.name)
        stored = records.read(keyed.erasure)
        if (stored is not None and stored[0].state == DONE) == ended:
            found.append(keyed)
    return found


def _spelled(number: int) -> str:
    return next(Ids(amplitude=frozenset({number})).spelled())
