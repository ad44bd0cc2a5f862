"""What the tables tell about people, for the days whose table is of the dump that is there."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

from exporter.days.stored import Days
from exporter.privacy.ids import Ids
from exporter.tables.derive import Tables, due_tables
from exporter.tables.people import certain_days, events_by_day, ids_of_users
from exporter.tables.query import Archive, open_archive

MEMORY_MB = 500
"""The app has 2 GB, and an export beside this."""

log = logging.getLogger(__name__)


@dataclass
class ByTables:
    """Asks the tables; where there are none, or they cannot be asked, it knows of no day."""

    archive: Archive | None = None
    _certain: set[date] | None = field(default=None, init=False)

    def counts(self, ids: Ids) -> dict[date, int]:
        """How many events of theirs a day holds, for each day that the tables tell for certain."""

        def ask(archive: Archive) -> dict[date, int]:
            found = events_by_day(archive, ids.users, ids.amplitude, ids.devices)
            return {day: found.get(day, 0) for day in self.certain}

        return (self._asked(ask) or {}) if self.certain else {}

    @property
    def certain(self) -> set[date]:
        """The days that they tell for certain."""
        if self._certain is None:
            self._certain = self._asked(certain_days) or set()
        return self._certain

    def ids_of(self, users: frozenset[str]) -> Ids | None:
        """The ids that stand beside ``users`` in the days that are told for certain, and perhaps in others.

        None where the tables cannot be asked.
        """

        def ask(archive: Archive) -> Ids:
            numbers, devices = ids_of_users(archive, users)
            return Ids(frozenset(), frozenset(numbers), frozenset(devices))

        return self._asked(ask)

    def _asked[Answer](self, ask: Callable[[Archive], Answer]) -> Answer | None:
        if self.archive is None:
            return None
        try:
            return ask(self.archive)
        except Exception as error:  # noqa: BLE001 - DuckDB's are many, and may quote what was asked for: told by its name
            log.warning(f"the tables cannot be asked ({type(error).__name__}): the arrays are read in their place")
            return None


@contextmanager
def tabled(days: Days, now: datetime, temp_limit: int) -> Iterator[ByTables]:
    """The tables of ``days`` that are of the dumps that are there at ``now``."""
    with ExitStack() as opened:
        archive = None
        try:
            archive = _opened(days, now, temp_limit, opened)
        except Exception as error:  # noqa: BLE001 - as above: everything can be had from the arrays, too
            log.info(f"no tables can be asked ({type(error).__name__}): the arrays are read")
        yield ByTables(archive)


def _opened(days: Days, now: datetime, temp_limit: int, opened: ExitStack) -> Archive | None:
    tables, rows = Tables(days), days.coverage(now).rows
    due = set(due_tables(rows, tables.sources(rows)))
    current = [row for row in rows if row.good and row.day not in due]
    return opened.enter_context(open_archive(tables, current, temp_limit, log.info, MEMORY_MB)) if current else None
