"""The ledger's lines, and how they hang together. Pure: no store, no clock.

A line is JSON in one exact spelling, and holds the SHA-256 of the whole line before it, its line end included. So
whoever knows the hash of one line can tell whether any older one was changed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Literal, NamedTuple, Self

import msgspec

from exporter.days import manifest as told
from exporter.errors import SettingsError

NOTHING = "0" * 64
"""What the first line holds in place of a hash."""
Cause = Literal["found", "written", "replaced", "forced", "final", "empty", "erased", "deleted", "checked"]
"""Why there is a line. The first eight stand in the ledger, `checked` in the file of checks."""
DELETED: Cause = "deleted"
OptionalSha = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]
FARTHEST = 10**8
"""A line with a higher number than ever will be is somebody's joke: lines are counted on behind it."""
MOST_TOLD = 20
"""Breaks of a chain that are told one by one."""


class Head(NamedTuple):
    """The last line: its number (1 is the first) and the SHA-256 of its bytes."""

    number: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"

    @classmethod
    def read(cls, text: str) -> Self:
        """As `status` shows it.

        Raises:
            SettingsError: it is no head.
        """
        number, _, digest = text.strip().removeprefix("ledger=").partition(":")
        small = digest.lower()
        counts = number.isascii() and number.isdecimal() and len(number) < len(NOTHING) and int(number) > 0
        if counts and len(small) == len(NOTHING) and not set(small) - set("0123456789abcdef"):
            return cls(int(number), small)
        raise SettingsError("--head takes NUMBER:HASH, as `status` shows it after ledger=: 57:9f86d081… (64 digits)")


START = Head(0, NOTHING)
"""Before the first line."""


class Content(msgspec.Struct, frozen=True):
    """What a day is, for the ledger: its state, and the proof of its bytes."""

    state: told.State
    events: told.Count
    bytes: told.Count
    sha256: told.Sha256
    rejected_sha256: OptionalSha = ""

    @classmethod
    def of(cls, manifest: told.Manifest) -> Self:
        """What ``manifest`` says of its day."""
        rejected = manifest.rejected_sha256 if manifest.rejected else ""
        return cls(manifest.state, manifest.events, manifest.size, manifest.sha256, rejected)


class Change(NamedTuple):
    """What is to be written about a day; its place in the chain is given when it is appended."""

    day: date
    cause: Cause
    content: Content
    run: str
    at: datetime


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the ledger; the order of the fields is that of the line."""

    n: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    day: told.Day
    cause: Cause
    state: told.State
    events: told.Count
    bytes: told.Count
    sha256: told.Sha256
    rejected_sha256: OptionalSha
    run: told.Line
    at: told.Moment
    previous: told.Sha256

    @property
    def content(self) -> Content:
        """What the day is according to it."""
        return Content(self.state, self.events, self.bytes, self.sha256, self.rejected_sha256)


_DECODER = msgspec.json.Decoder(Entry)


def line_of(entry: Entry) -> bytes:
    """The line as it stands in the file."""
    return msgspec.json.encode(entry) + b"\n"


def read_entry(line: bytes) -> Entry | None:
    """The entry that a whole line holds; None unless it is spelled as `line_of` spells it."""
    try:
        entry = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return entry if line_of(entry) == line else None


def linked(changes: Sequence[Change], after: Head) -> tuple[bytes, Head]:
    """The lines of ``changes`` behind the line ``after``, and the last of them."""
    lines, head = [], after
    for day, cause, content, run, at in changes:
        moment = at.astimezone(UTC).replace(microsecond=0)
        fields = (content.state, content.events, content.bytes, content.sha256, content.rejected_sha256)
        line = line_of(Entry(head.number + 1, day, cause, *fields, run, moment, head.sha256))
        lines.append(line)
        head = Head(head.number + 1, sha256_of(line))
    return b"".join(lines), head


def sha256_of(line: bytes) -> str:
    """The hash that the next line holds."""
    return hashlib.sha256(line).hexdigest()


def whole_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a file that comes in pieces, each with its line end. What follows the last one is no line."""
    rest: list[bytes] = []  # joined once: a line may be somebody's joke of many pieces
    for piece in pieces:
        end, *others = piece.split(b"\n")
        rest.append(end)
        for other in others:
            yield b"".join((*rest, b"\n"))
            rest = [other]


@dataclass
class Chain:
    """Lines as they are read, one after the other, and what is wrong with them.

    Attributes:
        head: The line read last.
        last: Its bytes.
        entry: What it holds; None if it is none of ours.
        breaks: What is wrong, a sentence each.
        newest: The newest line of each day.
        hashes: The SHA-256 of each line, by its number.
    """

    head: Head = START
    last: bytes = b""
    entry: Entry | None = None
    breaks: list[str] = field(default_factory=list)
    newest: dict[date, Entry] = field(default_factory=dict)
    hashes: dict[int, str] = field(default_factory=dict)

    def read(self, line: bytes, where: str, *, joins: bool = True) -> None:
        """Take the next line in, which stands in the file ``where``; ``joins``: the line before it is known."""
        entry, number = read_entry(line), self.head.number + 1
        if entry and not joins and entry.n < FARTHEST:
            number = entry.n
        if entry is None:
            self._broken(f"line {number} in {where} is no line of the ledger, as an exporter writes it")
        elif joins and (entry.n, entry.previous) != (number, self.head.sha256):
            self._broken(self._why(entry, number, where))
        if entry and entry.n < FARTHEST:  # behind a break it goes on with the numbers that the lines have
            number = entry.n
        self.head, self.last, self.entry = Head(number, sha256_of(line)), line, entry
        self.hashes[number] = self.head.sha256
        if entry:
            self.newest[entry.day] = entry

    def _why(self, entry: Entry, number: int, where: str) -> str:
        if entry.n < number:
            return (
                f"line {number} in {where} has the number {entry.n}, which stands there already: the chain was forked, "
                "or a line was put in"
            )
        if entry.n > number:
            return f"line {number} in {where} has the number {entry.n}: lines before it were taken out"
        return (
            f"line {number} in {where} does not hold the hash of line {number - 1}: that line was changed after it was "
            "written, or this one was"
        )

    def _broken(self, sentence: str) -> None:
        if len(self.breaks) < MOST_TOLD:
            self.breaks.append(sentence)

    def misses(self, named: Head, where: str) -> str:
        """What is wrong if ``where`` names the line ``named``; "" if nothing is."""
        if named.number > self.head.number:
            return (
                f"{where} names line {named.number}, and the ledger ends with line {self.head.number}: its end was cut "
                "off"
            )
        if self.hashes.get(named.number) != named.sha256:
            return f"line {named.number} is not the one that {where} names: the ledger was changed, or written anew"
        return ""
