"""The app's index, its timer and its HTTP functions, on Microsoft's worker."""

import json
import platform
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

import exporter
from exporter.report import NEVER_AN_EVENT
from exporter.simulator import Missing, Resized, Simulator
from tests.azure.azurite import Azurite
from tests.azure.identity import Identity
from tests.functions_host.app import LAYOUT, POISON, QUEUE, ROOT, App, ask, last_days, post, said, send, yesterday
from tests.functions_host.function import Binding, HostError
from tests.functions_host.host import Host
from tests.functions_host.http_front import HOST_KEY, MASTER_KEY, function_key
from tests.kit.rules import FEW_HOURS, FULL_HOURS

ONE = timedelta(days=1)


@pytest.fixture
def app(make_host: Callable[..., Host], azurite: Azurite, container: ContainerClient) -> Iterator[App]:
    """The app with a small project and an empty container."""
    with Simulator(contents=FEW_HOURS) as simulator:
        yield App(make_host, simulator, container, azurite.blob_url)


def test_the_index_is_exactly_this(app: App) -> None:
    """The app exposes these functions with these triggers and outputs, and nothing else."""
    bindings = {name: function.bindings for name, function in app.start().functions.items()}
    storage = "AzureWebJobsStorage"
    output: dict[str, Any] = {
        "type": "queue",
        "direction": "OUT",
        "name": "queue",
        "queueName": QUEUE,
        "connection": storage,
    }
    message: dict[str, Any] = {"type": "queueTrigger", "direction": "IN", "name": "message", "connection": storage}
    request: dict[str, Any] = {
        "type": "httpTrigger",
        "direction": "IN",
        "name": "req",
        "route": "exports/{day:minlength(7)?}",
    }
    post, get = ({"methods": [method], "authLevel": "FUNCTION"} for method in ("POST", "GET"))
    answer: dict[str, Any] = {"type": "http", "direction": "OUT", "name": "$return"}
    timer: dict[str, Any] = {"type": "timerTrigger", "direction": "IN", "name": "timer", "schedule": "0 0 2 * * *"}
    expected: dict[str, list[Binding]] = {
        "nightly": [timer | {"runOnStartup": False, "useMonitor": True}, output],
        "scrub": [timer | {"runOnStartup": False, "useMonitor": True}],
        "export_day": [message | {"queueName": QUEUE}, output],
        "export_day_failed": [message | {"queueName": POISON}, output],
        "rerun": [request | post, answer],
        "rerun_forced": [request | post | {"route": "exports/forced/{day:minlength(7)?}"}, answer],
        "stop": [request | post | {"route": "exports/stop"}, answer],
        "coverage": [request | get, answer],
        "health": [request | get | {"route": "exports/health"}, answer],
    }
    assert {name: told(found) for name, found in bindings.items()} == {
        name: told(found) for name, found in expected.items()
    }


def told(bindings: Iterable[Binding]) -> list[dict[str, Any]]:
    """Bindings by type, without the worker's own hints."""
    hints = {"dataType", "properties"}
    shown = [{key: value for key, value in binding.items() if key not in hints} for binding in bindings]
    return sorted(shown, key=lambda binding: str(binding["type"]))


# The timer


def test_the_timer_exports_yesterday_by_managed_identity(app: App, identity: Identity) -> None:
    """Timer, queue, export: yesterday's dump and its proof are in the container, put there with a token."""
    host, before = app.start(), len(identity.asked)
    fired = host.timer("nightly").check()
    program, line = fired.said("Information")
    python, version = platform.python_version(), exporter.__version__
    assert program == f"program: exporter={version} python={python} platform={platform.system().lower()}"
    assert line.startswith("run queued: run=")
    assert line.endswith(" days=1 newest=none missing=0 ledger=none")
    (taken,) = host.drain()
    assert (taken.queue, taken.fate) == (QUEUE, "deleted")
    app.check_whole(yesterday())
    assert app.names() == [LAYOUT.dump(yesterday()), LAYOUT.manifest(yesterday())]
    tokens = identity.asked[before:]
    assert {(asked.resource, asked.client_id, asked.status) for asked in tokens} == {
        ("https://storage.azure.com", identity.client_id, 200)
    }
    assert any(line.startswith(f"day exported: day={yesterday()} ") for line in said(host))


