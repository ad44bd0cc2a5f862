"""The ids of people: as somebody names them, and as they stand in a line of the archive. Pure.

None of them is ever told: no error, no `repr` holds one.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from exporter.archive.grammar import stops_at
from exporter.errors import SettingsError

USER, AMPLITUDE, DEVICE = "user_id", "amplitude_id", "device_id"
LARGEST_ID = 2**64 - 1
LONGEST_ID = 1024
"""Characters that a user's or a device's id may have; Amplitude cuts values there."""
MOST_TOLD = 10
"""Wrong lines that an error tells of."""
_LONGEST_NUMBER = 40
_NONE = msgspec.Raw(b"null")


@dataclass(frozen=True)
class Ids:
    """Some ids of people. They are personal data: `repr` shows none."""

    users: frozenset[str] = field(default=frozenset(), repr=False)
    amplitude: frozenset[int] = field(default=frozenset(), repr=False)
    devices: frozenset[str] = field(default=frozenset(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.users or self.amplitude or self.devices)

    def __len__(self) -> int:
        return len(self.users) + len(self.amplitude) + len(self.devices)

    def __or__(self, other: "Ids") -> "Ids":
        return Ids(self.users | other.users, self.amplitude | other.amplitude, self.devices | other.devices)

    def meet(self, other: "Ids") -> bool:
        """Whether any id is in both."""
        return not (
            self.users.isdisjoint(other.users)
            and self.amplitude.isdisjoint(other.amplitude)
            and self.devices.isdisjoint(other.devices)
        )

    def spelled(self) -> Iterator[str]:
        """Each id as one text, as `read_ids` takes it unquoted: ``user_id=…``. What is hashed is this."""
        yield from (f"{USER}={one}" for one in sorted(self.users))
        yield from (f"{AMPLITUDE}={one}" for one in sorted(self.amplitude))
        yield from (f"{DEVICE}={one}" for one in sorted(self.devices))


class _Event(msgspec.Struct, gc=False):
    user_id: msgspec.Raw = _NONE
    amplitude_id: msgspec.Raw = _NONE
    device_id: msgspec.Raw = _NONE


_parse = msgspec.json.Decoder(_Event).decode
_NAMES = (USER, AMPLITUDE, DEVICE)
_QUOTED = tuple(f'"{name}"'.encode() for name in _NAMES)
_hidden_name = re.compile(rb"\\u00[567]").search
"""An escape that a letter of the names, or their underscore, may be spelled with."""
_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(rb'%b|[{}\[\],:]|[^\s{}\[\],:"]++' % _TEXT, re.DOTALL)
_STEP = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_PAIR = re.compile(rb'"((?:[^"\\]|\\.){1,60})"\s*+[:=]\s*+(%b|[-+.0-9eE]++)' % _TEXT, re.DOTALL)
_LOST = re.compile(rb'(?:([^"\\]{0,12})")?\s*+:?+\s*+(%b|[-+.0-9eE]++)(?!\s*+:)' % _TEXT, re.DOTALL).match
"""What the second half of a torn line may begin with: the end of a name, and its value."""
_CONSTANT = re.compile(rb"-?Infinity|NaN")
_SURROGATES = re.compile("[\ud800-\udfff]")


def read_ids(lines: Iterable[str], where: str) -> Ids:
    """The ids that somebody names, one a line: ``user_id=…``, ``amplitude_id=…`` or ``device_id=…``.

    Blank lines, and those that begin with ``#``, are passed over; spaces around an id are not part of it. One in double
    quotes is read as JSON text, so that any id can be named. ``where`` is what the lines come from, for messages.

    Raises:
        SettingsError: a line is none of that, or there is no id. It tells the lines' numbers, and nothing of them.
    """
    users, amplitude, devices = set[str](), set[int](), set[str]()
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.lstrip("\ufeff").strip()
        if not text or text.startswith("#"):
            continue
        name, _, value = (part.strip() for part in text.partition("="))
        meant = _meant(value)
        if (
            name == AMPLITUDE
            and meant.isascii()
            and meant.isdecimal()
            and len(meant) <= _LONGEST_NUMBER
            and 0 < int(meant) <= LARGEST_ID
        ):
            amplitude.add(int(meant))
        elif name in (USER, DEVICE) and 0 < len(meant) <= LONGEST_ID:
            (users if name == USER else devices).add(meant)
        else:
            wrong.append(str(number))
    if wrong:
        more = f" and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
        raise SettingsError(
            f"{where}: line {', '.join(wrong[:MOST_TOLD])}{more} names no id. Write one a line, in UTF-8: user_id=…, "
            "amplitude_id=… (a whole number) or device_id=…. Nothing was done"
        )
    if not (users or amplitude or devices):
        raise SettingsError(f"{where} names no id. Write one a line: user_id=…, amplitude_id=… or device_id=…")
    return Ids(frozenset(users), frozenset(amplitude), frozenset(devices))


def ids_in(line: bytes) -> Ids:
    """The ids that ``line`` holds: an event of a dump, without its comma, or a line that is none.

    Of an event those at its top count, each time a name stands there, however they are spelled; so it is with one that
    is no event only because NaN or Infinity stands in it. In what is no JSON object every pair of such a name and a
    value counts, wherever it stands, and a value at its begin whose name may have been torn off.
    """
    try:
        found = _parse(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _ids(_at_top(line) if _is_object(line) else _anywhere(line))
    if _hidden_name(line) or any(line.count(name) > 1 for name in _QUOTED):
        return _ids(_at_top(line))
    return _ids(zip(_NAMES, (found.user_id, found.amplitude_id, found.device_id), strict=True))


def _meant(value: str) -> str:
    """A value of the list; "" if it is none."""
    if value.startswith('"'):
        try:
            found = json.loads(value)
        except ValueError:
            return ""
        return found if isinstance(found, str) else ""
    return "" if _SURROGATES.search(value) else value  # bytes that were no UTF-8


def _is_object(line: bytes) -> bool:
    return line.lstrip()[:1] == b"{" and stops_at(_CONSTANT.sub(b"0", line)) is None


def _at_top(line: bytes) -> Iterator[tuple[str, bytes]]:
    """The names and simple values of a JSON object, one level deep. No parser is asked: it would drop names."""
    depth, name, valued = 0, "", False
    for found in _TOKEN.finditer(line):
        token = found[0]
        if depth == 1:
            if token == b",":
                name, valued = "", False
            elif token == b":":
                valued = True
            elif valued:
                yield name, token
            elif token[:1] == b'"':
                name = _text(token)
        depth += _STEP.get(token, 0)


def _anywhere(text: bytes) -> Iterator[tuple[str, bytes]]:
    """What looks like a name and its value in text that is no JSON object, and in JSON that is quoted in it."""
    lost, named = _LOST(text), set[str]()
    for _ in range(3):
        for found in _PAIR.finditer(text):
            name = _text(b'"' + found[1] + b'"')
            named.add(name)
            yield name, found[2]
        if b'\\"' not in text:
            break
        text = text.replace(b"\\\\", b"\\").replace(b'\\"', b'"')
    if lost:
        end = (lost[1] or b"").decode("ascii", "replace")
        yield from ((name, lost[2]) for name in _NAMES if name.endswith(end) and name not in named)


def _ids(pairs: Iterable[tuple[str, bytes | msgspec.Raw]]) -> Ids:
    users, amplitude, devices = set[str](), set[int](), set[str]()
    for name, value in pairs:
        if name not in _NAMES:
            continue
        raw = bytes(value).strip()
        meant = _text(raw) if raw[:1] == b'"' else ""
        number = _whole(meant or raw.decode("ascii", "replace"))
        if name == AMPLITUDE:
            amplitude |= {number} if number else set()
        else:
            several = {meant} if meant else {raw.decode(), str(number)} if number is not None else set()
            (users if name == USER else devices).update(several)
    return Ids(frozenset(users), frozenset(amplitude), frozenset(devices))


def _text(quoted: bytes) -> str:
    """A JSON text's meaning; as good as can be had where it is none."""
    try:
        found = json.loads(quoted.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return quoted[1:-1].decode("utf-8", "replace")
    return str(found)


def _whole(text: str) -> int | None:
    """The whole number that a text spells, however: 5, 5.0, 5e0. None if it is none, or too large for an id."""
    if len(text) > _LONGEST_NUMBER or not text[:1].strip("-+").isdecimal():
        return None
    try:
        found = Decimal(text)
    except ArithmeticError:
        return None
    if not found.is_finite() or not 0 <= found <= LARGEST_ID or found != found.to_integral_value():
        return None
    return int(found)
