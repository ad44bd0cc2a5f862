"""Where lines were rejected and why, for the page: never what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from exporter.archive.rejected import read_rejected
from exporter.days.coverage import Row
from exporter.days.stored import Days
from exporter.store import Store

MOST_DAYS = 20
MOST_BYTES = 1_000_000
MOST_LINES = 3
"""Lines told of each day; the rest is in the file."""


@dataclass(frozen=True)
class Rejections:
    """A day's rejected lines: how many, the name they are under, and place and reason of the first ones."""

    day: date
    count: int
    name: str
    first: tuple[str, ...] = ()

    @property
    def more(self) -> int:
        """Lines that ``first`` does not tell."""
        return self.count - len(self.first)


def read_rejections(days: Days, rows: Sequence[Row]) -> tuple[Rejections, ...]:
    """The days of ``rows`` with rejected lines, newest first; files are read of the newest MOST_DAYS only."""
    found = sorted((row for row in rows if row.rejected), key=lambda row: row.day, reverse=True)
    return tuple(
        Rejections(row.day, row.rejected, name, _first(days.store, name) if number < MOST_DAYS else ())
        for number, row in enumerate(found)
        if (name := days.layout.rejected(row.day))
    )


def _first(store: Store, name: str) -> tuple[str, ...]:
    """Place and reason of the first lines; nothing if the file is gone, or too large to be read for a page."""
    there = store.stat(name)
    if there is None or there.size > MOST_BYTES or not (stored := store.read(name)):
        return ()
    return tuple(f"{one.member}, line {one.line}: {one.reason}" for one in islice(read_rejected(stored[0]), MOST_LINES))
