"""The doctor: what it finds, in what time, and what it never says."""

import base64
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from azure.storage.blob import ContainerClient

from exporter.clock import Clock
from exporter.days.layout import Layout
from exporter.doctor.checks import Report, check_all
from exporter.doctor.found import FAILED, OK, WARNING
from exporter.privacy.ids import Ids
from exporter.privacy.keyed import Kept
from exporter.simulator import Simulator
from exporter.store.folder import LocalStore
from tests.azure.azurite import Azurite
from tests.azure.identity import Identity
from tests.kit import KEYS, RawServer, files_in, http
from tests.kit.blobs import blob_env, set_env

CLOCK = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, sleep=time.sleep)
NO_DATA = b'{"error": {"http_code": 404, "type": "not_found", "message": "Raw data files were not found."}}'
NAMES = [
    "program",
    "settings",
    "keys",
    "clock",
    "identity",
    "container",
    "write",
    "delete",
    "ledger",
    "erasures",
    "temp room",
]
SECRETS = (*KEYS, base64.b64encode(":".join(KEYS).encode()).decode())


def env(url: str, folder: Path, **changed: str) -> dict[str, str]:
    """Settings of a store in a folder."""
    keys = {"AMP_BASE_URL": url, "AMP_API_KEY": KEYS[0], "AMP_SECRET_KEY": KEYS[1]}
    return {**keys, "EXPORT_DATA_DIR": str(folder / "data"), "EXPORT_TMP_LIMIT_MB": "100", **changed}


def checked(values: dict[str, str], *, seconds: float = 10, in_app: bool = False) -> Report:
    """Check everything; whatever is found, no secret is in it and every check has its line."""
    report = check_all(values, CLOCK, "run-1", in_app=in_app, seconds=seconds)
    assert [check.name for check in report.checks] == NAMES
    told = str(report.plain())
    for secret in SECRETS:
        assert secret not in told
    assert all(check.sentence and "\n" not in check.sentence for check in report.checks)
    return report


def found(report: Report, name: str) -> tuple[str, str]:
    """The result and the sentence of a check."""
    return next((check.result, check.sentence) for check in report.checks if check.name == name)


def results(report: Report) -> dict[str, str]:
    """The checks that are not ok."""
    return {check.name: check.result for check in report.checks if check.result != OK}


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server at Amplitude's place that gives one answer; its address."""
    with RawServer(answer) as server:
        yield server.url


def date_header(late: float = 0) -> str:
    """A Date header, so many seconds in the past."""
    return format_datetime(datetime.now(UTC) - timedelta(seconds=late), usegmt=True)


def test_all_is_well_and_nothing_is_left(tmp_path: Path) -> None:
    """Every check is ok; Amplitude had one request, for one hour; the folder holds nothing afterwards."""
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path))
    assert (report.ok, results(report)) == (True, {})
    assert [(request.first, request.last) for request in simulator.requests] == [("20120101T00", "20120101T00")]
    assert files_in(tmp_path) == {}
    assert found(report, "identity")[1] == "none is needed for a folder"


# Amplitude


@pytest.mark.parametrize(
    ("status", "body", "result", "words"),
    [
        (200, b"PK\x03\x04" + b"x" * 100, OK, "Amplitude takes them"),
        (404, NO_DATA, OK, "Amplitude takes them"),
        (200, b"<html>Please sign in</html>", FAILED, "no Export API: look at AMP_BASE_URL"),
        (200, b"", FAILED, "no Export API: look at AMP_BASE_URL"),
        (404, b"<html>Not found</html>", FAILED, "no Export API: look at AMP_BASE_URL"),
        (302, b"", FAILED, "no Export API: look at AMP_BASE_URL"),
        (204, b"", FAILED, "no Export API: look at AMP_BASE_URL"),
        (401, b"", FAILED, "Look at AMP_API_KEY, AMP_SECRET_KEY and the region"),
        (403, b"", FAILED, "Look at AMP_API_KEY, AMP_SECRET_KEY and the region"),
        (400, b"", WARNING, "Amplitude does not refuse them, but the request"),
        (429, b"", WARNING, "Call again later"),
        (500, b"", FAILED, "status.amplitude.com"),
        (503, b"", FAILED, "status.amplitude.com"),
    ],
)
def test_the_keys_are_judged_by_the_answer(tmp_path: Path, status: int, body: bytes, result: str, words: str) -> None:
    """200 with an archive and 404 in Amplitude's words are both good; all else says what to do."""
    with answering(http(status, body, Date=date_header())) as url:
        report = checked(env(url, tmp_path))
    assert found(report, "keys")[0] == result
    assert words in found(report, "keys")[1]
    assert results(report) == ({"keys": result} if result != OK else {})


