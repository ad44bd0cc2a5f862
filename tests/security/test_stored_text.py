"""Whoever can write to the store writes what he likes. Whoever looks at it sees one harmless line of it, or less."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobLeaseClient, ContainerClient

from exporter.archive.rejected import read_rejected
from exporter.days.facts import Facts
from exporter.days.manifest import Failure, Manifest
from exporter.errors import DamagedError
from exporter.settings import Settings
from exporter.store import ANY, Store
from exporter.wiring import days_in, layout_of, open_store
from tests.azure.azurite import Azurite
from tests.kit import DAY
from tests.kit.blobs import blob_env, folder_env, set_env
from tests.kit.rules import LAYOUT, manifest_of, moment
from tests.security.hostile import MARKUP, TEXTS, ask_app, call, call_on_terminal, check_shown, spelled

KEYS = {"AMP_API_KEY": "f00dcafe12345678", "AMP_SECRET_KEY": "5ecRe7/+quixotic9"}
SECRETS = (*KEYS.values(), ":".join(KEYS.values()))
ECHO = " ".join(sorted({spelling for secret in SECRETS for spelling in spelled(secret)}))
WHERE = "manifests/20251106_0000.json"


@pytest.fixture(params=["folder", "container"])
def env(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of an exporter with a store of each kind."""
    if request.param == "folder":
        return KEYS | folder_env(tmp_path)
    azurite: Azurite = request.getfixturevalue("azurite")
    container: ContainerClient = request.getfixturevalue("container")
    return KEYS | blob_env(azurite, container, request.getfixturevalue("azure_env"))


