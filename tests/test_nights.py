"""Four stories of a hundred nights each: whatever happens, days repair themselves or are named as missing."""

import logging
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

from exporter.days.coverage import Coverage
from exporter.days.layout import Layout
from exporter.days.manifest import FINAL
from exporter.run import export_due
from exporter.simulator import Simulator, Spoilt, Status, TooLarge, TooManyRequests, When, Wire
from exporter.simulator.faults import Fault
from exporter.store import Store
from exporter.window import days_of, yesterday_of
from tests.kit import Time, dump_of
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, days_on, exporter_on, moment
from tests.store.contract import text_of

START = date(2025, 1, 1)
NIGHTS = 100
SETTLE_HOURS, LOOKBACK_DAYS = 12, 7
LAYOUT = Layout()
NO_DATA = b'{"error":{"message":"Not found","metadata":{"details":"Raw data files were not found."}}}'


class Killed(BaseException):
    """The exporter is gone, at whatever step it was."""


class Doom:
    """Counts an exporter's steps and kills it at one of them."""

    def __init__(self, steps: int | None) -> None:
        self._left = steps

    def __call__(self, _step: str, _done: int = 0, _total: int | None = None) -> None:
        """One more step."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed


@dataclass
class Story:
    """What happens to one store: ``promised`` are the days that a good run could repair once they were settled."""

    seed: int
    store: MemoryStore = field(default_factory=MemoryStore)
    promised: set[date] = field(default_factory=set)
    good_runs: int = 0
    kills: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._loaded = moment(START)
        self._outage = 0

    def tell(self) -> None:
        """Live through the nights, then a calm one."""
        with self._amplitude() as simulator:
            for night in range(NIGHTS):
                self._outage -= 1
                if self._outage < 0 and self.rng.random() < 0.06:
                    self._outage = self.rng.randrange(1, 12)
                if self._outage < 0:
                    self._night(START + timedelta(days=night), simulator)
        self.calm_run(2)
        self.calm_run(14)

    def calm_run(self, hour: int) -> Coverage:
        """A run in which nothing goes wrong, on the day after the last night; what the store holds then."""
        now = Time(moment(START + timedelta(days=NIGHTS), hour))
        with self._amplitude() as simulator:
            assert self._wake(now, simulator, Doom(None))
        return days_on(self.store).coverage(now.moment)

    def _amplitude(self, *faults: Fault) -> Simulator:
        """The project, of which only the hours that are loaded can be seen."""
        return Simulator(events_per_hour=2, contents=FEW_HOURS, faults=faults, clock=lambda: self._loaded, lag_hours=0)

    def _night(self, today: date, simulator: Simulator) -> None:
        """The timer wakes an exporter; what was killed is perhaps started again, some days have a second timer."""
        now, later = Time(moment(today, 2)), Time(moment(today, 14))
        if self.rng.random() < 0.1:  # the day seems to be empty, while it is provisional
            stray = Status(404, NO_DATA, When(hours=f"{today - timedelta(days=1):%Y%m%d}"))
            with self._amplitude(stray) as forgetful:
                self._wake(now, forgetful, Doom(None))
            return
        for trouble in self._troubles():
            simulator.add(trouble)
        alive = self._wake(now, simulator, Doom(self.rng.randrange(40) if self.rng.random() < 0.2 else None))
        if self.rng.random() < (0.2 if alive else 0.6):
            self._wake(later, simulator, Doom(None))

    def _wake(self, now: Time, simulator: Simulator, doom: Doom) -> bool:
        """One run; returns whether it came to its end. A run in which no day failed keeps the promise."""
        began, before = now.moment, self._first_record()
        lag = timedelta(hours=self.rng.uniform(0, SETTLE_HOURS))
        self._loaded = max(self._loaded, began - lag)
        self.store.progress = doom
        try:
            with exporter_on(self.store, simulator, now, progress=doom) as core:
                result = export_due(core)
        except Killed:
            self.kills += 1
            return False
        finally:
            self.store.progress = Doom(None)
        if result.ok:
            self.good_runs += 1
            yesterday = yesterday_of(began)
            first = max(min(before, yesterday), yesterday - timedelta(days=LOOKBACK_DAYS))
            self.promised |= {day for day in days_of(first, yesterday) if began >= moment(day, 24 + SETTLE_HOURS)}
        return True

    def _first_record(self) -> date:
        """The oldest day with a manifest or a failure record."""
        names = [entry.name for place in ("manifests/", "failures/") for entry in self.store.list(place)]
        return min((day for name in names if (day := LAYOUT.day_of(name))), default=date.max)

    def _troubles(self) -> list[Fault]:
        """What goes wrong from tonight on: sometimes nothing, sometimes more than five requests can stand."""
        times = When(self.rng.choice((1, 2, 4, 5, 7)))
        troubles: list[Fault] = [
            Status(503, when=times),
            TooManyRequests(retry_after=3, when=times),
            TooManyRequests(retry_after=500),
            Spoilt("corrupt-member", when=times),
            Wire("broken-off", when=times),
            Status(401),
            Status(400, when=times),
            TooLarge(self.rng.choice((1, 6, 12)), when=When(2)),
        ]
        return self.rng.sample(troubles, self.rng.choice((0, 0, 1, 1, 2)))


def truth(day: date) -> bytes:
    """The dump of everything that Amplitude will ever show of a day."""
    return dump_of(Simulator(events_per_hour=2, contents=FEW_HOURS).lines(day))


def check_store(store: Store, coverage: Coverage, promised: set[date]) -> None:
    """Promised days are whole, final and complete; every other day is that, too, or is named as missing."""
    for row in coverage.rows:
        if row.whole:
            assert row.state == FINAL, row
            assert row.failure is None, row
            assert text_of(store, LAYOUT.dump(row.day)) == truth(row.day)
        else:
            assert row.day in coverage.missing
            assert row.day not in promised


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    """All the stories, told; at the same time, because each mostly waits for its simulator."""
    told = [Story(seed) for seed in range(4)]
    with ThreadPoolExecutor(len(told)) as threads:
        for ended in [threads.submit(story.tell) for story in told]:
            ended.result()
    return told


@pytest.mark.parametrize("number", range(4))
def test_days_repair_themselves_or_are_named(
    stories: list[Story], number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """After random lag, faults, outages and kills, every promised day is whole and final, every other one is named."""
    story = stories[number]
    caplog.set_level(logging.INFO)
    coverage = story.calm_run(20)
    check_store(story.store, coverage, story.promised)
    assert coverage.rows[-1].day == START + timedelta(days=NIGHTS - 1)
    missing = coverage.missing
    end = f" first_missing={missing[0]}" if missing else ""
    (said,) = [record.message for record in caplog.records if record.message.startswith("run summary: ")]
    assert said.partition(" ledger=")[0].endswith(f"due=0 done=0 failed=0 missing={len(missing)}{end}")


def test_the_stories_are_worth_telling(stories: list[Story]) -> None:
    """In them exporters are killed, nights go well, days are promised, and outages outlast the lookback."""
    assert min(story.kills for story in stories) > 3
    assert min(story.good_runs for story in stories) > 20
    assert min(len(story.promised) for story in stories) > NIGHTS / 2
    assert any(story.calm_run(21).missing for story in stories)