def test_without_a_good_token_nothing_is_stored(app: App, make_identity: Callable[..., Identity]) -> None:
    """It is the token that opens the store: one for another audience does not, and the failure says so."""
    stranger = make_identity(audience="https://vault.azure.net")
    host = app.start(stranger.env | {"AZURE_CLIENT_ID": stranger.client_id})
    fired = host.timer("nightly")
    assert not fired.ok
    assert "the token is refused" in fired.error
    assert "azure.core.exceptions" not in fired.stack  # the library's error: its words passed no door
    assert (app.names(), host.queues.count(QUEUE)) == ([], 0)


def test_a_past_due_timer_is_logged_and_works(app: App) -> None:
    """A night that was missed is told as a warning; the days are queued all the same."""
    host = app.start()
    assert "past due" not in " ".join(host.timer("nightly").check().said("Warning"))
    late = host.timer("nightly", past_due=True).check()
    assert late.said("Warning") == ["the timer is past due: the app was not running at the scheduled time"]
    assert host.queues.count(QUEUE) == 2


def test_the_due_days_are_one_chain_newest_first(app: App) -> None:
    """A night repairs what is missing since the first record; what it queues does not count as missing.

    The next one looks again at the two days that had a gap before them: nothing told which of their hours are busy.
    """
    days = last_days(4)
    host = app.start({"EXPORT_SETTLE_HOURS": "0"})
    ask(host, "POST", f"/{days[3]}")
    host.drain()
    fired = host.timer("nightly").check()
    assert fired.said("Information")[-1].rpartition(" ledger=")[0].endswith(f"days=3 newest={days[3]} missing=0")
    assert [text.count("-") >= 6 for text in host.queues.texts(QUEUE)] == [True]
    assert [taken.text and taken.text.count(str(days[2])) for taken in host.drain()] == [1, 1, 1]
    assert [request.first[:8] for request in app.simulator.requests[1:]] == [f"{day:%Y%m%d}" for day in days[:3]]
    assert (
        host.timer("nightly")
        .check()
        .said("Information")[-1]
        .rpartition(" ledger=")[0]
        .endswith(f"days=2 newest={days[0]} missing=0")
    )
    host.drain()
    assert (
        host.timer("nightly")
        .check()
        .said("Information")[-1]
        .rpartition(" ledger=")[0]
        .endswith(f"days=0 newest={days[0]} missing=0")
    )
    assert host.queues.count(QUEUE) == 0


def test_a_damaged_day_is_told_shown_and_mended(app: App) -> None:
    """A manifest that is none is a line of the night and of the coverage; its day is queued, and whole after that."""
    days = last_days(2)
    host = app.start({"EXPORT_SETTLE_HOURS": "0"})
    send(host, days)
    host.drain()
    app.container.upload_blob(LAYOUT.manifest(days[1]), b"not JSON", overwrite=True)
    damage = f"{LAYOUT.manifest(days[1])} is damaged: it is not a JSON object in UTF-8"
    shown = ask(host, "GET", f"/{days[1]}")
    assert (shown.status_code, shown.json()["whole"], shown.json()["damage"]) == (200, False, damage)
    assert [row["state"] for row in ask(host, "GET").json()["days"]] == ["damaged", "final"]
    fired = host.timer("nightly").check()
    assert fired.said("Warning") == [f"day damaged: day={days[1]} reason={damage}"]
    assert fired.said("Information")[-1].rpartition(" ledger=")[0].endswith(f" days=1 newest={days[0]} missing=0")
    host.drain()
    app.check_whole(days[1])
    assert ask(host, "GET", f"/{days[1]}").json()["damage"] is None
    assert host.timer("nightly").check().said("Warning") == []


def test_a_project_without_any_event_is_asked_about(app: App) -> None:
    """As long as no day has an event, each night asks whose keys these are."""
    for hour in FULL_HOURS:
        app.simulator.add(Missing(f"{yesterday():%Y%m%d}T{hour:02}"))
    host = app.start({"EXPORT_SETTLE_HOURS": "0"})
    assert host.timer("nightly").check().said("Warning") == []
    host.drain()
    assert ask(host, "GET").json()["days"][0]["state"] == "empty"
    assert host.timer("nightly").check().said("Warning") == [NEVER_AN_EVENT]
    ask(host, "POST", f"/{yesterday() - ONE}")
    host.drain()
    assert host.timer("nightly").check().said("Warning") == []


