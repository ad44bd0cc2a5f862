"""Is all well? What `status --check` answers with, and the page begins with. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from exporter.days.coverage import FAILED, Coverage, Row
from exporter.days.due import Timing

Problem = tuple[date, str]


def problems(coverage: Coverage, now: datetime, by: time, timing: Timing) -> list[Problem]:
    """What is wrong at ``now``, oldest day first; nothing if all is well.

    Yesterday has to be there from ``by`` (UTC) on. Days of the lookback have to be there and not failed since, as far
    back as there is any record. Damage counts at any age.
    """
    late = now.time() >= by
    if not coverage.rows:
        return [(coverage.yesterday, "missing: no day has been exported yet")] if late else []
    return list(_problems(coverage, timing, late=late))


def _problems(coverage: Coverage, timing: Timing, *, late: bool) -> Iterator[Problem]:
    oldest = coverage.yesterday - timedelta(days=timing.lookback_days)
    for row in coverage.rows:
        if row.damage:
            yield row.day, f"damaged: {row.damage}"
        elif row.day >= oldest and (problem := _problem(row)) and (late or row.failure or row.day < coverage.yesterday):
            yield row.day, problem


def _problem(row: Row) -> str:
    if row.failure:
        what = "failed" if row.shown == FAILED else f"{row.shown}, and its last attempt failed"
        return f"{what}: {row.failure.reason}"
    return "" if row.good else row.shown
