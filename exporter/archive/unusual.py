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
from collections.abc import Callable
from math import isinf

DEEPEST = 1022
"""Levels of arrays and objects that hold something: simdjson's 1,024, less its document and the array of a block."""

_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_no_half = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)*+", re.DOTALL
).match
_EXPONENTS = tuple(re.compile(rb"%b(?<=[0-9.]%b)\+?[0-9]{3,}+[]},\s]" % (e, e)) for e in (b"e", b"E"))
"""Each begins with a plain letter, which makes the search several times as fast as one for both."""
_LONG = re.compile(rb"-[0-9]{19}|[0-9]{20}")
_to_long_number = re.compile(rb'(?:[^"0-9-]++|%b|(?!-?[0-9]{19}|-?[0-9.]++[eE])-?[0-9.]++)*+' % _TEXT, re.DOTALL).match
_number = re.compile(rb"-?[0-9]++([.eE][0-9.eE+-]*+)?+").match
_FLAT = rb'(?:[^"\[\]{}]++|%b)*+' % _TEXT
_over_flat = re.compile(rb"(?:[^\"\[\]{}]++|%b|[\[{]%b[\]}])*+" % (_TEXT, _FLAT), re.DOTALL).match
_over_empty = re.compile(rb"(?:[^\"\[\]{}]++|%b|[\[{][ \t\r\n]*+[\]}])*+" % _TEXT, re.DOTALL).match
"""To the next bracket: over what holds no other array or object, or, at the bound, only over what holds nothing."""

_LONGEST_PLAIN = 1 << 18
"""Bytes. What is longer is searched and not translated, which would copy it."""
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_SHAPE = b"".maketrans(bytes(range(256)), bytes(b",,,,,,,,,,ee-#"[b":,[]{} \t\r\neE-".find(c)] for c in range(256)))
"""What may stand around a number becomes a comma, what has no part in one becomes #."""
_NUMERALS = b"0123456789.+"
_NO_BRACKETS = bytes(c for c in range(256) if chr(c) not in "[{\n")


def checks_for(block: bytes) -> tuple[Callable[[bytes], bool], ...]:
    """The checks that an event in one of the lines of ``block`` may fail; usually none, found out for all at once."""
    if len(block) > _LONGEST_PLAIN:
        return has_half, has_big_number, is_deep
    return tuple(
        check
        for check, may_fail in (
            (has_half, b"\\" in block and _HALF.search(block)),
            (has_big_number, _has_long_digits(block) or _has_exponent(block)),
            (is_deep, max(map(len, block.translate(None, _NO_BRACKETS).split(b"\n"))) > DEEPEST),
        )
        if may_fail
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
    if not _may_be_big(event):
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


def _has_exponent(text: bytes) -> bool:
    """Whether there may be a number with an exponent above 0: without numerals it is one of two, and little else is."""
    shape = text.translate(_SHAPE, _NUMERALS)
    return b",e," in shape or b",-e," in shape


def _may_be_big(event: bytes) -> bool:
    if len(event) > _LONGEST_PLAIN:
        return bool(_LONG.search(event)) or any(large.search(event) for large in _EXPONENTS)
    return _has_long_digits(event) or (_has_exponent(event) and any(large.search(event) for large in _EXPONENTS))


def _is_big(number: re.Match[bytes]) -> bool:
    if number[1]:
        return isinf(float(number[0]))
    length = number.end() - number.start()
    return length > len("-9223372036854775808") or not -(2**63) <= int(number[0]) < 2**64
