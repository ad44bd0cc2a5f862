r"""Events that are legal JSON, and that loaders stumble over. The manifest says how many a day holds.

An event is unusual if anywhere in it there is

- half of a surrogate pair, written as an escape (``\ud83d`` alone; a pair is usual);
- a whole number outside of -2^63 to 2^64 - 1, or another number that overflows a 64-bit float (1e400; what is too
  small and becomes 0 is usual);
- an object or array in more than DEEPEST others, those that hold nothing not counted.

That is what simdjson refuses of legal JSON (tests hold the two together at each bound): so a block that takes the fast
path holds no unusual event, and both paths count the same. A name that stands twice in one object is not counted, since
it cannot be told without reading every name.
"""

import re
from math import isinf

DEEPEST = 1022
"""Levels of arrays and objects that hold something: simdjson's 1,024, less its document and the array of a block."""

_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_no_half = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)*+", re.DOTALL
).match
_EXPONENTS = (
    re.compile(rb"e(?<=[0-9.]e)\+?[0-9]{3}"),
    re.compile(rb"E(?<=[0-9.]E)\+?[0-9]{3}"),
)
"""Each begins with a plain letter, which makes the search several times as fast as one for both."""
_LONG = re.compile(rb"-[0-9]{19}|[0-9]{20}")
_to_long_number = re.compile(rb'(?:[^"0-9-]++|%b|(?!-?[0-9]{19}|-?[0-9.]++[eE])-?[0-9.]++)*+' % _TEXT, re.DOTALL).match
_number = re.compile(rb"-?[0-9]++([.eE][0-9.eE+-]*+)?+").match
_FLAT = rb'(?:[^"\[\]{}]++|%b)*+' % _TEXT
_over_flat = re.compile(rb"(?:[^\"\[\]{}]++|%b|[\[{]%b[\]}])*+" % (_TEXT, _FLAT), re.DOTALL).match
_over_empty = re.compile(rb"(?:[^\"\[\]{}]++|%b|[\[{][ \t\r\n]*+[\]}])*+" % _TEXT, re.DOTALL).match
"""To the next bracket: over what holds no other array or object, or, at the bound, only over what holds nothing."""

_LONGEST_PLAIN = 1 << 18
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_SHAPE = bytes(44 if chr(c) in ":,[]{} \t\r\n" else 101 if chr(c) in "eE" else 35 for c in range(256))
_NO_SHAPE = b"0123456789.+-"


def may_be_unusual(block: bytes) -> bool:
    """False only if no line of ``block`` is unusual; much faster than asking for each line."""
    return (
        len(block) > _LONGEST_PLAIN
        or block.count(b"[") + block.count(b"{") > DEEPEST
        or (b"\\" in block and bool(_HALF.search(block)))
        or _has_long_digits(block)
        or b",e," in block.translate(_SHAPE, _NO_SHAPE)  # each number with an exponent leaves this, few others do
    )


def is_unusual(event: bytes) -> bool:
    """Whether ``event``, one JSON object in UTF-8, is unusual."""
    return has_half(event) or has_big_number(event) or is_deep(event)


def has_half(event: bytes) -> bool:
    """Whether it holds half of a surrogate pair."""
    if not (b"\\" in event and _HALF.search(event)):
        return False
    whole = _no_half(event)
    return whole is None or whole.end() < len(event)


def has_big_number(event: bytes) -> bool:
    """Whether it holds a number that 64 bits cannot hold."""
    if not (_LONG.search(event) if len(event) > _LONGEST_PLAIN else _has_long_digits(event)) and not any(
        exponent.search(event) for exponent in _EXPONENTS
    ):
        return False
    at = 0
    while (skipped := _to_long_number(event, at)) and (found := _number(event, skipped.end())):
        if _is_big(found):
            return True
        at = found.end()
    return False


def is_deep(event: bytes) -> bool:
    """Whether more than DEEPEST of its arrays and objects lie in one another, those that hold nothing not counted."""
    if event.count(b"[") + event.count(b"{") <= DEEPEST:
        return False
    level = at = 0
    while skipped := (_over_flat if level < DEEPEST else _over_empty)(event, at):
        at = skipped.end() + 1
        bracket = event[at - 1 : at]
        if not bracket:
            break
        level += 1 if bracket in b"[{" else -1
        if level > DEEPEST:
            return True
    return False


def _has_long_digits(text: bytes) -> bool:
    digits = text.translate(_DIGITS)
    return b"0" * 20 in digits or b"-" + b"0" * 19 in digits


def _is_big(number: re.Match[bytes]) -> bool:
    if number[1]:
        return isinf(float(number[0]))
    length = number.end() - number.start()
    return length > len("-9223372036854775808") or not -(2**63) <= int(number[0]) < 2**64
