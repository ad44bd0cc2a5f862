"""Peers that echo what was sent to them, wherever it can stand: nothing of it is logged, shown or raised."""

import base64
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from exporter.amplitude.client import AmplitudeClient
from exporter.errors import ExportError
from tests.amplitude.peer import Peer, waiting
from tests.kit import Time, archive_of, fetched, http
from tests.test_foreign import SPELLINGS

AMPLITUDE = "https://analytics.eu.amplitude.com"
KEYS = ("f00dcafe12345678", "5ecRe7/+quixotic9")
PROXY = ("zaphod", "b33blebr0x#42")
PAIRS = (":".join(KEYS), ":".join(PROXY))
ON_ONE_LINE = {name: spell for name, spell in SPELLINGS.items() if name not in {"folded", "with nothing in between"}}


def with_status(status: int) -> Callable[[str], bytes]:
    """An answer that echoes in its body, as a page and in Amplitude's form."""
    return lambda echo: http(status, f'{{"error":{{"message":"you sent {echo}"}}}}'.encode())


ANSWERS: dict[str, Callable[[str], bytes]] = {
    **{f"body of {status}": with_status(status) for status in (200, 400, 401, 403, 404, 407, 418, 429, 500)},
    "page of 403": lambda echo: http(403, f"<pre>{'x' * 280}{echo}</pre>".encode()),
    "page of 200": lambda echo: http(200, f"<pre>Authorization: {echo}</pre>".encode()),
    "status line": lambda echo: f"HTTP/1.1 403 {echo}\r\n\r\n".encode(),
    "status line of a retry": lambda echo: f"HTTP/1.1 503 {echo}\r\n\r\n".encode(),
    "no status line": lambda echo: f"{echo}\r\n\r\n".encode(),
    "no status": lambda echo: f"HTTP/1.1 {echo}\r\n\r\n".encode(),
    "version": lambda echo: f"HTTP/{echo.replace(' ', '')} 200 OK\r\n\r\n".encode(),
    "Location": lambda echo: f"HTTP/1.1 302 Found\r\nLocation: https://x.example/?{echo}\r\n\r\n".encode(),
    "Retry-After": lambda echo: f"HTTP/1.1 429 Many\r\nRetry-After: {echo}\r\n\r\n".encode(),
    "dates": lambda echo: f"HTTP/1.1 429 Many\r\nDate: {echo}\r\nRetry-After: Thu, {echo}\r\n\r\n".encode(),
    "other headers": lambda echo: (
        f"HTTP/1.1 200 OK\r\nContent-Type: {echo}\r\nContent-Length: {echo}\r\nX: {echo}\r\nSet-Cookie: a={echo}\r\n"
        f"Content-Encoding: {echo}\r\n\r\n"
    ).encode(),
    "two lengths": lambda echo: f"HTTP/1.1 200 OK\r\nContent-Length: 1, {echo}\r\n\r\n".encode(),
    "a header that is none": lambda echo: f"HTTP/1.1 403 No\r\nX: y\r\n{echo}\r\nZ: y\r\n\r\n".encode(),
    "a chunk's size": lambda echo: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{echo}\r\n".encode(),
    "an interim answer": lambda echo: f"HTTP/1.1 100 {echo}\r\nX: {echo}\r\n\r\nHTTP/1.1 403 {echo}\r\n\r\n".encode(),
}
TUNNELS: dict[str, Callable[[str], bytes]] = {
    "status line of 407": lambda echo: f"HTTP/1.1 407 {echo}\r\nProxy-Authenticate: {echo}\r\n\r\n{echo}".encode(),
    "status line of 503": lambda echo: f"HTTP/1.1 503 {echo}\r\n\r\n".encode(),
    "no status line": lambda echo: f"{echo}\r\n\r\n".encode(),
    "no TLS": lambda echo: f"HTTP/1.1 200 OK\r\n\r\n{echo * 10}".encode(),
}


