import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.amplitude.client import AmplitudeClient
from exporter.archive.rejected import RejectedLines
from exporter.archive.unzip import Tally
from exporter.clock import Clock, Deadline
from exporter.dump import Dump
from exporter.errors import BadArchiveError, DeadlineError, RefusedError, RetriableError
from exporter.load import PART, Loader, Plan, load, part_hours
from exporter.report import no_progress
from exporter.simulator import Missing, Simulator, Spoilt, Status, TooManyRequests, When, Wire
from exporter.simulator.faults import Fault
from exporter.window import Window
from tests.kit import DAY, WHOLE_DAY, Time, asking, checked, dump_of
from tests.kit.memory import MemoryStore
from tests.store.contract import text_of

EARLY, LATE = WHOLE_DAY.cut(12)
PATIENCE = 20
"""Seconds after which a test gives up waiting for what should happen at once."""


def eventually(happened: Callable[[], object]) -> None:
    """Wait for it."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.005)


def threads() -> list[threading.Thread]:
    """Those that ask ahead."""
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def asked(simulator: Simulator) -> list[tuple[str, str]]:
    """The hours of every request so far."""
    return [(request.first[-2:], request.last[-2:]) for request in simulator.requests]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small project, and no thread left behind."""
    with Simulator(events_per_hour=2) as running:
        yield running
    eventually(lambda: not threads())


class Taken:
    """Takes archives in: ``bodies``; during the first one, ``meanwhile`` happens."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.bodies: list[bytes] = []
        self._meanwhile = meanwhile

    def __call__(self, archive: BinaryIO) -> None:
        """Read all of it."""
        self.bodies.append(archive.read())
        if len(self.bodies) == 1:
            self._meanwhile()


def test_the_next_window_arrives_while_one_is_taken_in(simulator: Simulator) -> None:
    """One request each, the later one after the earlier body, and what came is that of its window."""
    arrived = threading.Event()
    seen: list[str] = []

    def watch(step: str, done: int, total: int | None) -> None:
        seen.append("whole" if done == total else step)
        if seen.count("whole") == 2:
            arrived.set()

    taken = Taken(meanwhile=lambda: arrived.wait(PATIENCE))
    with asking(simulator.url, Time(), progress=watch) as client:
        assert client.fetch(EARLY, taken, then=LATE).window == EARLY
        assert arrived.is_set()
        assert asked(simulator) == [("00", "11"), ("12", "23")]
        answer = client.fetch(LATE, taken)
        assert (answer.window, answer.requests, answer.archive_bytes) == (LATE, 1, len(taken.bodies[1]))
        assert (client.requests, client.retries) == (2, 0)
    assert len(simulator.requests) == 2
    assert [step for step in seen if step != "downloading"] == ["asking", "whole"] * 2
    assert [each.length for each in simulator.requests] == [len(body) for body in taken.bodies]


def test_nothing_is_asked_ahead_that_has_no_room(simulator: Simulator) -> None:
    """Two archives of the first one's size have to fit."""
    taken = Taken()
    with asking(simulator.url, Time()) as client:
        client.fetch(EARLY, taken)
        client._archive_limit = 2 * len(taken.bodies[0]) - 1
        client.fetch(EARLY, taken, then=LATE)
        assert threads() == []
        client._archive_limit += 1
        client.fetch(EARLY, taken, then=LATE)
        eventually(lambda: asked(simulator)[-1] == ("12", "23"))
        client.fetch(LATE, taken)
    assert len(simulator.requests) == 4


def test_both_archives_never_take_more_than_the_room_of_one() -> None:
    """A later archive that is larger pauses until the earlier one is gone; nothing of it is lost."""
    ahead: list[int] = []
    nearly_empty = tuple(Missing(f"{hour:02}") for hour in range(1, 12))

    def watch(step: str, done: int, _total: int | None) -> None:
        if step == "downloading" and threading.current_thread().name == "ahead":
            ahead.append(done)

    def meanwhile() -> None:
        eventually(lambda: ahead)
        time.sleep(0.2)  # whatever still came would be seen
        assert early + ahead[-1] <= client._archive_limit

    with Simulator(events_per_hour=2_000, contents=nearly_empty) as simulator:
        with asking(simulator.url, Time(), progress=watch) as client:
            alone = Taken()
            client.fetch(EARLY, alone)
            client.fetch(LATE, alone)
            early, late = map(len, alone.bodies)
            client._archive_limit = early + late - 1_000
            assert 2 * early <= client._archive_limit
            client.fetch(EARLY, Taken(meanwhile), then=LATE)
            assert ahead[-1] < late
            beside = Taken()
            client.fetch(LATE, beside)
        assert beside.bodies == alone.bodies[1:]
        assert len(simulator.requests) == 4


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (Status(401, when=When(1, hours="13")), RefusedError, 2),
        (Status(500, when=When(None, hours="13")), RetriableError, 6),
        (TooManyRequests(when=When(None, hours="13")), RetriableError, 6),
    ],
)
def test_what_goes_wrong_ahead_is_told_in_its_turn(
    fault: Fault, error: type[Exception], requests: int, simulator: Simulator
) -> None:
    """The earlier window is finished first; every request is counted."""
    simulator.add(fault)
    taken = Taken(meanwhile=lambda: eventually(lambda: not threads()))
    with asking(simulator.url, Time()) as client:
        assert client.fetch(EARLY, taken, then=LATE).status == 200
        with pytest.raises(error):
            client.fetch(LATE, taken)
        assert client.requests == requests == len(simulator.requests)
        assert client.retries == requests - 2