def test_a_wrong_setting_is_a_failure_line_not_a_vanished_app(app: App) -> None:
    """All wrong settings are named at the first call; the functions are still there, and HTTP says why."""
    host = app.start({"EXPORT_MAX_ATTEMPTS": "99", "EXPORT_STORAGE_URL": "ftp://x", "EXPORT_MAX_ATTEMPT": "5"})
    assert len(host.functions) == 9
    fired = host.timer("nightly")
    assert not fired.ok
    answer = ask(host, "GET")
    assert answer.status_code == 500
    for where in (fired.error, answer.json()["error"]):
        assert "EXPORT_MAX_ATTEMPTS" in where
        assert "EXPORT_STORAGE_URL" in where


def test_an_unknown_setting_is_a_warning(app: App) -> None:
    """A name that is nearly a setting's is pointed out each night."""
    warnings = app.start({"EXPORT_MAX_ATTEMPT": "5"}).timer("nightly").check().said("Warning")
    assert warnings == ["EXPORT_MAX_ATTEMPT is not a setting of this exporter, did you mean EXPORT_MAX_ATTEMPTS?"]


def test_the_log_level_is_the_settings(app: App) -> None:
    """EXPORT_LOG_LEVEL holds in the app, too."""
    assert app.start({"EXPORT_LOG_LEVEL": "WARNING"}).timer("nightly").check().said() == []


def test_the_example_settings_are_all_it_takes(app: App, azurite: Azurite) -> None:
    """The example with the emulator's address and the project's keys exports a day; the container is made."""
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    place = azurite.connection_string, str(app.container.container_name)
    ours = {"AMP_BASE_URL": app.simulator.url, "EXPORT_STORAGE_URL": None, "EXPORT_CONTAINER": place[1]}
    ours |= {"AMP_API_KEY": app.simulator.api_key, "AMP_SECRET_KEY": app.simulator.secret_key}
    emulated = {name: place[0] for name, value in values.items() if value == "UseDevelopmentStorage=true"}
    assert set(emulated) == {"AzureWebJobsStorage", "EXPORT_STORAGE_CONNECTION_STRING"}
    host = app.start(values | ours | emulated)
    host.timer("nightly").check()
    host.drain()
    app.check_whole(yesterday())


def test_the_apps_own_disk_is_no_store(app: App) -> None:
    """Without a storage account nothing is exported to the instance's disk, where it would be lost."""
    host = app.start({"EXPORT_STORAGE_URL": None})
    assert "EXPORT_STORAGE_URL is missing" in host.timer("nightly").error
    assert "EXPORT_STORAGE_URL is missing" in ask(host, "POST", f"/{yesterday()}").json()["error"]


def test_a_missing_schedule_stops_the_app(app: App) -> None:
    """The one setting that the platform itself reads: without it the app does not index, and the host says why."""
    with pytest.raises(HostError, match="%EXPORT_SCHEDULE%"):
        app.start({"EXPORT_SCHEDULE": None})


# Rerun


def test_a_rerun_replaces_the_day(app: App) -> None:
    """202 names the run and where to look; there the replaced day is, by that run, with its new events."""
    day = last_days(3)[-1]
    app.simulator.add(Resized("17", 5, after=1))
    host = app.start()
    first = ask(host, "POST", f"/{day}")
    host.drain()
    before = app.json(LAYOUT.manifest(day))
    again = ask(host, "POST", f"/{day}")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["days"] == [str(day)]
    line = next(text for text in host.invocations[-1].said("Information") if text.startswith("run queued: "))
    assert (
        line
        == f"run queued: run={again.json()['run']} days=1 newest={day} missing=2 first_missing={day + ONE} ledger=none"
    )
    host.drain()
    app.check_whole(day)
    shown = ask(host, "GET", again.json()["result"].removeprefix("/api/exports")).json()
    assert shown["whole"]
    assert shown["manifest"]["run"] == again.json()["run"] != before["run"]
    assert shown["manifest"]["events"] == before["events"] + 5
    assert any("outcome=replaced" in text for text in said(host))


