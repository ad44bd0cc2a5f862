"""An archive of a window becomes verified blocks of events.

Everything is checked on the way: each byte of the ZIP, each member's name and hour, each CRC, each gzip trailer, each
line. Memory is bounded whatever the archive, the member or the line holds.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import SEEK_END
from typing import BinaryIO

from exporter.archive.careful import Checked, check_lines, examine
from exporter.archive.columns import Columns
from exporter.archive.dates import add_days, count_days
from exporter.archive.fast import FastPath, fast_path
from exporter.archive.lines import LongLineError, whole_lines
from exporter.archive.members import Allowance, Member, hours_named, inflate, members
from exporter.archive.rejected import RejectedLines
from exporter.errors import BadArchiveError
from exporter.forget import Forget
from exporter.report import Progress, Step, no_progress
from exporter.window import Window


@dataclass(frozen=True, slots=True)
class Bounds:
    """In bytes: how much is inflated at a time, and the longest ``line`` (without its line feed), not less than that.

    A longer line fails the day. The block never changes the result.
    """

    block: int = 1 << 17
    line: int = 16 << 20


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Events:
    r"""A block of verified events of one hour: ``count`` lines, each ending with ``\n``.

    It may hold none: lines were blank or rejected, or a long line is still coming in. So a deadline is looked at.
    """

    hour: int
    text: bytes
    count: int


@dataclass
class Tally:
    """What has been found so far, and where the rejected lines go.

    ``members`` and ``projects`` hold all that the archive's directory names before the first member is read: that much
    is known of an archive that turns out to be damaged. ``events`` are counted by hour, ``event_days`` by date.
    ``proven`` events were in members that were read to their end; with ``erased`` ones, the events of erased people,
    which are in no other figure.
    ``unusual`` events are legal JSON that loaders stumble over, see `exporter.archive.unusual`.
    """

    rejected: RejectedLines
    members: Counter[int] = field(default_factory=Counter)
    events: Counter[int] = field(default_factory=Counter)
    proven: Counter[int] = field(default_factory=Counter)
    erased: Counter[int] = field(default_factory=Counter)
    event_days: dict[str, int] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    columns: Columns = field(default_factory=Columns)
    unusual: int = 0

    def add(self, window: "Tally") -> None:
        """Add what was found in one more window; its rejected lines are in the same place already."""
        self.members += window.members
        self.events += window.events
        self.proven += window.proven
        self.erased += window.erased
        add_days(self.event_days, window.event_days)
        self.projects |= window.projects
        self.columns.add(window.columns)
        self.unusual += window.unusual


def unzip(  # noqa: PLR0913 - three of them are each one thing that a caller may choose, by name
    archive: BinaryIO,
    window: Window,
    tally: Tally,
    progress: Progress = no_progress,
    *,
    bounds: Bounds = BOUNDS,
    fast: FastPath | None = None,
    forget: Forget | None = None,
) -> Iterator[Events]:
    """Yield the events of ``archive`` in order of hour, part and line; count and reject on the way into ``tally``.

    ``fast`` is the fast path (default: the usual one). Neither it nor the block of ``bounds`` changes the result.
    ``forget`` takes lines out before anything of them is counted, if anybody is to be forgotten.

    Raises:
        BadArchiveError: the archive is not whole, not sound, or not of this window.
        LongLineError: a line is longer than the bound.
        RejectedError: the rejected lines take too much room.
    """
    size = archive.seek(0, SEEK_END)
    allowance, fast = Allowance(size), fast or fast_path()
    try:
        found = members(archive, window)
    except BadArchiveError:
        tally.members.update(hours_named(archive, window))
        raise
    tally.members.update(member.hour for member in found)
    tally.projects.update(member.project for member in found)
    for member in found:
        lines = _Lines(member, tally, fast, forget)
        for text, count in lines.events(inflate(archive, member, allowance, bounds.block), bounds.line):
            tally.events[member.hour] += count
            yield Events(member.hour, text, count)
        tally.proven[member.hour] = tally.events[member.hour] + tally.erased[member.hour]
        progress(Step.UNZIPPING, archive.tell(), size)


class _Lines:
    """The lines of one member."""

    def __init__(self, member: Member, tally: Tally, fast: FastPath, forget: Forget | None) -> None:
        self._member, self._hour, self._tally, self._fast, self._forget = member.name, member.hour, tally, fast, forget
        self._seen = 0  # lines so far, blank ones too

    def events(self, pieces: Iterator[bytes], longest: int) -> Iterator[tuple[bytes, int]]:
        """Blocks of events, and how many each holds."""
        try:
            for block in whole_lines(pieces, longest):
                yield self._check(block) if block else (b"", 0)
        except LongLineError:
            raise LongLineError(
                f"line {self._seen + 1} of member {self._member!r} is longer than {longest} bytes. Amplitude's events "
                "are far smaller, so this is a fault of the archive: ask Amplitude's support about that hour"
            ) from None

    def _check(self, block: bytes) -> tuple[bytes, int]:
        """Count the events of ``block`` and their dates, and keep what is none aside."""
        text, lines = block, None
        if self._forget:
            block, erased = self._forget(block, self._hour)
            self._tally.erased[self._hour] += sum(not examine(line.removesuffix(b"\r"))[1] for line in erased)
            if erased:  # the fast path takes no blank lines
                text, lines = b"".join(line + b"\n" for line in block.split(b"\n") if line), block.count(b"\n")
        if not self._seen:
            self._tally.columns.note(memoryview(block)[: block.index(b"\n")])
        days: dict[str, int] = {}
        count = self._fast(text, days) if text else 0
        if count is None:
            checked = check_lines(block, days := {}, self._reject)
        else:
            checked = Checked(text, events=count, unusual=0, lines=count if lines is None else lines)
        count_days(self._tally.event_days, days)
        self._tally.unusual += checked.unusual
        self._seen += checked.lines
        return checked.text, checked.events

    def _reject(self, number: int, reason: str, content: bytes | memoryview) -> None:
        self._tally.rejected.add(self._member, self._seen + number, reason, content)
