"""The small Functions host against a toy app."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueServiceClient

from tests.azure.azurite import Azurite
from tests.azure.identity import Identity
from tests.functions_host.cron import Schedule
from tests.functions_host.function import HostError
from tests.functions_host.host import Host
from tests.functions_host.http_front import HOST_KEY, MASTER_KEY, function_key
from tests.functions_host.link import WorkerGone
from tests.functions_host.queues import Rules, Taken

TOY = Path(__file__).parent / "toy_app"
MakeToy = Callable[..., Host]


@pytest.fixture
def make_toy(make_host: Callable[..., Host], azurite: Azurite, container: ContainerClient) -> MakeToy:
    """Starts hosts of the toy app; settings by keyword, and the host's own times."""

    def make(*, lock_seconds: int = 600, retry_seconds: int = 0, **settings: str) -> Host:
        base = {
            "TOY_SCHEDULE": "0 0 2 * * *",
            "TOY_BLOB_URL": azurite.blob_url,
            "TOY_CONTAINER": container.container_name,
        }
        return make_host(TOY, base | settings, lock_seconds=lock_seconds, retry_seconds=retry_seconds)

    return make


@pytest.fixture
def toy(make_toy: MakeToy) -> Host:
    """One host of the toy app; failed messages come back at once."""
    return make_toy()


def ask(host: Host, method: str, path: str, key: str | None = HOST_KEY, body: Any = None) -> requests.Response:
    """One HTTP request to a host."""
    headers = {"x-functions-key": key} if key else {}
    return requests.request(method, host.url + path, headers=headers, json=body, timeout=60)


def send(host: Host, say: str, **how: Any) -> None:
    """Puts one message on the toy's queue."""
    host.queues.send("toy-work", json.dumps({"say": say, **how}))


def test_indexing_finds_every_function(toy: Host) -> None:
    """Microsoft's loader finds all functions, resolves settings and tells the retry policy."""
    assert {name: function.kind for name, function in toy.functions.items()} == {
        "nightly": "timerTrigger",
        "greet": "httpTrigger",
        "fan_out": "httpTrigger",
        "work": "queueTrigger",
        "work_failed": "queueTrigger",
    }
    assert toy.functions["nightly"].trigger["schedule"] == "0 0 2 * * *"
    assert toy.functions["nightly"].max_retries == 2


def test_timer_uploads_by_managed_identity(toy: Host, container: ContainerClient, identity: Identity) -> None:
    """A timer run reaches the store with a token, and logs inside its own trace."""
    before = len(identity.asked)
    run = toy.timer("nightly").check()
    assert [blob.name for blob in container.list_blobs()] == ["nightly"]
    assert [asked.resource for asked in identity.asked[before:]] == ["https://storage.azure.com"]
    assert run.said("Information")[-1] == f"uploaded in {run.trace_parent}"


def test_past_due_timer_is_told_so(toy: Host) -> None:
    """A late timer knows it."""
    assert toy.timer("nightly", past_due=True).said("Warning") == ["the timer is past due"]


@pytest.mark.parametrize(("failures", "ok"), [("2", True), ("3", False)])
def test_retry_policy_is_kept(make_toy: MakeToy, failures: str, ok: bool) -> None:
    """A function is tried again as often as its retry policy says, and no more."""
    run = make_toy(TOY_FAILURES=failures).timer("nightly")
    assert (run.ok, run.attempts) == (ok, 3)
    if not ok:
        assert "RuntimeError: not yet" in run.error
        assert "function_app.py" in run.stack


def test_http_request_and_answer_pass_unchanged(toy: Host) -> None:
    """Route parameters, the query, status, headers and body go through."""
    answer = ask(toy, "GET", "/api/greetings/ada%20l?loud=1")
    assert answer.json() == {"name": "ada l", "loud": "1"}
    assert (answer.status_code, answer.headers["X-Toy"]) == (200, "1")
    assert answer.headers["Content-Type"] == "application/json"
    assert ask(toy, "GET", "/api/greetings").json()["name"] == "nobody"
    assert ask(toy, "GET", "/api/greetings/mallory").status_code == 500
    assert "ValueError: not you" in toy.invocations[-1].error


def test_unknown_routes_and_methods_are_refused(toy: Host) -> None:
    """Another path is 404, another method 405."""
    assert ask(toy, "GET", "/api/farewells").status_code == 404
    assert ask(toy, "DELETE", "/api/greetings").status_code == 405


