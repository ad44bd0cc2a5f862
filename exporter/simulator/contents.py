"""Scripts that change what an hour holds: odd lines in it, more or fewer events, none at all.

Each has `hours`, a pattern as `hours.names` reads it, and counts *answers*: how often an archive with that
hour was asked for before, whether or not it arrived whole.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exporter.simulator.hours import names

type OddKind = Literal[
    "torn-line", "torn-at-comma", "two-objects", "array-line", "bom", "blank-lines", "crlf", "nan",
    "separators", "lone-surrogate", "long-line", "invalid-utf8", "big-integer", "huge-integer", "huge-float",
    "deep-nesting", "huge-line",
]  # fmt: skip


@dataclass(frozen=True)
class OddLine:
    """An event written oddly, after `after` answers: the one at `line` (from 0) of each hour.

    `blank-lines` and `crlf` change every line. In an hour of fewer events nothing is odd.
    """

    kind: OddKind
    hours: str
    after: int = 0
    line: int = 0


@dataclass(frozen=True)
class Resized:
    """An hour that grows (or, `by` negative, shrinks) by some events at its end after `after` answers."""

    hours: str
    by: int
    after: int = 0


@dataclass(frozen=True)
class Missing:
    """Hours without events: in the first `answers` answers only (they appear later), or (None) for good."""

    hours: str
    answers: int | None = None


type Content = OddLine | Resized | Missing

LONG_LINE_BYTES, HUGE_LINE_BYTES = 10 * 2**20, 17 * 2**20
VALUES: dict[str, bytes] = {
    "nan": b"NaN",
    "separators": '"line\u2028paragraph\u2029next\u0085line"'.encode(),
    "lone-surrogate": rb'"half an emoji: \ud83d"',
    "long-line": b'"' + b"long " * (LONG_LINE_BYTES // 5) + b'"',
    "huge-line": b'"' + b"huge " * (HUGE_LINE_BYTES // 5) + b'"',
    "invalid-utf8": b'"Latin-1: \xfc\xff"',
    "big-integer": b"123456789012345678901234567890",
    "huge-integer": b"9" * 5_000,
    "huge-float": b"1e400",
    "deep-nesting": b"[" * 5_000 + b"]" * 5_000,
}
"""Values that are put into an event's properties. Only NaN and the invalid UTF-8 are no JSON."""


def counted(contents: Iterable[Content], hour: datetime, events: int, answers: int) -> int:
    """How many events the hour shows after so many answers, of the `events` it holds by itself."""
    for content in contents:
        if not names(content.hours, hour):
            continue
        match content:
            case Resized(by=by, after=after) if answers >= after:
                events = max(0, events + by)
            case Missing(answers=until) if until is None or answers < until:
                return 0
    return events


def scripted(
    contents: Iterable[Content],
    hour: datetime,
    lines: Iterator[bytes],
    answers: int,
) -> Iterator[bytes]:
    """The hour's lines as they show after so many answers."""
    for content in contents:
        if isinstance(content, OddLine) and names(content.hours, hour) and answers >= content.after:
            lines = _odd(content, lines)
    return lines


def _odd(content: OddLine, lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines with one of them, or each, written oddly."""
    every = content.kind in EVERY_LINE
    for number, line in enumerate(lines):
        if every or number == content.line:
            yield from _REWRITTEN.get(content.kind, _with_value(content.kind))(line)
        else:
            yield line


def _with_value(kind: OddKind) -> Callable[[bytes], tuple[bytes, ...]]:
    """A rewriting that puts an odd value among the event's properties."""
    start = b'"event_properties":{'
    return lambda line: (line.replace(start, start + b'"odd":' + VALUES[kind] + b",", 1),)


def _torn(line: bytes) -> tuple[bytes, ...]:
    """An event over two lines, torn inside a string."""
    at = line.index(b'"event_type":"') + len(b'"event_type":"') + 1
    return line[:at], line[at:]


def _torn_at_comma(line: bytes) -> tuple[bytes, ...]:
    """An event over two lines where a comma should be: joined by commas, the lines are an object again."""
    at = line.index(b',"event_type":')
    return line[:at], line[at + 1 :]


EVERY_LINE = frozenset({"blank-lines", "crlf"})
_REWRITTEN: dict[OddKind, Callable[[bytes], tuple[bytes, ...]]] = {
    "torn-line": _torn,
    "torn-at-comma": _torn_at_comma,
    "two-objects": lambda line: (line + b"," + line,),
    "array-line": lambda line: (b"[" + line + b"]",),
    "bom": lambda line: (b"\xef\xbb\xbf" + line,),
    "blank-lines": lambda line: (b"", line, b""),
    "crlf": lambda line: (line + b"\r",),
}