def test_a_range_becomes_chains_and_is_resumable(app: App) -> None:
    """A range is dealt to EXPORT_CONCURRENCY chains; asked for again, it is done."""
    days = last_days(5)
    body = {"from": str(days[-1]), "to": str(days[0])}
    host = app.start({"EXPORT_CONCURRENCY": "3", "EXPORT_SETTLE_HOURS": "0"})
    answer = ask(host, "POST", body=body)
    assert (answer.status_code, answer.json()["chains"]) == (202, 3)
    assert host.queues.count(QUEUE) == 3
    host.drain()
    for day in days:
        app.check_whole(day)
        assert app.asked(day) == 1
    again = ask(host, "POST", body=body)
    assert (again.status_code, again.json()["days"], host.queues.count(QUEUE)) == (200, [], 0)
    forced = post(host, "/forced", *days)
    assert (forced.status_code, len(forced.json()["days"])) == (202, 5)


def test_bad_requests_are_told_what_is_wrong(app: App) -> None:
    """Bad dates, days that are not over, bodies and ranges get 400 with a sentence; nothing is queued or run."""
    host = app.start()
    today = yesterday() + ONE
    bad: list[tuple[str, str, Any, str]] = [
        ("POST", f"/{today}", None, f"{today} is not over yet"),
        ("POST", f"/{today + ONE}", None, "is not over yet"),
        ("POST", "/2025-02-30", None, "2025-02-30 is not a date"),
        ("POST", "/20251106", None, "YYYY-MM-DD"),
        ("POST", "/..%2F..%2Fmanifests", None, "YYYY-MM-DD"),
        ("POST", "", None, "not a JSON object"),
        ("POST", "", b"from=2025-11-06", "not a JSON object"),
        ("POST", "", {"from": str(yesterday())}, "the body needs to"),
        ("POST", "", {"from": str(yesterday()), "to": str(today)}, "is not over yet"),
        ("POST", "", {"from": "2001-01-01", "to": "2001-01-02"}, "before 2012-01-01"),
        ("POST", "", {"from": "2015-01-01", "to": str(yesterday())}, "Ask in several"),
        ("GET", "/tomorrow", None, "YYYY-MM-DD"),
        ("GET", "?from=2025-11-06&to=2025-11-05", None, "is after to"),
    ]
    for method, path, body, sentence in bad:
        answer = ask(host, method, path, body=body)
        assert (answer.status_code, sentence in answer.json()["error"]) == (400, True), (path, body, answer.text)
    assert (host.queues.count(QUEUE), app.simulator.requests) == (0, [])


def test_each_function_has_its_own_key(app: App) -> None:
    """Without a key, with a wrong one or with any other function's: 401, and nothing runs."""
    host = app.start({"EXPORT_CONCURRENCY": "4"})
    places = {
        "coverage": ("GET", "", 200),
        "health": ("GET", "/health", 200),
        "rerun": ("POST", f"/{yesterday()}", 202),
        "rerun_forced": ("POST", f"/forced/{yesterday()}", 202),
        "stop": ("POST", "/stop", 202),
    }
    for name, (method, path, good) in places.items():
        others = [function_key(other) for other in host.functions if other != name]
        before = len(host.invocations)
        assert {ask(host, method, path, key).status_code for key in (None, "wrong", *others)} == {401}
        assert len(host.invocations) == before
        for key in (function_key(name), HOST_KEY):
            assert ask(host, method, path, key).status_code == good, (name, key)
    assert ask(host, "GET", "", MASTER_KEY).status_code == 200
    assert host.queues.count(QUEUE) == 4


