"""Which days are due. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from exporter.days.coverage import Coverage, Row
from exporter.days.manifest import PROVISIONAL
from exporter.window import day_end, yesterday_of


@dataclass(frozen=True)
class Timing:
    """When days are due: an export is settled ``settle`` after the day's end; a run goes back ``lookback_days``."""

    settle: timedelta = timedelta(hours=12)
    lookback_days: int = 7


def due_days(coverage: Coverage, now: datetime, timing: Timing) -> list[date]:
    """The days that need work, newest first.

    Yesterday and the ``lookback_days`` before it count, from the oldest record on; yesterday always does. A day is
    due if it is not whole, failed last time, was left by a killed exporter, or is provisional and settled by ``now``.
    Damaged and interrupted days, and a second look, stay due at any age: nobody else would notice.
    """
    rows = {row.day: row for row in coverage.rows}
    yesterday = yesterday_of(now)
    oldest = min(rows, default=yesterday)
    days = (yesterday - timedelta(days=n) for n in range(timing.lookback_days + 1))
    near = {day for day in days if (day >= oldest or day == yesterday) and is_due(rows.get(day, Row(day)), now, timing)}
    older = {
        row.day
        for row in coverage.rows
        if not row.newer and (row.damage or row.interrupted or _never_looked_again(row, now, timing))
    }
    return sorted(near | older, reverse=True)


def is_due(row: Row, now: datetime, timing: Timing) -> bool:
    """Whether a day needs work at ``now``."""
    if row.newer:
        return False
    return not row.good or row.failure is not None or row.interrupted or _wants_second_look(row, now, timing)


def _wants_second_look(row: Row, now: datetime, timing: Timing) -> bool:
    return row.whole and row.state == PROVISIONAL and now >= day_end(row.day) + timing.settle


def _never_looked_again(row: Row, now: datetime, timing: Timing) -> bool:
    return _wants_second_look(row, now, timing) and row.fewer_found is None