def test_retries_ahead_wait_as_usual(simulator: Simulator) -> None:
    """The budget of the window, its waits, its count."""
    simulator.add(Status(503, when=When(2, hours="13")))
    now = Time()
    taken = Taken(meanwhile=lambda: eventually(lambda: not threads()))
    with asking(simulator.url, now) as client:
        client.fetch(EARLY, taken, then=LATE)
        assert client.fetch(LATE, taken).requests == 3
        assert (client.requests, client.retries) == (4, 2)
    assert now.sleeps == [1, 2]


def test_a_bad_archive_calls_off_what_was_asked_ahead(simulator: Simulator) -> None:
    """The window is asked for again by itself, and the later one after it."""
    bodies: list[bytes] = []

    def take(archive: BinaryIO) -> None:
        bodies.append(archive.read())
        if len(bodies) == 1:
            eventually(lambda: not threads())
            raise BadArchiveError("the second is good")

    with asking(simulator.url, Time()) as client:
        assert client.fetch(EARLY, take, then=LATE).requests == 2
        eventually(lambda: len(simulator.requests) == 4)
        client.fetch(LATE, take)
        assert (client.requests, client.retries) == (4, 1)
    assert asked(simulator) == [("00", "11"), ("12", "23"), ("00", "11"), ("12", "23")]


def test_another_plan_calls_off_what_was_asked_ahead(simulator: Simulator) -> None:
    """Nobody takes an archive in that is not of the window in turn."""
    taken = Taken(meanwhile=lambda: eventually(lambda: not threads()))
    narrower = next(LATE.cut(6))
    with asking(simulator.url, Time()) as client:
        client.fetch(EARLY, taken, then=LATE)
        assert client.fetch(narrower, taken).archive_bytes == simulator.requests[-1].length
        assert client.requests == 3
    assert asked(simulator) == [("00", "11"), ("12", "23"), ("12", "17")]


def test_a_failure_calls_off_what_was_asked_ahead(simulator: Simulator) -> None:
    """The client's end does, too: the download stops, and its archive goes."""
    closed = []

    def arrive(client: AmplitudeClient) -> None:
        ahead = client._ahead
        assert ahead
        closed.append(ahead.body().archive)

    with asking(simulator.url, Time()) as client:
        client.fetch(EARLY, Taken(meanwhile=lambda: arrive(client)), then=LATE)
        client.call_off()
        assert client.requests == 2
    with asking(simulator.url, Time()) as client:
        client.fetch(EARLY, Taken(meanwhile=lambda: arrive(client)), then=LATE)
    assert [archive.closed for archive in closed if archive] == [True, True]


def test_no_request_follows_a_wait_that_was_called_off(simulator: Simulator) -> None:
    """Neither is there a word about a retry that nobody wants."""
    waiting, go_on = threading.Event(), threading.Event()
    now = Time()

    def sleep(seconds: float) -> None:
        now.sleep(seconds)
        waiting.set()
        go_on.wait(PATIENCE)

    simulator.add(Status(503, when=When(None, hours="13")))
    now_clock = now.clock()
    clock = Clock(now_clock.now, now_clock.monotonic, sleep)
    with asking(simulator.url, now) as client:
        client.fetch(EARLY, Taken(meanwhile=lambda: waiting.wait(PATIENCE)), Deadline(clock), then=LATE)
        client.call_off()
        go_on.set()
        eventually(lambda: not threads())
    assert asked(simulator) == [("00", "11"), ("12", "23")]
    assert now.sleeps == [1]


