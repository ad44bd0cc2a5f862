"""An archive of a window becomes verified blocks of events.

Everything is checked on the way: each member's name and hour, each CRC, each gzip trailer, each line. Memory is
bounded whatever the archive, the member or the line holds.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import SEEK_END
from typing import BinaryIO

from exporter.archive.careful import add_days, event_date, fault, keys, lines_of, plain_date
from exporter.archive.fast import Prove, prover
from exporter.archive.lines import LongPiece, whole_lines
from exporter.archive.members import Room, inflate, members, open_archive
from exporter.archive.rejected import RejectedLines
from exporter.report import Progress, Step, no_progress
from exporter.window import Window

LONGEST_LINE = 64 << 20
"""Bytes of a line without its line feed; a longer one is rejected as too long."""
BLOCK = 1 << 16
"""Bytes. Twice as much gains nothing that can be measured, and takes more memory."""
MOST_COLUMN_SETS = 100


@dataclass(frozen=True, slots=True)
class Events:
    r"""A block of verified events of one hour: ``count`` lines, each ending with ``\n``.

    A block whose lines were all blank or rejected has none, and passes by all the same: so a deadline is looked at.
    """

    hour: int
    text: bytes
    count: int


@dataclass
class Tally:
    """What has been found so far: per hour, per event date, per project; and where the rejected lines go."""

    rejected: RejectedLines
    members: Counter[int] = field(default_factory=Counter)
    events: Counter[int] = field(default_factory=Counter)
    event_days: dict[str, int] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    columns: set[frozenset[str]] = field(default_factory=set)

    def add(self, window: "Tally") -> None:
        """Add what was found in one more window; its rejected lines are in the same place already."""
        self.members += window.members
        self.events += window.events
        add_days(self.event_days, window.event_days)
        self.projects |= window.projects
        self.columns |= window.columns


def unzip(
    archive: BinaryIO,
    window: Window,
    tally: Tally,
    progress: Progress = no_progress,
    *,
    longest_line: int = LONGEST_LINE,
    block: int = BLOCK,
    prove: Prove | None = None,
) -> Iterator[Events]:
    """Yield the events of ``archive`` in order of hour, part and line; count and reject on the way into ``tally``.

    ``block``, in bytes and at most ``longest_line``, is how much is inflated at a time. ``prove`` is the fast path
    (default: the usual one). Neither ever changes the result.

    Raises:
        BadArchiveError: the archive is not whole, not sound, or not of this window.
        RejectedError: the rejected lines take too much room.
    """
    size = archive.seek(0, SEEK_END)
    room, prove = Room(size), prove or prover()
    with open_archive(archive) as opened:
        for member in members(opened, window):
            tally.members[member.hour] += 1
            tally.projects.add(member.project)
            pieces = inflate(opened, member, room, block)
            for text, count in _events(member.name, pieces, tally, longest_line, prove):
                tally.events[member.hour] += count
                yield Events(member.hour, text, count)
            progress(Step.UNZIPPING, archive.tell(), size)


def _events(
    name: str, pieces: Iterator[bytes], tally: Tally, longest: int, prove: Prove
) -> Iterator[tuple[bytes, int]]:
    number = 0  # of lines seen, blank ones too
    for found in whole_lines(pieces, longest):
        if isinstance(found, bytes):
            if not number and len(tally.columns) < MOST_COLUMN_SETS:
                tally.columns.add(keys(found[: found.index(b"\n")]))
            days: dict[str, int] = {}
            count = prove(found, days)
            text, lines = found, count
            if count is None:
                days = {}
                text, count, lines = _careful(name, number, found, tally.rejected, days)
            add_days(tally.event_days, days)
            number += lines or 0
            yield text, count
        else:
            number += _reject_long(name, number + 1, found, longest, tally.rejected)


def _careful(
    name: str, before: int, block: bytes, rejected: RejectedLines, days: dict[str, int]
) -> tuple[bytes, int, int]:
    """Line by line: the good lines as a block of their own, how many they are, how many lines there were."""
    good, number = [], before
    for number, line in enumerate(lines_of(block[:-1]), start=before + 1):
        if not line.strip(b" \t\r"):
            continue
        date = plain_date(line)
        if date is None:
            if reason := fault(line):
                rejected.add(name, number, reason, line)
                continue
            date = event_date(line)
        days[date] = days.get(date, 0) + 1
        good.append(line)
    return b"".join(line + b"\n" for line in good), len(good), number - before


def _reject_long(name: str, number: int, piece: LongPiece, longest: int, rejected: RejectedLines) -> int:
    """Pass a piece on; returns how many lines ended with it."""
    if piece.first:
        rejected.begin_long(name, number, f"longer than {longest} bytes")
    rejected.add_long(piece.text)
    if piece.last:
        rejected.end_long()
    return int(piece.last)
