"""What the HTTP functions read and answer; function_app.py only carries it."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from exporter.app.chain import Chain, chains
from exporter.days.coverage import Coverage, Row
from exporter.days.rules import StoredDay
from exporter.days.stored import Days
from exporter.pages import page
from exporter.pages.rejections import read_rejections
from exporter.settings import Settings
from exporter.window import days_to_export, parse_day

MOST_DAYS = 1_100
"""Days of one request: three years, and the message of a single chain stays below the queue's 64 KiB."""
SHOWN = 100
"""Characters of a request that are shown in an answer."""

log = logging.getLogger(__name__)


class BadRequestError(Exception):
    """A request with something wrong in it; the text is the answer's sentence."""


@dataclass(frozen=True)
class Asked:
    """Days asked for again by a person. ``skip_settled``: leave out what is final or empty already."""

    days: tuple[date, ...]
    force: bool
    skip_settled: bool


@dataclass(frozen=True)
class Answer:
    """A JSON answer."""

    status: int
    body: Mapping[str, Any]
    kind: ClassVar[str] = "application/json"
    headers: ClassVar[Mapping[str, str]] = {}

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return json.dumps(self.body, indent=1, default=str) + "\n"


@dataclass(frozen=True)
class Shown:
    """A page for a browser, and the headers that it needs."""

    text: str
    headers: Mapping[str, str]
    status: ClassVar[int] = 200
    kind: ClassVar[str] = "text/html"


def read_rerun(day: str | None, body: bytes, now: datetime) -> Asked:
    """Read `POST /api/exports` (a range in the body) or `POST /api/exports/{day}`.

    Raises:
        BadRequestError: with a sentence that says what is wrong.
    """
    asked = _object(body, needed=day is None)
    allowed = {"force"} if day else {"from", "to", "force"}
    if unknown := ", ".join(sorted(set(asked) - allowed)):
        raise BadRequestError(f"unknown in the body: {unknown[:SHOWN]}. Allowed: {', '.join(sorted(allowed))}")
    force = asked.get("force", False)
    if not isinstance(force, bool):
        raise BadRequestError("force is true or false")
    if day:
        return Asked(_possible(read_day(day), read_day(day), now), force, skip_settled=False)
    missing = [name for name in ("from", "to") if not (asked.get(name) and isinstance(asked[name], str))]
    if missing:
        raise BadRequestError(f'the body needs {" and ".join(missing)} as "YYYY-MM-DD": {{"from": DAY, "to": DAY}}')
    first, last = read_range(asked)
    return Asked(_possible(first, last, now), force, skip_settled=not force)


def read_day(text: str) -> date:
    """Read the day of a route.

    Raises:
        BadRequestError: with a sentence that says what is wrong.
    """
    try:
        return parse_day(text)
    except ValueError as error:
        raise BadRequestError(str(error)) from None


def read_range(asked: Mapping[str, str]) -> tuple[date, date]:
    """Read `from` and `to`, both included; without them the range is open.

    Raises:
        BadRequestError: with a sentence that says what is wrong.
    """
    first = read_day(asked["from"]) if asked.get("from") else date.min
    last = read_day(asked["to"]) if asked.get("to") else date.max
    if first > last:
        raise BadRequestError(f"from ({first}) is after to ({last})")
    return first, last


def queue_rerun(asked: Asked, coverage: Coverage, run: str, concurrency: int) -> tuple[list[Chain], Answer]:
    """The chains to queue, and what to answer: 202 and where to look, or 200 if nothing is left to ask for."""
    days = coverage.open_days(asked.days) if asked.skip_settled else list(asked.days)
    if not days:
        return [], Answer(200, {"run": None, "days": [], "message": "every day of the range is final or empty already"})
    queued = chains(days, run, force=asked.force, most=concurrency)
    first, last = min(days), max(days)
    look = f"/api/exports/{first}" if first == last else f"/api/exports?from={first}&to={last}"
    return queued, Answer(202, {"run": run, "days": days, "chains": len(queued), "look": look})


def answer_coverage(coverage: Coverage, first: date, last: date, due: Sequence[date]) -> Answer:
    """Answer `GET /api/exports?from=&to=`: the days on record from ``first`` to ``last``."""
    return Answer(200, coverage.plain(_between(coverage, first, last), due))


def show_coverage(coverage: Coverage, first: date, last: date, days: Days, settings: Settings, now: datetime) -> Shown:
    """The same as a page, with the places and reasons of rejected lines."""
    rows = _between(coverage, first, last)
    place = f"{settings.container}/{settings.prefix}"
    return Shown(page.render(coverage, rows, read_rejections(days, rows), days.timing, place, now), page.headers())


def answer_day(stored: StoredDay) -> Answer:
    """Answer `GET /api/exports/{day}`: the manifest and the failure, or 404."""
    if stored.manifest is None and stored.failure is None and not stored.damage:
        return Answer(404, {"error": f"nothing is on record for {stored.day}"})
    return Answer(
        200,
        {
            "day": stored.day,
            "whole": stored.whole,
            "damage": stored.damage or None,
            "manifest": json.loads(stored.manifest.to_json()) if stored.manifest else None,
            "failure": json.loads(stored.failure.to_json()) if stored.failure else None,
        },
    )


def _between(coverage: Coverage, first: date, last: date) -> list[Row]:
    return [row for row in coverage.rows if first <= row.day <= last]


def answer_error(error: Exception) -> Answer:
    """400 for what is wrong with the request; 500, and a line in the log, for what is wrong here."""
    if isinstance(error, BadRequestError):
        return Answer(400, {"error": str(error)})
    log.error(f"the request could not be answered: {error}")
    return Answer(500, {"error": str(error)})


def _object(body: bytes, *, needed: bool) -> dict[str, Any]:
    if not body.strip() and not needed:
        return {}
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise BadRequestError(
            'the body is not a JSON object. Write for example {"from": "2025-11-01", "to": "2025-11-06"}'
        )
    return asked


def _possible(first: date, last: date, now: datetime) -> tuple[date, ...]:
    """The days from ``first`` to ``last``, if they can be exported."""
    try:
        days = days_to_export(first, last, now)
    except ValueError as error:
        raise BadRequestError(str(error)) from None
    if len(days) > MOST_DAYS:
        raise BadRequestError(f"{len(days)} days are more than the {MOST_DAYS} of one request. Ask in several")
    return tuple(days)
