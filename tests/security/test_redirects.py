"""Nobody who says "look over there" is believed: what is sent to one address is sent to no other."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.storage.blob import ContainerClient

from tests.azure.azurite import KEY, Azurite
from tests.azure.identity import Identity
from tests.kit import DAY
from tests.kit.blobs import blob_env
from tests.security.hostile import call


class Pointing(BaseHTTPRequestHandler):
    """Points every request to another place; without one it is that place, and writes down who came."""

    def __init__(self, status: int, place: str, seen: list[str], *args: Any) -> None:
        self._status, self._place, self._seen = status, place, seen
        super().__init__(*args)

    def point(self) -> None:
        """There."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._seen.append(f"{self.command} {self.path}")
        self.send_response(self._status)
        if self._place:
            self.send_header("Location", self._place + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = point  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Keep the tests' console quiet."""


@contextmanager
def pointing(
    seen: list[str], place: str = "", status: int = 404, context: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Host and port of such a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Pointing, status, place, seen)) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, dict[str, str]]:
    """TLS for this machine, and the environment that trusts it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("by", ["token", "key"])
def test_storage_points_to_nobody(
    status: int, by: str, tls: tuple[ssl.SSLContext, dict[str, str]], azure_env: dict[str, str], tmp_path: Path
) -> None:
    """Neither with a token nor with a signature, on TLS or off it."""
    context, trust = tls
    there, first = list[str](), list[str]()
    with pointing(there) as other, pointing(first, f"http://{other}", status, context) as host:
        account = f"AccountName=a;AccountKey={KEY};BlobEndpoint=https://{host}/a"
        own = {"EXPORT_STORAGE_URL": f"https://{host}"} if by == "token" else {}
        own |= {"EXPORT_STORAGE_CONNECTION_STRING": account} if by == "key" else {}
        done = call(tmp_path, azure_env | trust | own, "status")
    assert done.returncode == 1, done.stdout
    assert first
    assert there == []


@pytest.mark.parametrize("status", [302, 307])
def test_an_identity_points_to_nobody(
    status: int, azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], tmp_path: Path
) -> None:
    """Its header stays where it belongs."""
    there, first = list[str](), list[str]()
    with pointing(there) as other, pointing(first, f"http://{other}", status) as host:
        env = blob_env(azurite, container, azure_env) | {"IDENTITY_ENDPOINT": f"http://{host}/msi/token"}
        done = call(tmp_path, env, "status")
    assert done.returncode == 1, done.stdout
    assert first
    assert there == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_amplitude_points_to_nobody(status: int, tmp_path: Path) -> None:
    """Nor do the keys go anywhere else."""
    there, first = list[str](), list[str]()
    with pointing(there) as other, pointing(first, f"http://{other}", status) as host:
        keys = {"AMP_API_KEY": "an-api-key", "AMP_SECRET_KEY": "a-secret-key", "AMP_BASE_URL": f"http://{host}"}
        done = call(tmp_path, keys, "export", "--day", str(DAY))
    assert done.returncode == 1
    assert "a redirect" in done.stderr
    assert len(first) == 1
    assert there == []


def test_a_token_without_a_redirect_is_taken(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], tmp_path: Path, identity: Identity
) -> None:
    """So it is the redirect that the tests above refuse."""
    assert call(tmp_path, blob_env(azurite, container, azure_env), "status").returncode == 0
    assert identity.asked
