"""What a queue message means, on a store in memory: quick, and without a host. functions_host/ has the rest."""

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.app.api import MOST_DAYS
from exporter.app.chain import CRASHED, Chain, advance, chains, failed
from exporter.clock import Deadline
from exporter.days.layout import Layout
from exporter.days.manifest import Failure
from exporter.days.rules import look
from exporter.errors import DayHeldError, DeadlineError, RetriableError
from exporter.export import Exporter
from exporter.simulator import ALWAYS, Resized, Simulator, Status, TooManyRequests, When
from exporter.store import ANY
from tests.kit import DAY, Time, dump_of
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, exporter_on, second_look

LAYOUT = Layout()
BEFORE = DAY - timedelta(days=1)
CHAIN = Chain("run-1", (DAY, BEFORE))
REST = Chain("run-1", (BEFORE,))
QUEUE_BYTES = 64 * 1024
"""https://learn.microsoft.com/azure/storage/queues/scalability-targets: the most that a message may have."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small project."""
    with Simulator(contents=FEW_HOURS) as running:
        yield running


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@contextmanager
def working(simulator: Simulator, store: MemoryStore, run: str = "run-1", **chosen: Any) -> Iterator[Exporter]:
    """An exporter of ``run`` that does not wait."""
    with exporter_on(store, simulator, second_look(), run=run, **chosen) as exporter:
        yield exporter


def step(chain: Chain, exporter: Exporter) -> Chain | None:
    """One message, without a deadline."""
    return advance(chain, exporter, Deadline(exporter.clock))


def failure_of(store: MemoryStore, day: date = DAY) -> Failure:
    """The day's failure record."""
    failure = look(store, LAYOUT, day).failure
    assert failure is not None
    return failure


def put_failure(store: MemoryStore, **chosen: Any) -> Failure:
    """Leave a failure record as an earlier attempt does."""
    usual: dict[str, Any] = {"kind": "retriable", "reason": "bad luck", "attempts": 3, "window_hours": 6}
    moment = second_look().moment
    failure = Failure(**{"day": DAY, "run": "run-1", "failed_at": moment, **usual, **chosen})
    store.write(LAYOUT.failure(DAY), failure.to_json(), seen=ANY, metadata={})
    return failure


def spoil(store: MemoryStore, name: str) -> None:
    """Make a small object unreadable, as a newer version of the exporter might."""
    store.write(name, b'{"format": 99}', seen=ANY, metadata={})


# What a message is


@pytest.mark.parametrize("force", [False, True])
def test_a_message_is_read_as_it_was_written(force: bool) -> None:
    """Days keep their order, run and force stay."""
    chain = Chain("run-1", (DAY, BEFORE), force)
    assert Chain.from_json(chain.to_json().encode()) == chain
    assert json.loads(chain.to_json()) == {"run": "run-1", "days": ["2025-11-06", "2025-11-05"], "force": force}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"hello",
        b"[]",
        b"null",
        b'"run"',
        b'{"run": "r"}',
        b'{"run": "r", "days": []}',
        b'{"run": "r", "days": 5}',
        b'{"run": "r", "days": "2025-11-06"}',
        b'{"run": "r", "days": [20251106]}',
        b'{"run": "r", "days": ["2025-11-31"]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_refused_in_one_way(text: bytes) -> None:
    """Whatever stands on the queue, the only error is ValueError, with a short text."""
    with pytest.raises(ValueError, match="message") as caught:
        Chain.from_json(text)
    assert len(str(caught.value)) < 500


@given(st.sets(st.dates(date(2015, 1, 1), date(2030, 1, 1)), max_size=40), st.integers(1, 4))
def test_days_are_dealt_to_chains_newest_first(days: set[date], most: int) -> None:
    """Every day is in one chain, no chain is empty, each begins with the newest, and they are equally long."""
    dealt = chains(list(days), "run-1", force=True, most=most)
    assert sorted(day for chain in dealt for day in chain.days) == sorted(days)
    assert len(dealt) == min(most, len(days))
    for chain in dealt:
        assert chain.days == tuple(sorted(chain.days, reverse=True))
        assert chain.force
    lengths = {len(chain.days) for chain in dealt}
    assert not lengths or max(lengths) - min(lengths) <= 1


def test_the_longest_chain_fits_into_a_message() -> None:
    """All days that one request may ask for, in one chain, are a message that the queue takes."""
    days = [DAY - timedelta(days=n) for n in range(MOST_DAYS)]
    (chain,) = chains(days, "20251107T020000Z-0123abcd", force=True, most=1)
    assert len(b64encode(chain.to_json().encode())) < QUEUE_BYTES


# One step of a chain


def test_the_first_day_is_exported_and_the_rest_goes_on(simulator: Simulator, store: MemoryStore) -> None:
    """After a step the first day is whole, no other was asked for, and the rest is the next message."""
    with working(simulator, store) as exporter:
        assert step(CHAIN, exporter) == REST
        assert [request.first[:8] for request in simulator.requests] == ["20251106"]
        assert step(REST, exporter) is None
    for day in CHAIN.days:
        assert look(store, LAYOUT, day).whole
        assert b"".join(store.stream(LAYOUT.dump(day))) == dump_of(simulator.lines(day))


