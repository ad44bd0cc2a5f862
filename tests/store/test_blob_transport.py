import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import HttpRequest, HttpTransport
from azure.storage.blob import ContainerClient

from exporter.store.blob import open_blob_store
from exporter.store.blob_account import Account
from exporter.store.blob_draft import BLOCK, IN_FLIGHT
from exporter.store.blob_transport import Transport, Waits
from tests.azure.azurite import ACCOUNT, Azurite
from tests.kit.blobs import DUMP, sent_bytes
from tests.store.contract import METADATA
from tests.store.slow_line import SlowLine

NETRC = "machine 127.0.0.1 login somebody password from-netrc\ndefault login somebody password from-netrc\n"


class Recorder(BaseHTTPRequestHandler):
    """Answers everything with 200 and writes its headers down."""

    def __init__(self, seen: list[dict[str, str]], *args: Any) -> None:
        self._seen = seen
        super().__init__(*args)

    def answer(self) -> None:
        """200, empty."""
        self._seen.append({"path": self.path, **dict(self.headers.items())})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_CONNECT = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Keep the tests' console quiet."""


@contextmanager
def recording() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server on loopback: its host and port, and the headers of every request."""
    seen: list[dict[str, str]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Recorder, seen)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home whose .netrc has credentials for every host."""
    (tmp_path / ".netrc").write_text(NETRC)
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


@pytest.mark.usefixtures("netrc")
def test_netrc_does_not_replace_a_token() -> None:
    """The Authorization that the SDK sets is the one that arrives; where it sets none, none arrives."""
    with recording() as (place, seen), Transport(Waits()) as wire:
        wire.send(HttpRequest("GET", f"http://{place}/a", headers={"Authorization": "Bearer abc"}))
        wire.send(HttpRequest("GET", f"http://{place}/b"))
    assert [headers.get("Authorization") for headers in seen] == ["Bearer abc", None]


@pytest.mark.usefixtures("netrc")
def test_a_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go through HTTP_PROXY with the proxy's own credentials, and past it to NO_PROXY's hosts."""
    with recording() as (proxy, through), recording() as (place, direct), Transport(Waits()) as wire:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://user:pass@{proxy}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("no_proxy", raising=False)
        wire.send(HttpRequest("GET", "http://account.example/x", headers={"Authorization": "Bearer abc"}))
        wire.send(HttpRequest("GET", f"http://{place}/y"))
    assert [(headers["path"], headers["Authorization"]) for headers in through] == [
        ("http://account.example/x", "Bearer abc")
    ]
    assert through[0]["Proxy-Authorization"].startswith("Basic ")
    assert [headers["path"] for headers in direct] == ["/y"]


def test_no_wait_is_longer_than_our_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a server's Retry-After says, the next try comes soon."""
    slept: list[float] = []
    monkeypatch.setattr(HttpTransport, "sleep", lambda _, seconds: slept.append(seconds))
    with Transport(Waits(again=5)) as wire:
        wire.sleep(1)
        wire.sleep(3600)
    assert slept == [1, 5]


@pytest.mark.parametrize("earlier", [0, 1], ids=["new", "used"])
def test_sending_is_bounded_by_its_own_figure(earlier: int) -> None:
    """A peer that takes nothing is given up after the figure for writing, on a new connection and on a used one."""
    with socket.create_server(("127.0.0.1", 0)) as listening, Transport(Waits(connect=60, write=0.5)) as wire:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        peer = threading.Thread(target=answering, args=(listening, earlier, over := threading.Event()))
        peer.start()
        for _ in range(earlier):
            wire.send(HttpRequest("GET", url))
        with pytest.raises(ServiceResponseError, match="timed out"):
            wire.send(HttpRequest("PUT", url, data=bytes(64 << 20)))
        over.set()
        peer.join()


def answering(listening: socket.socket, count: int, over: threading.Event) -> None:
    """Answer so many requests of one connection, then read no more."""
    connection, _ = listening.accept()
    with connection:
        for _ in range(count):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        over.wait(60)


def slow_account(container: ContainerClient, line: SlowLine, waits: Waits) -> Account:
    """The test's container at the far end of a slow line."""
    return Account(
        container=str(container.container_name),
        parts_limit=30 << 20,
        url=f"https://127.0.0.1:{line.port}/{ACCOUNT}",
        waits=waits,
    )


def upload(account: Account, blocks: int) -> bytes:
    """Write a day of so many blocks; return its text."""
    text = random.Random(1).randbytes(BLOCK) * blocks
    with open_blob_store(account) as store, ExitStack() as undo:
        draft = store.draft(DUMP, None)
        undo.callback(draft.discard)
        draft.write(0, text)
        draft.commit(METADATA)
    return text


def test_a_block_may_take_longer_than_a_connection(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a line on which a block takes four times as long as a connection may, each block is sent once."""
    for name, value in azure_env.items():
        monkeypatch.setenv(name, value)
    with SlowLine(int(urlsplit(azurite.blob_url).port or 0), rate=BLOCK // 8) as line:
        azurite.forget_traffic()
        text = upload(slow_account(container, line, Waits(connect=2)), 1)
    assert sent_bytes(azurite) == len(text)
    assert text_of_container(container) == text


@pytest.mark.skipif(os.environ.get("SOAK") != "1", reason="takes two minutes: SOAK=1 runs it (make soak)")
def test_three_blocks_at_two_megabits(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the figures as they are, a 24 MiB day passes 2 Mbit/s with its three blocks in flight, each sent once."""
    for name, value in azure_env.items():
        monkeypatch.setenv(name, value)
    with SlowLine(int(urlsplit(azurite.blob_url).port or 0), rate=250_000) as line:
        azurite.forget_traffic()
        text = upload(slow_account(container, line, Waits()), IN_FLIGHT)
    assert sent_bytes(azurite) == len(text)
    assert text_of_container(container) == text


def text_of_container(container: ContainerClient) -> bytes:
    """The dump, read past the slow line."""
    return bytes(container.download_blob(DUMP).readall())
