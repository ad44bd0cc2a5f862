"""Days side by side: how many at once, in which order they are told, who waits, what ends them all."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from exporter.clock import Clock, SharedGate
from exporter.days.layout import Layout
from exporter.days.rules import StoredDay
from exporter.errors import ExportError, StoreError
from exporter.export import Exporter
from exporter.report import Step
from exporter.run import Ended, RunResult, Stop, Team, Watch, export_side_by_side
from exporter.settings import MEGABYTE, Settings
from exporter.simulator import ALWAYS, Missing, Simulator, Status, TooManyRequests, When, Wire
from exporter.store.folder import LocalStore
from exporter.wiring import at_once, days_in, open_exporter, share_of
from tests.kit import DAY, KEYS, Time, dump_of, files_in
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, days_on, manifest_of, night

LAYOUT = Layout()
DAYS = [DAY + timedelta(days=number) for number in range(8)]
LATER = night(30)


class Seen(Watch):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[date] = []
        self.at_work: set[int] = set()
        self.most = 0
        self.begun: list[date] = []
        self._lock = threading.Lock()

    def begins(self, hand: int, day: date) -> None:
        """See Watch."""
        with self._lock:
            self.begun.append(day)
            self.at_work.add(hand)
            self.most = max(self.most, len(self.at_work))

    def ends(self, hand: int) -> None:
        """See Watch."""
        with self._lock:
            self.at_work.remove(hand)

    def became(self, day: date, ended: Ended) -> None:
        """See Watch."""
        assert isinstance(ended, ExportError) or ended.manifest.day == day
        self.told.append(day)


class Crew:
    """Hands that export from a simulator into a folder, with a clock that does not wait."""

    def __init__(self, simulator: Simulator, folder: Path, hands: int = 4, **chosen: object) -> None:
        keys = {"api_key": KEYS[0], "secret_key": KEYS[1], "base_url": simulator.url, "data_dir": folder}
        self.settings = replace(Settings(), **keys | {"concurrency": hands, "delay_seconds": 0.0} | chosen)  # type: ignore[arg-type]
        self.stop, self.seen, self.time = Stop(), Seen(), LATER.clock()
        self.shares: list[int] = []
        self.hung_up = threading.Event()
        self.act: Callable[[Step], None] = lambda _: None
        self.gate = SharedGate(self.time)

    def run(self, days: list[date]) -> RunResult:
        """Export the days."""
        store = LocalStore(self.settings.data_dir)
        team = Team(at_once(self.settings), self._open_one, self.seen, self.stop, self.hung_up.set)
        return export_side_by_side(days, days_in(store, self.settings), team)

    @contextmanager
    def _open_one(self, _hand: int, hands: int) -> Iterator[Exporter]:
        self.shares.append(hands)
        clock = self.stop.clock(self.time)
        progress = self.stop.progress(lambda step, _done, _total: self.act(step))
        with open_exporter(share_of(self.settings, hands), clock, "run-1", progress, self.gate) as core:
            yield core


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small project."""
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as running:
        yield running


def meeting(number: int) -> Callable[[Step], None]:
    """Every hand waits at its first question until so many have come there."""
    barrier, met = threading.Barrier(number), threading.local()

    def act(step: Step) -> None:
        if step is Step.ASKING and not getattr(met, "done", False):
            met.done = True
            barrier.wait(20)

    return act


def a_first_day(crew: Crew) -> None:
    """The store knows its project."""
    assert crew.run([DAY - timedelta(days=9)]).ok
    crew.seen.told.clear()
    crew.seen.begun.clear()


def test_as_many_days_at_once_as_there_are_hands(simulator: Simulator, tmp_path: Path) -> None:
    """Four meet at their first question, and Amplitude is never asked more often at once; every day is right."""
    crew = Crew(simulator, tmp_path)
    a_first_day(crew)
    crew.act = meeting(4)
    result = crew.run(DAYS)
    assert result.ok
    assert crew.seen.most == 4
    assert simulator.most_at_once <= 4
    for day in DAYS:
        assert (tmp_path / LAYOUT.dump(day)).read_bytes() == dump_of(simulator.lines(day))


