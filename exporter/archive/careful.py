"""The careful path: line by line, which are events: one JSON object each, proven without changing a byte.

One UTF-8 check and one strict parse with `msgspec`, which checks JSON's grammar in what it skips, but not UTF-8. A line
that is refused there (half of a surrogate pair, great depth, and all that is no JSON) gets a second opinion from
`grammar`. Nothing of a line is built. Most lines never come here: the fast path proves a block of them at once, with
the same result.
"""

import re
from codecs import utf_8_decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from exporter.archive.dates import HEAD, date_of, first_date, may_escape_time
from exporter.archive.grammar import stops_at
from exporter.archive.unusual import checks_for, is_deep

LONGEST_REFUSED = 4 << 20
"""Bytes. A longer line gets no second opinion, which takes up to three seconds at worst for so many."""
_UNPROVEN = f"longer than {LONGEST_REFUSED} bytes and unusual: it cannot be proven within bounds"
_PIECE = 1 << 16


class _Event(msgspec.Struct, gc=False):
    event_time: msgspec.Raw = msgspec.Raw(b"null")


_parse = msgspec.json.Decoder(_Event).decode
_blank = re.compile(rb"[ \t\r\n]*+\Z").match
_CONSTANT = re.compile(rb"NaN|-?Infinity").match

Reject = Callable[[int, str, "bytes | memoryview"], None]
"""Told of a line that is no event: its number in the block (1 is the first), the reason, its bytes without its end."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The events of a block as a block of their own, and how many events, ``unusual`` ones, and lines there are."""

    text: bytes
    events: int
    unusual: int
    lines: int


def check_lines(block: bytes, days: dict[str, int], reject: Reject) -> Checked:
    r"""Look at each line of ``block``, which ends with ``\n``; count the events' dates in ``days``."""
    lines = block.count(b"\n")
    checks, escaped = checks_for(block), may_escape_time(block)
    alone = lines == 1
    good: list[bytes] = []
    unusual = 0
    for number, line in enumerate((block,) if alone else lines_of(block[:-1]), start=1):  # alone it is never copied
        if _blank(line):
            continue
        date, reason = examine(line, escaped=escaped)
        if reason:
            content = memoryview(line)[: len(line) - _end_of(line)] if alone else line
            reject(number, reason, content)
            continue
        days[date] = days.get(date, 0) + 1
        unusual += any(check(line) for check in checks) if checks else 0
        good.append(line)
    if alone:
        text = good[0] if good else b""
        if text.endswith(b"\r\n"):
            text = b"".join((memoryview(text)[:-2], b"\n"))
    else:
        text = b"".join(line + b"\n" for line in good)
    return Checked(text, len(good), unusual, lines)


def lines_of(block: bytes) -> Iterator[bytes]:
    r"""The lines of a block without their ends (``\n`` or ``\r\n``)."""
    for line in block.split(b"\n"):
        yield line.removesuffix(b"\r")


def examine(line: bytes, *, escaped: bool = True) -> tuple[str, str]:
    """The date of ``line`` and no reason if it is an event; else a reason, which quotes nothing of the line.

    ``escaped`` is whether it may name ``event_time`` with an escape. A line end may stand at its end.
    """
    try:
        _check_utf8(line)
    except UnicodeDecodeError as error:
        return "", f"not UTF-8 at byte {error.start + 1}"
    try:
        time = memoryview(_parse(line).event_time)
    except (msgspec.DecodeError, RecursionError):
        reason = _second_opinion(line)
        return ("", reason) if reason else (first_date(line), "")
    if len(line) - _end_of(line) > LONGEST_REFUSED and is_deep(line):  # how deep msgspec goes is up to Python
        return "", _UNPROVEN
    several = escaped or line.count(b'"event_time"') > 1
    return (first_date(line) if several else date_of(time[:HEAD].tobytes())), ""


def _second_opinion(line: bytes) -> str:
    length = len(line) - _end_of(line)  # so that neither bound nor place depends on it
    if length > LONGEST_REFUSED:
        return _UNPROVEN
    line = line[:length]
    place = stops_at(line)
    if place is None:
        return "" if line.lstrip(b" \t\r").startswith(b"{") else "not a JSON object"
    if constant := _CONSTANT(line, place):
        return f"{constant[0].decode()} is no JSON value (byte {place + 1})"
    return f"not JSON at byte {place + 1}"


def _end_of(line: bytes) -> int:
    """Length of the line's end, if it has one."""
    return line.endswith(b"\n") + line.endswith(b"\r\n")


def _check_utf8(line: bytes) -> None:
    """In pieces: decoded at once, a line may take four times its size."""
    at = 0
    while at < len(line):
        try:
            at += utf_8_decode(line[at : at + _PIECE], "strict", at + _PIECE >= len(line))[1]
        except UnicodeDecodeError as error:
            error.start += at
            raise