def test_a_leaked_rerun_key_makes_no_day_smaller(app: App) -> None:
    """Force is a function of its own; `rerun` names it and does not do it, with whatever body and route."""
    day = yesterday()
    app.simulator.add(Resized("17", -5, after=1))
    host = app.start({"EXPORT_SETTLE_HOURS": "0"})
    ask(host, "POST", f"/{day}")
    host.drain()
    before = app.json(LAYOUT.manifest(day))
    key = function_key("rerun")
    for body in ({"force": True}, {"force": False}):
        refused = ask(host, "POST", f"/{day}", key, body)
        assert (refused.status_code, "rerun_forced" in refused.json()["error"]) == (400, True)
    assert ask(host, "POST", f"/forced/{day}", key).status_code == 401
    assert ask(host, "POST", f"/{day}", key).status_code == 202
    host.drain()
    assert app.json(LAYOUT.manifest(day))["events"] == before["events"]
    forced = ask(host, "POST", f"/forced/{day}", function_key("rerun_forced"))
    assert forced.status_code == 202
    host.drain()
    assert app.json(LAYOUT.manifest(day))["events"] == before["events"] - 5
    asked = [line for line in said(host) if line.startswith("asked: ")]
    assert asked[-1] == f"asked: function=rerun_forced run={forced.json()['run']} days=1 first={day} last={day}"


def test_other_methods_and_paths_are_refused(app: App) -> None:
    """Only POST and GET, only there; no word is a day."""
    host = app.start()
    for method in ("PUT", "DELETE"):
        assert ask(host, method, f"/{yesterday()}").status_code == 405
    assert ask(host, "GET", "/stop").status_code == ask(host, "POST", "/health").status_code == 405
    assert ask(host, "GET", f"/{yesterday()}/dump").status_code == 404
    assert ask(host, "GET", "/now").status_code == 404
    assert host.invocations == []


def test_whatever_is_sent_nothing_fails(app: App) -> None:
    """Bodies that are too large, too deep or no JSON, long routes, queries and headers: 400, 413 or 404, never 500."""
    host = app.start()
    bad: list[tuple[str, str, bytes | None, int]] = [
        ("POST", "", b"[]," * 1_000_000, 413),
        ("POST", "", b" " * 4097, 413),
        ("POST", f"/{yesterday()}", b" " * 4097, 413),
        ("POST", "/forced", b"{" * 5000, 413),
        ("POST", "/stop", b" " * 4097, 413),
        ("GET", "", b" " * 4097, 413),
        ("POST", "", b"[" * 4096, 400),
        ("POST", "", b'{"from": ' * 400, 400),
        ("POST", "", b'{"from": %s}' % (b"9" * 4000), 400),
        ("POST", "", b'{"from": "2025-11-01", "from": "2025-11-01", "to": "2025-11-01"}', 400),
        ("POST", "/stop", b'{"days": 5}', 400),
        ("POST", "/" + "9" * 5000, None, 400),
        ("GET", "/" + "%00" * 100, None, 400),
        ("GET", "/%F0%9F%92%A9%F0%9F%92%A9", None, 400),
        ("GET", "?from=" + "9" * 5000, None, 400),
        ("GET", "?from=%ff%fe&to=%00", None, 400),
    ]
    for method, path, body, status in bad:
        answer = ask(host, method, path, body=body)
        assert answer.status_code == status, (path[:50], body and body[:50], answer.text)
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        assert len(answer.json()["error"]) < 600
    assert (host.queues.count(QUEUE), app.names()) == (0, [])


# How many chains there may be


def test_above_the_bound_a_rerun_is_refused(app: App) -> None:
    """As long as EXPORT_CONCURRENCY chains are queued, the night's included, there is no other; then there is."""
    days = last_days(3)
    host = app.start({"EXPORT_SETTLE_HOURS": "0"})
    host.timer("nightly").check()
    first = post(host, "", *days)
    assert (first.status_code, first.json()["chains"], host.queues.count(QUEUE)) == (202, 1, 2)
    for path in (f"/{days[0]}", f"/forced/{days[0]}"):
        refused = ask(host, "POST", path)
        assert (refused.status_code, host.queues.count(QUEUE)) == (409, 2)
        assert "2 chains are queued or at work, and EXPORT_CONCURRENCY allows 2" in refused.json()["error"]
    host.drain()
    assert post(host, "/forced", *days).json()["chains"] == 2


