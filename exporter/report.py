"""What the exporter tells: its steps while it is at work, and the log lines that operators and alerts look for.

The shape of the log lines is a promise: infra/ queries for it. What others wrote is told through one door, `Foreign`.
"""

import base64
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from unicodedata import category


class Step(StrEnum):
    """The steps of an export, in their order.

    Before and after each effect there is one, so that a test can stop an exporter at any of them.
    """

    LOCKED = "locked"
    ASKING = "asking"
    DOWNLOADING = "downloading"
    UNZIPPING = "unzipping"
    WRITING = "writing"
    STAGING = "staging"
    STAGED = "staged"
    COMMITTING = "committing"
    COMMITTED = "committed"
    REJECTING = "rejecting"
    PROVING = "proving"
    PROVEN = "proven"


Progress = Callable[[Step, int, int | None], None]
"""Told at every step: which one, how much is done, how much there is (None: unknown)."""


def no_progress(_step: Step, _done: int = 0, _total: int | None = None) -> None:
    """Nobody is told."""


def day_exported(  # noqa: PLR0913 - one figure each
    day: date,
    *,
    state: str,
    outcome: str,
    events: int,
    size: int,
    rejected: int,
    windows: int,
    requests: int,
    retries: int,
    seconds: float,
) -> str:
    """One line for each day that was exported, whatever the outcome."""
    return (
        f"day exported: day={day} state={state} outcome={outcome} events={events} bytes={size} rejected={rejected} "
        f"windows={windows} requests={requests} retries={retries} seconds={seconds:.1f}"
    )


def day_failed(day: date, kind: str, reason: str) -> str:
    """One line for each failed attempt at a day."""
    return f"day failed: day={day} kind={kind} reason={' '.join(reason.split())}"


def lines_rejected(day: date, count: int, kept: str) -> str:
    """One line for each export that rejected lines; ``kept`` is the name they are under. Never their content."""
    return f"lines rejected: day={day} count={count} kept={kept}"


def run_summary(newest: date | None, *, due: int, done: int, failed: int, missing: Sequence[date]) -> str:
    """The last line of a run on the command line."""
    return f"run summary: newest={newest or 'none'} due={due} done={done} failed={failed}{_missing(missing)}"


def run_queued(run: str, days: int, newest: date | None, missing: Sequence[date]) -> str:
    """What was put on the queue; ``missing`` are the days since the first record that no chain will bring."""
    return f"run queued: run={run} days={days} newest={newest or 'none'}{_missing(missing)}"


def schema_drift(day: date, schema: Mapping[str, Sequence[str]]) -> str:
    """Said once a run when the columns are not the known ones; ``schema`` names the ``new`` and ``missing`` ones."""
    new, missing = (",".join(schema.get(kind, ())) or "none" for kind in ("new", "missing"))
    return f"schema drift: day={day} new={new} missing={missing}"


def _missing(days: Sequence[date]) -> str:
    return f" missing={len(days)}" + (f" first_missing={min(days)}" if days else "")


LONGEST_QUOTE = 300
"""Characters of foreign text that are shown."""
SHORTEST_SECRET = 4
"""Characters. Blanking a shorter one would spoil half of all sentences, and guard nothing."""
BLANK = "***"
_LONGEST_READ = 1 << 16
_HALF_READ = 1 << 12
"""Characters before the end of what is read in which the first half of a secret may stand."""
_SHORTEST_CORE = 6
_LAYERS = 3
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Unicode calls printable, and nobody sees."""
_COLOURS = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")
_ESCAPED = re.compile(
    rb"(?:%|\\x)([0-9a-f]{2})|\\u([0-9a-f]{4})|&#x([0-9a-f]{1,6});|&#([0-9]{1,7});|&(amp|lt|gt|quot|apos);"
    rb"|\\([\"'\\/])",
    re.IGNORECASE,
)
_WHITE = b" \t\n\r\v\f"
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}


class Foreign:
    """The one door of foreign text: what others wrote passes it before it is logged, stored or shown.

    Calling it gives one line of at most LONGEST_QUOTE printable characters in which every secret is blanked. It is
    made once, of all that must not be shown. What is sent as Basic credentials is a secret of its own:
    ``Foreign((key, secret, f"{key}:{secret}"))``.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        self._needles = frozenset(spelling for spelling in spellings if len(spelling) >= SHORTEST_SECRET)

    def __call__(self, text: str | bytes) -> str:
        """``text`` as it may be shown: blanked before it is cut, so that no half of a secret stands at the cut."""
        read = text[:_LONGEST_READ]
        shown = self.blanked(_printable(read if isinstance(read, str) else read.decode("utf-8", "replace")))
        return (shown[:-_HALF_READ] if len(text) > len(read) else shown)[:LONGEST_QUOTE].rstrip()

    def blanked(self, text: str) -> str:
        """``text`` without secrets, however they are spelled in it, and otherwise as it is."""
        found, spelled = list[tuple[int, int]](), _Spelled.of(text)
        for _ in range(_LAYERS):
            found += spelled.find(self._needles)
            spelled = spelled.undone()
        shown, end = "", 0
        for start, stop in sorted(found):
            if stop > end:
                shown += (text[end:start] + BLANK) if start >= end else ""
                end = stop
        return shown + text[end:]


