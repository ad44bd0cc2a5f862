"""The host's HTTP front end: routes, methods, keys and `/admin/functions/<name>`. Imitated."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.functions_host.function import Function, Invocation
from tests.functions_host.rpc import messages

MASTER_KEY = "key-of-the-master"
HOST_KEY = "key-of-the-host"

_SEGMENT = re.compile(r"(/?)\{(\w+)(?::minlength\((\d+)\))?(\?)?\}")


def function_key(name: str) -> str:
    """The key that opens one function only."""
    return f"key-of-{name}"


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query; of a name given twice, the last."""
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def key(self) -> str | None:
        """The key it bears, by header or by query."""
        return self.headers.get("x-functions-key") or self.query.get("code")


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class HttpFront:
    """Serves an app's HTTP functions on loopback.

    Args:
        functions: The app's functions.
        route_prefix: host.json's `extensions.http.routePrefix`.
        run: Runs a function on the inputs given by parameter name.
        start: Runs any function as its trigger would, with a text: `/admin/functions/<name>`.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        route_prefix: str,
        run: Callable[[Function, Mapping[str, Any]], Invocation],
        start: Callable[[Function, str], object],
    ) -> None:
        self._functions = functions
        self._prefix = "/" + route_prefix.strip("/") if route_prefix.strip("/") else ""
        self._run = run
        self._start = start
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Endpoint, self.answer))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: Request) -> Answer:
        """Finds the function, checks the key, runs it.

        Routes are tried in the order of the functions' names, whatever they are made of, as the platform does
        (Azure/azure-functions-host 9876).
        """
        if request.path.startswith("/admin/functions/"):
            return self._admin(request)
        ordered = sorted(self._functions.values(), key=lambda function: function.name)
        matches = [(f, m) for f in ordered if (m := self._route(f, request.path))]
        if not matches:
            return Answer(HTTPStatus.NOT_FOUND)
        for function, match in matches:
            methods = function.trigger.get("methods") or [request.method]
            if request.method.lower() in {method.lower() for method in methods}:
                return self._call(function, request, match)
        return Answer(HTTPStatus.METHOD_NOT_ALLOWED)

    def _route(self, function: Function, path: str) -> re.Match[str] | None:
        if function.kind != "httpTrigger":
            return None
        template = re.escape(function.trigger.get("route") or function.name)
        template = re.sub(r"\\([{}?:/()])", r"\1", template)  # what a parameter is spelled with
        # An optional segment takes its slash with it.
        pattern = _SEGMENT.sub(lambda m: f"(?:{m[1]}(?P<{m[2]}>[^/]{{{m[3] or 1},}})){m[4] or ''}", template)
        return re.fullmatch(f"{self._prefix}/{pattern}/?", path, re.IGNORECASE)

    def _call(self, function: Function, request: Request, match: re.Match[str]) -> Answer:
        level = (function.trigger.get("authLevel") or "function").lower()
        keys: dict[str, set[str | None]] = {
            "anonymous": {request.key},
            "admin": {MASTER_KEY},
            "function": {MASTER_KEY, HOST_KEY, function_key(function.name)},
        }
        if request.key not in keys[level]:
            return Answer(HTTPStatus.UNAUTHORIZED)
        http = messages.RpcHttp(
            method=request.method,
            url=f"{self.url}{request.target}",
            headers=request.headers,
            query=request.query,
            params={name: unquote(value) for name, value in match.groupdict().items() if value},
        )
        if request.body:
            http.body.bytes = request.body
        invocation = self._run(function, {function.trigger["name"]: messages.TypedData(http=http)})
        if not invocation.ok:
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR)
        return _answer(invocation.returned)

    def _admin(self, request: Request) -> Answer:
        if request.key != MASTER_KEY:
            return Answer(HTTPStatus.UNAUTHORIZED)
        function = self._functions.get(request.path.rsplit("/", 1)[1])
        if function is None:
            return Answer(HTTPStatus.NOT_FOUND)
        self._start(function, json.loads(request.body or b"{}").get("input", ""))
        return Answer(HTTPStatus.ACCEPTED)


def _answer(returned: Any) -> Answer:
    """The HTTP answer for what a function returned."""
    if returned is None:
        return Answer(HTTPStatus.NO_CONTENT)
    if isinstance(returned, str):
        return Answer(HTTPStatus.OK, {"Content-Type": "text/plain; charset=utf-8"}, returned.encode())
    kind = returned.body.WhichOneof("data")
    body = getattr(returned.body, kind) if kind else b""
    status = int(returned.status_code or HTTPStatus.OK)
    return Answer(status, dict(returned.headers), body.encode() if isinstance(body, str) else body)


class _Endpoint(BaseHTTPRequestHandler):
    """HTTP in front of `HttpFront.answer`; one request a connection."""

    def __init__(self, answer: Callable[[Request], Answer], *args: Any) -> None:
        self._answer = answer
        super().__init__(*args)

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        answer = self._answer(Request(self.command, self.path, headers, body))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names http.server calls

    def log_message(self, *_: object) -> None:
        """Keeps the tests' console quiet."""
