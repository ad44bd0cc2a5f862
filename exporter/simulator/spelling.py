"""The command line's words for faults and contents: `429`, `503x2`, `torn-line@05`, `too-large>6`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast, get_args

from exporter.simulator.contents import Content, Missing, OddKind, OddLine, Resized
from exporter.simulator.faults import (
    Fault,
    SpoilKind,
    Spoilt,
    Status,
    TooLarge,
    TooManyRequests,
    When,
    Wire,
    WireKind,
)

WORD = re.compile(
    r"(?P<name>[a-z0-9-]+?)(:(?P<value>[0-9]+([.][0-9]+)?))?(x(?P<times>[0-9]+|all))?"
    r"(@(?P<hours>[0-9]{2}|[0-9]{8}(T[0-9]{2})?))?(>(?P<wider>[0-9]+))?"
)

FAULT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "429": "too many requests; 429:5 says Retry-After: 5",
        "429-date": "too many requests; 429-date:5 gives the time in 5 seconds as an HTTP date",
        "500": "server error",
        "502": "bad gateway, an HTML page",
        "503": "service unavailable",
        "504": "gateway time-out, an HTML page",
        "400": "bad request, not about size",
        "400-empty": "bad request without a word",
        "401": "no credentials",
        "403": "wrong key",
        "404": "not found, but a proxy's page and not Amplitude's words",
        "302": "a redirect to a login page",
        "too-large": "400 with words of size for windows wider than 6 hours (too-large:6, 'too-large>6')",
        "too-slow": "504 for windows wider than 6 hours (too-slow:6)",
        "html": "200 with an HTML page",
        "empty-body": "200 without a body",
        "truncated-zip": "the first half of the archive with a Content-Length that fits",
        "short-body": "half of the body without Content-Length, then the connection is closed",
        "broken-off": "half of the body that Content-Length promises, then the connection is closed",
        "no-length": "the whole body without Content-Length (allowed)",
        "chunked": "the whole body in chunked transfer coding (allowed)",
        "broken-chunks": "half of the body in chunked transfer coding, then the connection is closed",
        "reset": "half of the body, then the connection is reset",
        "closed": "the connection is closed before any answer",
        "drip": "the archive at 1000 bytes a second (drip:1000)",
        "silence": "no byte for 30 seconds (silence:30), then the archive",
        "corrupt-member": "a byte changed inside a member's gzip data",
        "corrupt-zip": "a byte changed inside the ZIP, so that its own CRC is wrong",
        "wrong-trailer": "a member whose gzip CRC is wrong",
        "truncated-member": "a gzip member cut short inside a whole ZIP",
        "foreign-member": "a readme.txt among the members",
        "bad-name": "a .json.gz whose name tells no hour",
        "other-hour": "a member of an hour that was not asked for",
        "same-member-twice": "one member two times",
        "path-outside": "a member named ../../etc/x.json.gz",
        "bomb": "a small member that inflates to 1024 MB (bomb:1024)",
        "encrypted": "a member with the encryption flag",
        "unsupported-compression": "a member compressed by a method nobody reads",
        "renamed-member": "a member whose name ends in .JSON.GZ",
        "folder-with-data": "a member under the name of a folder",
        "missing-entry": "a member that the ZIP's directory does not name",
        "two-archives": "one member in an archive of its own, and the archive of the others behind it",
        "reordered": "the members in reverse order (allowed)",
        "torn-line": "an event torn over two lines",
        "torn-at-comma": "an event torn over two lines in place of a comma",
        "two-objects": "two events on one line",
        "array-line": "a line that is an array",
        "bom": "a line that begins with a byte order mark",
        "blank-lines": "blank lines around every event (allowed)",
        "crlf": "lines that end in CR LF (allowed)",
        "nan": "NaN as a value",
        "separators": "U+2028, U+2029 and U+0085 inside a string (allowed)",
        "lone-surrogate": "half a surrogate pair as an escape (allowed)",
        "long-line": "a line of 10 MB (allowed)",
        "huge-line": "a line of 17 MB",
        "invalid-utf8": "bytes that are no UTF-8",
        "big-integer": "an integer of 30 digits (allowed)",
        "huge-integer": "an integer of 5000 digits (allowed)",
        "huge-float": "1e400 (allowed)",
        "deep-nesting": "an array nested 5000 deep (allowed)",
        "late-hour": "an hour that is missing in the first answer (late-hour:1)",
        "grows": "an hour with 10 more events after the first answer (grows:10)",
        "shrinks": "an hour with 10 fewer events after the first answer (shrinks:10)",
        "empty-hour": "an hour without events",
        "empty-day": "a day without events (empty-day@20251106; without a day, all are empty)",
    }
)
"""Every name the command line knows, with one line about it."""


@dataclass(frozen=True)
class _Parts:
    """A word taken apart; a value or hours that were not given are None."""

    name: str
    value: float | None
    when: When
    hours: str | None


def parse_faults(words: Sequence[str]) -> list[Fault | Content]:
    """Read `name[:value][xTIMES|xall][@HH|@YYYYMMDD|@YYYYMMDDTHH][>HOURS]`: each word a fault or a content.

    Without `x` a fault comes once (`too-large` and `too-slow`: always). `@` limits it to windows with that
    hour, `>` to wider windows. For contents `@` names the hour they change (else 12); no `x`, no `>`.

    Raises:
        ValueError: a word cannot be read, or its name is unknown; lists the known names.
    """
    return [_built(_parts(word), word) for word in words]


def _parts(word: str) -> _Parts:
    match = WORD.fullmatch(word)
    if match is None or match["name"] not in FAULT_NAMES:
        raise ValueError(
            f"{word!r} is no fault. Write name[:value][xTIMES or xall][@HH][>HOURS], "
            f"for example 503x2 or torn-line@05, with one of these names: {', '.join(FAULT_NAMES)}"
        )
    name = match["name"]
    endless = name in {"too-large", "too-slow"} and match["times"] is None
    times = None if endless or match["times"] == "all" else int(match["times"] or 1)
    value = float(match["value"]) if match["value"] else None
    return _Parts(name, value, When(times, match["hours"] or "", int(match["wider"] or 0)), match["hours"])


def _built(parts: _Parts, word: str) -> Fault | Content:
    """The fault or content the parts name."""
    fault = _fault(parts)
    if fault is not None:
        return fault
    if parts.when != When(hours=parts.when.hours):
        raise ValueError(f"{word!r}: {parts.name} changes what an hour holds; it takes no x and no >")
    return _content(parts)


def _fault(parts: _Parts) -> Fault | None:
    """The fault the parts name; None if they name a content."""
    name, value, when = parts.name, parts.value, parts.when
    if name in get_args(WireKind.__value__):
        usual = {"drip": 1000.0, "silence": 30.0}.get(name, 0.0)
        return Wire(cast("WireKind", name), usual if value is None else value, when)
    if name in get_args(SpoilKind.__value__):
        return Spoilt(cast("SpoilKind", name), 1024 if value is None else int(value), when)
    if name.isdigit() and name != "429":
        return Status(int(name), when=when)
    width = int(value or when.wider_than or 6)
    faults: dict[str, Callable[[], Fault]] = {
        "429": lambda: TooManyRequests(value, when=when),
        "429-date": lambda: TooManyRequests(5 if value is None else value, as_date=True, when=when),
        "400-empty": lambda: Status(400, b"", when),
        "html": lambda: Status(200, when=when),
        "empty-body": lambda: Status(200, b"", when),
        "too-large": lambda: TooLarge(width, 400, when),
        "too-slow": lambda: TooLarge(width, 504, when),
    }
    return faults[name]() if name in faults else None


def _content(parts: _Parts) -> Content:
    """The change of contents the parts name."""
    name, value = parts.name, parts.value
    hours = "12" if parts.hours is None else parts.hours
    match name:
        case "late-hour":
            return Missing(hours, answers=int(value or 1))
        case "grows":
            return Resized(hours, int(value or 10), after=1)
        case "shrinks":
            return Resized(hours, -int(value or 10), after=1)
        case "empty-hour":
            return Missing(hours)
        case "empty-day":
            return Missing(parts.hours or "")
        case _:
            return OddLine(cast("OddKind", name), hours)