def test_a_function_key_opens_its_function_only(toy: Host) -> None:
    """A function opens to its own key, the host's and the master's, and to no other."""
    expected = {None: 401, "wrong": 401, function_key("fan_out"): 401}
    expected |= {function_key("greet"): 200, HOST_KEY: 200, MASTER_KEY: 200}
    assert {key: ask(toy, "GET", "/api/greetings", key).status_code for key in expected} == expected


def test_admin_runs_any_function(toy: Host, container: ContainerClient) -> None:
    """The master key runs a timer by hand."""
    assert ask(toy, "POST", "/admin/functions/nightly", HOST_KEY, {}).status_code == 401
    assert ask(toy, "POST", "/admin/functions/nightly", MASTER_KEY, {"input": ""}).status_code == 202
    assert [blob.name for blob in container.list_blobs()] == ["nightly"]


def test_a_list_output_becomes_messages_that_drain(toy: Host) -> None:
    """Each item of an output list is a message; draining runs the function once for each."""
    answer = ask(toy, "POST", "/api/greetings", body=[{"say": "a"}, {"say": "b"}, {"say": "c"}])
    assert (answer.status_code, answer.json()) == (202, {"queued": 3})
    assert toy.queues.count("toy-work") == 3
    assert [(taken.fate, taken.dequeue_count) for taken in toy.drain()] == [("deleted", 1)] * 3
    assert sorted(toy.queues.texts("toy-results")) == ["a", "b", "c"]


def test_a_failing_message_comes_back_then_is_poisoned(toy: Host) -> None:
    """A message is run maxDequeueCount times, moved, and given to the poison queue's function; no output is written."""
    send(toy, "bad", fail=True)
    fates = [(taken.queue, taken.dequeue_count, taken.fate) for taken in toy.drain()]
    assert fates == [
        ("toy-work", 1, "released"),
        ("toy-work", 2, "released"),
        ("toy-work", 3, "poisoned"),
        ("toy-work-poison", 1, "deleted"),
    ]
    assert "ValueError: bad" in toy.invocations[2].error
    assert toy.invocations[3].said("Error") == ["gave up bad"]
    assert toy.queues.texts("toy-results") == []


def test_an_unreadable_message_is_poisoned_unrun(toy: Host, queue_service: QueueServiceClient) -> None:
    """What is no base64 goes to the poison queue without a run, and stays there."""
    queue_service.create_queue("toy-work").send_message("no base64!")
    (taken,) = toy.queue_step("work")
    assert (taken.fate, taken.text, taken.invocation) == ("poisoned", None, None)
    (given_up,) = toy.queue_step("work_failed")
    assert (given_up.fate, given_up.text, given_up.invocation) == ("left", None, None)


def test_host_json_sets_the_wait_after_a_failure(make_host: Callable[..., Host]) -> None:
    """Without an override a failed message is invisible for host.json's visibilityTimeout."""
    assert Rules.of(json.loads((TOY / "host.json").read_text()), 600, None).retry_seconds == 900
    host = make_host(TOY, {"TOY_SCHEDULE": "0 0 2 * * *"})
    send(host, "bad", fail=True)
    assert [taken.fate for taken in host.queue_step("work")] == ["released"]
    assert host.queue_step("work") == []
    assert host.queues.count("toy-work") == 1


def test_a_poison_message_that_fails_is_left_to_its_lock(make_toy: MakeToy) -> None:
    """A poison queue has no poison queue: its failed message waits for its lock, and is given up unrun."""
    toy = make_toy(lock_seconds=1)
    toy.queues.send("toy-work-poison", json.dumps({"say": "worse"}))
    taken: list[Taken] = []
    end = time.monotonic() + 60
    while len(taken) < 4 and time.monotonic() < end:
        taken += toy.queue_step("work_failed")
    assert {one.fate for one in taken} == {"left"}
    assert [one.invocation is not None for one in taken] == [True, True, True, False]


def test_a_killed_worker_leaves_the_message_to_another_host(make_toy: MakeToy, tmp_path: Path) -> None:
    """After SIGKILL nothing was written, and the message is taken again when its lock ends."""
    first, second = make_toy(lock_seconds=2), make_toy()
    until = tmp_path / "go on"
    send(first, "slow", until=str(until))
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(first.queue_step, "work")
        first.wait_for_log("began slow")
        first.kill_worker()
        with pytest.raises(WorkerGone, match="-9"):
            step.result(timeout=60)
    assert second.queues.texts("toy-results") == []
    until.touch()
    (taken,) = second.drain()
    assert (taken.fate, taken.dequeue_count) == ("deleted", 2)
    assert second.queues.texts("toy-results") == ["slow"]


