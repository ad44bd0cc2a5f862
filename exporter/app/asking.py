"""What is asked over HTTP: a body or a route becomes days, or a sentence that says what is wrong. Pure.

Everything here was written by strangers: it is bounded before it is read, and the only error is BadRequestError.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from exporter.window import days_to_export, parse_day

MOST_BYTES = 4096
"""Bytes of a body: a hundred times what a range takes."""
MOST_DAYS = 1_100
"""Days of one request: three years, and the message of a single chain stays below the queue's 64 KiB."""
SHOWN = 100
"""Characters of a request that are shown in an answer."""
FORCED = "/api/exports/forced"
"""Where days are asked for with force."""


class BadRequestError(Exception):
    """A request with something wrong in it; the text is the answer's sentence."""

    status: ClassVar[int] = 400


class TooLargeError(BadRequestError):
    """A body that nobody needs to read to know that it is no request."""

    status: ClassVar[int] = 413


@dataclass(frozen=True)
class Asked:
    """Days asked for again by a person. ``skip_settled``: leave out what is final or empty already."""

    days: tuple[date, ...]
    force: bool
    skip_settled: bool


def check_size(headers: Mapping[str, str], body: bytes) -> None:
    """Refuse a body that is too large, by what it says of itself and by what it is.

    Raises:
        TooLargeError: it has more than MOST_BYTES bytes.
    """
    told = headers.get("Content-Length", "")
    length = int(told) if re.fullmatch("[0-9]{1,18}", told) else 0  # no number: what came counts
    if max(length, len(body)) > MOST_BYTES:
        raise TooLargeError(f"the body has {max(length, len(body))} bytes; a request has {MOST_BYTES} at most")


def read_rerun(day: str | None, body: bytes, now: datetime, *, force: bool = False) -> Asked:
    """Read a request for days: one in the route, or a range in the body.

    With ``force`` the days are replaced even if they had more events. Which of the two it is, the function says that
    is called, never the body: so the key of one opens nothing of the other.

    Raises:
        BadRequestError: with a sentence that says what is wrong.
    """
    asked = _read_object(body, needed=day is None)
    if "force" in asked and not force:
        raise BadRequestError(f"force has a function of its own, rerun_forced, with a key of its own: POST {FORCED}")
    _refuse_unknown(asked, set() if day else {"from", "to"})
    if day:
        named = read_day(day)
        return Asked(_possible(named, named, now), force, skip_settled=False)
    missing = [name for name in ("from", "to") if not (asked.get(name) and isinstance(asked[name], str))]
    if missing:
        raise BadRequestError(f'the body needs {" and ".join(missing)} as "YYYY-MM-DD": {{"from": DAY, "to": DAY}}')
    first, last = read_range(asked)
    return Asked(_possible(first, last, now), force, skip_settled=not force)


def read_nothing(body: bytes) -> None:
    """Read a request that says all it has to say by its address.

    Raises:
        BadRequestError: its body asks for something.
    """
    _refuse_unknown(_read_object(body, needed=False), set())


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


def _read_object(body: bytes, *, needed: bool) -> dict[str, Any]:
    if not body.strip() and not needed:
        return {}
    try:
        asked = json.loads(body, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise BadRequestError(
            'the body is not a JSON object. Write for example {"from": "2025-11-01", "to": "2025-11-06"}'
        )
    return asked


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a name that stands in it twice could mean either."""
    read = dict(pairs)
    if len(read) < len(pairs):
        raise BadRequestError("a name stands twice in the body: write each of them once")
    return read


def _refuse_unknown(asked: Mapping[str, Any], allowed: set[str]) -> None:
    if unknown := ", ".join(sorted(set(asked) - allowed)):
        names = ", ".join(sorted(allowed)) or "nothing"
        raise BadRequestError(f"unknown in the body: {unknown[:SHOWN]}. Allowed: {names}")


def _possible(first: date, last: date, now: datetime) -> tuple[date, ...]:
    """The days from ``first`` to ``last``, if they can be exported."""
    try:
        days = days_to_export(first, last, now)
    except ValueError as error:
        raise BadRequestError(str(error)) from None
    if len(days) > MOST_DAYS:
        raise BadRequestError(f"{len(days)} days are more than the {MOST_DAYS} of one request. Ask in several")
    return tuple(days)