def fill(env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Hostile records of every kind, a day each."""
    set_env(monkeypatch, dict(env))
    settings = Settings.from_mapping(env)
    layout = layout_of(settings)
    with open_store(settings) as store:
        for number, text in enumerate((*TEXTS, ECHO)):
            failure = Failure(DAY, "retriable", text, 1, 24, "run-1", moment(DAY, 26))
            put_failure(store, DAY - timedelta(days=3 * number), failure)
            put_failure(store, DAY - timedelta(days=3 * number + 1), replace(failure, kind=text))
            put_failure(store, DAY - timedelta(days=3 * number + 2), replace(failure, run=text))
        day = DAY - timedelta(days=30)
        for text in TEXTS:
            day -= timedelta(days=1)
            document = json.loads(manifest_of(day).to_json())
            document |= {"run": text, "etag": text, "schema": {text: [text]}, "event_days": {text: 1}, "version": text}
            store.write(layout.manifest(day), json.dumps(document).encode(), seen=ANY, metadata={})
        rejected = manifest_of(DAY - timedelta(days=60), events=0, rejected=3, size=3)
        store.write(layout.manifest(rejected.day), rejected.to_json(), seen=ANY, metadata=Facts.of(rejected).metadata())
        lines = [{"member": text, "line": 10**n, "reason": text} for n, text in enumerate((*TEXTS, ECHO))]
        content = "\n".join(map(json.dumps, lines)).encode()
        store.write(layout.rejected(rejected.day), content, seen=ANY, metadata={})


def put_failure(store: Store, day: date, failure: Failure) -> None:
    """Store it under the day's name."""
    document = {name: str(value) if name in {"day", "failed_at"} else value for name, value in asdict(failure).items()}
    document |= {"day": str(day), "failed_at": failure.failed_at.isoformat()}
    store.write(LAYOUT.failure(day), json.dumps(document).encode(), seen=ANY, metadata={})


def test_the_command_line_shows_stored_text_harmlessly(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a table, as JSON, and read back; markup stays the letters that it is."""
    fill(env, monkeypatch)
    for words in (("status", "--days", "9999"), ("status", "--days", "9999", "--json"), ("verify", "--json")):
        done = call(tmp_path, env, *words)
        assert done.returncode in {0, 1}, done.stderr
        assert "Traceback" not in done.stderr
        shown = done.stdout if "--json" not in words else str(texts_in(json.loads(done.stdout)))
        for part in (shown, done.stderr):
            check_shown(part, SECRETS)
    told = call(tmp_path, env, "status", "--days", "9999").stdout
    assert "[/nope] [link=http://evil.example]here[/link]" in told
    assert "***" in told


def texts_in(document: Any) -> list[str]:
    """Every text of a JSON document, as who reads it gets it."""
    if isinstance(document, dict):
        return [found for pair in document.items() for each in pair for found in texts_in(each)]
    if isinstance(document, list):
        return [found for each in document for found in texts_in(each)]
    return [document] if isinstance(document, str) else []


def test_a_terminal_is_drawn_on_by_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where colours are, too: there is no escape but the library's own colours, and markup is no link."""
    env = KEYS | folder_env(tmp_path)
    fill(env, monkeypatch)
    code, shown = call_on_terminal(tmp_path, env, "status", "--days", "9999")
    assert code == 0, shown[-2000:]
    assert "[/nope]" in shown
    for part in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\x08", "\u202e", "\u2066"):
        assert part not in shown


@pytest.fixture
def app_env(azurite: Azurite, container: ContainerClient, azure_env: dict[str, str]) -> dict[str, str]:
    """The environment of the app, whose store is a container."""
    return KEYS | blob_env(azurite, container, azure_env)


def test_the_app_shows_stored_text_harmlessly(app_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The page, the coverage as JSON, and each day."""
    fill(app_env, monkeypatch)
    page = ask_app("coverage", accept="text/html")
    document = page.get_body().decode()
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "[/nope] [link=http://evil.example]here[/link] &lt;script&gt;" in document
    assert "<script" not in document
    assert "<img" not in document
    check_shown(document, SECRETS)
    answers = [ask_app("coverage")]
    answers += [ask_app("coverage", str(DAY - timedelta(days=number))) for number in (0, 1, 2, 9, 15, 31, 34, 60)]
    for answer in answers:
        assert answer.status_code in {200, 404}
        texts = texts_in(json.loads(answer.get_body()))
        assert max(map(len, texts), default=0) <= 1_200
        for text in texts:
            check_shown(f"it says: {text}", SECRETS)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "name", ["run", "etag", "version", "schema", "event_days", "source", "windows", "hours", "day"]
)
def test_a_manifest_holds_plain_text_only(name: str, text: str) -> None:
    """What does not fit is damage, told without a word of it; what fits is printable. No markup library is asked."""
    plain = json.loads(manifest_of().to_json())
    odd: dict[str, Any] = {
        "schema": {"new": [text]},
        "event_days": {text: 1},
        "source": {"url": text},
        "windows": [plain["windows"][0] | {"start": text}],
        "hours": {text: {"events": 10}},
    }
    try:
        found = Manifest.from_json(json.dumps(plain | {name: odd.get(name, text)}).encode(), WHERE, DAY)
    except DamagedError as error:
        told = str(error)
    else:
        assert text == MARKUP
        told = "\n".join(texts_in(json.loads(found.to_json())))
        name = ""
    check_shown(told)
    assert not name or told.startswith(f"{WHERE} is damaged: its field `{name}` is not ")
    assert not name or not any(part in told for part in ("nope", "xxx", "FORGED", "owned", "Expected", "`str`"))


@pytest.mark.parametrize("text", [*TEXTS, ECHO])
def test_reasons_pass_the_door_when_they_are_read(text: str, tmp_path: Path) -> None:
    """Of failures and of rejected lines; what was right stays as it is."""
    settings = Settings.from_mapping(KEYS | folder_env(tmp_path))
    with open_store(settings) as store:
        put_failure(store, DAY, Failure(DAY, "retriable", f"window 5: {text}", 1, 24, "run-1", moment(DAY, 26)))
        found = days_in(store, settings).failure(DAY)
    assert found is not None
    assert found.reason.startswith("window 5: ")
    assert len(found.reason) <= 1_000
    check_shown(found.reason, SECRETS)
    (line,) = read_rejected(json.dumps({"member": text, "line": 3, "reason": text}).encode())
    assert max(len(line.member), len(line.reason)) <= 300
    check_shown(f"{line.member}, line {line.line}: {line.reason}".replace("2025-11-07 00:00:00,000", "then"))


def test_a_good_reason_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The door changes nothing of a sentence of ours."""
    settings = Settings.from_mapping(KEYS | folder_env(tmp_path))
    reason = (
        "window 20251106T00..20251106T23: \u2018quota\u2019 \u2014 status 503, \u00fcber 5 requests (\u201chelp\u201d)"
    )
    with open_store(settings) as store:
        put_failure(store, DAY, Failure(DAY, "retriable", reason, 1, 24, "run-1", moment(DAY, 26)))
        found = days_in(store, settings).failure(DAY)
    assert found is not None
    assert found.reason == reason


HOLDER = "\x1b[2J" + MARKUP + "y" * 5_000


def test_the_holder_of_a_lock_file_is_shown_harmlessly(tmp_path: Path) -> None:
    """The name stands in the file, where anybody may have put it."""
    env = KEYS | folder_env(tmp_path)
    with open_store(Settings.from_mapping(env)) as store, store.lock(LAYOUT.lock(DAY), "run-1"):
        (tmp_path / "data" / LAYOUT.lock(DAY)).write_text(HOLDER)
        check_held(tmp_path, env)


def test_the_holder_of_a_lease_is_shown_harmlessly(
    app_env: dict[str, str], container: ContainerClient, tmp_path: Path
) -> None:
    """The name stands in the blob's metadata."""
    blob = container.get_blob_client(LAYOUT.lock(DAY))
    blob.upload_blob(b"", metadata={"run": HOLDER[4:1_500]})
    lease = BlobLeaseClient(blob)
    lease.acquire(15)
    check_held(tmp_path, app_env)
    lease.release()


def check_held(folder: Path, env: Mapping[str, str]) -> None:
    """The day is held, and a line tells by whom."""
    held = call(folder, env, "export", "--day", str(DAY))
    assert held.returncode == 1
    assert "is held by run" in held.stderr
    check_shown(held.stderr + held.stdout, SECRETS)
    assert "y" * 300 not in held.stderr