def test_force_reaches_the_export(simulator: Simulator, store: MemoryStore) -> None:
    """A day that has fewer events now is kept, and replaced only by a chain with force."""
    simulator.add(Resized("03", -10, after=1))
    with working(simulator, store) as exporter:
        step(CHAIN, exporter)
    before = look(store, LAYOUT, DAY).manifest
    for run, force in (("run-2", False), ("run-3", True)):
        with working(simulator, store, run) as exporter:
            step(Chain(run, (DAY,), force), exporter)
        after = look(store, LAYOUT, DAY).manifest
        assert before is not None
        assert after is not None
        assert after.events == before.events - (10 if force else 0)


def test_a_retriable_failure_raises_with_a_record(simulator: Simulator, store: MemoryStore) -> None:
    """What may pass goes back to the platform; the record says so meanwhile."""
    simulator.add(Status(503, when=ALWAYS))
    with working(simulator, store) as exporter, pytest.raises(RetriableError):
        step(CHAIN, exporter)
    assert (failure_of(store).kind, failure_of(store).run) == ("retriable", "run-1")


def test_a_permanent_failure_is_recorded_and_the_chain_goes_on(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Where asking again will not help it is not asked again: one request, a record, a line, the rest."""
    simulator.add(Status(302, when=When(hours="20251106")))
    with working(simulator, store) as exporter:
        assert step(CHAIN, exporter) == REST
    assert failure_of(store).kind == "permanent"
    assert len(simulator.requests) == 1
    assert "day failed: day=2025-11-06 kind=permanent reason=" in caplog.text


@pytest.mark.parametrize("name", [LAYOUT.manifest(DAY), LAYOUT.failure(DAY)])
def test_what_cannot_be_read_does_not_stop_the_chain(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A manifest or record of a newer version fails its day, once and with its name, and the chain goes on."""
    spoil(store, name)
    with working(simulator, store) as exporter:
        assert step(CHAIN, exporter) == REST
    failures = [line for line in caplog.messages if line.startswith("day failed: day=2025-11-06 kind=permanent")]
    assert len(failures) == 1
    assert name in failures[0]


def test_a_day_that_is_not_over_is_left_out(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A message from a clock that is ahead asks for nothing; the log says why, and the chain goes on."""
    tomorrow = second_look().moment.date() + timedelta(days=1)
    with working(simulator, store) as exporter:
        assert step(Chain("run-1", (tomorrow, BEFORE)), exporter) == REST
    assert simulator.requests == []
    assert f"{tomorrow} is not over yet" in caplog.text


@pytest.mark.parametrize(
    ("chain", "request_again"),
    [
        (Chain("run-1", (DAY,)), "POST /api/exports/2025-11-06"),
        (
            Chain("run-1", (DAY, BEFORE, date(2025, 10, 1)), force=True),
            'POST /api/exports {"from": "2025-10-01", "to": "2025-11-06", "force": true}',
        ),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_refused_keys_end_the_chain(
    simulator: Simulator,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    chain: Chain,
    request_again: str,
    status: int,
) -> None:
    """Nothing is sent on and nothing raises; the log has the request that takes up all days, the refused one too."""
    simulator.add(Status(status))
    with working(simulator, store) as exporter:
        assert step(chain, exporter) is None
    assert failure_of(store).kind == "refused"
    (line,) = [line for line in caplog.messages if line.startswith("run run-1 stops")]
    assert f"Not tried: {len(chain.days) - 1} days" in line
    assert line.endswith(request_again)


def test_a_day_past_its_deadline_raises_with_a_record(simulator: Simulator, store: MemoryStore) -> None:
    """The export gives up in time, with its own reason, before the platform would cut it off."""
    simulator.add(TooManyRequests(retry_after=120, when=ALWAYS))
    now = second_look()
    with exporter_on(store, simulator, now, run="run-1") as exporter, pytest.raises(DeadlineError):
        advance(CHAIN, exporter, Deadline(exporter.clock, now.seconds + 300))
    assert failure_of(store).kind == "deadline"
    assert now.seconds <= 300


# Messages that come twice


def test_a_message_that_comes_twice_is_passed_on(simulator: Simulator, store: MemoryStore) -> None:
    """The second copy of a finished day asks Amplitude for nothing and goes on with the rest."""
    with working(simulator, store) as exporter:
        assert step(CHAIN, exporter) == REST
        assert step(CHAIN, exporter) == REST
    assert len(simulator.requests) == 1


def test_a_day_that_was_kept_is_passed_on(simulator: Simulator, store: MemoryStore) -> None:
    """A run that found fewer events has done the day, though the manifest is another run's."""
    simulator.add(Resized("17", -10, after=1))
    with working(simulator, store, "run-0") as exporter:
        step(Chain("run-0", (DAY,)), exporter)
    with working(simulator, store) as exporter:
        assert step(CHAIN, exporter) == REST
        assert step(CHAIN, exporter) == REST
    manifest = look(store, LAYOUT, DAY).manifest
    assert manifest is not None
    assert (manifest.run, len(simulator.requests)) == ("run-0", 2)


@pytest.mark.parametrize("kind", ["permanent", CRASHED])
def test_a_day_that_this_run_gave_up_is_passed_on(simulator: Simulator, store: MemoryStore, kind: str) -> None:
    """The second copy of a day that cannot succeed does not try it once more."""
    put_failure(store, kind=kind)
    with working(simulator, store) as exporter:
        assert step(CHAIN, exporter) == REST
    assert simulator.requests == []


@pytest.mark.parametrize("run", ["run-0", "run-1"])
def test_a_failure_that_may_pass_is_tried_again(simulator: Simulator, store: MemoryStore, run: str) -> None:
    """An earlier attempt's record, or a given-up day of an earlier run, keeps nobody from trying."""
    put_failure(store, run=run, kind="retriable" if run == "run-1" else "permanent")
    with working(simulator, store) as exporter:
        assert step(CHAIN, exporter) == REST
    assert look(store, LAYOUT, DAY).whole
    assert look(store, LAYOUT, DAY).failure is None


def test_a_day_of_another_run_is_asked_for_again(simulator: Simulator, store: MemoryStore) -> None:
    """A whole day is no reason to skip it: a person, or the second look, wants it anew."""
    for run in ("run-0", "run-1"):
        with working(simulator, store, run) as exporter:
            step(Chain(run, (DAY,)), exporter)
    assert len(simulator.requests) == 2


def test_a_copy_ends_where_its_run_is_at_work(simulator: Simulator, store: MemoryStore) -> None:
    """Two copies of a chain become one: the one that comes second to a day ends without a trace."""
    with store.lock(LAYOUT.lock(DAY), "run-1"), working(simulator, store) as exporter:
        assert step(CHAIN, exporter) is None
    assert (simulator.requests, list(store.list(LAYOUT.failures))) == ([], [])


def test_a_day_held_by_another_run_comes_back(simulator: Simulator, store: MemoryStore) -> None:
    """The owner may die: the message waits its turn, and no failure is recorded."""
    with store.lock(LAYOUT.lock(DAY), "run-2"), working(simulator, store) as exporter:
        with pytest.raises(DayHeldError, match="run-2"):
            step(CHAIN, exporter)
        assert list(store.list(LAYOUT.failures)) == []
    assert simulator.requests == []


# When the platform gave up


def give_up(store: MemoryStore, now: Time | None = None) -> None:
    """What the poison queue's function asks for."""
    failed(CHAIN, store, LAYOUT, (now or second_look()).moment)


@pytest.mark.parametrize("window_hours", [None, 6])
def test_crashes_are_recorded(store: MemoryStore, caplog: pytest.LogCaptureFixture, window_hours: int | None) -> None:
    """A day that only ever crashed gets a record; an older one's count and window go on in it."""
    if window_hours:
        put_failure(store, run="run-0", window_hours=window_hours)
    give_up(store)
    failure = failure_of(store)
    assert (failure.kind, failure.run, failure.failed_at) == (CRASHED, "run-1", second_look().moment)
    assert (failure.attempts, failure.window_hours) == ((4, 6) if window_hours else (1, 24))
    (line,) = caplog.messages
    assert line.startswith("day failed: day=2025-11-06 kind=crashed reason=gave up after every attempt: ")
    assert caplog.records[0].levelno == logging.ERROR


def test_the_last_attempts_own_record_stands(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    """Where an attempt said why it failed, that is the reason, unchanged."""
    before = put_failure(store)
    give_up(store)
    assert failure_of(store) == before
    assert caplog.messages == ["day failed: day=2025-11-06 kind=retriable reason=gave up after every attempt: bad luck"]


@pytest.mark.parametrize("name", [LAYOUT.manifest(DAY), LAYOUT.failure(DAY)])
def test_what_cannot_be_read_is_the_failure(store: MemoryStore, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """A manifest or record of a newer version is named in a record that can be read."""
    spoil(store, name)
    give_up(store)
    (stored, _) = store.read(LAYOUT.failure(DAY)) or (b"", "")
    failure = Failure.from_json(stored, LAYOUT.failure(DAY))
    assert (failure.kind, failure.attempts, name in failure.reason) == ("permanent", 1, True)
    assert f"gave up after every attempt: {name}" in caplog.text


def test_a_day_that_was_done_after_all_gets_no_record(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever dies after the manifest has done the day; giving up its message is no failure."""
    with working(simulator, store) as exporter:
        step(CHAIN, exporter)
    caplog.clear()
    give_up(store)
    assert (look(store, LAYOUT, DAY).failure, caplog.messages) == (None, [])
