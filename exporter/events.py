"""Which lines are events: one JSON object each, proven without changing a byte.

A block of lines takes the fast path: one UTF-8 check for the block and one strict parse for each line, with
`msgspec` (which checks JSON's grammar in what it skips, but not UTF-8). A block that is refused there goes line by
line through `fault`, whose second opinion is the standard library's parser: it accepts what is legal and unusual (a
lone surrogate escape) and knows the reason for what is not. Each line is parsed by itself on both paths, so an
object torn over two lines cannot hide behind its neighbours.
"""

import json
from collections.abc import Iterator

import msgspec


class _Event(msgspec.Struct, gc=False):
    event_time: str | None = None  # anything else is for the careful path: it must not be built here


_parse = msgspec.json.Decoder(_Event).decode

NO_DATE = "none"
MOST_DAYS = 4_000
OTHER_DAYS = "other"


def prove(block: bytes, days: dict[str, int]) -> int | None:
    r"""Count the events of a block of whole lines, or None if it is not plainly one event a line.

    ``block`` ends with ``\n``. Adds the dates of ``event_time`` to ``days`` (of a refused block: of some lines).
    """
    if b"\r" in block:
        return None  # an event's bytes end before it
    start = count = 0
    lines, find = memoryview(block), block.find
    try:
        str(block, "utf-8")
        while (end := find(b"\n", start)) >= 0:
            time = _parse(lines[start:end]).event_time
            date = time[:10] if type(time) is str else NO_DATE
            days[date] = days.get(date, 0) + 1
            count += 1
            start = end + 1
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    return count


def fault(line: bytes) -> str | None:
    """Why ``line`` (without its end) is no event, or None if it is one. Quotes nothing of the line."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start + 1}"
    try:
        found = json.loads(text, parse_constant=_refuse, parse_int=_skip, parse_float=_skip)
    except json.JSONDecodeError as error:
        return f"not JSON at character {error.pos + 1}: {error.msg}"
    except ValueError as error:
        return str(error)
    except RecursionError:
        return None if _parses(line) else "nested too deeply"
    return None if isinstance(found, dict) else "not a JSON object"


def event_date(line: bytes) -> str:
    """The date of ``event_time`` of a line that `fault` accepts."""
    try:
        time = _parse(line).event_time
    except (msgspec.DecodeError, RecursionError):
        time = json.loads(line, parse_int=_skip, parse_float=_skip).get("event_time")
    return time[:10] if type(time) is str else NO_DATE


def keys(line: bytes) -> frozenset[str]:
    """The names of a line's columns; empty if the line is no JSON object."""
    try:
        return frozenset(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()


def add_days(total: dict[str, int], found: dict[str, int]) -> None:
    """Add counts per date; what is no date counts as "none", and past MOST_DAYS dates as "other"."""
    for text, count in found.items():
        day = text if _is_date(text) else NO_DATE
        if day not in total and len(total) >= MOST_DAYS:
            day = OTHER_DAYS
        total[day] = total.get(day, 0) + count


def lines_of(block: bytes) -> Iterator[bytes]:
    r"""The lines of a block without their ends (``\n`` or ``\r\n``)."""
    for line in block.split(b"\n"):
        yield line.removesuffix(b"\r")


def _is_date(text: str) -> bool:
    return (
        text.isascii()
        and len(text) == len("2025-11-06")
        and text[4] == text[7] == "-"
        and ((text[:4] + text[5:7] + text[8:]).isdecimal())
    )


def _parses(line: bytes) -> bool:
    try:
        _parse(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _skip(_number: str) -> None:
    return None