@dataclass
class Echo:
    """A peer's play: each connection gets the next of the answers."""

    answers: Iterator[bytes]

    def __call__(self, connection: socket.socket) -> None:
        """Send it."""
        connection.sendall(next(self.answers))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """No proxy but a test's own; everything is logged."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # the app, which other tests import, makes it quieter


def shown_by(client: AmplitudeClient, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that somebody could read after an error: its text, its traceback, the log, the client itself."""
    caplog.clear()
    with pytest.raises(ExportError) as raised:
        fetched(client)
    error = raised.value
    logged = "".join(f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records)
    return "\n".join([str(error), repr(error), *traceback.format_exception(error), logged, caplog.text, repr(client)])


def check(shown: str, spelled: str, secret: str) -> None:
    """No eight letters of a secret in a row, plain or as they were sent."""
    squeezed = "".join(shown.split()).lower()
    for text in (secret, "".join(c for c in spelled if c.isprintable() and not c.isspace())):
        pieces = {text[n : n + 8].lower() for n in range(len(text) - 7)} or {text.lower()}
        assert [piece for piece in pieces if piece in squeezed] == []
    assert "\x1b" not in shown


@pytest.mark.parametrize("place", ANSWERS)
def test_a_server_that_echoes_gives_no_key_away(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """In any spelling, wherever it stands."""
    spellings = ON_ONE_LINE if not place.startswith(("body", "page")) else SPELLINGS
    sent = [(spell(secret), secret) for spell in spellings.values() for secret in (*KEYS, PAIRS[0])]
    answers = (ANSWERS[place](echo) for echo, _ in sent for _ in range(2))
    with (
        Peer(Echo(answers)) as peer,
        waiting(peer.url, keys=KEYS, attempts=2, clock=Time().clock()) as client,
    ):
        for spelled, secret in sent:
            before = len(peer.heads)
            check(shown_by(client, caplog), spelled, secret)
            if len(peer.heads) - before == 1:
                next(answers)


@pytest.mark.parametrize("place", TUNNELS)
def test_a_proxy_that_echoes_gives_no_password_away(
    place: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a key, though it never sees one."""
    sent = [(spell(secret), secret) for spell in ON_ONE_LINE.values() for secret in (KEYS[1], PROXY[1], PAIRS[1])]
    if place == "no TLS":  # which takes a tenth of a second each
        sent = sent[::4]
    answers = [TUNNELS[place](echo) for echo, _ in sent]
    with Peer(Echo(iter(answers))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://zaphod:b33blebr0x%2342@127.0.0.1:{proxy.port}")
        with waiting(AMPLITUDE, keys=KEYS) as client:
            for spelled, secret in sent:
                check(shown_by(client, caplog), spelled, secret)


def test_further_secrets_are_blanked_too(caplog: pytest.LogCaptureFixture) -> None:
    """The storage's key, for example: whoever makes the client names them."""
    key = base64.b64encode(bytes(range(48))).decode()
    with Peer(Echo(iter([http(403, key.encode())]))) as peer, waiting(peer.url, secrets=(key,)) as client:
        check(shown_by(client, caplog), key, key)


def test_what_the_libraries_log_is_shown_through_the_door_while_a_client_is_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And as it is before and after; of two clients each keeps its own secrets."""
    logger = logging.getLogger("urllib3.connectionpool")
    caplog.set_level(logging.WARNING, logger.name)  # whatever quieted the library before
    with Peer(Echo(iter([]))) as peer:
        with waiting(peer.url, keys=KEYS), waiting(peer.url, keys=PROXY):
            logger.warning("%s and %s\x1b[2J", KEYS[0], PROXY[1], exc_info=ValueError(KEYS[0]))
        logger.warning("%s after", "alone")
    assert [record.getMessage() for record in caplog.records] == ["*** and ***", "alone after"]
    assert KEYS[0] not in caplog.text
    assert logger.filters == []


def test_a_good_answer_shows_nothing_either(caplog: pytest.LogCaptureFixture) -> None:
    """However much is logged."""
    with Peer(Echo(iter([http(200, archive_of(b"{}\n"))]))) as peer, waiting(peer.url, keys=KEYS) as client:
        fetched(client)
        assert client.foreign(f"Basic {base64.b64encode(PAIRS[0].encode()).decode()}.") == "Basic ***."
    check(caplog.text + repr(client), base64.b64encode(PAIRS[0].encode()).decode(), KEYS[0])
