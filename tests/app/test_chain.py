"""What a queue message means, on a store in memory: quick, and without a host. functions_host/ has the rest."""

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.app.asking import MOST_DAYS
from exporter.app.chain import WITHOUT_A_WORD, Chain, advance, chains, give_up
from exporter.app.stop import ask_stop
from exporter.clock import Deadline
from exporter.days.facts import Facts
from exporter.days.manifest import Failure, Source
from exporter.errors import CrashedError, DayHeldError, DeadlineError, RetriableError
from exporter.export import Exporter
from exporter.simulator import ALWAYS, Resized, Simulator, Status, TooManyRequests, When
from exporter.store import ANY
from tests.kit import DAY, dump_of
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, LAYOUT, days_on, exporter_on, second_look

BEFORE = DAY - timedelta(days=1)
CHAIN = Chain("run-1", (DAY, BEFORE))
REST = Chain("run-1", (BEFORE,))
BEGAN = second_look().moment
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
    with exporter_on(store, simulator, second_look(), run=run, **chosen) as core:
        yield core


def step(chain: Chain, core: Exporter) -> Chain | None:
    """One message, without a deadline."""
    return advance(chain, core, Deadline(core.clock))


def failure_of(store: MemoryStore, day: date = DAY) -> Failure:
    """The day's failure record."""
    failure = days_on(store).stored(day).failure
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
    message = {"run": "run-1", "days": ["2025-11-06", "2025-11-05"], "force": force}
    assert json.loads(chain.to_json()) == message
    chain = replace(chain, began=BEGAN + timedelta(microseconds=123456))
    assert Chain.from_json(chain.to_json().encode()) == chain
    assert json.loads(chain.to_json()) == message | {"began": "2025-11-08T02:00:00.123456+00:00"}


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
        b'{"run": "r", "days": ["2025-11-06"], "began": 5}',
        b'{"run": "r", "days": ["2025-11-06"], "began": "today"}',
        b'{"run": "r", "days": ["2025-11-06"], "began": "2025-11-08T02:00:00"}',
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
    dealt = chains(list(days), "run-1", BEGAN, force=True, most=most)
    assert sorted(day for chain in dealt for day in chain.days) == sorted(days)
    assert len(dealt) == min(most, len(days))
    for chain in dealt:
        assert chain.days == tuple(sorted(chain.days, reverse=True))
        assert (chain.force, chain.began) == (True, BEGAN)
    lengths = {len(chain.days) for chain in dealt}
    assert not lengths or max(lengths) - min(lengths) <= 1


def test_the_longest_chain_fits_into_a_message() -> None:
    """All days that one request may ask for, in one chain, are a message that the queue takes."""
    days = [DAY - timedelta(days=n) for n in range(MOST_DAYS)]
    (chain,) = chains(days, "20251107T020000Z-0123abcd", BEGAN, force=True, most=1)
    assert len(b64encode(chain.to_json().encode())) < QUEUE_BYTES


# One step of a chain


def test_the_first_day_is_exported_and_the_rest_goes_on(simulator: Simulator, store: MemoryStore) -> None:
    """After a step the first day is whole, no other was asked for, and the rest is the next message."""
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
        assert [request.first[:8] for request in simulator.requests] == ["20251106"]
        assert step(REST, core) is None
    for day in CHAIN.days:
        assert days_on(store).stored(day).whole
        assert b"".join(store.stream(LAYOUT.dump(day))) == dump_of(simulator.lines(day))


def test_force_reaches_the_export(simulator: Simulator, store: MemoryStore) -> None:
    """A day that has fewer events now is kept, and replaced only by a chain with force."""
    simulator.add(Resized("03", -10, after=1))
    with working(simulator, store) as core:
        step(CHAIN, core)
    before = days_on(store).stored(DAY).manifest
    for run, force in (("run-2", False), ("run-3", True)):
        with working(simulator, store, run) as core:
            step(Chain(run, (DAY,), force), core)
        after = days_on(store).stored(DAY).manifest
        assert before is not None
        assert after is not None
        assert after.events == before.events - (10 if force else 0)


def test_a_retriable_failure_raises_with_a_record(simulator: Simulator, store: MemoryStore) -> None:
    """What may pass goes back to the platform; the record says so meanwhile."""
    simulator.add(Status(503, when=ALWAYS))
    with working(simulator, store) as core, pytest.raises(RetriableError):
        step(CHAIN, core)
    assert (failure_of(store).kind, failure_of(store).run) == ("retriable", "run-1")


