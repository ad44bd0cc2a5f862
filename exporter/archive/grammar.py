"""The second opinion on a line: is it one JSON value, and if not, where does it go wrong?

Nothing is built, so memory is that of the line, and nothing calls itself, so no depth is too deep whatever Python runs
it. It takes what ``json.loads`` takes, except NaN and Infinity: a property test holds the two together. UTF-8 is not
looked at here.
"""

import re

SPACE = rb"[ \t\r\n]*+"
_TEXT = rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
_SCALAR = rb"(?:%b|%b|true|false|null)" % (_TEXT, _NUMBER)

_PAIR = rb"%b%b:%b%b" % (_TEXT, SPACE, SPACE, _SCALAR)


def _many(each: bytes) -> bytes:
    """None, or one or several with commas between."""
    return rb"%b(?:%b%b(?:,%b%b%b)*+)?+" % (SPACE, each, SPACE, SPACE, each, SPACE)


_FLAT = rb"(?:%b|\[%b\]|\{%b\})" % (_SCALAR, _many(_SCALAR), _many(_PAIR))
"""A value whose parts, if it has any, have none: most values are, and long runs of them are skipped at once."""

_space = re.compile(SPACE)
_value = re.compile(rb"%b(?:%b|(\[[ \t\r\n[]*+|\{))" % (SPACE, _SCALAR)).match
_name = re.compile(rb"%b%b%b:" % (SPACE, _TEXT, SPACE)).match
_values = re.compile(rb"(?:%b%b%b,)*+" % (SPACE, _FLAT, SPACE))
_members = re.compile(rb"(?:%b%b%b:%b%b%b,)*+" % (SPACE, _TEXT, SPACE, SPACE, _FLAT, SPACE))
_closing = re.compile(rb"%b[\]}]" % SPACE).match
_next = re.compile(rb"%b(,|[\]}]++)" % SPACE).match


def stops_at(text: bytes) -> int | None:
    """The place, from 0, up to which ``text`` could become one JSON value; None if it is one."""
    waiting = bytearray()  # for these brackets, the innermost last
    at, just_open = 0, False
    while True:
        if not (just_open and _closing(text, at)):
            at, opened = _value_at(text, at, waiting[-1:])
            if opened is None:
                return _behind_space(text, at)
            if opened:
                waiting += b"}" if opened == b"{" else b"]" * opened.count(b"[")
                just_open = True
                continue
        just_open = False
        while waiting:
            found = _next(text, at)
            if found is None:
                return _behind_space(text, at)
            if found[1] == b",":
                at = found.end()
                break
            closed, expected = found[1], waiting[: -len(found[1]) - 1 : -1]
            if closed != expected:
                return found.start(1) + next(n for n in range(len(closed)) if closed[n : n + 1] != expected[n : n + 1])
            del waiting[-len(closed) :]
            at = found.end()
        else:
            at = _behind_space(text, at)
            return None if at == len(text) else at


def _value_at(text: bytes, at: int, inside: bytes | bytearray) -> tuple[int, bytes | None]:
    """Behind the next value and what leads to it: the brackets that it opens, b"" for a whole one, None for none."""
    if inside:
        skipped = (_members if inside == b"}" else _values).match(text, at)
        at = skipped.end() if skipped else at
    if inside == b"}":
        name = _name(text, at)
        if name is None:
            return at, None
        at = name.end()
    value = _value(text, at)
    return (value.end(), value[1] or b"") if value else (at, None)


def _behind_space(text: bytes, at: int) -> int:
    space = _space.match(text, at)
    return space.end() if space else at
