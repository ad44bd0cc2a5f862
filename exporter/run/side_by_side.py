"""Many days, several at once: threads that each have an exporter of their own.

Amplitude is asked by as many at a time as there are hands. The days are begun in the order given and told in it, too.
As long as the store does not tell whose it is, they go one by one: the first day decides that before a second one can
be written.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import date
from queue import Empty, SimpleQueue

from exporter.clock import Clock
from exporter.days.rules import StoredDay
from exporter.days.stored import Days
from exporter.errors import ExportError, PermanentError, StopError
from exporter.export import DayExported, Exporter
from exporter.report import Progress, Step
from exporter.run.book import Book, Ended, RunResult, Watch, exported

GRACE_SECONDS = 0.8
"""How long who interrupts a run waits until everybody has put away what they were at work on."""

LOOK_SECONDS = 0.2
"""How often who waits for news looks up."""

log = logging.getLogger(__name__)


class Stop:
    """Ends all hands: once it is set, whoever looks at the clock, sleeps or tells of a step is interrupted there.

    So a hand leaves the way it would on Ctrl-C: drafts are discarded, days unlocked, nothing is recorded.
    """

    def __init__(self) -> None:
        self._set = threading.Event()

    def set(self) -> None:
        """From now on."""
        self._set.set()

    def check(self) -> None:
        """Raise KeyboardInterrupt if it is set."""
        if self._set.is_set():
            raise KeyboardInterrupt

    def clock(self, clock: Clock) -> Clock:
        """A clock that looks here first, and whose sleepers wake up."""

        def sleep(seconds: float) -> None:
            self._set.wait(seconds)
            self.check()

        return Clock(self._checked(clock.now), self._checked(clock.monotonic), sleep)

    def progress(self, progress: Progress) -> Progress:
        """Told of every step, after a look here."""

        def tell(step: Step, done: int, total: int | None) -> None:
            self.check()
            progress(step, done, total)

        return tell

    def _checked[T](self, read: Callable[[], T]) -> Callable[[], T]:
        def checked() -> T:
            self.check()
            return read()

        return checked


@dataclass(frozen=True)
class Team:
    """Who exports side by side.

    Attributes:
        hands: days at once, at most.
        open_one: an exporter for hand number n of so many; it must heed ``stop``.
        watch: is told what happens.
        stop: ends all of them.
        hang_up: breaks off every connection of this process, so that who waits for an answer looks up.
    """

    hands: int
    open_one: Callable[[int, int], AbstractContextManager[Exporter]]
    watch: Watch
    stop: Stop
    hang_up: Callable[[], None]


def export_side_by_side(asked: Sequence[date], days: Days, team: Team) -> RunResult:
    """Export the days ``asked`` for, as many at once as there are hands.

    Raises:
        ExportError: a hand could not begin at all, e.g. the store cannot be reached. All others have been stopped.
    """
    book = Book(asked, team.watch)
    hands = min(team.hands, len(asked))
    if not hands:
        return book.closed()
    shift, too_big = _Shift(book, team, hands), []
    with _stopping(team, shift):
        shift.begin(hands if _knows_project(days, asked[0]) else 1)
        for number, ended in shift.ended():
            book.note(number, ended)
            if isinstance(ended, DayExported) and ended.manifest.source.project:
                shift.begin(hands)
            if hands > 1 and _lacks_room(ended):
                too_big.append(number)
        if too_big and not shift.stopped:
            _alone(too_big, book, team)
    return book.closed()


def _alone(numbers: Sequence[int], book: Book, team: Team) -> None:
    """Days for which a share of the temp folder was too small get the whole of it, one by one."""
    with team.open_one(0, 1) as core:
        for number in numbers:
            log.info(f"{book.days[number]}: once more, alone, with the whole of EXPORT_TMP_LIMIT_MB")
            book.note(number, exported(0, book.days[number], core, team.watch))


def _lacks_room(ended: Ended) -> bool:
    return isinstance(ended, PermanentError) and "EXPORT_TMP_LIMIT_MB" in str(ended)


def _knows_project(days: Days, day: date) -> bool:
    """Whether the store tells whose days it holds. What cannot be read is left for the export to complain of."""
    try:
        near = days.neighbours(StoredDay(day))
    except ExportError:
        return False
    return bool(near.source and near.source.project)


@contextmanager
def _stopping(team: Team, shift: "_Shift") -> Iterator[None]:
    """Whatever interrupts the run ends all hands."""
    try:
        yield
    except BaseException:
        team.stop.set()
        team.hang_up()
        shift.join(GRACE_SECONDS)
        raise


class _Shift:
    """The hands at work: each takes the next day until none is left, or one has met what stops the run."""

    def __init__(self, book: Book, team: Team, hands: int) -> None:
        self.stopped = False
        self._team, self._hands = team, hands
        self._left = deque(enumerate(book.days))
        self._news: SimpleQueue[tuple[int, Ended] | BaseException | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def begin(self, hands: int) -> None:
        """Let so many be at work, those that are already included."""
        for hand in range(len(self._threads), hands):
            work = copy_context().run  # their log lines keep the operation they belong to
            # Daemons: one that waits for the network must not hold a process that is to end.
            thread = threading.Thread(target=work, args=(self._work, hand), name=f"hand-{hand}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def ended(self) -> Iterator[tuple[int, Ended]]:
        """Every day that has ended, until all hands have left.

        Raises:
            BaseException: what kept a hand from its work.
        """
        gone = 0
        while gone < len(self._threads):
            try:
                news = self._news.get(timeout=LOOK_SECONDS)
            except Empty:  # a signal may have met another thread, and is heeded when this one is awake
                continue
            if isinstance(news, BaseException):
                raise news
            if news is None:
                gone += 1
            else:
                yield news

    def join(self, seconds: float) -> None:
        """Wait until everybody has left, but not longer than that."""
        per_hand = seconds / max(1, len(self._threads))
        for thread in self._threads:
            thread.join(per_hand)

    def _work(self, hand: int) -> None:
        try:
            taken = self._take()
            if taken is not None:
                with self._team.open_one(hand, self._hands) as core:
                    while taken is not None:
                        number, day = taken
                        ended = exported(hand, day, core, self._team.watch)
                        self.stopped |= isinstance(ended, StopError)
                        self._news.put((number, ended))
                        taken = self._take()
        except BaseException as error:  # noqa: BLE001 - raised where the run was called
            self._news.put(error)
        finally:
            self._news.put(None)

    def _take(self) -> tuple[int, date] | None:
        try:
            return None if self.stopped else self._left.popleft()
        except IndexError:
            return None
