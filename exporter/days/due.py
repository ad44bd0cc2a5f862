"""Which days are due. Pure."""

from datetime import date, datetime, timedelta

from exporter.days.coverage import Coverage, Row
from exporter.days.manifest import PROVISIONAL
from exporter.settings import Settings
from exporter.window import day_end


def yesterday_of(now: datetime) -> date:
    """The last UTC date that is over."""
    return now.date() - timedelta(days=1)


def due_days(coverage: Coverage, now: datetime, *, settle: timedelta, lookback_days: int) -> list[date]:
    """The days that need work, newest first.

    Yesterday and the ``lookback_days`` before it count, from the oldest record on; yesterday always does. A day is
    due if it is not whole, failed last time, or is provisional and settled by ``now``. A second look stays due when an
    outage was longer than the lookback: nobody else would notice that the first one came too early.
    """
    rows = {row.day: row for row in coverage.rows}
    yesterday = yesterday_of(now)
    oldest = min(rows, default=yesterday)
    days = (yesterday - timedelta(days=n) for n in range(lookback_days + 1))
    near = {day for day in days if (day >= oldest or day == yesterday) and is_due(rows.get(day, Row(day)), now, settle)}
    unseen = {row.day for row in coverage.rows if _wants_second_look(row, now, settle) and row.kept is None}
    return sorted(near | unseen, reverse=True)


def due_days_of(coverage: Coverage, now: datetime, settings: Settings) -> list[date]:
    """The days that need work as the settings have it, newest first."""
    settle = timedelta(hours=settings.settle_hours)
    return due_days(coverage, now, settle=settle, lookback_days=settings.lookback_days)


def is_due(row: Row, now: datetime, settle: timedelta) -> bool:
    """Whether a day needs work at ``now``."""
    return not row.whole or row.failure is not None or _wants_second_look(row, now, settle)


def _wants_second_look(row: Row, now: datetime, settle: timedelta) -> bool:
    return row.whole and row.state == PROVISIONAL and now >= day_end(row.day) + settle
