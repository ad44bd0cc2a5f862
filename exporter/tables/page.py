"""The report: one HTML page without script, about the last 90 days, each part of it from one view."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from exporter.tables.query import Archive
from exporter.window import yesterday_of

if TYPE_CHECKING:
    from jinja2 import Template

DAYS = 90
LOOK_BACK = 2 * DAYS
"""Days of upload that are looked at: who was not seen in the first half is new in the second."""
MOST = 15
AFTER = (1, 7, 14, 30, 60)
"""Days after which people are counted again."""
HEIGHT = 120
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Bar:
    """A day of the chart, in its units."""

    day: date
    events: int
    people: int
    new: int
    x: int
    height: float
    new_height: float


@dataclass(frozen=True)
class Week:
    """People first seen in a week, and the share of them that was there so many days later; None: not yet."""

    first: date
    people: int
    shares: tuple[float | None, ...]


def report(archive: Archive, place: str, now: datetime) -> str:
    """The page about ``archive``, which has the days of the last `LOOK_BACK` days of upload."""
    last = yesterday_of(now)
    first = last - timedelta(days=DAYS - 1)
    span = f"CAST(event_time AS DATE) BETWEEN DATE '{first}' AND DATE '{last}'"
    ((events, people),) = archive.ask(f"SELECT count(*), count(DISTINCT person) FROM events WHERE {span}").rows
    daily = f"SELECT day, events, people, new_people FROM daily WHERE day BETWEEN DATE '{first}' AND DATE '{last}'"
    bars = _bars(list(archive.ask(daily).rows), first)
    return _template().render(
        place=place,
        now=now,
        first=first,
        last=last,
        events=events,
        people=people,
        new=sum(bar.new for bar in bars),
        bars=bars,
        height=HEIGHT,
        width=DAYS * 10,
        after=AFTER,
        weeks=_weeks(archive, first, last),
        top_events=_rows(archive, _TOP_EVENTS.format(span=span, most=MOST)),
        top_properties=_rows(archive, _TOP_PROPERTIES.format(span=span, most=MOST)),
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - a file of ours
    )


_TOP_EVENTS = """
SELECT event_type, count(*) AS events, count(DISTINCT person) AS people
FROM events WHERE {span} GROUP BY event_type ORDER BY events DESC, event_type LIMIT {most}
"""
_TOP_PROPERTIES = """
SELECT name, count(*) AS events, count(DISTINCT event_properties -> ('$."' || name || '"')) AS contents
FROM (
    SELECT event_properties, unnest(json_keys(event_properties)) AS name FROM events
    WHERE {span} AND event_properties LIKE '{{%'
)
WHERE NOT contains(name, '"') GROUP BY name ORDER BY events DESC, name LIMIT {most}
"""
_RETENTION = """
SELECT date_trunc('week', cohort)::DATE AS week, days, sum(people) AS people
FROM retention('UTC') WHERE cohort BETWEEN DATE '{first}' AND DATE '{last}' GROUP BY ALL
"""


def _rows(archive: Archive, query: str) -> list[dict[str, Any]]:
    answer = archive.ask(query)
    return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def _bars(days: Sequence[tuple[Any, ...]], first: date) -> list[Bar]:
    top = max((people for _, _, people, _ in days), default=0) or 1
    return [
        Bar(day, events, people, new, (day - first).days * 10, HEIGHT * people / top, HEIGHT * new / top)
        for day, events, people, new in days
    ]


def _weeks(archive: Archive, first: date, last: date) -> list[Week]:
    """Newest week first. A week counts for a number of days once its last day is so long ago."""
    found: dict[date, dict[int, int]] = {}
    for week, days, people in archive.ask(_RETENTION.format(first=first, last=last)).rows:
        found.setdefault(week, {})[days] = int(people)
    return [
        Week(week, seen[0], tuple(_share(seen, days, week + timedelta(days=6 + days) <= last) for days in AFTER))
        for week, seen in sorted(found.items(), reverse=True)
    ]


def _share(seen: dict[int, int], days: int, known: bool) -> float | None:
    return seen.get(days, 0) / seen[0] if known else None


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - for this page only

    shown = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return shown.get_template("report.html")