def test_an_archive_is_not_downloaded(tmp_path: Path) -> None:
    """Of a body of 100 MB that never ends, the first bytes are enough."""
    with answering(http(200, b"PK\x03\x04" + b"x" * 5000, content_length="100000000", Date=date_header())) as url:
        before = time.monotonic()
        assert checked(env(url, tmp_path)).ok
    assert time.monotonic() - before < 5


def test_what_a_peer_echoes_is_not_repeated(tmp_path: Path) -> None:
    """A proxy that shows the request in its status line, its headers and its page adds nothing to what is told."""
    echo = f"Authorization: Basic {SECRETS[2]} \x1b[31m {KEYS[1]}".encode()
    for status in (200, 404, 407, 502):
        answer = http(status, echo * 10, Date=KEYS[1], Echo=SECRETS[2]).replace(b"Said So", echo)
        with answering(answer) as url:
            report = checked(env(url, tmp_path))
        assert "\x1b" not in str(report.plain())
        assert found(report, "keys")[0] == FAILED


@pytest.mark.parametrize(
    ("late", "result", "words"),
    [
        (0, OK, "s apart"),
        (30, OK, "30 s apart"),
        (-50, OK, "s apart"),
        (70, WARNING, "70 s apart. Set the clock"),
        (-120, WARNING, "Set the clock"),
        (890, WARNING, "Set the clock"),
        (910, FAILED, "Azure refuses requests of such a machine. Set the clock (NTP)"),
        (-3600, FAILED, "Set the clock"),
    ],
)
def test_clocks_are_compared(tmp_path: Path, late: float, result: str, words: str) -> None:
    """A minute is noticed, fifteen are too much, in both directions."""
    with answering(http(404, NO_DATA, Date=date_header(late))) as url:
        report = checked(env(url, tmp_path))
    assert found(report, "clock")[0] == result
    assert words in found(report, "clock")[1].replace("31 s", "30 s").replace("71 s", "70 s")


@pytest.mark.parametrize(
    "told", ["", "yesterday", "Thu, 99 Nov 2025 99:99:99 GMT", "1", "Thu, 01 Jan 99999 00:00:00 GMT"]
)
def test_an_odd_date_is_no_failure(tmp_path: Path, told: str) -> None:
    """A clock that cannot be compared is a warning."""
    with answering(http(404, NO_DATA, Date=told)) as url:
        assert results(checked(env(url, tmp_path))) == {"clock": WARNING}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9", "Amplitude cannot be reached. Look at AMP_BASE_URL"),
        ("https://nobody.invalid", "Amplitude cannot be reached. Look at AMP_BASE_URL"),
    ],
)
def test_an_amplitude_that_is_not_there_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    """The keys are not tried, the clock is not compared, and the store is checked all the same."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    report = checked(env(url, tmp_path))
    assert results(report) == {"keys": FAILED, "clock": WARNING}
    assert words in found(report, "keys")[1]


@pytest.mark.parametrize(
    "proxy", ["http://anna:s3#cret@127.0.0.1:9", "http://anna:s3%zz@127.0.0.1:9", "http://[::1", "::"]
)
def test_a_proxy_that_is_wrong_is_named_and_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """A password in it stays where it is."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    report = checked(env("https://analytics.eu.amplitude.com", tmp_path))
    assert results(report) == {"keys": FAILED, "clock": WARNING}
    assert "HTTPS_PROXY" in found(report, "keys")[1]
    assert "s3" not in str(report.plain())
    assert "anna" not in str(report.plain())


