"""Which events of a block are somebody's, without a look at most of the others.

A line without a needle of the ids is not theirs: a value's plain bytes, or an escape that could spell it otherwise. So
only lines in which one stands are read, by `ids_in`. Where there are no good needles (short ids, many people, or those
who are known by a hash) a block is parsed for the three values of each event, and line by line where a name is missing,
stands twice or is escaped.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import msgspec

from exporter.dump import SEPARATOR
from exporter.privacy.ids import AMPLITUDE, DEVICE, USER, Ids, ids_in

MOST_KNOWN = 100_000
"""Values whose answer is remembered, of each name."""
LONGEST_KNOWN = 200
"""Bytes of a value that is remembered."""
MOST_NEEDLES = 8
"""More searches would take longer than parsing."""
FEW = 5_000
"""Backslashes of a block that are looked at one by one."""
LEAST_NEEDLE = 6
"""Bytes. Shorter ones stand in most blocks."""

_ABSENT = msgspec.Raw(b"")
_NAMES = (USER, AMPLITUDE, DEVICE)
_QUOTED = tuple(f'"{name}"'.encode() for name in _NAMES)
_hidden_name = re.compile(rb"\\u00[567]").search
_ESCAPED = re.compile('["\\\\/\x00-\x1f\x7f\ud800-\udfff]')
"""What JSON spells in several ways."""


class _Event(msgspec.Struct, gc=False):
    user_id: msgspec.Raw = _ABSENT
    amplitude_id: msgspec.Raw = _ABSENT
    device_id: msgspec.Raw = _ABSENT


_decode = msgspec.json.Decoder(list[_Event]).decode


@dataclass(frozen=True)
class Wanted:
    """Whose lines are wanted: of these ``ids``, and those that ``known`` says yes to, spelled as `Ids.spelled` does."""

    ids: Ids
    known: Callable[[str], bool] | None = None

    def has(self, found: Ids) -> bool:
        """Whether any id that was ``found`` is wanted."""
        return found.meet(self.ids) or (self.known is not None and any(map(self.known, found.spelled())))


class Hit(NamedTuple):
    """The place of an event's bytes in a block."""

    start: int
    end: int


class Matcher:
    """Finds the lines of those that are ``wanted``."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._needles = None if wanted.known else needles(wanted.ids)
        ascii_only = all(map(str.isascii, wanted.ids.users | wanted.ids.devices))
        self._escape = b"\\u00" if ascii_only else b"\\u"
        self._values = tuple(_Values(name, wanted) for name in _NAMES)

    def hits(self, block: bytes) -> list[Hit]:
        """Their events in ``block``, an array as `dump.blocks` gives it, in their order."""
        if self._needles is not None:
            found = _lines_with(self._needles, self._escape, block)
            return [hit for hit in found if self.is_hit(block[hit.start : hit.end])]
        numbers = self._plain(block)
        lines = block[1:-1].split(SEPARATOR) if numbers is None or numbers else []
        if numbers is None:
            numbers = [number for number, line in enumerate(lines) if self.is_hit(line)]
        ends = list(accumulate((len(line) + len(SEPARATOR) for line in lines), initial=1))
        return [Hit(ends[number], ends[number] + len(lines[number])) for number in numbers]

    def is_hit(self, line: bytes) -> bool:
        """Whether one line, an event or none, is theirs."""
        return self.wanted.has(ids_in(line))

    def _plain(self, block: bytes) -> list[int] | None:
        """The same of a block in which each name stands once in each event; None of any other."""
        try:
            events = _decode(block)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if _hidden_name(block) or any(block.count(name) != len(events) for name in _QUOTED):
            return None
        users, numbers, devices = self._values
        found = []
        for place, event in enumerate(events):
            user, number, device = bytes(event.user_id), bytes(event.amplitude_id), bytes(event.device_id)
            if not (user and number and device):  # then another one has a name twice
                return None
            if users[user] or numbers[number] or devices[device]:
                found.append(place)
        return found


def _lines_with(needles: tuple[bytes, ...], escape: bytes, block: bytes) -> Iterator[Hit]:
    """The lines of a block in which any of them stands, or an escape that begins so."""
    found: dict[int, int] = {}
    for find in (*(partial(block.find, needle) for needle in needles), partial(_escape_at, block, escape)):
        at = find(0)
        while at >= 0:
            start = block.rfind(SEPARATOR, 0, at)
            start = start + len(SEPARATOR) if start >= 0 else 1
            end = block.find(SEPARATOR, at)
            found[start] = end = end if end >= 0 else len(block) - 1
            at = find(end)
    yield from map(Hit._make, sorted(found.items()))


def _escape_at(block: bytes, escape: bytes, at: int) -> int:
    """Where the next escape stands that begins so; -1 if none does. One byte is found much faster than several."""
    for _ in range(FEW):
        at = block.find(b"\\", at)
        if at < 0 or block.startswith(escape, at):
            return at
        at += 2
    return block.find(escape, at)


class _Values(dict[bytes, bool]):
    """Whether a value of a name, as it is spelled, is wanted."""

    def __init__(self, name: str, wanted: Wanted) -> None:
        super().__init__()
        self._name, self._wanted = name.encode(), wanted

    def __missing__(self, value: bytes) -> bool:
        if len(self) >= MOST_KNOWN:
            self.clear()
        told = self._wanted.has(ids_in(b'{"%b":%b}' % (self._name, value)))
        if len(value) <= LONGEST_KNOWN:
            self[value] = told
        return told


def needles(ids: Ids) -> tuple[bytes, ...] | None:
    """Bytes of which one stands wherever one of ``ids`` does without an escape; None if there are no good ones."""
    texts = sorted(ids.users | ids.devices)
    found = {needle for text in texts for needle in _of_text(text)}
    found |= {needle for one in ids.amplitude for needle in _of_number(one)}
    if len(found) > MOST_NEEDLES or min(map(len, found), default=0) < LEAST_NEEDLE:
        return None
    return tuple(sorted(found))


def _of_text(text: str) -> tuple[bytes, ...]:
    if text.isascii() and text.isdecimal():  # it may be sent as a number
        return _of_number(int(text)) if text[0] != "0" else (b"",)
    return (max(_ESCAPED.split(text), key=len).encode(),)


def _of_number(number: int) -> tuple[bytes, ...]:
    """Both halves of its digits: where a point is set, and an exponent, one of them still stands there."""
    digits = str(number).rstrip("0").encode()
    half = len(digits) // 2
    return digits[:half], digits[half:]
