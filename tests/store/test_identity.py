import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.storage.blob import ContainerClient

from tests.azure.azurite import Azurite
from tests.azure.identity import Identity

REPOSITORY = Path(__file__).parents[2]
SECRET = "a-secret-key-that-nobody-may-see"


class Refusing(BaseHTTPRequestHandler):
    """Refuses every request with one of Azure's codes, in Azure's words and XML."""

    def __init__(self, code: str, message: str, *args: Any) -> None:
        self._code, self._message = code, message
        super().__init__(*args)

    def refuse(self) -> None:
        """403."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        error = f"<Error><Code>{self._code}</Code><Message>{self._message}</Message></Error>"
        body = f'<?xml version="1.0" encoding="utf-8"?>{error}'.encode()
        self.send_response(403)
        for name, value in (
            ("x-ms-error-code", self._code),
            ("Content-Type", "application/xml"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = refuse  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Keep the tests' console quiet."""


@contextmanager
def refusing(code: str, message: str, folder: Path) -> Iterator[dict[str, str]]:
    """The environment that leads to an account which refuses every request."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Refusing, code, message)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield {
                "EXPORT_STORAGE_URL": f"https://127.0.0.1:{server.server_port}",
                "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
            }
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def env(azurite: Azurite, azure_env: dict[str, str], container: ContainerClient, tmp_path: Path) -> dict[str, str]:
    """The environment of an exporter that could begin; nobody listens where its Amplitude should be."""
    return {
        **azure_env,
        "AMP_API_KEY": "an-api-key",
        "AMP_SECRET_KEY": SECRET,
        "AMP_BASE_URL": "http://127.0.0.1:9",
        "EXPORT_STORAGE_URL": azurite.blob_url,
        "EXPORT_CONTAINER": str(container.container_name),
        "EXPORT_LOG_DIR": str(tmp_path / "logs"),
    }


def refused_line(env: dict[str, str], *command: str) -> str:
    """Run the command line; return the one line it says, of a day or of the whole, with exit code 1, no traceback."""
    words = command or ("export", "--day", "2025-11-06")
    done = subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    said = [line for line in (done.stdout or done.stderr).splitlines() if " - INFO - program: " not in line]
    assert "Traceback" not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    (line,) = said
    return line


def test_wrong_audience(env: dict[str, str], make_identity: Callable[..., Identity]) -> None:
    """A token that is meant for another service: the line says so, and what storage wants."""
    line = refused_line(env | make_identity(audience="https://vault.azure.net").env)
    assert "the token is refused: it is expired, or not meant for storage (https://storage.azure.com)" in line


def test_expired_token(env: dict[str, str], make_identity: Callable[..., Identity]) -> None:
    """An expired token: the line says so, and asks about the clock."""
    line = refused_line(env | make_identity(lifetime_seconds=-600).env)
    assert "the token is refused: it is expired" in line
    assert "Is the clock right?" in line


def test_no_token(env: dict[str, str], make_identity: Callable[..., Identity]) -> None:
    """An identity that is not there: the line names the setting, and the endpoint's words; it was asked once."""
    other = make_identity(client_id="another")
    line = refused_line(env | other.env)
    assert len(other.asked) == 1
    assert "no token could be had for the identity" in line
    assert "is AZURE_CLIENT_ID its client id?" in line
    assert "No User Assigned or Delegated Managed Identity found for specified ClientId" in line


def test_no_identity_at_all(env: dict[str, str]) -> None:
    """Where nothing gives a token, the line says how to sign in."""
    bare = {name: value for name, value in env.items() if not name.startswith("IDENTITY_")}
    line = refused_line(bare | {"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}, "status")
    assert "no token could be had for the identity" in line
    assert "sign in with `az login`" in line


def test_missing_container(env: dict[str, str]) -> None:
    """A container that does not exist: the line names it and the setting."""
    line = refused_line(env | {"EXPORT_CONTAINER": "not-there"})
    assert "container not-there: the container does not exist. Create it, or look at EXPORT_CONTAINER" in line


def test_missing_role(env: dict[str, str], tmp_path: Path) -> None:
    """An identity without a role: the line names the role and its scope."""
    said = "This request is not authorized to perform this operation using this permission."
    with refusing("AuthorizationPermissionMismatch", said, tmp_path) as there:
        line = refused_line(env | there)
    assert "Assign it Storage Blob Data Contributor with this container as the scope" in line


def test_closed_firewall(env: dict[str, str], tmp_path: Path) -> None:
    """An account whose firewall refuses: the line says where to look."""
    said = "This request is not authorized to perform this operation."
    with refusing("AuthorizationFailure", said, tmp_path) as there:
        line = refused_line(env | there)
    assert "its firewall does not let this network in (Networking)" in line


def test_unknown_name(env: dict[str, str]) -> None:
    """An account's name that does not resolve: the line names the setting, after seconds, not minutes."""
    nowhere = {
        "EXPORT_STORAGE_URL": "https://nosuchaccount.storage.invalid",
        "EXPORT_STORAGE_SUFFIX": "storage.invalid",
    }
    line = refused_line(env | nowhere, "status")
    assert "nosuchaccount.storage.invalid" in line
    assert "Is EXPORT_STORAGE_URL spelt right, does its name resolve" in line


def test_a_wrong_connection_string_key(env: dict[str, str], azurite: Azurite) -> None:
    """A key that is no key: the line names it and does not show it."""
    broken = {name: value for name, value in env.items() if name != "EXPORT_STORAGE_URL"}
    text = f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={SECRET};BlobEndpoint={azurite.blob_url}"
    line = refused_line(broken | {"EXPORT_STORAGE_CONNECTION_STRING": text}, "status")
    assert "with a connection string, look at its key" in line