def test_a_permanent_failure_is_recorded_and_the_chain_goes_on(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Where asking again will not help it is not asked again: one request, a record, a line, the rest."""
    simulator.add(Status(302, when=When(hours="20251106")))
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
    assert failure_of(store).kind == "permanent"
    assert len(simulator.requests) == 1
    assert "day failed: day=2025-11-06 kind=permanent reason=" in caplog.text


@pytest.mark.parametrize("name", [LAYOUT.manifest(DAY), LAYOUT.failure(DAY)])
def test_what_cannot_be_read_does_not_stop_the_chain(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A manifest or record of a newer version fails its day, once and with its name, and the chain goes on."""
    spoil(store, name)
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
    failures = [line for line in caplog.messages if line.startswith("day failed: day=2025-11-06 kind=permanent")]
    assert len(failures) == 1
    assert name in failures[0]


def test_a_day_that_is_not_over_is_left_out(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A message from a clock that is ahead asks for nothing; the log says why, and the chain goes on."""
    tomorrow = second_look().moment.date() + timedelta(days=1)
    with working(simulator, store) as core:
        assert step(Chain("run-1", (tomorrow, BEFORE)), core) == REST
    assert simulator.requests == []
    assert f"{tomorrow} is not over yet" in caplog.text


@pytest.mark.parametrize(
    ("chain", "request_again"),
    [
        (Chain("run-1", (DAY,)), "POST /api/exports/2025-11-06"),
        (
            Chain("run-1", (DAY, BEFORE, date(2025, 10, 1))),
            'POST /api/exports {"from": "2025-10-01", "to": "2025-11-06"}',
        ),
        (Chain("run-1", (DAY,), force=True), "POST /api/exports/forced/2025-11-06"),
        (
            Chain("run-1", (DAY, BEFORE), force=True),
            'POST /api/exports/forced {"from": "2025-11-05", "to": "2025-11-06"}',
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
    with working(simulator, store) as core:
        assert step(chain, core) is None
    assert failure_of(store).kind == "refused"
    (line,) = [line for line in caplog.messages if line.startswith("run run-1 stops")]
    assert f"Not tried: {len(chain.days) - 1} days" in line
    assert line.endswith(request_again)


def test_a_day_past_its_deadline_raises_with_a_record(simulator: Simulator, store: MemoryStore) -> None:
    """The export gives up in time, with its own reason, before the platform would cut it off."""
    simulator.add(TooManyRequests(retry_after=120, when=ALWAYS))
    now = second_look()
    with exporter_on(store, simulator, now, run="run-1") as core, pytest.raises(DeadlineError):
        advance(CHAIN, core, Deadline(core.clock, now.seconds + 300))
    assert failure_of(store).kind == "deadline"
    assert now.seconds <= 300


@contextmanager
def keys_for_another(what: str, simulator: Simulator, store: MemoryStore) -> Iterator[Exporter]:
    """An exporter whose settings do not fit the days of ``store``."""
    changed = {"names": {"data_outfile": "other"}}.get(what, {})
    with working(simulator, store, "run-0") as core:
        step(Chain("run-0", (BEFORE,)), core)
    stored = days_on(store).stored(BEFORE).manifest
    assert stored is not None
    source = stored.source
    other = {"host": Source("https://analytics.eu.amplitude.com", source.project), "project": Source(source.url, "999")}
    written = replace(stored, source=other.get(what, source))
    store.write(LAYOUT.manifest(BEFORE), written.to_json(), seen=ANY, metadata=Facts.of(written).metadata())
    simulator.requests.clear()
    with working(simulator, store, **changed) as core:
        yield core


@pytest.mark.parametrize(
    ("what", "days", "requests"),
    [
        ("host", (DAY, BEFORE), 0),
        ("host", (BEFORE, DAY), 0),
        ("project", (DAY, BEFORE), 1),
        ("project", (BEFORE, DAY), 1),
        ("names", (DAY, BEFORE), 0),
        ("names", (BEFORE, DAY), 0),
    ],
)
def test_what_belongs_to_another_project_ends_the_chain(
    simulator: Simulator,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    what: str,
    days: tuple[date, ...],
    requests: int,
) -> None:
    """Keys or names of another project: nothing is written, not even a failure, and the log says what to do."""
    with keys_for_another(what, simulator, store) as core:
        before = {entry.name: store.read(entry.name) for entry in store.list("")}
        assert step(Chain("run-1", days), core) is None
    assert {entry.name: store.read(entry.name) for entry in store.list("")} == before
    assert len(simulator.requests) == requests
    (line,) = [line for line in caplog.messages if line.startswith(f"run run-1 stops at {days[0]}: ")]
    assert "set EXPORT_PREFIX or EXPORT_CONTAINER" in line.replace("Set", "set")
    again = '{"from": "2025-11-05", "to": "2025-11-06"}'
    assert line.endswith(f"Not tried: 1 days. When that is right: POST /api/exports {again}")


# A stop


def test_a_stop_ends_what_began_before_it(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is asked or sent on; the log has the days that were not tried, and the request that takes them up."""
    ask_stop(days_on(store), BEGAN + timedelta(seconds=1))
    with working(simulator, store) as core:
        assert step(replace(CHAIN, began=BEGAN), core) is None
        assert step(replace(CHAIN, began=BEGAN + timedelta(seconds=1)), core) is None
        assert step(CHAIN, core) is None  # of a message that does not tell when it began
    assert simulator.requests == []
    lines = [line for line in caplog.messages if line.startswith("run run-1 ends at 2025-11-06: a stop was asked for")]
    assert len(lines) == 3
    assert "at 2025-11-08 02:00:01 UTC. Not tried: 2 days, 2025-11-05 to 2025-11-06. If they are wanted: " in lines[0]
    assert lines[0].endswith('POST /api/exports {"from": "2025-11-05", "to": "2025-11-06"}')


def test_a_stop_does_not_concern_what_begins_after_it(simulator: Simulator, store: MemoryStore) -> None:
    """A microsecond is enough; the newest stop counts, and none ends nothing."""
    for number, asked_at in enumerate((None, BEGAN - timedelta(days=1), BEGAN)):
        if asked_at:
            ask_stop(days_on(store), asked_at)
        chain = Chain(f"run-{number}", (DAY, BEFORE), began=BEGAN + timedelta(microseconds=1))
        with working(simulator, store, chain.run) as core:
            assert step(chain, core) == chain.rest
    assert len(simulator.requests) == 3


def test_a_stop_has_a_name_that_no_day_has(store: MemoryStore) -> None:
    """It stands in no listing of days, and another project's prefix has its own."""
    ask_stop(days_on(store), BEGAN)
    assert [entry.name for entry in store.list("")] == ["stops/last.json"]
    assert days_on(store).coverage(BEGAN).rows == ()
    assert replace(LAYOUT, prefix="web/").stop == "web/stops/last.json"


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", b'{"asked_at": 5}', b'{"asked_at": "2025-11-08T02:00:00"}', b"[" * 10**5]
)
def test_what_is_no_stop_stops_nothing(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """A foreign object in its place is told, with what to do, and no reason to leave days out."""
    store.write(LAYOUT.stop, content, seen=ANY, metadata={})
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
    assert "stops/last.json is no stop of this exporter and stops nothing" in caplog.text


# Messages that come twice


def test_a_message_that_comes_twice_is_passed_on(simulator: Simulator, store: MemoryStore) -> None:
    """The second copy of a finished day asks Amplitude for nothing and goes on with the rest."""
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
        assert step(CHAIN, core) == REST
    assert len(simulator.requests) == 1


def test_an_unchanged_day_that_comes_twice_is_passed_on(simulator: Simulator, store: MemoryStore) -> None:
    """A look that found nothing new has done the day, too: its run is in the manifest, and a copy asks for nothing."""
    with working(simulator, store, "run-0") as core:
        step(Chain("run-0", (DAY,)), core)
    dump = store.stat(LAYOUT.dump(DAY))
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
        assert step(CHAIN, core) == REST
    assert len(simulator.requests) == 2
    assert store.stat(LAYOUT.dump(DAY)) == dump
    manifest = days_on(store).stored(DAY).manifest
    assert manifest is not None
    assert manifest.run == "run-1"


def test_a_day_that_was_kept_is_passed_on(simulator: Simulator, store: MemoryStore) -> None:
    """A run that found fewer events has done the day, though the manifest is another run's."""
    simulator.add(Resized("17", -10, after=1))
    with working(simulator, store, "run-0") as core:
        step(Chain("run-0", (DAY,)), core)
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
        assert step(CHAIN, core) == REST
    manifest = days_on(store).stored(DAY).manifest
    assert manifest is not None
    assert (manifest.run, len(simulator.requests)) == ("run-0", 2)


@pytest.mark.parametrize("kind", ["permanent", CrashedError.kind])
def test_a_day_that_this_run_gave_up_is_passed_on(simulator: Simulator, store: MemoryStore, kind: str) -> None:
    """The second copy of a day that cannot succeed does not try it once more."""
    put_failure(store, kind=kind)
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
    assert simulator.requests == []


@pytest.mark.parametrize("run", ["run-0", "run-1"])
def test_a_failure_that_may_pass_is_tried_again(simulator: Simulator, store: MemoryStore, run: str) -> None:
    """An earlier attempt's record, or a given-up day of an earlier run, keeps nobody from trying."""
    put_failure(store, run=run, kind="retriable" if run == "run-1" else "permanent")
    with working(simulator, store) as core:
        assert step(CHAIN, core) == REST
    assert days_on(store).stored(DAY).whole
    assert days_on(store).stored(DAY).failure is None


def test_a_day_of_another_run_is_asked_for_again(simulator: Simulator, store: MemoryStore) -> None:
    """A whole day is no reason to skip it: a person, or the second look, wants it anew."""
    for run in ("run-0", "run-1"):
        with working(simulator, store, run) as core:
            step(Chain(run, (DAY,)), core)
    assert len(simulator.requests) == 2


def test_a_copy_ends_where_its_run_is_at_work(simulator: Simulator, store: MemoryStore) -> None:
    """Two copies of a chain become one: the one that comes second to a day ends without a trace."""
    with store.lock(LAYOUT.lock(DAY), "run-1"), working(simulator, store) as core:
        assert step(CHAIN, core) is None
    assert (simulator.requests, list(store.list(LAYOUT.failures))) == ([], [])


def test_a_day_held_by_another_run_comes_back(simulator: Simulator, store: MemoryStore) -> None:
    """The owner may die: the message waits its turn, and no failure is recorded."""
    with store.lock(LAYOUT.lock(DAY), "run-2"), working(simulator, store) as core:
        with pytest.raises(DayHeldError, match="run-2"):
            step(CHAIN, core)
        assert list(store.list(LAYOUT.failures)) == []
    assert simulator.requests == []


# When the platform gave up


def give_up_on(store: MemoryStore) -> None:
    """What the poison queue's function asks for."""
    give_up(CHAIN, days_on(store), second_look().moment)


@pytest.mark.parametrize("window_hours", [None, 6])
def test_crashes_are_recorded(store: MemoryStore, caplog: pytest.LogCaptureFixture, window_hours: int | None) -> None:
    """A day that only ever crashed gets a record; an older one's count and window go on in it."""
    if window_hours:
        put_failure(store, run="run-0", window_hours=window_hours)
    give_up_on(store)
    failure = failure_of(store)
    assert (failure.kind, failure.run, failure.failed_at) == ("crashed", "run-1", second_look().moment)
    assert failure.reason == WITHOUT_A_WORD
    assert (failure.attempts, failure.window_hours) == ((4, 6) if window_hours else (1, 24))
    (line,) = caplog.messages
    assert line.startswith("day failed: day=2025-11-06 kind=crashed reason=gave up after every attempt: ")
    assert caplog.records[0].levelno == logging.ERROR


def test_the_last_attempts_own_record_stands(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    """Where an attempt said why it failed, that is the reason, unchanged."""
    before = put_failure(store)
    give_up_on(store)
    assert failure_of(store) == before
    assert caplog.messages == ["day failed: day=2025-11-06 kind=retriable reason=gave up after every attempt: bad luck"]


def test_what_cannot_be_read_is_the_failure(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    """A manifest of a newer version is named in a record that can be read."""
    name = LAYOUT.manifest(DAY)
    spoil(store, name)
    give_up_on(store)
    (stored, _) = store.read(LAYOUT.failure(DAY)) or (b"", "")
    failure = Failure.from_json(stored, LAYOUT.failure(DAY), DAY)
    assert (failure.kind, failure.attempts, name in failure.reason) == ("permanent", 1, True)
    assert f"gave up after every attempt: {name}" in caplog.text


def test_the_record_of_a_newer_version_stands(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    """A failure that a newer version put on record is left alone, and the log says why the day was given up."""
    name = LAYOUT.failure(DAY)
    spoil(store, name)
    before = store.read(name)
    give_up_on(store)
    assert store.read(name) == before
    assert f"day failed: day=2025-11-06 kind=permanent reason=gave up after every attempt: {name}" in caplog.text


@pytest.mark.parametrize("name", [LAYOUT.manifest(DAY), LAYOUT.failure(DAY)])
def test_a_damaged_record_does_not_hide_a_crash(store: MemoryStore, name: str) -> None:
    """What is no record at all is as if nobody had said anything: the crash is on record, and can be read."""
    store.write(name, b"not JSON", seen=ANY, metadata={})
    give_up_on(store)
    failure = failure_of(store)
    assert (failure.kind, failure.reason, failure.attempts, failure.run) == ("crashed", WITHOUT_A_WORD, 1, "run-1")


def test_what_is_known_to_be_wrong_is_the_reason(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    """Who gives up and knows why nothing could be recorded says that instead."""
    give_up(CHAIN, days_on(store), second_look().moment, "AMP_API_KEY is missing")
    assert failure_of(store).reason == "AMP_API_KEY is missing"
    assert caplog.messages[0].endswith("reason=gave up after every attempt: AMP_API_KEY is missing")


def test_a_day_that_was_done_after_all_gets_no_record(
    simulator: Simulator, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever dies after the manifest has done the day; giving up its message is no failure."""
    with working(simulator, store) as core:
        step(CHAIN, core)
    caplog.clear()
    give_up_on(store)
    assert (days_on(store).stored(DAY).failure, caplog.messages) == (None, [])
