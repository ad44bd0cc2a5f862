"""Days that a person asks for, on a store in memory and a queue of this file's own."""

import json
import logging
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from exporter.app.api import Answer
from exporter.app.asking import Asked
from exporter.app.chain import Chain
from exporter.app.rerun import answer_rerun
from exporter.days.facts import Facts
from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL
from exporter.errors import StoreError
from exporter.store import ANY
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, manifest_of, moment

NOW = moment(DAY, 26)
BEFORE = DAY - timedelta(days=1)
TWO = Asked((BEFORE, DAY), force=False, skip_settled=True)


class Queued:
    """A queue with so many chains already on it, or none that can be counted."""

    def __init__(self, busy: int | None = 0) -> None:
        self.sent: list[Chain] = []
        self._busy = busy

    def count(self) -> int:
        """See ChainQueue."""
        if self._busy is None:
            raise StoreError("the queue is away")
        return self._busy + len(self.sent)

    def send(self, queued: Sequence[Chain]) -> None:
        """See ChainQueue."""
        self.sent += queued


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


def put(store: MemoryStore, day: date, state: str) -> None:
    """Leave a day as whole."""
    events = 0 if state == EMPTY else 10
    etag = store.write(LAYOUT.dump(day), b"x" * 1000, seen=ANY, metadata={"sha256": "a" * 64})
    manifest = manifest_of(day, state=state, etag=etag, events=events)
    store.write(LAYOUT.manifest(day), manifest.to_json(), seen=ANY, metadata=Facts.of(manifest).metadata())


def answered(store: MemoryStore, queue: Queued, asked: Asked = TWO, most: int = 2, run: str = "run-1") -> Answer:
    """Ask for days."""
    return answer_rerun(asked, days_on(store), queue, run, NOW, most)


def test_the_answer_names_the_run_and_where_the_result_will_show(store: MemoryStore) -> None:
    """202 has the run, its days, its chains and an address."""
    queue = Queued()
    answer = answered(store, queue)
    assert queue.sent == [Chain("run-1", (DAY,), False, NOW), Chain("run-1", (BEFORE,), False, NOW)]
    assert answer.status == 202
    assert json.loads(answer.text) == {
        "run": "run-1",
        "days": ["2025-11-05", "2025-11-06"],
        "chains": 2,
        "result": "/api/exports?from=2025-11-05&to=2025-11-06",
    }
    answer = answered(store, Queued(), Asked((DAY,), force=False, skip_settled=False))
    assert answer.body["result"] == "/api/exports/2025-11-06"


def test_only_settled_days_are_skipped(store: MemoryStore) -> None:
    """Provisional and missing days are queued; a final or empty one only by its name, or with force."""
    days = tuple(DAY - timedelta(days=n) for n in range(4))
    for day, state in zip(days[:3], (PROVISIONAL, FINAL, EMPTY), strict=True):
        put(store, day, state)
    for asked, wanted in (
        (Asked(days, force=False, skip_settled=True), (days[0], days[3])),
        (Asked(days, force=True, skip_settled=False), days),
        (Asked((days[1],), force=False, skip_settled=False), (days[1],)),
    ):
        queue = Queued()
        answered(store, queue, asked, most=1)
        assert queue.sent == [Chain("run-1", wanted, asked.force, NOW)]


def test_nothing_to_do_is_told(store: MemoryStore) -> None:
    """A range of settled days queues nothing and says so, however many chains there are."""
    put(store, BEFORE, EMPTY)
    put(store, DAY, FINAL)
    queue = Queued(busy=9)
    answer = answered(store, queue)
    assert (queue.sent, answer.status) == ([], 200)
    assert "every day of the range is final or empty already" in answer.text


@pytest.mark.parametrize(("busy", "most", "chains"), [(0, 4, 3), (0, 2, 2), (1, 2, 1), (2, 4, 2), (3, 4, 1)])
def test_a_range_gets_the_chains_that_are_left(store: MemoryStore, busy: int, most: int, chains: int) -> None:
    """There are never more than EXPORT_CONCURRENCY, and every day is in one of them."""
    days = tuple(DAY - timedelta(days=n) for n in range(3))
    queue = Queued(busy)
    answer = answered(store, queue, Asked(days, force=False, skip_settled=True), most)
    assert (answer.status, answer.body["chains"], len(queue.sent)) == (202, chains, chains)
    assert sorted(day for chain in queue.sent for day in chain.days) == sorted(days)


@pytest.mark.parametrize("busy", [2, 3, 120])
@pytest.mark.parametrize("force", [False, True])
def test_above_the_bound_nothing_is_queued(store: MemoryStore, busy: int, force: bool) -> None:
    """409 says how many there are, what allows more, and what ends them; a single day is no exception."""
    queue = Queued(busy)
    answer = answered(store, queue, Asked((DAY,), force=force, skip_settled=False))
    assert (answer.status, queue.sent) == (409, [])
    assert f"{busy} chains are queued or at work, and EXPORT_CONCURRENCY allows 2" in answer.body["error"]


def test_two_requests_cannot_count_the_same_room(store: MemoryStore) -> None:
    """While one counts and queues, another is answered 409; the lock is free again after that."""
    queue = Queued()
    with store.lock("locks/rerun", "run-0"):
        answer = answered(store, queue)
    assert (answer.status, queue.sent) == (409, [])
    assert "Ask again in a minute" in answer.body["error"]
    assert [answered(store, queue).status for _ in range(2)] == [202, 409]


def test_what_cannot_be_counted_is_not_queued(store: MemoryStore) -> None:
    """The bound fails closed, and the lock is given back."""
    with pytest.raises(StoreError, match="the queue is away"):
        answered(store, Queued(busy=None))
    assert answered(store, Queued()).status == 202


@pytest.mark.parametrize(("force", "function"), [(False, "rerun"), (True, "rerun_forced")])
@pytest.mark.parametrize("busy", [0, 2])
def test_what_was_asked_is_logged_with_its_run(
    store: MemoryStore, caplog: pytest.LogCaptureFixture, force: bool, function: str, busy: int
) -> None:
    """The function, the days and the run, whether it is queued then or not."""
    caplog.set_level(logging.INFO)
    answered(store, Queued(busy), Asked((BEFORE, DAY), force=force, skip_settled=False), run="run-7")
    assert caplog.messages[0] == f"asked: function={function} run=run-7 days=2 first={BEFORE} last={DAY}"
    assert caplog.messages[1].startswith("not queued: run=run-7: " if busy else "run queued: run=run-7 days=2 ")
