"""The coverage page: one HTML document without script, and nothing in it from elsewhere.

`render` is pure. The template escapes whatever it is given; the policy allows this document's own style and nothing
else, so a text that came through as markup could still do nothing.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from exporter.days.coverage import FAILED, MISSING, NEWER, RUNNING, Coverage, Row
from exporter.days.due import Timing, due_days
from exporter.days.erasures import Erasure
from exporter.days.manifest import DAMAGED, EMPTY, FINAL, PROVISIONAL
from exporter.pages.freshness import freshness
from exporter.pages.rejections import Rejections
from exporter.pages.shown import Show
from exporter.pages.spelling import long_day, number, size

if TYPE_CHECKING:
    from jinja2 import Template

STATES = (FINAL, PROVISIONAL, EMPTY, RUNNING, FAILED, DAMAGED, NEWER, MISSING)
CHART_DAYS = 90
CHART_HEIGHT = 100
YEARS_OPEN = 2
MOST_NOTES = 50
"""Entries of one kind under "Needs attention"."""
MOST_ERASURES = 20
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Month:
    """A month's rows, oldest first; ``before`` is the number of weekdays before its first row (Monday first)."""

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


@dataclass(frozen=True)
class Gap:
    """Consecutive days that are missing; ``due``: the next run exports all of them."""

    first: date
    last: date
    due: bool


@dataclass(frozen=True)
class Bar:
    """A day of a chart; ``height`` of CHART_HEIGHT, at least 1 where there is anything."""

    row: Row
    height: int


@dataclass(frozen=True)
class Chart:
    """A figure of each day; ``most`` is the largest, spelled."""

    title: str
    most: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Frame:
    """Which store the page is about, when it was asked for (UTC), how stored text is shown, the ledger's head.

    ``erasures`` are the newest ones, newest first.
    """

    place: str
    now: datetime
    show: Show
    ledger: str = "none"
    erasures: Sequence[Erasure] = ()


def render(
    coverage: Coverage, rows: Sequence[Row], rejections: Sequence[Rejections], timing: Timing, frame: Frame
) -> str:
    """The page about ``rows``: the coverage's, or those of a range."""
    now, due = frame.now, set(due_days(coverage, frame.now, timing))
    recent = rows[-CHART_DAYS:]
    return _template().render(
        css=Markup(_css()),  # noqa: S704 - our own file
        now=now,
        place=frame.place,
        ledger=frame.ledger,
        show=frame.show,
        fresh=freshness(coverage, now, timing.settle),
        rows=rows,
        counts={state: sum(row.shown == state for row in rows) for state in STATES},
        whole=[row for row in rows if row.good],
        years=_years(rows),
        years_open=YEARS_OPEN,
        recent=recent,
        charts=(_chart("Events a day", recent, "events", number), _chart("Bytes a day", recent, "size", size)),
        chart_height=CHART_HEIGHT,
        failures=[row for row in reversed(rows) if row.failure and not row.damage],
        gaps=_gaps(rows, due),
        fewer=[row for row in reversed(rows) if row.fewer_found is not None],
        quiet=[row for row in reversed(rows) if row.quiet_hours],
        damaged=[row for row in reversed(rows) if row.damage],
        never_an_event=coverage.never_an_event,
        erasures=frame.erasures,
        rejections=rejections,
        due=due,
        most_notes=MOST_NOTES,
    )


@cache
def headers() -> dict[str, str]:
    """What the page is sent with. No referrer: the address may hold a function key."""
    style = base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def wanted(accept: str) -> bool:
    """Whether a request with this Accept header comes from a browser: it names HTML, and JSON not before it."""
    kinds = [kind.split(";")[0].strip().lower() for kind in accept.split(",")]
    return "text/html" in kinds and "application/json" not in kinds[: kinds.index("text/html")]


def _chart(title: str, rows: Sequence[Row], figure: str, spelled: Callable[[float], str]) -> Chart:
    figures = [getattr(row, figure) for row in rows]
    most = max(figures, default=0)
    heights = (-(-CHART_HEIGHT * one // (most or 1)) for one in figures)
    return Chart(title, spelled(most), tuple(map(Bar, rows, heights)))


def _years(rows: Iterable[Row]) -> list[Year]:
    """Newest first."""
    years = []
    for year, of_year in groupby(rows, lambda row: row.day.year):
        found = tuple(of_year)
        months = [Month(date(year, m, 1), tuple(of_month)) for m, of_month in groupby(found, lambda row: row.day.month)]
        years.append(Year(year, tuple(reversed(months)), found))
    return years[::-1]


def _gaps(rows: Iterable[Row], due: set[date]) -> list[Gap]:
    """Missing days, newest first; a gap ends where being due does."""
    gaps: list[Gap] = []
    for row in rows:
        if row.shown != MISSING:
            continue
        before = gaps[-1] if gaps else None
        if before and before.last == row.day - timedelta(days=1) and before.due == (row.day in due):
            gaps[-1] = Gap(before.first, row.day, before.due)
        else:
            gaps.append(Gap(row.day, row.day, row.day in due))
    return gaps[::-1]


@cache
def _css() -> str:
    return (TEMPLATES / "coverage.css").read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - the page needs it, the export not

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "size": size, "long_day": long_day}
    return environment.get_template("coverage.html")