@dataclass(frozen=True, slots=True)
class _Spelled:
    """Bytes that were made of a text: byte ``n`` of them stands for the text from ``edges[n]`` to ``edges[n + 1]``."""

    read: bytes
    edges: Sequence[int]

    @classmethod
    def of(cls, text: str) -> "_Spelled":
        edges = [place for place, one in enumerate(text) for _ in one.encode("utf-8", "replace")]
        return cls(text.encode("utf-8", "replace"), [*edges, len(text)])

    def undone(self) -> "_Spelled":
        """The same with a layer of escapes undone: those of URLs, of JSON and Python, of HTML."""
        read, edges, end = bytearray(), list[int](), 0
        for match in _ESCAPED.finditer(self.read):
            meant = _meant(match)
            read += self.read[end : match.start()] + meant
            edges += [*self.edges[end : match.start()], *[self.edges[match.start()]] * len(meant)]
            end = match.end()
        return _Spelled(bytes(read) + self.read[end:], [*edges, *self.edges[end:]])

    def find(self, needles: Iterable[bytes]) -> Iterator[tuple[int, int]]:
        """Where in the text the needles stand, in capitals or not, and with spaces between their letters or not."""
        places = [place for place, byte in enumerate(self.read) if byte not in _WHITE]
        packed = _packed(self.read)
        for needle in needles:
            start = packed.find(needle)
            while start >= 0:
                yield self.edges[places[start]], self.edges[places[start + len(needle) - 1] + 1]
                start = packed.find(needle, start + 1)


def _meant(match: re.Match[bytes]) -> bytes:
    """The bytes that an escape stands for."""
    byte, unicode, hexadecimal, decimal, name, itself = match.groups()
    if byte:
        return bytes([int(byte, 16)])
    if name or itself:
        return itself or _NAMED[name.lower()]
    number = int(decimal) if decimal else int(unicode or hexadecimal, 16)
    return chr(min(number, sys.maxunicode)).encode("utf-8", "replace")


def _packed(read: bytes) -> bytes:
    return read.lower().translate(None, _WHITE)


def _spellings(secret: str) -> Iterator[bytes]:
    """The secret plain, in hexadecimal, and in Base64 wherever in an encoded text it may stand."""
    if len(secret) < SHORTEST_SECRET:
        return
    raw = secret.encode("utf-8", "replace")
    yield from map(_packed, (raw, raw.replace(b" ", b"+"), raw.hex().encode()))
    spelled = _Spelled.of(secret)
    for _ in range(_LAYERS):  # what looks like an escape in it is undone where the text's are
        spelled = spelled.undone()
        yield _packed(spelled.read)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield from (_packed(encode(raw)), _packed(encode(raw).rstrip(b"=")))
        for shift, first in ((0, 0), (1, 2), (2, 3)):
            core = encode(bytes(shift) + raw)[first : (shift + len(raw)) * 8 // 6]
            if len(core) >= _SHORTEST_CORE:
                yield _packed(core)


def _printable(text: str) -> str:
    text = _INVISIBLE.sub("", _COLOURS.sub("", text))
    shown = (one if one.isprintable() else "" if category(one) == "Cf" else " " for one in text)
    return " ".join("".join(shown).split())
