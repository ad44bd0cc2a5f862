"""What stands on the terminal while days are at work: bars, and the last log lines below them.

Nothing is drawn where stderr is no terminal: there the log lines come as they are, and stdout has a line a day.
"""

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Self

from exporter.cli.show import day_line, print_lines, printable
from exporter.errors import ExportError
from exporter.pages.spelling import size
from exporter.report import Progress, Step
from exporter.run.book import Ended, Watch

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

WORDS = {
    Step.LOCKED: "looks",
    Step.ASKING: "asks",
    Step.DOWNLOADING: "download",
    Step.UNZIPPING: "unzip",
    Step.WRITING: "write",
    Step.COMMITTING: "commit",
    Step.PROVING: "prove",
    Step.SEARCHING: "search",
    Step.PURGING: "purge",
}
IN_BYTES = frozenset({Step.DOWNLOADING, Step.UNZIPPING, Step.WRITING, Step.SEARCHING})
LAST_LINES = 6
BAR = 24
SEPARATOR, CLOCK = " - ", slice(11, 19)
"""Of a log line: what stands between its parts, and where its time of day is."""
A_MINUTE, AN_HOUR = 60, 3600


@dataclass
class Hand:
    """Who is at work, and how far: the day, the step and when it began."""

    day: date | None = None
    step: Step = Step.LOCKED
    done: int = 0
    total: int | None = None
    since: float = 0


@dataclass
class Display(Watch):
    """Watches a run for who sits at the terminal. ``lines``: a line a day on stdout as the days end.

    A hand tells of each piece of a download, from a thread of its own: that only notes numbers, and the terminal is
    drawn a few times a second.
    """

    monotonic: Callable[[], float]
    quiet: bool = False
    lines: bool = False
    _hands: dict[int, Hand] = field(default_factory=dict)
    _days: int = 0
    _ended: int = 0
    _failed: int = 0
    _began: float = 0
    _live: "Live | None" = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self._drawn = sys.stderr.isatty() and not self.quiet
        self._tail = _Tail() if self._drawn else None
        self.console: logging.Handler = self._tail or logging.StreamHandler(sys.stderr)
        if self.quiet:
            self.console.setLevel(logging.WARNING)

    def __enter__(self) -> Self:
        self._began = self.monotonic()
        if self._tail:
            from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
            from rich.live import Live  # noqa: PLC0415 - as above

            console = Console(stderr=True, highlight=False)
            self._open.callback(self._tail.print_troubles, console)
            self._live = Live(
                console=console,
                get_renderable=self._shown,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,  # the lines of the days go there, which somebody else reads
                redirect_stderr=False,
            )
            self._open.enter_context(self._live)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def progress(self, hand: int = 0) -> Progress:
        """What a hand tells its steps to."""
        at_work = self._hands.setdefault(hand, Hand())

        def tell(step: Step, done: int, total: int | None) -> None:
            if step in WORDS:
                if step is not at_work.step:
                    at_work.step, at_work.since = step, self.monotonic()
                at_work.done, at_work.total = done, total

        return tell

    def planned(self, days: int) -> None:
        """See Watch."""
        self._days = days
        self._began = self.monotonic()

    def begins(self, hand: int, day: date, step: Step = Step.LOCKED) -> None:
        """See Watch; ``step`` is where the hand begins."""
        at_work = self._hands.setdefault(hand, Hand())
        at_work.step, at_work.done, at_work.total, at_work.since = step, 0, None, self.monotonic()
        at_work.day = day
        if self._live:
            self._live.refresh()

    def ends(self, hand: int) -> None:
        """See Watch."""
        self._hands[hand].day = None
        with self._lock:
            self._ended += 1

    def became(self, day: date, ended: Ended) -> None:
        """See Watch."""
        self._failed += isinstance(ended, ExportError)
        if self.lines and not self.quiet:
            print_lines([day_line(day, ended)])

    def _shown(self) -> "RenderableType":
        """The run as it stands: how far it is, who is at work on what, the last log lines."""
        from rich.console import Group  # noqa: PLC0415 - only a terminal needs it
        from rich.progress_bar import ProgressBar  # noqa: PLC0415 - as above
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        now = self.monotonic()
        table = Table.grid(padding=(0, 1))
        there = sorted(self._hands.copy().items())  # a copy: a hand may come in meanwhile
        for hand in [hand for _, hand in there if hand.day]:
            bar = ProgressBar(hand.total or 1, hand.done if hand.total else 0, width=BAR)
            table.add_row(Text(f"{hand.day}"), Text(f"{WORDS[hand.step]:<8}"), bar, Text(_how_far(hand, now)))
        tail = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self._tail or ()]
        head = [Text(self._head(now), style="bold")] if self._days > 1 else []
        return Group(*head, table, *tail)

    def _head(self, now: float) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        left = pace(self._ended, self._days, now - self._began)
        return f"day {min(self._ended + 1, self._days)} of {self._days}{failed}{left}"


def pace(ended: int, days: int, seconds: float) -> str:
    """How fast it goes, and how long it takes from here on; nothing before a day has ended."""
    if not ended or seconds <= 0:
        return ""
    return f", {ended / seconds * A_MINUTE:.1f} a minute, {duration((days - ended) * seconds / ended)} left"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < A_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < AN_HOUR:
        return f"{seconds / A_MINUTE:.0f} min"
    return f"{seconds // AN_HOUR:.0f} h {seconds % AN_HOUR / A_MINUTE:.0f} min"


def _how_far(hand: Hand, now: float) -> str:
    seconds = now - hand.since
    if hand.step not in IN_BYTES:
        return duration(seconds) if seconds >= 1 else ""
    of = f" of {size(hand.total)}" if hand.total else ""
    rate = f", {size(hand.done / seconds)}/s" if seconds >= 1 else ""
    return f"{size(hand.done)}{of}{rate}"


class _Tail(logging.Handler):
    """The last lines; warnings and errors stay on the terminal when all else is gone."""

    def __init__(self) -> None:
        super().__init__()
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._troubles: list[str] = []
        self._console: Console | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._last))

    def emit(self, record: logging.LogRecord) -> None:
        line = printable(self.format(record))
        told = line.split(SEPARATOR, 2)[-1] if record.levelno < logging.WARNING else line.partition(SEPARATOR)[2]
        self._last.append(f"{line[CLOCK]}  {told}")
        if record.levelno >= logging.WARNING:
            self._troubles.append(line)
            if self._console:
                self.print_troubles(self._console)

    def print_troubles(self, console: "Console") -> None:
        """When the bars are gone: what has been said, and from now on what is said."""
        from rich.text import Text  # noqa: PLC0415 - only a terminal needs it

        self._console = console
        for line in self._troubles:
            console.print(Text(line), soft_wrap=True)
        self._troubles.clear()
