"""How many events a day usually has, and which days are out of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from exporter.days.coverage import Row

WEEKS = 8
LEAST_WEEKS = 3
"""Fewer of the weekdays before tell nothing."""
FACTOR = 2
"""So many times more or fewer events than usual are worth a look."""
FEW = 100
"""Where as few events are usual and there, chance decides."""
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Unusual:
    """Consecutive days with much more, or much fewer, events than usual; ``usual`` is that of each."""

    rows: tuple[Row, ...]
    usual: tuple[float, ...]

    @property
    def more(self) -> bool:
        """Whether there are more events than usual, not fewer."""
        return self.rows[0].events > self.usual[0]

    @property
    def first(self) -> date:
        """The first day."""
        return self.rows[0].day

    @property
    def last(self) -> date:
        """The last day."""
        return self.rows[-1].day


def usual_events(rows: Sequence[Row]) -> dict[date, float]:
    """For each day the median of its weekday in the `WEEKS` weeks before, where `LEAST_WEEKS` of them are whole."""
    events = {row.day: row.events for row in rows if _counts(row)}
    usual = {}
    for row in rows:
        before = [events[day] for week in range(1, WEEKS + 1) if (day := row.day - week * WEEK) in events]
        if len(before) >= LEAST_WEEKS:
            usual[row.day] = median(before)
    return usual


def unusual_days(rows: Sequence[Row], usual: Mapping[date, float], oldest: date) -> list[Unusual]:
    """The whole days from ``oldest`` on that are far out, newest first; those in a row that go one way are one."""
    found: list[Unusual] = []
    for row in rows:
        if row.day < oldest or not _counts(row) or not _far(row.events, usual.get(row.day)):
            continue
        one = Unusual((row,), (usual[row.day],))
        before = found[-1] if found else None
        if before and row.day - before.last == timedelta(days=1) and before.more == one.more:
            found[-1] = Unusual(before.rows + one.rows, before.usual + one.usual)
        else:
            found.append(one)
    return found[::-1]


def _counts(row: Row) -> bool:
    return row.whole and row.good and not row.running


def _far(events: int, usual: float | None) -> bool:
    if usual is None or max(events, usual) < FEW:
        return False
    return events >= FACTOR * usual or usual >= FACTOR * events
