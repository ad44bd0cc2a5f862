"""Secrets that are canaries: none of them sings, whatever is called, whatever goes wrong, whoever echoes them.

In CI within a minute; CANARIES=all tries every combination of command, fault and store.
"""

import gzip
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.storage.blob import ContainerClient

from exporter.foreign import Foreign
from exporter.simulator import FAULT_NAMES, parse_faults
from tests.amplitude.peer import Peer
from tests.amplitude.test_secrets import ANSWERS, Echo
from tests.azure.azurite import Azurite
from tests.azure.identity import Identity
from tests.kit import http, member, zipped
from tests.kit.blobs import blob_env, set_env
from tests.kit.rules import FEW_HOURS
from tests.security.canaries import ALL, API_KEY, CANARIES, SECRET_KEY, Desk, Source, blobs_of
from tests.security.hostile import ask_app, leaks, spelled

DAY = (datetime.now(UTC) - timedelta(days=1)).date()
BEFORE = DAY - timedelta(days=1)
EXPORTING = {
    "export": ("export", "--day", str(DAY), "--force"),
    "run": ("run", "--json"),
    "backfill": ("backfill", "--from", str(BEFORE), "--to", str(DAY), "--json"),
}
LOOKING = {
    "status": ("status",),
    "verify": ("verify", "--day", str(DAY), "--json"),
    "doctor": ("doctor",),
    "tables": ("tables", "--json"),
    "sql": ("sql", "--csv", "SELECT event_type, count(*) FROM events GROUP BY ALL"),
    "report": ("report", "--out", "report.html"),
    "find": ("find", "--ids", "ids.txt", "--out", "events.jsonl", "--json"),
    "erase": ("erase", "--ids", "ids.txt", "--reason", "ticket-4711", "--yes"),
    "erasures": ("erasures", "--json"),
}
ONCE = {"simulate": ("simulate", "--list-faults"), "demo": ("demo",)}
VALUES = {"drip": "drip:5000000", "silence": "silence:0.05", "bomb": "bomb:300", "429": "429:1"}
FEW: dict[str, dict[str, str]] = {} if ALL else {"bomb": {"EXPORT_MAX_ATTEMPTS": "1"}}
"""A bomb takes a second to inflate, each time."""
CONTENTS = frozenset(name for name in FAULT_NAMES if not hasattr(parse_faults([name])[0], "when"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A folder as the store, until a test says another one, with ids of somebody whom no event names."""
    (tmp_path / "ids.txt").write_text("user_id=nobody@example.com\n")
    (tmp_path / "ids.txt").chmod(0o600)
    return Desk(tmp_path, monkeypatch, capsys)


def scripted(name: str) -> Source:
    """A small project in which it goes wrong each time, so that days fail."""
    source = Source(events_per_hour=2, contents=FEW_HOURS)
    source.add(parse_faults([VALUES.get(name, name) + ("" if name in CONTENTS else "xall")])[0])
    return source


def test_every_command_is_tried(desk: Desk) -> None:
    """A new one finds its place above; what it prints of itself holds no canary, either."""
    desk.call("--help")
    known = set(re.findall(r"^    (\w+) {2,}", desk.seen[0], re.MULTILINE))
    assert known == EXPORTING.keys() | LOOKING.keys() | ONCE.keys()
    for words in (*ONCE.values(), ("--version",)):
        assert desk.call(*words) == 0
    assert desk.leaked() == []


@pytest.mark.parametrize("name", FAULT_NAMES)
def test_no_fault_makes_one_sing_in_a_folder(name: str, desk: Desk) -> None:
    """Every command, at DEBUG: output, log files, records with their attributes, dumps, manifests, failures."""
    with scripted(name) as source:
        for words in (*EXPORTING.values(), *LOOKING.values(), ("verify", "--repair"), ("status", "--json")):
            assert desk.call(*words, AMP_BASE_URL=source.url, **FEW.get(name, {})) in {0, 1}
    assert source.requests
    assert desk.leaked() == []


@pytest.fixture(params=["identity", "key"])
def in_container(
    request: pytest.FixtureRequest, desk: Desk, azurite: Azurite, container: ContainerClient, identity: Identity
) -> Desk:
    """The same with a container as the store, by an identity or by the emulator's key."""
    azure_env: dict[str, str] = request.getfixturevalue("azure_env")
    env = blob_env(azurite, container, azure_env)
    if request.param == "key":
        del env["EXPORT_STORAGE_URL"]
        env["EXPORT_STORAGE_CONNECTION_STRING"] = azurite.connection_string
    desk.env, desk.further = env, (identity.env["IDENTITY_HEADER"], "Bearer eyJ")
    return desk


def test_no_fault_makes_one_sing_in_a_container(
    in_container: Desk, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blobs, their names and metadata, page and answers of the app, too. One command a fault, or all of them."""
    commands = cycle(EXPORTING.values())
    for name in FAULT_NAMES if ALL else list(FAULT_NAMES)[:: 1 if "EXPORT_STORAGE_URL" in in_container.env else 4]:
        with scripted(name) as source:
            place = {"AMP_BASE_URL": source.url, "EXPORT_PREFIX": f"{name}/", **FEW.get(name, {})}
            for words in (*EXPORTING.values(), *LOOKING.values()) if ALL else (next(commands),):
                assert in_container.call(*words, **place) in {0, 1}
        with monkeypatch.context() as patched:
            set_env(patched, in_container.env | place | {"AMP_API_KEY": API_KEY, "AMP_SECRET_KEY": SECRET_KEY})
            answers = ask_app("coverage", accept="text/html"), ask_app("coverage"), ask_app("coverage", str(DAY))
        in_container.seen += [answer.get_body().decode() for answer in answers]
    in_container.seen += blobs_of(container)
    assert in_container.leaked() == []


def echoed_archive(echo: str) -> bytes:
    """A sound ZIP that names a member by what was sent."""
    return http(200, zipped([(echo, gzip.compress(b"{}\n"))]))


def echoed_column(echo: str) -> bytes:
    """A sound archive with a column that is called by what was sent."""
    event = b'{"%b": 1}\n' % echo.replace("\\", "").replace('"', "").encode()
    return http(200, zipped([(member(day=DAY), gzip.compress(event))]))


PLACES = ANSWERS | {"a member's name": echoed_archive, "a column's name": echoed_column}
SPELLED = sorted({spelling for secret in CANARIES[:3] for spelling in spelled(secret)})


@pytest.mark.parametrize("place", PLACES)
def test_a_server_that_echoes_makes_none_sing(place: str, desk: Desk) -> None:
    """Wherever it says it: log, JSON, failure record, status. What an event holds is passed on, and is not shown."""
    number = sorted(PLACES).index(place)
    for echo in SPELLED if ALL else [SPELLED[(number + step) % len(SPELLED)] for step in (0, 5, 11)]:
        with Peer(Echo(cycle([PLACES[place](echo)]))) as peer:
            there = {"AMP_BASE_URL": peer.url, "EXPORT_MAX_ATTEMPTS": "2"}
            desk.call("export", "--day", str(DAY), "--json", **there)
            desk.call("run", **there)
            desk.call("status", "--json", **there)
        for dump in desk.folder.rglob("*_ampl_dump.json"):
            dump.unlink()
        assert desk.leaked() == [], (place, echo)


class Echoing(BaseHTTPRequestHandler):
    """Refuses every request, and says what it was sent, in each place where a storage service or an identity can."""

    def __init__(self, header: str, *args: Any) -> None:
        self._header = header
        super().__init__(*args)

    def refuse(self) -> None:
        """With 400 for an identity, 403 for storage."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sent = self.headers.get(self._header, "nothing")
        words = f"you sent {sent} and {sorted(spelled(sent.rpartition(' ')[2]))}"
        xml = f"<Error><Code>{sent.rpartition(' ')[2]}</Code><Message>{words}</Message></Error>"
        storage = self._header == "Authorization"
        body = xml.encode() if storage else f'{{"error": "{words}", "message": "{words}"}}'.encode()
        self.send_response(403 if storage else 400, words)
        self.send_header("x-ms-error-code", sent.rpartition(" ")[2])
        self.send_header("WWW-Authenticate", f"Bearer {sent}")
        self.send_header("Content-Type", "application/xml" if storage else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = refuse  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Keep the tests' console quiet."""


@contextmanager
def echoing(header: str, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that echoes this header."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Echoing, header)) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_a_storage_that_echoes_shows_no_token(
    desk: Desk, azure_env: dict[str, str], identity: Identity, tmp_path: Path
) -> None:
    """Nor a signature of the emulator's key: in code, message, status line and headers, in any spelling."""
    authority = trustme.CA()
    (tmp_path / "tls").mkdir()
    authority.cert_pem.write_to_path(tmp_path / "tls" / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = {"REQUESTS_CA_BUNDLE": str(tmp_path / "tls" / "ca.pem")}
    desk.further = (identity.env["IDENTITY_HEADER"], "eyJ", spelled("eyJhbGciOi").pop())
    with echoing("Authorization", context) as port:
        url = f"https://127.0.0.1:{port}"
        desk.env = azure_env | trust | {"EXPORT_STORAGE_URL": url}
        assert desk.call("status") == 1
        assert desk.call("export", "--day", str(DAY)) == 1
        assert "***" in "".join(desk.seen)
        account = f"AccountName=c4n4ry;AccountKey={CANARIES[-1]};BlobEndpoint={url}/c4n4ry"
        desk.env = trust | {"EXPORT_STORAGE_CONNECTION_STRING": account}
        assert desk.call("status") == 1
        shown = "".join(desk.seen)
        assert not re.search(r"SharedKey c4n4ry:[A-Za-z0-9+/]", shown)
    assert desk.leaked() == []


def test_an_identity_that_echoes_shows_no_header(
    desk: Desk, azure_env: dict[str, str], azurite: Azurite, container: ContainerClient
) -> None:
    """The header that the platform gives the app is a secret, too."""
    header = "c4n4ry-1d3nt1ty-h34d3r"
    desk.further = (header,)
    with echoing("X-IDENTITY-HEADER") as port:
        there = {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{port}/", "IDENTITY_HEADER": header}
        desk.env = blob_env(azurite, container, azure_env) | there
        assert desk.call("status") == 1
        assert desk.call("run") == 1
    assert "no token could be had" in "".join(desk.seen)
    assert desk.leaked() == []


@pytest.mark.parametrize("name", ["EXPORT_MAX_ATTEMPTS", "AMP_BASE_URL", "EXPORT_STORAGE_URL", "EXPORT_STORAGE_SUFFIX"])
def test_a_secret_in_a_wrong_place_does_not_sing(name: str, desk: Desk) -> None:
    """Whoever pastes it into another setting is not punished by his own log."""
    for spelling in SPELLED:
        for text in (spelling, f"https://{spelling}@x.example", f"https://x.example/?{spelling}"):
            desk.call("export", **{name: text})
    assert leaks("\n".join(desk.seen), CANARIES) == []


def test_these_tests_can_fail(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the door open, one is heard: in what is printed, in the log's file, in the records and in the store."""
    monkeypatch.setattr(Foreign, "blanked", lambda _, text: text)
    with Peer(Echo(cycle([http(400, f'{{"error": {{"message": "you sent {API_KEY}"}}}}'.encode())]))) as peer:
        assert desk.call("export", "--day", str(DAY), "--json", AMP_BASE_URL=peer.url) == 1
    failure = next(desk.folder.glob("data/failures/*.json")).read_text()
    assert leaks(failure, CANARIES) == [API_KEY]
    assert desk.leaked() == [API_KEY]
