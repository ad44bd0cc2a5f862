"""The date of an event: the first ten characters of its first ``event_time``, if they are one."""

import json
import re
from collections.abc import Mapping

NO_DATE = "none"
OTHER_DAYS = "other"
MOST_DAYS = 4_000
"""Dates that are told apart; events of later found ones count as OTHER_DAYS."""
HEAD = 80
"""Bytes of an ``event_time`` that hold its first ten characters, however they are written."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_plain_date = re.compile(rb'"(\d{4}-\d\d-\d\d)').match
_first_ten = re.compile(rb'"((?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u]){10})').match
_tokens = re.compile(rb'("(?:[^"\\]++|\\.)*+")([ \t\r\n]*+:[ \t\r\n]*+)?|([\[{])|([\]}])', re.DOTALL).finditer
_ESCAPED_LETTER = re.compile(rb"\\u00[567]")
_NAME = "event_time"
_LONGEST_NAME = len(_NAME) * len("\\u0065") + len('""')


def is_date(text: str) -> bool:
    """Whether it looks like ``2025-11-06``."""
    return _DATE.fullmatch(text) is not None


def date_of(value: bytes) -> str:
    """The date in the value of an ``event_time``, as JSON spells it; its first HEAD bytes are enough. Else NO_DATE."""
    if plain := _plain_date(value):
        return plain[1].decode()
    found = _first_ten(value)
    if found is None:
        return NO_DATE
    try:
        text = json.loads(b'"%b"' % found[1]) if b"\\" in found[1] else found[1].decode()
    except ValueError:  # ten bytes need not be whole characters: then they are no date
        return NO_DATE
    return text if is_date(text) else NO_DATE


def may_escape_time(block: bytes) -> bool:
    """Whether a name in ``block`` may be ``event_time`` with a letter of it escaped."""
    return b"\\" in block and _ESCAPED_LETTER.search(block) is not None


def first_date(event: bytes) -> str:
    """The date of ``event``, one JSON object, if its name may stand there several times.

    JSON lets a name come twice. simdjson finds the first and msgspec the last one; here and there the first counts.
    """
    if b'"event_time"' not in event and not may_escape_time(event):
        return NO_DATE
    level = 0
    for found in _tokens(event):
        if found[3]:
            level += 1
        elif found[4]:
            level -= 1
        elif found[2] and level == 1 and _is_time(found[1]):
            return date_of(event[found.end() : found.end() + HEAD])
    return NO_DATE


def count_days(total: dict[str, int], found: Mapping[str, int]) -> None:
    """Add counts of events, by what the first ten characters of their ``event_time`` are."""
    for text, count in found.items():
        _add(total, text if is_date(text) else NO_DATE, count)


def add_days(total: dict[str, int], more: Mapping[str, int]) -> None:
    """Add counts by date to others of the same kind."""
    for day, count in more.items():
        _add(total, day, count)


def _add(total: dict[str, int], day: str, count: int) -> None:
    if day not in total and len(total) >= MOST_DAYS:
        day = OTHER_DAYS
    total[day] = total.get(day, 0) + count


def _is_time(name: bytes) -> bool:
    return name == b'"event_time"' or (len(name) <= _LONGEST_NAME and b"\\" in name and json.loads(name) == _NAME)
