"""Which lines are events: one JSON object each, proven without changing a byte.

The careful path, line by line: one UTF-8 check and one strict parse with `msgspec` (which checks JSON's grammar in what
it skips, but not UTF-8). A line that is refused there gets a second opinion from the standard library's parser: it
accepts what is legal and unusual (a lone surrogate escape) and knows the reason for what is not. Most lines never come
here: `prover` proves a block of them at once, with the same result.
"""

import json
import re
from collections.abc import Iterator

import msgspec


class _Event(msgspec.Struct, gc=False):
    event_time: str | None = None  # anything else is for the second opinion: it must not be built here


_parse = msgspec.json.Decoder(_Event).decode

_LETTER = re.compile(rb"\\u00[567]")  # of "event_time", escaped
NO_DATE = "none"
MOST_DAYS = 4_000
OTHER_DAYS = "other"


def plain_date(line: bytes) -> str | None:
    """The date of ``line`` (without its end) if it is plainly an event; None if it needs a second opinion."""
    try:
        line.decode()
        time = _parse(line).event_time
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    if line.count(b'"event_time"') > 1 or (b"\\" in line and _LETTER.search(line)):
        return event_date(line)
    return _date(time)


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
    """The date of a line that `fault` accepts: the first ten characters of its first ``event_time``, or "none".

    JSON lets a name come twice. simdjson finds the first and msgspec the last one; here and there the first counts.
    """
    outermost: list[tuple[str, object]] = []

    def keep(pairs: list[tuple[str, object]]) -> None:
        outermost[:] = pairs  # the outermost object is the last to end

    try:
        json.loads(line, object_pairs_hook=keep, parse_int=_skip, parse_float=_skip)
    except RecursionError:
        try:
            return _date(_parse(line).event_time)
        except RecursionError:  # at the very bound, where a frame more is too many
            return NO_DATE
    return _date(next((value for name, value in outermost if name == "event_time"), None))


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


def _date(time: object) -> str:
    return time[:10] if type(time) is str else NO_DATE


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
