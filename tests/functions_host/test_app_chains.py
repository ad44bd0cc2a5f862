"""Days on the app's queues: backfills, failures, crashes, copies. On Microsoft's worker, Azurite and the simulator."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from azure.storage.blob import BlobLeaseClient, ContainerClient

from exporter.simulator import Simulator, Status, TooManyRequests, When, Wire
from exporter.store.blob_lease import leased
from tests.azure.azurite import Azurite
from tests.functions_host.app import LAYOUT, POISON, QUEUE, App, ask, last_days, post, said, send
from tests.functions_host.host import Host
from tests.functions_host.link import WorkerGone
from tests.kit.rules import FEW_HOURS

SLOW = 500
"""Bytes a second: an archive of the small project takes more than ten seconds, time enough to be killed in."""


@pytest.fixture
def app(make_host: Callable[..., Host], azurite: Azurite, container: ContainerClient) -> Iterator[App]:
    """The app with a small project and an empty container."""
    with Simulator(contents=FEW_HOURS) as simulator:
        yield App(make_host, simulator, container, azurite.blob_url)


def on(day: date, times: int | None = 1) -> When:
    """The requests for a day."""
    return When(times=times, hours=f"{day:%Y%m%d}")


def wait_until(there: Callable[[], bool], seconds: float = 60) -> None:
    """Return once the condition holds.

    Raises:
        TimeoutError: it did not come to hold.
    """
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def end_lease(app: App, day: date) -> None:
    """Let the minute pass after which a dead worker's lease ends. Its message stays invisible for longer, in Azure."""
    BlobLeaseClient(app.container.get_blob_client(LAYOUT.lock(day))).break_lease(0)


def failures(host: Host) -> list[str]:
    """The lines that alerts look for."""
    return [line for line in said(host) if line.startswith("day failed: ")]


def check_queues_are_empty(host: Host) -> None:
    """Assert that no message is left, not even an invisible one."""
    assert (host.queues.count(QUEUE), host.queues.count(POISON)) == (0, 0)


def test_a_backfill_survives_faults_and_a_killed_worker(app: App, azurite: Azurite) -> None:
    """60 days, 429 and 503 now and then, three workers for two chains, one killed: every day whole, none done twice."""
    days = last_days(60)
    for day in days[::7]:
        app.simulator.add(TooManyRequests(when=on(day)))
    for day in days[3::11]:
        app.simulator.add(Status(503, when=on(day, times=2)))
    slow = days[31]
    app.simulator.add(Wire("drip", SLOW, when=on(slow)))
    hosts = [app.start({"EXPORT_CONCURRENCY": "2"}, lock_seconds=10) for _ in range(3)]
    azurite.forget_traffic()
    answer = post(hosts[0], "/forced", *days)
    assert (answer.status_code, answer.json()["chains"], len(answer.json()["days"])) == (202, 2, 60)

    with ThreadPoolExecutor(len(hosts)) as pool:
        drained = {pool.submit(host.drain, 120): host for host in hosts}
        wait_until(lambda: app.asked(slow) > 0 and app.simulator.most_at_once > 1)
        (killed,) = [host for host in hosts if any(line.startswith(f"{slow}: run ") for line in said(host))]
        killed.kill_worker()
        end_lease(app, slow)
        for step, host in drained.items():
            if host is killed:
                with pytest.raises(WorkerGone):
                    step.result()
            else:
                assert {taken.fate for taken in step.result()} == {"deleted"}

    for day in days:
        app.check_whole(day)
    assert {app.json(LAYOUT.manifest(day))["run"] for day in days} == {answer.json()["run"]}
    assert len(app.names()) == 2 * len(days)
    archives = Counter(request.first[:8] for request in app.simulator.requests if request.status == 200)
    assert archives == {f"{day:%Y%m%d}": 2 if day == slow else 1 for day in days}
    commits = [
        sent.path for sent in azurite.traffic() if (sent.method, sent.comp, sent.status) == ("PUT", "blocklist", 201)
    ]
    assert len(commits) == len(set(commits)) == len(days)
    assert app.simulator.most_at_once == 2
    assert [line for host in hosts for line in failures(host)] == []
    check_queues_are_empty(hosts[0])


def test_a_day_that_cannot_succeed_is_recorded_at_once(app: App) -> None:
    """A permanent failure costs one request and no retry; the chain does its other days in the same run."""
    days = last_days(3)
    app.simulator.add(Status(302, when=on(days[1], times=None)))
    host = app.start()
    run = send(host, days)
    assert [taken.fate for taken in host.drain()] == ["deleted"] * 3
    app.check_whole(days[0])
    app.check_whole(days[2])
    failure = app.json(LAYOUT.failure(days[1]))
    assert (failure["kind"], failure["run"], failure["attempts"], app.asked(days[1])) == ("permanent", run, 1, 1)
    (line,) = failures(host)
    assert line.startswith(f"day failed: day={days[1]} kind=permanent reason=")
    assert app.names(LAYOUT.dump(days[1])) == []