def test_a_failure_that_nobody_waits_for_is_passed_over(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """No word, no wait, no request."""
    simulator.add(Wire("closed", when=When(None, hours="13")))
    now = Time()

    def call_off(step: str, _done: int, _total: int | None) -> None:
        if step == "asking" and threading.current_thread().name == "ahead":
            eventually(lambda: client._ahead)
            client.call_off()

    with asking(simulator.url, now, progress=call_off) as client:
        client.fetch(EARLY, Taken(meanwhile=lambda: eventually(lambda: not threads())), then=LATE)
    assert now.sleeps == []
    assert "failed" not in caplog.text
    assert len(simulator.requests) == 2


def test_the_days_deadline_holds_ahead(simulator: Simulator) -> None:
    """It is told in its turn."""
    now = Time()
    deadline = Deadline(now.clock(), at=100)

    def too_long() -> None:
        now.pass_by(101)
        eventually(lambda: not threads())

    with asking(simulator.url, now) as client:
        taken = Taken()
        simulator.add(Status(503, when=When(None, hours="13")))
        client.fetch(EARLY, Taken(meanwhile=too_long), deadline, then=LATE)
        with pytest.raises(DeadlineError):
            client.fetch(LATE, taken, deadline)


def test_log_lines_ahead_belong_to_the_same_invocation(simulator: Simulator) -> None:
    """Telemetry reads the invocation from a context variable, which a new thread does not have by itself."""
    invocation = contextvars.ContextVar("invocation", default="none")
    seen: set[tuple[bool, str]] = set()

    def watch(_step: str, _done: int, _total: int | None) -> None:
        seen.add((threading.current_thread().name == "ahead", invocation.get()))

    with asking(simulator.url, Time(), progress=watch) as client:
        invocation.set("one")
        client.fetch(EARLY, Taken(), then=LATE)
        client.fetch(LATE, Taken())
    assert seen == {(False, "one"), (True, "one")}


def test_a_spoilt_archive_that_came_ahead_is_asked_for_again(simulator: Simulator) -> None:
    """Within the same budget."""
    simulator.add(Spoilt("wrong-trailer", when=When(1, hours="13")))
    with asking(simulator.url, Time()) as client:
        client.fetch(EARLY, checked, then=LATE)
        assert client.fetch(LATE, checked).requests == 2
        assert (client.requests, client.retries) == (3, 1)


hours = st.integers(0, 23).map(lambda hour: When(1, hours=f"{hour:02}"))
faults = st.lists(
    st.builds(Status, st.sampled_from([500, 503, 504]), when=hours)
    | st.builds(Spoilt, st.sampled_from(["wrong-trailer", "corrupt-member", "reordered"]), when=hours)
    | st.builds(Wire, st.sampled_from(["reset", "closed", "truncated-zip"]), when=hours)
    | st.builds(TooManyRequests, when=hours),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(
    hours=st.integers(1, 24),
    limit=st.sampled_from([12_000, 40_000, 10**9]),
    faults=faults,
    pauses=st.lists(st.floats(0, 0.004), min_size=1, max_size=5),
)
def test_windows_and_timing_never_change_the_result(
    hours: int, limit: int, faults: list[Fault], pauses: list[float]
) -> None:
    """Whatever is asked ahead, comes late, breaks or has to pause: the same bytes, the same counts."""
    pause = itertools.cycle(pauses)
    store = MemoryStore()
    plan, now = Plan(DAY), Time()
    plan.begin(24, hours)
    with Simulator(events_per_hour=2, faults=faults) as simulator, ExitStack() as undo:
        late = undo.enter_context(
            asking(simulator.url, now, archive_limit=limit, progress=lambda *_: time.sleep(next(pause)))
        )
        tally = Tally(undo.enter_context(RejectedLines(10**8)))
        draft = store.draft("dump", None)
        dump = Dump(draft)
        answers = load(plan, Loader(late, dump, tally, Deadline(now.clock()), no_progress))
        dump.finish()
        draft.commit({})
        lines = simulator.lines(DAY)
        assert late.requests - late.retries >= len(answers)
    assert text_of(store, "dump") == dump_of(lines)
    assert tally.events.total() == len(lines)
    assert sum(answer.window.hours for answer in answers) == 24
    eventually(lambda: not threads())


@given(st.integers(0, 10**12), st.integers(1 << 20, 10**11))
def test_a_large_day_is_asked_for_in_equal_parts(archive_bytes: int, limit: int) -> None:
    """Of at most PART and half of the limit each, as far as hours can be divided."""
    hours = part_hours(archive_bytes, limit)
    assert 1 <= hours <= 24
    assert hours == 24 or archive_bytes > min(PART, limit // 2)
    if hours < 24:
        windows = list(Window.of_day(WHOLE_DAY.day).cut(hours))
        assert len(windows) > 1
        assert hours == 1 or archive_bytes / 24 * hours <= min(PART, limit // 2) * 24 / (24 - len(windows))
