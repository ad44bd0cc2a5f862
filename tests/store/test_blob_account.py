import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.storage.blob import ContainerClient

from exporter.errors import SettingsError, StoreError
from exporter.store import blob_account
from exporter.store.blob import open_blob_store
from exporter.store.blob_account import Account
from exporter.store.blob_transport import Waits
from tests.azure.azurite import KEY, Azurite
from tests.azure.identity import Identity

TRIES = 7
"""Requests for a token at most."""


@pytest.fixture
def account(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Account:
    """The test's container by identity; the environment leads to the good one."""
    set_env(monkeypatch, azure_env)
    return Account(str(container.container_name), 10**6, url=azurite.blob_url)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waits between the tries; everything else as it is."""
    monkeypatch.setitem(blob_account._TOKEN_TRIES, "retry_backoff_factor", 0)


def set_env(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    """Put these variables into the environment."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)


def opened(account: Account) -> str:
    """Open the store and read from it once; return what it calls itself."""
    with open_blob_store(account) as store:
        assert store.stat("nothing") is None
        return str(store)


def test_an_identity_that_hiccups_is_asked_again(
    account: Account, make_identity: Callable[..., Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four 500s of the identity endpoint, which cost a night once, cost some seconds."""
    identity = make_identity(fail_first=4)
    set_env(monkeypatch, identity.env | {"AZURE_CLIENT_ID": identity.client_id})
    opened(account)
    assert [asked.status for asked in identity.asked] == [500] * 4 + [200]


@pytest.mark.usefixtures("hurried")
def test_an_identity_that_fails_for_good_is_given_up(
    account: Account, make_identity: Callable[..., Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After seven tries the error says that there is no token."""
    identity = make_identity(fail_first=1000)
    set_env(monkeypatch, identity.env | {"AZURE_CLIENT_ID": identity.client_id})
    with pytest.raises(StoreError, match="no token could be had"):
        opened(account)
    assert len(identity.asked) == TRIES


@contextmanager
def flaky(identity: Identity, broken: int) -> Iterator[tuple[dict[str, str], list[int]]]:
    """An endpoint that hangs up on the first connections, then leads to the identity; who came is counted."""
    came: list[int] = []
    target = int(urlsplit(identity.env["IDENTITY_ENDPOINT"]).port or 0)

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:  # the test is over
                return
            came.append(1)
            with client:
                if len(came) > broken:
                    with socket.create_connection(("127.0.0.1", target)) as server:
                        server.sendall(client.recv(65536).replace(b"keep-alive", b"close"))
                        while piece := server.recv(65536):
                            client.sendall(piece)

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/msi/token"
    try:
        yield {**identity.env, "IDENTITY_ENDPOINT": url}, came
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.usefixtures("hurried")
def test_an_identity_that_hangs_up_is_asked_again(
    account: Account, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it matter that the endpoint hangs up on four requests."""
    with flaky(identity, 4) as (env, came):
        set_env(monkeypatch, env)
        opened(account)
    assert len(came) == 5


def test_an_identity_that_is_not_up_yet_is_asked_again(
    account: Account, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is refused, as at the start of an app, is tried again."""
    with flaky(identity, 0) as (env, came), socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: refused
        set_env(monkeypatch, env | {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{reserved.getsockname()[1]}/"})
        starting = threading.Thread(
            target=start_later, args=(reserved, int(urlsplit(env["IDENTITY_ENDPOINT"]).port or 0))
        )
        starting.start()
        opened(account)
        starting.join()
    assert len(came) == 1


def start_later(reserved: socket.socket, port: int) -> None:
    """Listen after a while, and pass one connection on."""
    time.sleep(1)
    reserved.listen()
    client, _ = reserved.accept()
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        server.sendall(client.recv(65536).replace(b"GET /?", b"GET /msi/token?"))
        while piece := server.recv(65536):
            client.sendall(piece)


def test_the_time_for_a_token_is_bounded(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that takes connections and says nothing is given up when the time for all tries is over."""
    monkeypatch.setattr(blob_account, "TOKEN_SECONDS", 0.5)
    monkeypatch.setattr(blob_account, "_TOKEN_WAITS", Waits(connect=5, write=5, read=1, again=0))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/msi/token"
        set_env(monkeypatch, {"IDENTITY_ENDPOINT": url})
        with pytest.raises(StoreError, match="no token could be had"):
            opened(account)
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # one try took longer than all may: there was no second
            silent.accept()


def test_the_figures_for_a_token_add_up() -> None:
    """All tries of one credential together take at most 20 seconds."""
    assert blob_account.TOKEN_SECONDS + max(blob_account._TOKEN_WAITS.read, blob_account._TOKEN_WAITS.connect) <= 20


class TokenEndpoint(BaseHTTPRequestHandler):
    """An identity endpoint that writes down the headers it gets."""

    def __init__(self, seen: list[dict[str, str]], *args: Any) -> None:
        self._seen = seen
        super().__init__(*args)

    def do_GET(self) -> None:
        """A token that is none, for an hour."""
        self._seen.append(dict(self.headers.items()))
        token = {"access_token": "a-token", "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
        body = json.dumps({**token, "resource": "https://storage.azure.com"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' console quiet."""


@pytest.fixture
def with_netrc(account: Account, tmp_path: Path) -> Iterator[Account]:
    """The account, and a home whose .netrc has credentials for every host; gone before the container is removed."""
    (tmp_path / ".netrc").write_text("default login somebody password from-netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HOME", str(tmp_path))
        patched.delenv("NETRC", raising=False)
        yield account


def test_netrc_keeps_nobody_out_of_the_storage(with_netrc: Account) -> None:
    """The storage gets the identity's token over HTTPS, whatever the user keeps in ~/.netrc."""
    opened(with_netrc)


def test_netrc_stays_out_of_the_token_request(with_netrc: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity endpoint gets its own header and no password of the user's."""
    seen: list[dict[str, str]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(TokenEndpoint, seen)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        set_env(monkeypatch, {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{server.server_port}/", "IDENTITY_HEADER": "h"})
        with pytest.raises(StoreError, match="the token is refused"):  # Azurite reads it, and it is none
            opened(with_netrc)
        server.shutdown()
        thread.join()
    assert [(headers.get("X-IDENTITY-HEADER"), headers.get("Authorization")) for headers in seen] == [("h", None)]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:10000/devstoreaccount1",
        "https://127.0.0.1?@account.blob.core.windows.net",
        "https://user:secret@account.blob.core.windows.net",
        "https://",
        "https://[::1",
    ],
)
def test_a_token_goes_to_a_plain_https_address_only(
    url: str, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else is a wrong setting, said in one sentence that does not show it, before a token is asked for."""
    set_env(monkeypatch, azure_env | {"IDENTITY_ENDPOINT": "http://127.0.0.1:9/"})
    with pytest.raises(SettingsError, match="EXPORT_STORAGE_URL") as caught:
        opened(Account("amplitude", 10**6, url=url))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://evil.example",
        "https://account.blob.core.windows.net",
        "http://evil.example\\[::1]",
        "http://evil.example\\@127.0.0.1",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1:10000/devstoreaccount1",
        "http://127.0.0.1/x;BlobSecondaryEndpoint=http://evil.example/x",
    ],
)
def test_a_connection_string_leads_to_this_machine_only(endpoint: str) -> None:
    """An account key goes nowhere else, whatever the connection string says; it is in no message."""
    text = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};BlobEndpoint={endpoint}"
    with pytest.raises(SettingsError, match="EXPORT_STORAGE_CONNECTION_STRING") as caught:
        opened(Account("amplitude", 10**6, connection_string=text))
    assert KEY[:10] not in str(caught.value)


def test_an_account_does_not_show_its_key() -> None:
    """However it is printed."""
    assert KEY[:10] not in repr(Account("amplitude", 10**6, connection_string=f"AccountKey={KEY}"))
