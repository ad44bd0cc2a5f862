"""Whether yesterday is there: the first sentence of the page."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from exporter.days.coverage import Coverage
from exporter.days.manifest import SETTLED
from exporter.pages.spelling import long_day, number, size
from exporter.window import day_end


@dataclass(frozen=True)
class Freshness:
    """How things stand, in a sentence; ``level`` is good, wait or bad."""

    level: str
    headline: str
    detail: str


def freshness(coverage: Coverage, now: datetime, settle: timedelta) -> Freshness:
    """Whether yesterday is there, and what comes next."""
    if not coverage.rows:
        return Freshness("wait", "No day has been exported yet", "The nightly run begins with yesterday.")
    row = coverage.row(coverage.yesterday)
    told = f"{long_day(row.day)}: {number(row.events)} events, {size(row.size)}"
    if row.running:
        return Freshness("wait", "Yesterday is being exported", f"An exporter is at work on {long_day(row.day)}.")
    if not row.good:
        newest = f"The newest day is {long_day(coverage.newest)}." if coverage.newest else "No day is whole yet."
        because = ": it is damaged" if row.damage else ": its export failed" if row.failure else ""
        return Freshness("bad", f"Yesterday is not there{because}", f"{long_day(row.day)} is {row.shown}. {newest}")
    if row.state in SETTLED:
        return Freshness("good", f"Yesterday is there, and {row.state}", f"{told}.")
    settled = day_end(row.day) + settle
    if now >= settled:
        return Freshness("wait", "Yesterday is there, its second look is due", f"{told}.")
    tonight = settled <= datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    when = "final tonight" if tonight else "not final yet"
    return Freshness(
        "good",
        f"Yesterday is there, {when}",
        f"{told}. The first run after {long_day(settled.date())}, {settled:%H:%M} UTC looks at it once more.",
    )