def test_a_hundred_requests_at_once_are_no_hundred_chains(app: App) -> None:
    """Requests that come at the same moment cannot count the same room: two chains, however many ask."""
    host = app.start()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(host, "POST", f"/forced/{yesterday()}"), range(60)))
    assert {answer.status_code for answer in answers} == {202, 409}
    assert host.queues.count(QUEUE) == sum(answer.json().get("chains", 0) for answer in answers) == 2


def test_a_queue_that_cannot_be_counted_gets_nothing(app: App) -> None:
    """The bound fails closed: 500 with a sentence, no message."""
    nobody = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/a"
    host = app.start({"AzureWebJobsStorage": nobody})
    answer = ask(host, "POST", f"/{yesterday()}")
    assert answer.status_code == 500
    assert (
        "the queue export-days cannot be reached (ServiceRequestError), and unless it is counted nothing" in answer.text
    )
    assert "a2V5" not in answer.text
    assert host.queues.count(QUEUE) == 0


def test_the_queue_is_counted_by_identity(app: App, azurite: Azurite, make_identity: Callable[..., Identity]) -> None:
    """With the settings that the templates write, it is the host's identity that counts and sends, and needs no key."""
    hosts = make_identity(client_id="5f0c1f6e-0d0b-4d0f-8d57-1d7f3c1c2b22")
    by_identity = {
        "AzureWebJobsStorage": "",
        "AzureWebJobsStorage__accountName": "not-asked-where-there-is-an-address",
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": hosts.client_id,
        "AzureWebJobsStorage__queueServiceUri": azurite.queue_url,
    }
    store = {"EXPORT_STORAGE_URL": None, "EXPORT_STORAGE_CONNECTION_STRING": azurite.connection_string}
    host = app.start(hosts.env | by_identity | store)
    assert [ask(host, "POST", f"/{yesterday()}").status_code for _ in range(3)] == [202, 202, 409]
    assert {(one.client_id, one.status) for one in hosts.asked} == {(hosts.client_id, 200)}
    host.drain()
    app.check_whole(yesterday())


# A night without a token


@pytest.mark.parametrize(("failures", "attempts"), [(5, 1), (9, 2)])
def test_a_night_outlives_an_identity_endpoint_that_fails(
    app: App, make_identity: Callable[..., Identity], failures: int, attempts: int
) -> None:
    """Status 500 instead of a token: five are outlived within one call, nine by another call. The night is queued."""
    hiccup = make_identity(fail_first=failures)
    host = app.start(hiccup.env | {"AZURE_CLIENT_ID": hiccup.client_id})
    fired = host.timer("nightly").check()
    assert (fired.attempts, host.queues.count(QUEUE)) == (attempts, 1)
    assert [asked.status for asked in hiccup.asked][: failures + 1] == [500] * failures + [200]
    host.drain()
    app.check_whole(yesterday())


