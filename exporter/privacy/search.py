"""Find people in the whole archive: in which days, how many events and rejected lines, and the lines themselves.

Where a day's table is there, it tells; what it does not tell for certain, and days without one, are read.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Self

from exporter.days.stored import Days
from exporter.dump import blocks
from exporter.errors import PermanentError
from exporter.privacy.ids import Ids, ids_in
from exporter.privacy.matching import Matcher, Wanted
from exporter.privacy.rejections import sift
from exporter.privacy.tabled import ByTables, tabled
from exporter.report import Progress, Step, no_progress
from exporter.store import ARCHIVED, Entry
from exporter.tables.merged import merged_with

Sink = Callable[[list[bytes]], None]
"""Takes lines of those who were asked for, in the order of the archive."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DayFound:
    """What a day holds of them; ``size`` is the dump's, in bytes, ``tier`` the store's word for how it is kept."""

    day: date
    events: int = 0
    rejected: int = 0
    size: int = 0
    tier: str = ""


@dataclass(frozen=True)
class Found:
    """With which ``ids`` people were looked for, and where they are; ``read`` days were looked at.

    ``archived`` days could not be read. ``silent`` rejected lines name nobody: a person has to look at them.
    """

    ids: Ids
    days: tuple[DayFound, ...] = ()
    read: int = 0
    archived: tuple[date, ...] = ()
    silent: int = 0

    @property
    def events(self) -> int:
        """Events of theirs, in all days."""
        return sum(one.events for one in self.days)

    @property
    def rejected(self) -> int:
        """Rejected lines of theirs, in all days."""
        return sum(one.rejected for one in self.days)


@dataclass
class Search:
    """A search of ``days`` at ``now``, to be used as a context: the tables are open meanwhile.

    ``begins`` hears of each day that is looked at, and of how many there are.
    """

    days: Days
    now: datetime
    temp_limit: int
    progress: Progress = no_progress
    begins: Callable[[date, int], None] = lambda _day, _count: None
    _opened: ExitStack = field(default_factory=ExitStack, init=False)
    _tables: ByTables | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tables = None
        self._opened.close()

    def expanded(self, asked: Ids, *, devices: bool) -> Ids:
        """The ids of those ``asked`` for: of users their Amplitude ids, too, and with ``devices`` their devices.

        Those that Amplitude has merged count, where its export of merged ids lies beside the days.
        """
        found = self._of_users(asked.users) if asked.users else Ids()
        numbers = asked.amplitude | found.amplitude
        try:
            numbers = frozenset(merged_with(numbers, self.days))
        except PermanentError as error:
            log.warning(str(error))
        return Ids(asked.users, numbers, asked.devices | (found.devices if devices else frozenset()))

    def find(self, wanted: Wanted, events: Sink | None = None, rejected: Sink | None = None) -> Found:
        """Where those who are ``wanted`` are; ``events`` and ``rejected`` take their lines."""
        matcher, found, silent = Matcher(wanted), list[DayFound](), 0
        dumps, records = self._listed(self.days.layout.dumps), self._listed(self.days.layout.rejections)
        archived = [day for day, entry in dumps.items() if entry.tier == ARCHIVED]
        told = self._by_tables().counts(wanted.ids) if wanted.known is None else {}
        every = sorted(dumps.keys() | records.keys())
        for day in every:
            self.begins(day, len(every))
            one = DayFound(day)
            if day in dumps:
                count = told.get(day) if not (events and told.get(day)) else None
                if count is None and day not in archived:
                    count = self._count(dumps[day], matcher, events)
                one = replace(one, events=count or 0, size=dumps[day].size, tier=dumps[day].tier)
            if day in records:
                one, more = self._with_rejected(one, records[day], matcher, rejected)
                silent += more
            found += [one] if one.events or one.rejected else []
        unread = tuple(sorted(day for day in archived if day not in told))
        return Found(wanted.ids, tuple(found), len(every) - len(unread), unread, silent)

    def _of_users(self, users: frozenset[str]) -> Ids:
        """The ids that stand beside ``users`` in any event. Lines that are none tell whose they are less surely."""
        matcher, found = Matcher(Wanted(Ids(users))), [Ids()]
        dumps = self._listed(self.days.layout.dumps)
        told = self._by_tables().ids_of(users)
        certain = set[date]() if told is None else self._by_tables().certain
        found.append(told or Ids())
        left = sorted(day for day, entry in dumps.items() if day not in certain and entry.tier != ARCHIVED)
        for day in left:
            self.begins(day, len(left))
            self._count(dumps[day], matcher, lambda lines: found.extend(map(ids_in, lines)))
        every = Ids()
        for one in found:
            every |= one
        return every

    def _by_tables(self) -> ByTables:
        if self._tables is None:
            self._tables = self._opened.enter_context(tabled(self.days, self.now, self.temp_limit))
        return self._tables

    def _count(self, entry: Entry, matcher: Matcher, sink: Sink | None) -> int:
        """Their events in a dump; memory does not grow with it."""
        count = size = 0
        for block in blocks(self._pieces(entry)):
            hits = matcher.hits(block)
            if hits and sink:
                sink([block[hit.start : hit.end] for hit in hits])
            count += len(hits)
            size += len(block)
            self.progress(Step.SEARCHING, size, entry.size)
        return count

    def _pieces(self, entry: Entry) -> Iterator[bytes]:
        self.progress(Step.SEARCHING, 0, entry.size)
        return self.days.store.stream(entry.name)

    def _with_rejected(self, one: DayFound, entry: Entry, matcher: Matcher, sink: Sink | None) -> tuple[DayFound, int]:
        lines: list[bytes] = []
        found = sift(self.days.store.stream(entry.name), matcher, None, lines if sink else None)
        if sink and lines:
            sink(lines)
        return replace(one, rejected=found.taken), found.silent

    def _listed(self, prefix: str) -> dict[date, Entry]:
        layout = self.days.layout
        named = ((layout.day_of(entry.name), entry) for entry in self.days.store.list(prefix))
        return {day: entry for day, entry in named if day and entry.name in (layout.dump(day), layout.rejected(day))}
