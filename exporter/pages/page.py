"""The coverage page: one HTML document without script, and nothing in it from elsewhere.

`render` is pure. The template escapes whatever it is given; the policy allows this document's own style and nothing
else, so a text that came through as markup could still do nothing.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing, due_days
from exporter.pages.attention import MOST_NOTES, attention_of
from exporter.pages.calendar import LEVELS, Scale, counts, look, years_of
from exporter.pages.chart import HEIGHT, chart_of
from exporter.pages.frame import Frame
from exporter.pages.freshness import freshness
from exporter.pages.rejections import Rejections
from exporter.pages.spelling import long_day, number, size
from exporter.pages.volume import usual_events

if TYPE_CHECKING:
    from jinja2 import Template

CHART_DAYS = 90
YEARS_OPEN = 2
REFRESH_SECONDS = 300
MOST_ERASURES = 20
TEMPLATES = Path(__file__).parent / "templates"


def render(
    coverage: Coverage, rows: Sequence[Row], rejections: Sequence[Rejections], timing: Timing, frame: Frame
) -> str:
    """The page about ``rows``: the coverage's, or those of a range."""
    due = set(due_days(coverage, frame.now, timing))
    recent = rows[-CHART_DAYS:]
    usual = usual_events(coverage.rows)
    attention = attention_of(coverage, rows, rejections, due, usual, frame.tables_due or ())
    return _template().render(
        css=Markup(_css()),  # noqa: S704 - our own file
        frame=frame,
        now=frame.now,
        show=frame.show,
        fresh=freshness(coverage, due, timing, frame),
        rows=rows,
        counts=counts(rows),
        look=look,
        scale=Scale.of(rows),
        levels=LEVELS,
        whole=[row for row in rows if row.good],
        years=years_of(rows),
        years_open=YEARS_OPEN,
        recent=recent,
        chart=chart_of(recent, usual),
        chart_height=HEIGHT,
        usual=usual,
        odd={row.day for found in attention.unusual for row in found.rows},
        attention=attention,
        erasures=frame.erasures,
        due=due,
        most_notes=MOST_NOTES,
    )


@cache
def headers() -> dict[str, str]:
    """What the page is sent with. No referrer: the address may hold a function key.

    A header asks for the page again, so that a copy in a file does not.
    """
    style = base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Refresh": str(REFRESH_SECONDS),
    }


def wanted(accept: str) -> bool:
    """Whether a request with this Accept header comes from a browser: it names HTML, and JSON not before it."""
    kinds = [kind.split(";")[0].strip().lower() for kind in accept.split(",")]
    return "text/html" in kinds and "application/json" not in kinds[: kinds.index("text/html")]


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