def test_a_proxy_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that can be read and where nobody listens; the user in it is not told."""
    monkeypatch.setenv("HTTPS_PROXY", "http://anna:s3cret@127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    report = checked(env("https://analytics.eu.amplitude.com", tmp_path))
    assert "Look at HTTPS_PROXY and NO_PROXY (ProxyError)" in found(report, "keys")[1]
    assert "s3cret" not in str(report.plain())


def test_a_bundle_of_certificates_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the file nothing is sent, and it is the file that is to be looked at."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert "REQUESTS_CA_BUNDLE" in found(checked(env("https://127.0.0.1:9", tmp_path)), "keys")[1]
    assert "REQUESTS_CA_BUNDLE" in found(checked(env("https://nobody.invalid", tmp_path)), "keys")[1]


@contextmanager
def dripping(piece: bytes) -> Iterator[str]:
    """A server that accepts and sends ``piece`` ten times a second, for ever; its address."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                while not stop.wait(0.1):
                    try:
                        connection.sendall(piece)
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize(
    "piece", [b"", b"H", b"HTTP/1.1 200 OK\r\n", b"X"], ids=["silence", "letters", "lines", "noise"]
)
def test_the_report_is_there_in_time_whatever_the_peer_does(tmp_path: Path, piece: bytes) -> None:
    """A peer that drips in a byte at a time passes every time-out of a socket, and does not hold up the report."""
    before = time.monotonic()
    with dripping(piece) as url:
        report = checked(env(url, tmp_path), seconds=1)
    assert time.monotonic() - before < 3
    assert found(report, "keys")[0] == FAILED
    assert found(report, "clock")[0] != OK
    assert set(results(report)) == {"keys", "clock"}


# Settings


def test_a_wrong_setting_is_told_and_the_rest_is_checked(tmp_path: Path) -> None:
    """All wrong ones at once; those that need none of them are tried with what is right."""
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path, EXPORT_MAX_ATTEMPTS="99", EXPORT_CONCURRENCY="many"))
        assert results(report) == {"settings": FAILED}
        for name in ("EXPORT_MAX_ATTEMPTS", "EXPORT_CONCURRENCY"):
            assert name in found(report, "settings")[1]
        report = checked(env(simulator.url, tmp_path, AMP_SECRET_KEY=""))
        assert results(report) == {"settings": FAILED, "keys": FAILED, "clock": WARNING}
        assert "AMP_SECRET_KEY is missing" in found(report, "settings")[1]
        assert found(report, "keys")[1] == "not tried: see settings"
        assert len(simulator.requests) == 1


def test_a_name_that_is_no_setting_is_a_warning(tmp_path: Path) -> None:
    """A misspelt name is pointed out."""
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path, EXPORT_MAX_ATTEMPT="5"))
    assert (report.ok, results(report)) == (True, {"settings": WARNING})
    assert "did you mean EXPORT_MAX_ATTEMPTS?" in found(report, "settings")[1]


def test_the_apps_own_disk_is_no_store(tmp_path: Path) -> None:
    """In the app a folder is no place for dumps, and nothing is written to it."""
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path), in_app=True)
    assert results(report) == dict.fromkeys(
        ("settings", "identity", "container", "write", "delete", "ledger", "erasures"), FAILED
    )
    assert not (tmp_path / "data").exists()


# The store


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file in the folder's place: what was tried last is told, with the path."""
    (tmp_path / "data").write_text("a file")
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path))
    failed = results(report)
    assert failed.keys() <= {"container", "write", "delete", "ledger", "erasures"}
    assert failed["delete"] == FAILED
    assert any("data" in found(report, name)[1] for name in failed)


@pytest.mark.parametrize(
    ("name", "broken", "words"),
    [
        ("write", {"read": lambda *_: None}, "does not hold what was written to it"),
        ("write", {"read": lambda *_: (b"other", "1")}, "does not hold what was written to it"),
        ("delete", {"delete": lambda *_: None}, "is there still, after it was deleted. Delete it by hand"),
    ],
)
def test_a_store_that_does_other_than_it_says_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, broken: dict[str, Callable[..., object]], words: str
) -> None:
    """What was written is read back, and what was deleted is looked for."""
    for method, other in broken.items():
        monkeypatch.setattr(LocalStore, method, other)
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path))
    assert results(report) == {name: FAILED}
    assert words in found(report, name)[1]


