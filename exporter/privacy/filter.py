r"""Blocks of lines without those of erased people.

A line is one of theirs if any id in it (`ids_in`) is among the kept hashes, and it was uploaded before they asked. It
becomes a blank line, which is no event and keeps the numbers of the lines behind it. Most blocks are told by one parse
that takes three values of each line and looks them up; lines of others one by one, by `ids_in` where they are odd.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from exporter.privacy.ids import AMPLITUDE, DEVICE, USER, ids_in
from exporter.privacy.keyed import Kept, Keyed, hash_of
from exporter.store import Entry

MOST_KNOWN = 100_000
"""Values whose answer is remembered, of each kind."""
LONGEST_KNOWN = 200
"""Bytes of a value that is remembered."""

_NONE = msgspec.Raw(b"")
NAMES = USER, AMPLITUDE, DEVICE
_QUOTED = tuple(f'"{name}"'.encode() for name in NAMES)
_hidden_name = re.compile(rb"\\u00[567]").search
_VALUE = rb'\s*+:\s*+("[^"\\]*+(?:\\.[^"\\]*+)*+"|[-+.0-9eE]++)'
_PAIRS = tuple(re.compile(name + _VALUE, re.DOTALL).finditer for name in _QUOTED)
"""Every place in an event where one of the names has a value, how deep ever."""
_TEXT = re.compile(rb'"[ !#-\[\]-~]+"').fullmatch
_WHOLE = re.compile(rb"[1-9][0-9]{0,18}").fullmatch
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?\d*", re.ASCII)
NEVER = datetime(1, 1, 1, tzinfo=UTC)
_NOBODY = (NEVER,) * len(NAMES)


class _Event(msgspec.Struct, gc=False):
    user_id: msgspec.Raw = _NONE
    amplitude_id: msgspec.Raw = _NONE
    device_id: msgspec.Raw = _NONE


class _Upload(msgspec.Struct, gc=False):
    server_upload_time: str = ""


_parse = msgspec.json.Decoder(_Event).decode
_parse_all = msgspec.json.Decoder(list[_Event]).decode
_uploads = msgspec.json.Decoder(_Upload).decode


class Filter:
    """Leaves the erased people's lines out of the blocks of one day's lines.

    ``kept`` are the records that matter to ``day``, whose key is ``key``.
    """

    def __init__(self, kept: Iterable[Keyed], key: str, day: date) -> None:
        self._key = key
        self._day = datetime.combine(day, time(), UTC)
        self._before: dict[str, datetime] = {}
        for keyed in kept:
            for one in keyed.hashes:
                self._before[one] = max(keyed.before, self._before.get(one, NEVER))
        self._known: tuple[dict[bytes, datetime], ...] = tuple(
            {b"": NEVER, b"null": NEVER} for _ in NAMES
        )  # what the values of each name tell

    def __call__(self, block: bytes, hour: int | None) -> tuple[bytes, list[bytes]]:
        r"""Return ``block``, whole lines each with its ``\n``, with erased lines left blank, and those lines.

        ``hour`` is the hour of the day that they were uploaded in, None where that is not known.
        """
        if self._is_of_nobody(block):
            return block, []
        lines = block.split(b"\n")
        found = [
            number
            for number, moment in enumerate(map(self._asked, lines))
            if moment is not NEVER and self._was_uploaded_before(moment, lines[number], hour)
        ]
        if not found:
            return block, []
        erased = [lines[number] for number in found]
        for number in found:
            lines[number] = b""
        return b"\n".join(lines), erased

    def before(self, line: bytes) -> datetime:
        """When the person of ``line`` asked, the last time; NEVER if it is of nobody who was erased."""
        return max((self._before.get(hash_of(one, self._key), NEVER) for one in ids_in(line).spelled()), default=NEVER)

    def _is_of_nobody(self, block: bytes) -> bool:
        """Whether nobody who was erased can be in it: told at once where each name stands once in each event.

        It does not matter which line is which event, as long as no name stands anywhere else: all values are looked up.
        """
        if _hides_a_name(block):
            return False
        try:
            events = _parse_all(b"[%b]" % block[:-1].replace(b"\n", b","))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if any(block.count(name) != len(events) for name in _QUOTED):
            return False
        users, numbers, devices = self._known
        for event in events:
            user, number, device = bytes(event.user_id), bytes(event.amplitude_id), bytes(event.device_id)
            if not (user and number and device):  # then another event has a name twice
                return False
            try:
                moments = users[user], numbers[number], devices[device]
            except KeyError:
                moments = self._look_up(0, user), self._look_up(1, number), self._look_up(2, device)
            if moments != _NOBODY:
                return False
        return True

    def _asked(self, line: bytes) -> datetime:
        """As `before` says, sooner for a line of nobody's."""
        if not line:
            return NEVER
        try:
            found = _parse(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.before(line)
        if _hides_a_name(line):
            return self.before(line)
        several = [name for name, quoted in enumerate(_QUOTED) if line.count(quoted) > 1]
        values = [bytes(found.user_id), bytes(found.amplitude_id), bytes(found.device_id)]
        if any(self._look_up(name, one[1]) is not NEVER for name in several for one in _PAIRS[name](line)):
            return self.before(line)  # one of them, wherever it stands: look closer
        return max(self._look_up(name, value) for name, value in enumerate(values))

    def _look_up(self, name: int, value: bytes) -> datetime:
        known = self._known[name]
        when = known.get(value)
        if when is None:
            when = self._plain_value(name, value) or self.before(b'{"%b":%b}' % (NAMES[name].encode(), value))
            if len(known) >= MOST_KNOWN:
                known.clear()
            if len(value) <= LONGEST_KNOWN:
                known[value] = when
        return when

    def _plain_value(self, name: int, value: bytes) -> datetime | None:
        """What a value tells that is spelled as Amplitude does; None for any other."""
        if not (_WHOLE if NAMES[name] == AMPLITUDE else _TEXT)(value):
            return None
        return self._before.get(hash_of(f"{NAMES[name]}={value.decode().strip('"')}", self._key), NEVER)

    def _was_uploaded_before(self, asked: datetime, line: bytes, hour: int | None) -> bool:
        """Whether it was; where the hour tells nothing, its own time does; where that tells nothing, it was."""
        first = self._day if hour is None else self._day + timedelta(hours=hour)
        end = first + timedelta(days=1) if hour is None else first + timedelta(hours=1)
        if end <= asked or first >= asked:
            return end <= asked
        uploaded = _upload_time(line)
        return uploaded is None or not first <= uploaded < end or uploaded < asked


def _hides_a_name(text: bytes) -> bool:
    """Whether a name in it may be spelled with an escape."""
    return b"\\u00" in text and _hidden_name(text) is not None


def _upload_time(line: bytes) -> datetime | None:
    """The ``server_upload_time`` of ``line``, which is in UTC; None where it cannot be told."""
    try:
        text = _uploads(line).server_upload_time
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if _TIME.fullmatch(text) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None


@dataclass(frozen=True)
class Look:
    """What was known of erased people when somebody began with a day; ``forget`` is None if nothing matters to it."""

    kept: Kept
    listed: tuple[Entry, ...]
    forget: Filter | None

    def is_old(self) -> bool:
        """Whether more is known by now: a person was erased meanwhile.

        Raises:
            StoreError: the store cannot be read.
        """
        return {(entry.name, entry.etag) for entry in self.kept.listed()} != {
            (entry.name, entry.etag) for entry in self.listed
        }


def look(kept: Kept, day: date) -> Look:
    """What is known now of erased people, and how the lines of ``day`` are left without theirs.

    Raises:
        PermanentError: somebody asked after the day had begun, and the key is missing, wrong, or a record damaged.
        StoreError: the store cannot be read.
    """
    listed = kept.listed()
    keyed = kept.after(datetime.combine(day, time(), UTC), listed)
    return Look(kept, listed, Filter(keyed, kept.key, day) if keyed else None)
