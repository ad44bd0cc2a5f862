"""What the HTTP functions answer; function_app.py only carries it."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from exporter.app.asking import BadRequestError
from exporter.days.coverage import Coverage, Row
from exporter.days.due import due_days
from exporter.days.erasures import Erasures
from exporter.days.rules import StoredDay
from exporter.days.stored import Days
from exporter.doctor.checks import Report
from exporter.pages import page
from exporter.pages.frame import Frame
from exporter.pages.rejections import read_rejections
from exporter.pages.schedule import Schedule
from exporter.pages.shown import Show, show_record, showing
from exporter.settings import Settings
from exporter.wiring import tables_of

HEADERS = {
    "Cache-Control": "no-store",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer. A browser that has seen the app once never asks it by plain http again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """A JSON answer."""

    status: int
    body: Mapping[str, Any]
    kind: ClassVar[str] = "application/json"
    headers: ClassVar[Mapping[str, str]] = HEADERS

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return json.dumps(self.body, indent=1, default=str) + "\n"


@dataclass(frozen=True)
class Shown:
    """A page for a browser."""

    text: str
    status: ClassVar[int] = 200
    kind: ClassVar[str] = "text/html"

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of every answer, and those that a page needs."""
        return HEADERS | page.headers()


Reply = Answer | Shown


def answer_coverage(
    coverage: Coverage, first: date, last: date, days: Days, settings: Settings, now: datetime
) -> Answer:
    """Answer `GET /api/exports?from=&to=`: the days on record from ``first`` to ``last``, and the ledger's head."""
    due, rows = due_days(coverage, now, days.timing), _between(coverage, first, last)
    plain = coverage.plain(rows, due, _tables_due(coverage, days, settings)) | {"ledger": days.ledger.shown(now.year)}
    return Answer(200, show_record(plain, showing(settings)))


def show_coverage(coverage: Coverage, first: date, last: date, days: Days, settings: Settings, now: datetime) -> Shown:
    """The same as a page, with the places and reasons of rejected lines."""
    rows = _between(coverage, first, last)
    frame = Frame(
        place=f"{settings.container}/{settings.prefix}",
        now=now,
        show=showing(settings),
        schedule=Schedule.parse(settings.schedule),
        served=True,
        tables_due=_tables_due(coverage, days, settings),
        ledger=days.ledger.shown(now.year),
        erasures=Erasures.of(days).newest(page.MOST_ERASURES),
    )
    return Shown(page.render(coverage, rows, read_rejections(days, rows), days.timing, frame))


def answer_day(stored: StoredDay, show: Show) -> Answer:
    """Answer `GET /api/exports/{day}`: the manifest and the failure, or 404."""
    if stored.manifest is None and stored.failure is None and not stored.damage:
        return Answer(404, {"error": f"nothing is on record for {stored.day}"})
    record = {
        "day": stored.day,
        "whole": stored.whole,
        "damage": stored.damage or None,
        "manifest": json.loads(stored.manifest.to_json()) if stored.manifest else None,
        "failure": json.loads(stored.failure.to_json()) if stored.failure else None,
    }
    return Answer(200, show_record(record, show))


def answer_stop(asked_at: datetime) -> Answer:
    """Answer `POST /api/exports/stop`."""
    message = (
        "every chain that began before ends at its next day; the days under way are finished. The log names the rest"
    )
    return Answer(202, {"asked_at": asked_at.isoformat(), "message": message})


def answer_health(report: Report) -> Answer:
    """Answer `GET /api/exports/health`: 200, or 503 if a check failed, which the log has as well."""
    for check in report.failed:
        log.warning(f"check failed: name={check.name} {check.sentence}")
    return Answer(200 if report.ok else 503, report.plain())


def answer_error(error: Exception) -> Answer:
    """400 or 413 for what is wrong with the request; 500, and a line in the log, for what is wrong here."""
    if isinstance(error, BadRequestError):
        return Answer(error.status, {"error": str(error)})
    log.error(f"the request could not be answered: {error}")
    return Answer(500, {"error": str(error)})


def _tables_due(coverage: Coverage, days: Days, settings: Settings) -> list[date] | None:
    """The days without a table of theirs; None where none is asked for."""
    return tables_of(days).due(coverage) if settings.tables else None


def _between(coverage: Coverage, first: date, last: date) -> list[Row]:
    return [row for row in coverage.rows if first <= row.day <= last]