def test_what_became_of_the_days_is_told_in_their_order(simulator: Simulator, tmp_path: Path) -> None:
    """Whatever the order in which they end: the first day ends last here, the result and what is told have it first."""
    crew = Crew(simulator, tmp_path, hands=2)
    a_first_day(crew)
    others_done = threading.Event()

    def act(step: Step) -> None:
        first = crew.seen.begun[:1] == [DAYS[0]] and threading.current_thread().name == "hand-0"
        if step is Step.COMMITTING and first and not others_done.is_set():
            others_done.wait(20)
        if step is Step.PROVEN and len(crew.seen.begun) == len(DAYS):
            others_done.set()

    crew.act = act
    result = crew.run(DAYS)
    assert crew.seen.told == DAYS
    assert [done.manifest.day for done in result.done] == DAYS


def test_days_are_begun_in_the_order_given(simulator: Simulator, tmp_path: Path) -> None:
    """Newest first where a run wants that; with one hand it is strictly so."""
    crew = Crew(simulator, tmp_path, hands=1)
    assert crew.run(DAYS[::-1]).ok
    assert crew.seen.begun == DAYS[::-1]
    assert crew.seen.most == 1


def test_an_empty_store_learns_its_project_first(simulator: Simulator, tmp_path: Path) -> None:
    """Days without events tell nothing: one after the other, until one has told the project; then all hands."""
    for day in DAYS[:2]:
        simulator.add(Missing(f"{day:%Y%m%d}", answers=99))
    crew = Crew(simulator, tmp_path)
    alone: dict[date, int] = {}
    ends = crew.seen.ends

    def noted(hand: int) -> None:
        alone[crew.seen.begun[-1]] = len(crew.seen.begun)
        ends(hand)

    crew.seen.ends = noted  # type: ignore[method-assign]
    assert crew.run(DAYS).ok
    assert [alone[day] for day in DAYS[:3]] == [1, 2, 3]
    assert len(crew.shares) > 1


def test_refused_keys_are_tried_once_in_an_empty_store(simulator: Simulator, tmp_path: Path) -> None:
    """One request; the days that were not tried are named."""
    simulator.add(Status(401, when=ALWAYS))
    result = Crew(simulator, tmp_path).run(DAYS)
    assert len(simulator.requests) == 1
    assert (result.stopped, [day for day, _ in result.failed], list(result.not_tried)) == (True, DAYS[:1], DAYS[1:])


