"""The ledger in a store: its end, what is added to it, and all of it.

A year has a file. It ends with its *closing* line, the first one that was written in a later year, and the file of that
year follows. So whoever has an older clock finds the closing line, too, and nobody goes on with a file that is closed:
there is one chain, whatever the clocks say.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from exporter.days.chain import START, Chain, Change, Entry, Head, linked, read_entry, whole_lines
from exporter.days.layout import Yearly
from exporter.days.tail import Tail, gone
from exporter.errors import ExportError, LostRaceError, RetriableError, StoreError
from exporter.store import LARGEST_READ, Store

NO_LEDGER, UNKNOWN = "none", "unknown"
"""In place of a head."""
TRIES = 50
"""Appends that lose the race, until the attempt fails. Each time another exporter has won it."""

log = logging.getLogger(__name__)


@dataclass
class Ledger:
    """One chain of lines in ``files`` of ``store``. What was seen of its end is kept, so that little is read again.

    ``breaks`` are what is wrong with the lines that were read so far, a sentence each. ``checked``: it was seen that it
    is there, or may begin (`recording.ready`).
    """

    store: Store
    files: Yearly
    breaks: list[str] = field(default_factory=list)
    checked: bool = False
    _tail: Tail | None = None
    _fresh: bool = False
    _told: int = 0

    def head(self, year: int) -> Head | None:
        """The last line now, None without any; ``year`` is the one we live in.

        Raises:
            StoreError: the store cannot be read.
        """
        tail = self.look(year)
        return tail.head if tail and tail.head.number else None

    def shown(self, year: int) -> str:
        """Its head for a log line or a page; NO_LEDGER without one, UNKNOWN if it cannot be read, which is logged."""
        try:
            return str(self.head(year) or NO_LEDGER)
        except (ExportError, OSError) as error:
            log.warning(f"the ledger cannot be read: {error}")
            return UNKNOWN

    def look(self, year: int) -> Tail | None:
        """The end of the ledger now, None if it has no file.

        Raises:
            LedgerError: it had one before.
        """
        caught = self._caught_up(self._tail) if self._tail else None
        found = caught or self._read(year)
        if found is None and self._tail:
            raise gone(self.files.name(self._tail.year))
        if found and self._tail and found.head.number < self._tail.head.number:
            self.note(f"it ended with line {self._tail.head.number}, and now with {found.head.number}: it was cut off")
        self._tail, self._fresh = found, True
        return found

    def lacks(self, named: Head, year: int) -> bool:
        """Whether its end shows that the line ``named`` is not there; it is read again before that is said."""
        for again in (False, True):
            if again:
                self.look(year)
            head = self._tail.head if self._tail else START
            if named.number < head.number or named == head:
                return False
        return True

    def note(self, *sentences: str) -> None:
        """Keep what is wrong, each sentence once."""
        self.breaks += [sentence for sentence in sentences if sentence not in self.breaks]

    def untold(self) -> list[str]:
        """What is wrong and was not given out here before."""
        new, self._told = self.breaks[self._told :], len(self.breaks)
        return new

    def append(self, changes: Sequence[Change]) -> Head:
        """Add a line for each of ``changes`` (at least one), one after the other; return the last.

        Raises:
            StoreError: the store refuses.
            RetriableError: other exporters were first, again and again.
        """
        for _ in range(TRIES):
            if not self._fresh or self._tail is None:  # else its length tells whether it is what was seen
                self.look(changes[0].at.year)
            self._fresh = False
            if self._appended(changes, self._tail):
                return self._tail.head if self._tail else START
        raise RetriableError(
            f"the ledger could not be appended to: {TRIES} times another exporter was first. Try again later"
        )

    def begin(self, changes: Sequence[Change]) -> bool:
        """Write the first lines of a ledger that has none; return False if another exporter was first."""
        tail = self.look(changes[0].at.year)
        self._fresh = False
        return (tail is None or not tail.head.number) and self._appended(changes, tail)

    def read(self) -> Chain:
        """All of it, from the first line on."""
        chain = Chain()
        for line, name in self.lines():
            chain.read(line, name)
        return chain

    def lines(self, since: int = 0) -> Iterator[tuple[bytes, str]]:
        """Every line, and the file that it stands in; of files from the year ``since`` on."""
        for year in self.years():
            if year >= since:
                name = self.files.name(year)
                for line in whole_lines(self.store.stream(name)):
                    yield line, name

    def entries(self, since: int = 0) -> Iterator[Entry]:
        """What the lines hold that can be read."""
        yield from filter(None, (read_entry(line) for line, _ in self.lines(since)))

    def years(self) -> list[int]:
        """The years that have a file, oldest first."""
        found = (self.files.year(entry.name) for entry in self.store.list(self.files.stem))
        return sorted(year for year in found if year is not None)

    def _appended(self, changes: Sequence[Change], tail: Tail | None) -> bool:
        if tail is None:
            tail = Tail(changes[0].at.year, 0, b"", START)
        year, at = (tail.closed, 0) if tail.closed else (tail.year, tail.length)
        content, head = linked(changes, tail.head)
        try:
            self.store.append(self.files.name(year), content, at=at)
        except LostRaceError:
            return False
        self._tail = Tail(year, at + len(content), content[content.rfind(b"\n", 0, -1) + 1 :], head)
        return True

    def _read(self, year: int) -> Tail | None:
        tail = self._file(year)
        if tail is None:
            years = self.years()
            tail = self._file(years[-1]) if years else None
        while tail and tail.closed:
            following = self._file(tail.closed)
            if following is None:
                break
            tail = following
        return tail

    def _file(self, year: int, *, again: bool = False) -> Tail | None:
        """The end of a year's file. One without a line yet goes on from the file before it."""
        name, chain, length = self.files.name(year), Chain(), 0
        try:
            for line in whole_lines(self.store.stream(name)):
                chain.read(line, name, joins=length > 0)
                length += len(line)
        except StoreError:
            if self.store.stat(name) is None:
                return None
            if again:
                raise
            return self._file(year, again=True)  # it was made a moment ago
        self.note(*chain.breaks)
        if length:
            return Tail(year, length, chain.last, chain.head)
        before = [other for other in self.years() if other < year]
        tail = self._file(before[-1]) if before else None
        return Tail(year, 0, b"", tail.head if tail else START)

    def _caught_up(self, tail: Tail) -> Tail | None:
        """The end now, read from the last line on that was seen; None if that is not there any more."""
        name, start = self.files.name(tail.year), tail.length - len(tail.last)
        if not tail.last or tail.closed:
            return None
        try:
            text = self.store.part(name, start, LARGEST_READ)
        except (StoreError, OSError):  # gone, or the store is away: whoever reads all of it is told
            return None
        if not text.startswith(tail.last) or len(text) == LARGEST_READ:
            return None
        chain = Chain(tail.head, tail.last)
        for line in whole_lines(iter((text[len(tail.last) :],))):
            chain.read(line, name)
            start += len(line)
        self.note(*chain.breaks)
        found = Tail(tail.year, start + len(tail.last), chain.last, chain.head)
        return None if found.closed else found
