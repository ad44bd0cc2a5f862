"""What the HTTP functions read and answer; function_app.py only carries it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from exporter.chain import Chain, chains
from exporter.coverage import Coverage
from exporter.due import due_days_of, yesterday_of
from exporter.known import Known
from exporter.manifest import FINAL
from exporter.settings import Settings
from exporter.window import days_of, parse_day

MOST_DAYS = 1_100
"""Days of one request: three years, and the message of a single chain stays below the queue's 64 KiB."""


@dataclass(frozen=True)
class Asked:
    """Days asked for again by a person. ``skip_final``: leave out what is final already."""

    days: tuple[date, ...]
    force: bool
    skip_final: bool


@dataclass(frozen=True)
class Answer:
    """A JSON answer."""

    status: int
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return json.dumps(self.body, indent=1, default=str) + "\n"


def read_rerun(day: str | None, body: bytes, now: datetime) -> Asked:
    """Read `POST /api/exports` (a range in the body) or `POST /api/exports/{day}`.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    asked = _object(body, needed=day is None)
    allowed = {"force"} if day else {"from", "to", "force"}
    if unknown := set(asked) - allowed:
        raise ValueError(f"unknown in the body: {', '.join(sorted(unknown))}. Allowed: {', '.join(sorted(allowed))}")
    force = asked.get("force", False)
    if not isinstance(force, bool):
        raise ValueError("force is true or false")  # noqa: TRY004 - one error for all that a request can have wrong
    if day:
        days = _over([parse_day(day)], now)
        return Asked(tuple(days), force, skip_final=False)
    missing = [name for name in ("from", "to") if not isinstance(asked.get(name), str)]
    if missing:
        raise ValueError(f'the body needs {" and ".join(missing)} as "YYYY-MM-DD": {{"from": DAY, "to": DAY}}')
    return Asked(tuple(_range(asked["from"], asked["to"], now)), force, skip_final=not force)


def queue_rerun(asked: Asked, coverage: Coverage, run: str, concurrency: int) -> tuple[list[Chain], Answer]:
    """The chains to queue, and what to answer: 202 and where to look, or 200 if every day is final already."""
    final = {row.day for row in coverage.rows if row.whole and row.state == FINAL and not row.failure}
    days = [day for day in asked.days if not (asked.skip_final and day in final)]
    if not days:
        return [], Answer(200, {"run": None, "days": [], "message": "every day of the range is final already"})
    queued = chains(days, run, force=asked.force, most=concurrency)
    first, last = min(days), max(days)
    look = f"/api/exports/{first}" if first == last else f"/api/exports?from={first}&to={last}"
    return queued, Answer(202, {"run": run, "days": days, "chains": len(queued), "look": look})


def answer_coverage(coverage: Coverage, query: Mapping[str, str], settings: Settings, now: datetime) -> Answer:
    """Answer `GET /api/exports?from=&to=`: all days on record, or those of the range.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    first = parse_day(query["from"]) if query.get("from") else date.min
    last = parse_day(query["to"]) if query.get("to") else date.max
    if first > last:
        raise ValueError(f"from ({first}) is after to ({last})")
    return Answer(
        200,
        {
            "newest": coverage.newest,
            "missing": coverage.missing,
            "due": due_days_of(coverage, now, settings),
            "days": [row.plain() for row in coverage.rows if first <= row.day <= last],
        },
    )


def answer_day(day: date, known: Known) -> Answer:
    """Answer `GET /api/exports/{day}`: the manifest and the failure, or 404."""
    if known.manifest is None and known.failure is None:
        return Answer(404, {"error": f"nothing is on record for {day}"})
    return Answer(
        200,
        {
            "day": day,
            "whole": known.whole,
            "manifest": json.loads(known.manifest.to_json()) if known.manifest else None,
            "failure": json.loads(known.failure.to_json()) if known.failure else None,
        },
    )


def bad_request(error: ValueError) -> Answer:
    """400 with the sentence."""
    return Answer(400, {"error": str(error)})


def _object(body: bytes, *, needed: bool) -> dict[str, Any]:
    if not body.strip() and not needed:
        return {}
    sentence = 'the body is not a JSON object. Write for example {"from": "2025-11-01", "to": "2025-11-06"}'
    try:
        return dict(json.loads(body))
    except (TypeError, ValueError, RecursionError):
        raise ValueError(sentence) from None


def _range(first: str, last: str, now: datetime) -> list[date]:
    days = days_of(parse_day(first), parse_day(last))
    if not days:
        raise ValueError(f"from ({first}) is after to ({last})")
    if len(days) > MOST_DAYS:
        raise ValueError(f"{len(days)} days are more than the {MOST_DAYS} of one request. Ask in several")
    return _over(days, now)


def _over(days: list[date], now: datetime) -> list[date]:
    yesterday = yesterday_of(now)
    if days[-1] > yesterday:
        raise ValueError(f"{days[-1]} is not over yet (days are UTC): the newest day to ask for is {yesterday}")
    return days
