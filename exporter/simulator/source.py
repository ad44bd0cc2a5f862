"""What the simulated project holds at this moment: its events, as the clock and the scripts let them show."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from exporter.simulator.archive import Member, members_of_hour
from exporter.simulator.contents import Content, counted, scripted
from exporter.simulator.events import Events
from exporter.simulator.hours import HOUR, between, spelt

type Clock = Callable[[], datetime]


class Source:
    """One project's events. Safe to ask from several threads.

    Args:
        events: what the project would hold without scripts.
        contents: scripts that change it.
        clock: tells the time for the availability lag; None means that everything is there.
        lag: how long after its end an hour can be exported.
        oddities: whether archives have the legal oddities that real ones have.
    """

    def __init__(
        self, events: Events, contents: Iterable[Content], clock: Clock | None, lag: timedelta, oddities: bool
    ) -> None:
        self._events = events
        self._contents = list(contents)
        self._clock = clock
        self._lag = lag
        self._oddities = oddities
        self._answers: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, content: Content) -> None:
        """Script one more change."""
        with self._lock:
            self._contents.append(content)

    def members(self, hours: Sequence[datetime]) -> Iterator[Member]:
        """The members of one answer, in order; the answer counts at once, a member is made when asked for."""
        with self._lock:
            answers = {hour: self._answers[spelt(hour)] for hour in hours}
            self._answers.update(spelt(hour) for hour in hours)
            contents = tuple(self._contents)
        return self._members(contents, answers)

    def lines(self, day: date) -> list[bytes]:
        """Every line the next archive of the day would hold, in (hour, part, line) order.

        Without line ends and blank lines.
        """
        start = datetime.combine(day, time(), tzinfo=UTC)
        with self._lock:
            contents = tuple(self._contents)
            answers = {hour: self._answers[spelt(hour)] for hour in between(start, start + 23 * HOUR)}
        lines = (line for hour, count in answers.items() for line in self._lines(contents, hour, count))
        return [line for line in (line.removesuffix(b"\r") for line in lines) if line]

    def _members(self, contents: tuple[Content, ...], answers: dict[datetime, int]) -> Iterator[Member]:
        for hour, count in answers.items():
            lines = self._lines(contents, hour, count)
            yield from members_of_hour(self._events, hour, lines, self._oddities)

    def _lines(self, contents: tuple[Content, ...], hour: datetime, answers: int) -> Iterator[bytes]:
        """The hour's lines after so many answers; none while the hour is not loaded."""
        if self._clock is not None and self._clock() < hour + HOUR + self._lag:
            return iter(())
        count = counted(contents, hour, self._events.count(hour), answers)
        return scripted(contents, hour, self._events.lines(hour, count), answers)