def test_a_night_outlives_an_identity_endpoint_that_refuses_connections(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at the first call, at the second somebody does: the night is queued, once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    late = Identity(port=port)
    host = app.start(late.env | {"AZURE_CLIENT_ID": late.client_id})
    attempt, attempts = host._attempt, count(1)
    with ExitStack() as opened:

        def attempted(*given: Any) -> Any:
            if next(attempts) == 2:
                opened.enter_context(late)
            return attempt(*given)

        monkeypatch.setattr(host, "_attempt", attempted)
        fired = host.timer("nightly").check()
    assert (fired.attempts, host.queues.count(QUEUE)) == (2, 1)


# A stop


def test_a_stop_ends_chains_and_later_runs_go_on(app: App) -> None:
    """What was queued ends with a line; the next night and a rerun are as ever; no key but its own is needed."""
    days = last_days(6)
    host = app.start({"EXPORT_SETTLE_HOURS": "0"})
    run = post(host, "", *days).json()["run"]
    host.queue_step("export_day")
    stopped = ask(host, "POST", "/stop", function_key("stop"))
    assert (stopped.status_code, "ends at its next day" in stopped.json()["message"]) == (202, True)
    assert [taken.fate for taken in host.drain()] == ["deleted"] * 2
    assert [app.asked(day) for day in days] == [1, 0, 0, 0, 0, 0]
    lines = [line for line in said(host) if line.startswith(f"run {run} ends at ")]
    assert len(lines) == 2
    assert f"Not tried: 2 days, {days[4]} to {days[2]}. If they are wanted: POST /api/exports " in lines[1] + lines[0]
    assert f"Not tried: 3 days, {days[5]} to {days[1]}. If they are wanted: POST /api/exports " in lines[1] + lines[0]
    host.timer("nightly").check()
    assert post(host, "", *days[4:]).status_code == 202
    host.drain()
    for day in (days[0], *days[4:]):
        app.check_whole(day)


def test_a_stop_needs_no_amplitude_keys(app: App) -> None:
    """In an emergency the keys may be gone already."""
    host = app.start({"AMP_API_KEY": None, "AMP_SECRET_KEY": None})
    assert ask(host, "POST", "/stop").status_code == 202
    assert app.names() == [LAYOUT.stop]


# Health


def test_health_checks_everything_and_exports_nothing(app: App) -> None:
    """200 and a sentence for each check; one request to Amplitude, for an hour long past; nothing is left behind."""
    host = app.start()
    answer = ask(host, "GET", "/health")
    assert answer.status_code == 200, answer.text
    checks = {check["name"]: check["result"] for check in answer.json()["checks"]}
    place = ["identity", "container", "write", "delete", "ledger", "erasures"]
    names = ["program", "settings", "keys", "clock", *place, "temp room"]
    assert list(checks) == names
    assert set(checks.values()) == {"ok"}
    assert [request.first for request in app.simulator.requests] == ["20120101T00"]
    assert app.names() == []


def test_health_says_what_is_wrong(app: App) -> None:
    """503, and each failure beside what is well; the log has them, too; no secret is in it."""
    host = app.start(
        {"AMP_SECRET_KEY": "wrong-secret", "EXPORT_CONTAINER": "not-there", "EXPORT_TMP_LIMIT_MB": "999999999"}
    )
    answer = ask(host, "GET", "/health")
    assert answer.status_code == 503
    checks = {check["name"]: (check["result"], check["sentence"]) for check in answer.json()["checks"]}
    assert {name for name, (result, _) in checks.items() if result == "failed"} == {
        "keys", "container", "write", "delete", "ledger", "erasures", "temp room"
    }  # fmt: skip
    assert "Amplitude refuses them (status 403)" in checks["keys"][1]
    assert "the container does not exist" in checks["container"][1]
    assert checks["write"][1] == "not tried: see container"
    assert "wrong-secret" not in answer.text + str(said(host))
    assert len([line for line in said(host) if line.startswith("check failed: name=")]) == 7
    assert ask(app.start({"EXPORT_STORAGE_URL": None}), "GET", "/health").status_code == 503


# Coverage


def test_coverage_shows_days_ranges_and_one_day(app: App) -> None:
    """The JSON has a row for every day since the first record; one day shows its manifest, or 404."""
    days = last_days(3)
    host = app.start()
    ask(host, "POST", f"/{days[2]}")
    host.drain()
    whole = ask(host, "GET")
    assert whole.headers["Content-Type"].startswith("application/json")
    assert (whole.headers["Cache-Control"], whole.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    states = [(row["day"], row["state"]) for row in whole.json()["days"]]
    assert states == [(str(days[2]), "final"), (str(days[1]), "missing"), (str(days[0]), "missing")]
    assert whole.json()["due"] == [str(days[0]), str(days[1])]
    part = ask(host, "GET", f"?from={days[1]}&to={days[1]}")
    assert [row["day"] for row in part.json()["days"]] == [str(days[1])]
    assert ask(host, "GET", f"/{days[2]}").json()["manifest"]["day"] == str(days[2])
    assert ask(host, "GET", f"/{days[0]}").status_code == 404


def test_coverage_needs_no_amplitude_keys(app: App) -> None:
    """Looking asks nothing of Amplitude; a rerun without keys is refused before it is queued."""
    host = app.start({"AMP_API_KEY": None, "AMP_SECRET_KEY": None})
    assert ask(host, "GET").status_code == 200
    answer = ask(host, "POST", f"/{yesterday()}")
    assert (answer.status_code, "AMP_API_KEY is missing" in answer.json()["error"]) == (500, True)
    assert host.queues.count(QUEUE) == 0
