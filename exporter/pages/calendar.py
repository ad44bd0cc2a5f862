"""The days as a calendar has them: the colour tells the volume, a mark the state. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from exporter.days.coverage import FAILED, MISSING, NEWER, RUNNING, Row
from exporter.days.manifest import DAMAGED, EMPTY, FINAL, PROVISIONAL

FAILED_SINCE = "failed since"
"""A whole day whose last attempt failed: what is stored stands."""
LOOKS = (FINAL, PROVISIONAL, EMPTY, RUNNING, FAILED_SINCE, FAILED, DAMAGED, MISSING, NEWER)
LEVELS = 4
"""Shades of the calendar, beside the one of no event."""


def look(row: Row) -> str:
    """How a day is marked: its state, or that an attempt failed since. Each day has one look."""
    return FAILED_SINCE if row.failure and row.shown in (FINAL, PROVISIONAL, EMPTY) else row.shown


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many days have which look; together they are all."""
    looks = [look(row) for row in rows]
    return {one: looks.count(one) for one in LOOKS}


@dataclass(frozen=True)
class Scale:
    """Shades of volume; ``full``: from so many events on it is the darkest. 0 where there is no event at all."""

    full: int

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Scale":
        """The scale of these days: an outlier among twenty days makes no other one pale."""
        events = sorted(row.events for row in rows if row.whole and row.events)
        return cls(events[(len(events) - 1) * 19 // 20] if events else 0)

    def level(self, row: Row) -> int:
        """The shade of a day, 0 to `LEVELS`."""
        if not row.whole or not row.events:
            return 0
        return min(LEVELS, 1 + (LEVELS * row.events - 1) // max(self.full, LEVELS))

    @property
    def steps(self) -> tuple[int, ...]:
        """The most events of each shade but the last."""
        return tuple(self.full * level // LEVELS for level in range(1, LEVELS))


@dataclass(frozen=True)
class Month:
    """A month's rows, oldest first."""

    first: date
    rows: tuple[Row, ...]

    @property
    def weeks(self) -> list[list[Row | None]]:
        """The rows as a calendar has them, None where a week has no row."""
        cells: list[Row | None] = [None] * self.rows[0].day.weekday() + list(self.rows)
        cells += [None] * (-len(cells) % 7)
        return [cells[start : start + 7] for start in range(0, len(cells), 7)]


@dataclass(frozen=True)
class Year:
    """A year's months, newest first."""

    number: int
    months: tuple[Month, ...]
    rows: tuple[Row, ...]


def years_of(rows: Sequence[Row]) -> list[Year]:
    """Newest first."""
    years = []
    for year, of_year in groupby(rows, lambda row: row.day.year):
        found = tuple(of_year)
        months = [Month(date(year, m, 1), tuple(of_month)) for m, of_month in groupby(found, lambda row: row.day.month)]
        years.append(Year(year, tuple(reversed(months)), found))
    return years[::-1]