def test_a_mistake_of_ours_stops_no_other_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody thought of is told by its kind, and not by its words, which may hold anything."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(KEYS[1])

    monkeypatch.setattr(requests.Session, "get", fail)
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path))
    assert results(report) == {"keys": FAILED, "clock": FAILED}
    assert found(report, "keys")[1] == "a mistake in the exporter, please report it (RuntimeError)"
    assert found(report, "clock")[1] == "not tried: see keys"


def test_a_container_by_identity(
    tmp_path: Path,
    azurite: Azurite,
    container: ContainerClient,
    azure_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Token, listing, writing and deleting are tried for real, under the prefix; nothing is left in the container."""
    reach = blob_env(azurite, container, azure_env)
    set_env(monkeypatch, reach)
    with Simulator() as simulator:
        azurite.forget_traffic()
        report = checked(env(simulator.url, tmp_path, **reach, EXPORT_PREFIX="web/"), in_app=True)
        assert (report.ok, results(report)) == (True, {})
        written = {sent.path for sent in azurite.traffic() if sent.method in ("PUT", "DELETE")}
        assert written == {f"/devstoreaccount1/{container.container_name}/web/doctor-run-1"}
        assert list(container.list_blobs()) == []
        missing = checked(env(simulator.url, tmp_path, **reach | {"EXPORT_CONTAINER": "not-there"}))
    assert results(missing) == dict.fromkeys(("container", "write", "delete", "ledger", "erasures"), FAILED)
    assert "the container does not exist" in found(missing, "container")[1]


def test_an_identity_that_gets_no_token(
    tmp_path: Path,
    azurite: Azurite,
    container: ContainerClient,
    azure_env: dict[str, str],
    make_identity: Callable[..., Identity],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the identity that failed, and what needs it was not tried; the keys were."""
    stranger = make_identity()
    reach = blob_env(azurite, container, azure_env) | stranger.env | {"AZURE_CLIENT_ID": "another"}
    set_env(monkeypatch, reach)
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path, **reach))
    assert results(report) == dict.fromkeys(("identity", "container", "write", "delete", "ledger", "erasures"), FAILED)
    assert "AZURE_CLIENT_ID" in found(report, "identity")[1]
    assert found(report, "write")[1] == "not tried: see identity"


# Room


@pytest.mark.parametrize(("free", "result"), [(99_999_999, FAILED), (100_000_000, OK)])
def test_room_is_held_against_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, result: str
) -> None:
    """Less than EXPORT_TMP_LIMIT_MB is too little: README promises that a day takes no more, and it may take that."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with Simulator() as simulator:
        report = checked(env(simulator.url, tmp_path))
    assert found(report, "temp room")[0] == result
    assert "EXPORT_TMP_LIMIT_MB is 100" in found(report, "temp room")[1]


@pytest.mark.parametrize(
    ("key", "result", "sentence"),
    [
        ("the-key-of-the-tests,-of-32-or-more", OK, "the key is that of what is kept of erased people (1 records)"),
        ("", FAILED, "EXPORT_ERASURE_KEY is missing, and erasures/keyed/one.json needs it"),
        (
            "another-key-of-the-tests,-of-32-or",
            FAILED,
            "EXPORT_ERASURE_KEY is not the key that erasures/keyed/one.json",
        ),
    ],
)
def test_the_key_of_erased_people_is_looked_at(tmp_path: Path, key: str, result: str, sentence: str) -> None:
    """An export that needs it would fail: better told before."""
    kept = Kept(LocalStore(tmp_path / "data"), Layout(), "the-key-of-the-tests,-of-32-or-more")
    with Simulator() as simulator:
        values = env(simulator.url, tmp_path)
        nobody = found(checked(values | {"EXPORT_ERASURE_KEY": key}), "erasures")
        assert nobody[0] == OK
        assert nobody[1].startswith("nobody was erased so far")
        Kept(kept.store, kept.layout, kept.key).remember(Ids(frozenset({"a"})), "one", datetime.now(UTC))
        told = found(checked(values | {"EXPORT_ERASURE_KEY": key}), "erasures")
    assert told[0] == result
    assert told[1].startswith(sentence)