def test_a_day_that_fails_five_times_is_given_up(app: App) -> None:
    """Each attempt is on record and in the log; then the poison queue's function says so and sends the rest on."""
    days = last_days(3)
    app.simulator.add(Status(503, when=on(days[0], times=None)))
    host = app.start({"EXPORT_MAX_ATTEMPTS": "1"})
    send(host, days)
    fates = Counter((taken.queue, taken.fate) for taken in host.drain())
    assert fates == {(QUEUE, "released"): 4, (QUEUE, "poisoned"): 1, (POISON, "deleted"): 1, (QUEUE, "deleted"): 2}
    assert app.json(LAYOUT.failure(days[0]))["attempts"] == app.asked(days[0]) == 5
    *attempts, last = failures(host)
    assert len(attempts) == 5
    assert last.startswith(f"day failed: day={days[0]} kind=retriable reason=gave up after every attempt: ")
    app.check_whole(days[1])
    app.check_whole(days[2])


def test_a_day_that_crashes_five_workers_is_given_up(app: App) -> None:
    """The attempts could record nothing: the poison queue's function does it, and the rest goes on."""
    days = last_days(3)
    app.simulator.add(Wire("drip", SLOW, when=on(days[0], times=None)))
    last = app.start()
    run = send(last, days)
    crashed: list[WorkerGone] = []
    with ThreadPoolExecutor(1) as pool:
        while len(crashed) < 5:
            host = app.start(lock_seconds=2)
            step = pool.submit(host.drain)
            wait_until(lambda: app.asked(days[0]) == len(crashed) + 1)
            host.kill_worker()
            end_lease(app, days[0])
            with pytest.raises(WorkerGone) as gone:
                step.result()
            crashed.append(gone.value)
    taken = last.drain()
    assert [(one.queue, one.fate, one.invocation is None) for one in taken[:2]] == [
        (QUEUE, "poisoned", True),
        (POISON, "deleted", False),
    ]
    failure = app.json(LAYOUT.failure(days[0]))
    assert (failure["kind"], failure["run"]) == ("crashed", run)
    (line,) = failures(last)
    assert line.startswith(f"day failed: day={days[0]} kind=crashed reason=gave up after every attempt: ")
    app.check_whole(days[1])
    app.check_whole(days[2])
    check_queues_are_empty(last)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_keys_end_the_chain_with_the_request_that_takes_it_up(app: App, status: int) -> None:
    """No other day is tried; the log's own request does all days, once the keys are right."""
    days = last_days(4)
    app.simulator.add(Status(status, when=on(days[1])))
    host = app.start()
    run = send(host, days)
    assert [taken.fate for taken in host.drain()] == ["deleted"] * 2
    assert app.json(LAYOUT.failure(days[1]))["kind"] == "refused"
    assert [app.asked(day) for day in days] == [1, 1, 0, 0]
    (line,) = [line for line in said(host) if line.startswith(f"run {run} stops at {days[1]}: ")]
    assert "Not tried: 2 days. When that is right: " in line
    _, _, body = line.partition("POST /api/exports ")
    assert ask(host, "POST", body=json.loads(body)).status_code == 202
    host.drain()
    for day in days:
        app.check_whole(day)


def test_a_stop_reaches_a_chain_that_is_at_work(app: App) -> None:
    """The day under way is finished and whole; the rest, which it sends on, ends with a line that names it."""
    days = last_days(4)
    app.simulator.add(Wire("drip", 5000, when=on(days[0])))
    host = app.start()
    answer = post(host, "", *days)
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(host.queue_step, "export_day")
        wait_until(lambda: app.asked(days[0]) == 1)
        assert ask(host, "POST", "/stop").status_code == 202
        assert [taken.fate for taken in step.result()] == ["deleted"]
    app.check_whole(days[0])
    host.drain()
    assert [app.asked(day) for day in days] == [1, 0, 0, 0]
    (line,) = [line for line in said(host) if line.startswith(f"run {answer.json()['run']} ends at {days[2]}: ")]
    assert line.endswith(f"Not tried: 1 days, {days[2]} to {days[2]}. If they are wanted: POST /api/exports/{days[2]}")
    check_queues_are_empty(host)


def test_a_message_that_comes_twice_does_its_days_once(app: App) -> None:
    """A host that dies between output and delete makes a second copy of the chain, which finds nothing to do."""
    days = last_days(3)
    host = app.start(lock_seconds=1)
    send(host, days)
    assert [taken.fate for taken in host.queue_step("export_day", die_before_delete=True)] == ["left"]
    assert len(host.drain()) > 3
    for day in days:
        app.check_whole(day)
        assert app.asked(day) == 1
    assert any("through with it already" in line for line in said(host))