def test_refused_keys_stop_all(simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is under way ends, nobody begins with another day, and the rest is counted."""
    crew = Crew(simulator, tmp_path)
    a_first_day(crew)
    simulator.add(Status(403, when=ALWAYS))
    result = crew.run(DAYS)
    assert result.stopped
    assert len(result.failed) <= 4
    assert [*(day for day, _ in result.failed), *result.not_tried] == DAYS
    assert f"the run stops here, {len(result.not_tried)} days were not tried" in caplog.text


def test_a_bad_day_stops_no_other(simulator: Simulator, tmp_path: Path) -> None:
    """It has its place among the failed ones."""
    crew = Crew(simulator, tmp_path)
    a_first_day(crew)
    simulator.add(Status(503, when=When(5, hours=f"{DAYS[3]:%Y%m%d}")))
    result = crew.run(DAYS)
    assert [day for day, _ in result.failed] == [DAYS[3]]
    assert len(result.done) == len(DAYS) - 1
    assert not result.not_tried


def test_a_store_that_lets_nobody_in_ends_the_run(simulator: Simulator, tmp_path: Path) -> None:
    """What keeps a hand from its work is raised where the run was called."""
    crew = Crew(simulator, tmp_path)

    @contextmanager
    def locked(_hand: int, _hands: int) -> Iterator[Exporter]:
        raise StoreError("no way in")
        yield

    team = Team(4, locked, crew.seen, crew.stop, crew.hung_up.set)
    with pytest.raises(StoreError, match="no way in"):
        export_side_by_side(DAYS, days_on(MemoryStore()), team)
    assert crew.hung_up.is_set()


def test_all_working_files_stay_within_the_one_limit() -> None:
    """Archives, rejected lines and part files of all hands together; a small limit has fewer hands."""
    block = 8 << 20  # part files take one at least
    for limit in (100, 150, 199, 200, 399, 400, 1000):
        settings = Settings(tmp_limit_mb=limit, concurrency=4)
        hands = at_once(settings)
        assert hands == min(4, limit // 100)
        share = share_of(settings, hands)
        taken = share.archive_limit + share.rejected_limit + max(block, share.parts_limit)
        assert hands * taken <= limit * MEGABYTE


def test_a_day_that_needs_all_the_room_gets_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour that is too big for a share of the temp limit is asked for once more, alone, with the whole of it."""
    limits = {200: 600, 400: 10**6}  # bytes of an archive; a simulated hour has more than the first
    with Simulator(events_per_hour=4) as simulator, caplog.at_level(logging.INFO):
        crew = Crew(simulator, tmp_path, tmp_limit_mb=400)
        a_first_day(crew)
        monkeypatch.setattr(Settings, "archive_limit", property(lambda own: limits[own.tmp_limit_mb]))
        result = crew.run(DAYS[:2])
    assert result.ok, result.failed
    assert crew.shares[-1] == 1
    assert f"{DAYS[0]}: once more, alone, with the whole of EXPORT_TMP_LIMIT_MB" in caplog.text
    assert not files_in(tmp_path / "failures")


def test_too_many_requests_make_everybody_wait(simulator: Simulator, tmp_path: Path) -> None:
    """One hand meets a 429; the other one, which has not asked yet, asks after the wait."""
    crew = Crew(simulator, tmp_path, hands=2)
    a_first_day(crew)
    simulator.add(TooManyRequests(retry_after=1))
    held, asked, meet = threading.Event(), list[float](), threading.Barrier(2)

    class Told(SharedGate):
        def hold(self, seconds: float) -> None:
            super().hold(seconds)
            held.set()

    def act(step: Step) -> None:
        if step is Step.LOCKED and meet.wait(20) == 0:
            held.wait(20)
        if step is Step.ASKING:
            asked.append(time.monotonic())

    crew.time = Clock(LATER.clock().now, time.monotonic, time.sleep)
    crew.gate, crew.act = Told(crew.time), act
    assert crew.run(DAYS[:2]).ok
    assert asked[1] - asked[0] >= 1


def test_a_gate_stays_closed_for_the_longest_wait() -> None:
    """A shorter one that comes later does not open it; who comes after it does not wait."""
    moments = Time()
    gate = SharedGate(moments.clock())
    gate.wait()
    gate.hold(20)
    gate.hold(5)
    gate.wait()
    gate.wait()
    assert moments.sleeps == [20]


def test_neighbours_are_found_over_a_gap() -> None:
    """Days under way leave gaps: the window size of the nearest day counts, within four days."""
    store = MemoryStore()
    for away, hours in ((-4, 6), (3, 12)):
        beside = manifest_of(DAY + timedelta(days=away), window_hours=hours)
        store.write(LAYOUT.manifest(beside.day), beside.to_json(), seen=None, metadata={})
    near = days_on(store).neighbours(StoredDay(DAY))
    assert near.before is None
    assert near.after
    assert near.after.window_hours == 12


def test_an_interrupted_run_leaves_nothing(simulator: Simulator, tmp_path: Path) -> None:
    """Hands in the middle of a body and in a wait: all leave, days are unlocked, nothing is recorded."""
    crew = Crew(simulator, tmp_path, hands=3)
    a_first_day(crew)
    before = files_in(tmp_path)
    simulator.add(Wire("drip", 50, when=ALWAYS))
    met = threading.Barrier(3)

    def act(step: Step) -> None:
        if step is Step.DOWNLOADING and not getattr(local, "met", False):
            local.met = True
            if met.wait(20) == 0:
                signal.raise_signal(signal.SIGINT)

    local = threading.local()
    crew.act = act
    with pytest.raises(KeyboardInterrupt):
        crew.run(DAYS)
    assert crew.hung_up.is_set()
    for thread in [one for one in threading.enumerate() if one.name.startswith("hand-")]:
        thread.join(20)
    assert files_in(tmp_path) == before


def test_who_is_stopped_does_not_sleep_on() -> None:
    """A wait of minutes ends when the run is stopped, and who looks at the clock is interrupted."""
    stop, out = Stop(), threading.Event()
    clock = stop.clock(Time().clock())

    def sleep() -> None:
        with pytest.raises(KeyboardInterrupt):
            clock.sleep(3600)
        out.set()

    threading.Thread(target=sleep, daemon=True).start()
    stop.set()
    assert out.wait(20)
    for read in (clock.now, clock.monotonic):
        with pytest.raises(KeyboardInterrupt):
            read()


def test_no_day_is_no_work(simulator: Simulator, tmp_path: Path) -> None:
    """Nobody is opened for nothing."""
    crew = Crew(simulator, tmp_path)
    assert crew.run([]) == RunResult((), (), stopped=False)
    assert crew.shares == []
