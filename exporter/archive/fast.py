"""The fast path: a block of lines is proven at once to be one JSON object a line.

`simdjson` parses the block as one array in which a key follows each line:

    [{line},"KEY",{line},"KEY",0]

Nobody can guess the key, so it stands in the text only where it was put. If the array comes out as object, key, object,
key, 0, then every line is exactly one object: without the key, an object torn over two lines could hide behind a line
that holds two. simdjson checks UTF-8 and the grammar of everything. It refuses some legal JSON, all of it `unusual`; a
block that is refused here goes line by line through `careful`.
"""

import logging
import secrets
from collections.abc import Callable
from functools import cache
from types import ModuleType

from exporter.archive.dates import NO_DATE

LARGEST = 1 << 18
"""Bytes of a block; simdjson takes up to 14 times as much memory."""
_BEGIN, _END = b"[", b"0]"

log = logging.getLogger(__name__)

FastPath = Callable[[bytes, dict[str, int]], int | None]
r"""Counts the events of a block of whole lines, each with its ``\n``; None if it is not plainly one event a line.

Adds what the dates of ``event_time`` are (text that may be none) to the dict of a block that it takes. No event of such
a block is unusual.
"""


def no_fast_path(_block: bytes, _days: dict[str, int]) -> None:
    """Takes no block: every line goes the careful way."""


def fast_path() -> FastPath:
    """The fast path with a key and a parser of its own, or `no_fast_path` where simdjson is not installed."""
    simdjson = _simdjson()
    return _Blocks(simdjson).count_events if simdjson else no_fast_path


class _Blocks:
    def __init__(self, simdjson: ModuleType) -> None:
        self._parse = simdjson.Parser().parse
        self._object = simdjson.Object
        self._key = secrets.token_hex(8)
        self._after_each = f',"{self._key}",'.encode()

    def count_events(self, block: bytes, days: dict[str, int]) -> int | None:
        """See FastPath."""
        if len(block) > LARGEST or b"\r" in block:  # an event's bytes end before a CR
            return None
        array = b"".join((_BEGIN, block.replace(b"\n", self._after_each), _END))
        lines = (len(array) - len(block) - len(_BEGIN + _END)) // (len(self._after_each) - 1)
        try:
            *found, _end = self._parse(array)
        except (ValueError, RuntimeError):  # simdjson raises both on text that it refuses
            return None
        events = found[::2]
        if found[1::2] != [self._key] * lines or set(map(type, events)) != {self._object}:
            return None
        for event in events:
            try:
                time = event["event_time"]
            except KeyError:
                time = None
            date = time[:10] if type(time) is str else NO_DATE
            days[date] = days.get(date, 0) + 1
        return lines


@cache
def _simdjson() -> ModuleType | None:
    try:
        import simdjson  # noqa: PLC0415 - may be missing: it has no wheels for Python 3.14 yet
    except ImportError:
        log.info("simdjson is not installed: every line is proven by itself, which takes more CPU and gives the same")
        return None
    found: ModuleType = simdjson  # Any where it is missing
    return found