def test_a_copy_ends_where_its_run_is_at_work(app: App) -> None:
    """Two copies of one chain at the same time become one; nothing fails, nothing comes back."""
    (day,) = last_days(1)
    host = app.start()
    with leased(app.container.get_blob_client(LAYOUT.lock(day)), "run-1"):
        send(host, [day], run="run-1")
        assert [taken.fate for taken in host.drain()] == ["deleted"]
    assert (app.asked(day), failures(host)) == (0, [])


def test_a_day_held_by_another_run_waits(app: App) -> None:
    """The message comes back until the holder is done; that is no failure of the day."""
    (day,) = last_days(1)
    host = app.start()
    with leased(app.container.get_blob_client(LAYOUT.lock(day)), "run-2"):
        send(host, [day], run="run-1")
        (taken,) = host.queue_step("export_day")
        assert taken.fate == "released"
        assert taken.invocation is not None
        assert "is held by run run-2" in taken.invocation.error
    assert (app.asked(day), app.names("failures/")) == (0, [])
    host.drain()
    app.check_whole(day)


def test_a_second_run_over_the_same_days_is_harmless(app: App) -> None:
    """A rerun beside a nightly run asks again and changes nothing: same dump, same ETag."""
    days = last_days(3)
    host = app.start()
    send(host, days)
    host.drain()
    before = {day: app.container.get_blob_client(LAYOUT.dump(day)).get_blob_properties().etag for day in days}
    send(host, days)
    host.drain()
    after = {day: app.container.get_blob_client(LAYOUT.dump(day)).get_blob_properties().etag for day in days}
    assert before == after
    assert [app.asked(day) for day in days] == [2, 2, 2]


@pytest.mark.parametrize("text", ["hello", '{"run": "r", "days": []}', '{"run": "r", "days": ["never"]}'])
def test_a_foreign_message_ends_with_a_line(app: App, text: str) -> None:
    """What is not ours is dropped after its attempts, and said; nothing circles."""
    host = app.start()
    host.queues.send(QUEUE, text)
    assert [taken.fate for taken in host.drain()] == ["released"] * 4 + ["poisoned", "deleted"]
    assert [line for line in said(host) if line.startswith(f"a message on {QUEUE} is dropped: ")]


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("EXPORT_CONTAINER", "not-there", "the container does not exist"),
        ("EXPORT_MAX_ATTEMPTS", "99", "EXPORT_MAX_ATTEMPTS: "),
    ],
)
def test_what_cannot_be_recorded_still_goes_on(app: App, setting: str, value: str, reason: str) -> None:
    """No way to the store, or no settings: every day is given up in the log, and none is lost with a message."""
    days = last_days(3)
    host = app.start({setting: value})
    send(host, days)
    fates = Counter((taken.queue, taken.fate) for taken in host.drain())
    assert fates == {(QUEUE, "released"): 12, (QUEUE, "poisoned"): 3, (POISON, "deleted"): 3}
    lines = failures(host)
    assert [line.split()[2] for line in lines] == [f"day={day}" for day in days]
    for line in lines:
        assert "gave up after every attempt, and this is not on record: " in line
        assert reason in line
    assert app.names() == []


def test_missing_keys_are_on_record_as_what_they_are(app: App) -> None:
    """The store needs no keys: so each day's failure record says what is wrong with them, not that the app crashed."""
    days = last_days(2)
    host = app.start({"AMP_API_KEY": "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)"})
    send(host, days)
    host.drain()
    assert len(failures(host)) == len(days)
    for day in days:
        assert "the Key Vault reference is not resolved yet" in app.json(LAYOUT.failure(day))["reason"]


def test_an_unreadable_manifest_fails_its_day_only(app: App) -> None:
    """A manifest of a newer version is named and left as it is, and the chain goes on."""
    days = last_days(3)
    app.container.upload_blob(LAYOUT.manifest(days[0]), b'{"format": 99}')
    host = app.start()
    send(host, days)
    assert [taken.fate for taken in host.drain()] == ["deleted"] * 3
    (line,) = failures(host)
    assert line.startswith(f"day failed: day={days[0]} kind=permanent reason={LAYOUT.manifest(days[0])} has format 99")
    assert app.json(LAYOUT.manifest(days[0])) == {"format": 99}
    app.check_whole(days[1])
    app.check_whole(days[2])


def test_too_many_requests_for_good_are_an_ordinary_failure(app: App) -> None:
    """429 at every attempt is recorded as passing, with words about concurrency."""
    days = last_days(3)
    app.simulator.add(TooManyRequests(when=on(days[2], times=None)))
    host = app.start({"EXPORT_MAX_ATTEMPTS": "2"})
    send(host, days)
    host.drain()
    failure = app.json(LAYOUT.failure(days[2]))
    assert (failure["kind"], failure["attempts"], "EXPORT_CONCURRENCY" in failure["reason"]) == ("retriable", 5, True)
