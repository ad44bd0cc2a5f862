"""Events become rows of text: their own bytes, value by value, in the order of the columns.

Whole blocks are taken apart at once. That a block holds nothing but the known columns, each once, is told by its
length: whatever else stood there would make it longer. What does not fit is looked at line by line.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import astuple

from exporter.dump import SEPARATOR
from exporter.tables.columns import COLUMNS, FIELD, LINE, NULL, RETURN

BEHIND = FIELD + NULL + FIELD + NULL + LINE
"""`other` and `_raw` of a row that needs neither."""
AROUND = len("{}") + sum(len('"":') + len(name) for name in COLUMNS)
"""What an event has that its row has not; the commas are the row's field ends."""

_Event = msgspec.defstruct(
    "_Event",
    [(f"column_{number}", msgspec.Raw) for number in range(len(COLUMNS))],
    rename={f"column_{number}": name for number, name in enumerate(COLUMNS)},
    gc=False,
)
_decode_block = msgspec.json.Decoder(list[_Event]).decode  # type: ignore[valid-type]  # made right above
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_name = msgspec.json.Decoder(str).decode

FEW = 5_000
_HALF = frozenset((b"ud", b"uD"))
_SURROGATE = re.compile(rb"\\u[dD]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)
_STEP = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows, their text in ``parts``; ``raw``: how many of them keep their whole line."""

    parts: Sequence[bytes]
    count: int
    raw: int

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return sum(map(len, self.parts))


def rows_of(blocks: Iterator[bytes], longest: int) -> Iterator[Rows]:
    """The rows of the events in ``blocks``. One that has more than ``longest`` bytes comes by itself."""
    for block in blocks:
        whole = _plain_rows(block) if len(block) <= longest else None
        if whole:
            yield whole
            continue
        lines = block[1:-1].split(SEPARATOR)
        del block, whole  # a line may be long, and whoever reads its row needs the memory
        yield from _one_by_one(lines, longest)


def _plain_rows(block: bytes) -> Rows | None:
    """The rows of a block of events that hold the known columns and nothing odd; None if that is not so."""
    if _may_be_odd(block):
        return None
    try:
        found = _decode_block(block)
    except (msgspec.MsgspecError, RecursionError):
        return None
    text = BEHIND.join([*map(FIELD.join, map(astuple, found)), b""])
    around = len("[]") + (len(found) - 1) * len(SEPARATOR) + len(found) * (AROUND - len(BEHIND))
    if len(text) + around != len(block):
        return None
    return Rows((text,), len(found), 0)


def _may_be_odd(text: bytes) -> bool:
    """Whether there may be half a surrogate pair, or a carriage return between two values."""
    if b"\r" in text:
        return True
    at = text.find(b"\\")
    for _ in range(FEW):  # most blocks have few escapes, and a byte is found much faster than three
        if at < 0 or text[at + 1 : at + 3] in _HALF:
            return at >= 0
        at = text.find(b"\\", at + 2)
    return _SURROGATE.search(text) is not None


def _one_by_one(lines: list[bytes], longest: int) -> Iterator[Rows]:
    """The rows of ``lines``, which are taken out of the list; a long one has no name here while it is read."""
    lines.reverse()
    held: list[bytes] = []
    size = raw = 0
    while lines:
        if held and size + len(lines[-1]) > longest:
            yield Rows((b"".join(held),), len(held), raw)
            held, size, raw = [], 0, 0
        if len(lines[-1]) > longest // 2:
            yield _alone(lines.pop())
            continue
        row, keeps_line = _row(lines.pop())
        held.append(b"".join(row))
        size += len(held[-1])
        raw += keeps_line
    if held:
        yield Rows((b"".join(held),), len(held), raw)


def _alone(line: bytes) -> Rows:
    row, keeps_line = _row(line)
    return Rows(row, 1, int(keeps_line))


def _row(line: bytes) -> tuple[Sequence[bytes], bool]:
    if not _may_be_odd(line):
        try:
            row = FIELD.join(astuple(_decode_event(line)))
        except (msgspec.MsgspecError, RecursionError):
            return _careful_row(line)
        if len(row) + AROUND == len(line):
            return (row, BEHIND), False
    return _careful_row(line)


def _careful_row(line: bytes) -> tuple[Sequence[bytes], bool]:
    """The row of any event, and whether it keeps its line: where a value cannot be held, or a name stands twice.

    In parts: a long one is never in memory twice.
    """
    text = _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], line)
    values: dict[str, bytes] = {}
    keeps_line = text != line or b"\r" in line
    for name, value in _members(text.replace(b"\r", b" ")):
        keeps_line = keeps_line or name in values
        values[name] = value
    known = [values.pop(name, NULL) for name in COLUMNS]
    others = b",".join(msgspec.json.encode(name) + b":" + value for name, value in values.items())
    others = b"{" + others + b"}" if values else NULL
    raw = line.replace(b"\r", RETURN) if keeps_line else NULL
    parts = [part for value in known for part in (value, FIELD)]
    return (*parts, others, FIELD, raw, LINE), keeps_line


def _members(line: bytes) -> Iterator[tuple[str, bytes]]:
    """The names and values of a JSON object, one level deep, in their order; a value is its own bytes.

    It is known to be one. No parser is asked: it would give no bytes, drop the first of two names, or find the line
    too deep.
    """
    depth, name, start = 0, "", 0
    for found in _TOKEN.finditer(line):
        token = found[0]
        ends = depth == 1 and token in (b",", b"}")
        if ends and start:
            yield name, line[start : found.start()].strip()
            start = 0
        elif depth == 1 and token == b":":
            start = found.end()
        elif depth == 1 and not start and token[:1] == b'"':
            name = _decode_name(token)
        depth += _STEP.get(token, 0)