def test_crashes_alone_poison_a_message_unrun(make_toy: MakeToy, tmp_path: Path) -> None:
    """A message taken more than maxDequeueCount times is moved without calling the function."""
    last = make_toy()
    send(last, "slow", until=str(tmp_path / "never"))
    with ThreadPoolExecutor(1) as pool:
        for crash in range(1, 4):
            host = make_toy(lock_seconds=1)
            step = pool.submit(host.drain)
            host.wait_for_log(f"began slow, time {crash}")
            host.kill_worker()
            with pytest.raises(WorkerGone):
                step.result(timeout=60)
    moved, given_up = last.drain()
    assert (moved.fate, moved.dequeue_count, moved.invocation) == ("poisoned", 4, None)
    assert given_up.queue == "toy-work-poison"


def test_the_lock_is_renewed_while_the_function_runs(make_toy: MakeToy, azurite: Azurite, tmp_path: Path) -> None:
    """A function may run longer than the lock: no other host gets its message meanwhile."""
    first, second = make_toy(lock_seconds=3), make_toy()
    until = tmp_path / "go on"
    send(first, "slow", until=str(until))
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(first.queue_step, "work")
        first.wait_for_log("began slow")
        azurite.forget_traffic()
        while sum("/toy-work/messages/" in sent.path for sent in azurite.traffic()) < 3:
            assert second.queue_step("work") == []
        until.touch()
        (taken,) = step.result(timeout=60)
    assert taken.fate == "deleted"
    assert second.queues.count("toy-work") == 0


def test_a_host_that_dies_before_the_delete_delivers_twice(make_toy: MakeToy) -> None:
    """Outputs and delete are two steps: between them a crash makes the message come a second time."""
    toy = make_toy(lock_seconds=1)
    send(toy, "twice")
    assert [taken.fate for taken in toy.queue_step("work", die_before_delete=True)] == ["left"]
    assert [(taken.fate, taken.dequeue_count) for taken in toy.drain()] == [("deleted", 2)]
    assert toy.queues.texts("toy-results") == ["twice", "twice"]


def test_two_hosts_share_a_queue(make_toy: MakeToy) -> None:
    """Two hosts on one queue run every message once between them."""
    hosts = [make_toy(), make_toy()]
    for number in range(20):
        send(hosts[0], str(number))
    taken = [one for host in hosts for one in host.queue_step("work")]
    with ThreadPoolExecutor(2) as pool:
        taken += [one for done in pool.map(Host.drain, hosts) for one in done]
    assert sorted(int(json.loads(one.text or "")["say"]) for one in taken) == list(range(20))
    assert sum(len(host.invocations) for host in hosts) == 20


@pytest.mark.parametrize("schedule", ["every night", "0 0 25 * * *", "0 2 * * *"])
def test_a_bad_schedule_stops_the_app(make_toy: MakeToy, schedule: str) -> None:
    """An app whose timer's schedule is none does not start."""
    with pytest.raises(HostError, match="not recognized as a valid cron expression"):
        make_toy(TOY_SCHEDULE=schedule)


def test_a_missing_setting_stops_the_app(make_host: Callable[..., Host]) -> None:
    """A %NAME% that is no setting is an error that names it."""
    with pytest.raises(HostError, match="'%TOY_SCHEDULE%' does not resolve"):
        make_host(TOY, {})


def test_an_app_that_does_not_import_stops_with_its_error(make_host: Callable[..., Host], tmp_path: Path) -> None:
    """The import error of an app is what the host reports."""
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text("import not_there\n")
    with pytest.raises(HostError, match="not_there"):
        make_host(tmp_path, {})


def test_an_app_sees_its_own_folder_only(make_host: Callable[..., Host], tmp_path: Path) -> None:
    """What is not in the app's folder cannot be imported, though the tests could."""
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text("import exporter\n")
    with pytest.raises(HostError, match="No module named 'exporter'"):
        make_host(tmp_path, {})


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        ("0 0 2 * * *", datetime(2026, 3, 29, 1, 59, 59, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC)),
        ("0 0 2 * * *", datetime(2026, 12, 31, 2, tzinfo=UTC), datetime(2027, 1, 1, 2, tzinfo=UTC)),
        ("30 */15 8-10 * * 1", datetime(2026, 3, 2, 8, 45, 30, tzinfo=UTC), datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_schedule_tells_the_next_time(schedule: str, moment: datetime, expected: datetime) -> None:
    """The next time is strictly later and honours every field."""
    assert Schedule.parse(schedule).next_after(moment) == expected
