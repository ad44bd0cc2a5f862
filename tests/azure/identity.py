"""A stand-in for the managed identity endpoint of App Service and Functions (api-version 2019-08-01).

Facts: https://learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference".
"""

import json
import threading
import time
import uuid
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class Asked:
    """One request for a token: what was asked for, in whose name, and the answer's status."""

    resource: str
    client_id: str | None
    status: int


class Identity:
    """A running identity endpoint on loopback; a context manager.

    Args:
        lifetime_seconds: How long its tokens are valid; below 0 they come expired.
        audience: The `aud` of every token; None means the resource that was asked for, as Entra does.
        fail_first: How many requests are answered 500 before the first good answer.
        client_id: The one user-assigned identity it knows; a request for another one is refused.
        port: Where it listens once it is entered; 0 picks a free one.
    """

    def __init__(
        self,
        lifetime_seconds: int = 3600,
        audience: str | None = None,
        fail_first: int = 0,
        client_id: str = "0d7b6f5e-6f0e-4a57-9a4f-3f1f0c9d2b11",
        port: int = 0,
    ) -> None:
        self.client_id = client_id
        self.asked: list[Asked] = []
        self._lifetime = lifetime_seconds
        self._audience = audience
        self._failures_left = fail_first
        self._port = port
        self._header = uuid.uuid4().hex
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._lock = threading.Lock()

    @property
    def env(self) -> dict[str, str]:
        """The two variables by which azure-identity finds the endpoint."""
        url = f"http://127.0.0.1:{self._port or self._server.server_port}/msi/token"
        return {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": self._header}

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), partial(_Endpoint, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, query: dict[str, str], header: str | None) -> tuple[HTTPStatus, dict[str, Any]]:
        """Answers one request and writes it down in `asked`."""
        with self._lock:
            status, body = self._judge(query, header)
            self.asked.append(Asked(query.get("resource", ""), query.get("client_id"), status))
        return status, body

    def _judge(self, query: dict[str, str], header: str | None) -> tuple[HTTPStatus, dict[str, Any]]:
        if self._failures_left > 0:
            self._failures_left -= 1
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred")
        if header != self._header:
            return _refusal(HTTPStatus.UNAUTHORIZED, "X-IDENTITY-HEADER is wrong")
        if query.get("api-version") != "2019-08-01" or not query.get("resource"):
            return _refusal(HTTPStatus.BAD_REQUEST, "api-version and resource are needed")
        if query.get("client_id", self.client_id) != self.client_id:
            text = "No User Assigned or Delegated Managed Identity found for specified ClientId"
            return _refusal(HTTPStatus.BAD_REQUEST, text)
        return HTTPStatus.OK, self._token(query["resource"])

    def _token(self, resource: str) -> dict[str, Any]:
        """A token with the claims of Entra's, signed with a key that nobody knows (Azurite does not check it)."""
        now = int(time.time())
        tenant, principal = str(uuid.uuid4()), str(uuid.uuid4())
        claims = {
            "aud": self._audience or resource,
            "iss": f"https://sts.windows.net/{tenant}/",
            "iat": now,
            "nbf": now - 300,
            "exp": now + self._lifetime,
            "appid": self.client_id,
            "idtyp": "app",
            "oid": principal,
            "sub": principal,
            "tid": tenant,
            "ver": "1.0",
        }
        return {
            "access_token": jwt.encode(claims, self._key, algorithm="RS256"),
            "expires_on": str(now + self._lifetime),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": self.client_id,
        }


def _refusal(status: HTTPStatus, message: str) -> tuple[HTTPStatus, dict[str, Any]]:
    return status, {"statusCode": status, "message": message}


class _Endpoint(BaseHTTPRequestHandler):
    """HTTP in front of `Identity.answer`."""

    def __init__(self, identity: Identity, *args: Any) -> None:
        self._identity = identity
        super().__init__(*args)

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        status, body = self._identity.answer(query, self.headers.get("X-IDENTITY-HEADER"))
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Keeps the tests' console quiet."""
