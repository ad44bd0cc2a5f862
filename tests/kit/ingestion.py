"""A stand-in for Application Insights' ingestion endpoint: takes everything, and keeps it.

Facts: azure-monitor-opentelemetry-exporter posts gzipped JSON arrays of envelopes to `/v2.1/track`.
"""

import gzip
import json
import threading
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Line:
    """A log line as it arrived: a row of AppTraces."""

    message: str
    operation: str
    logger: str


class Ingestion:
    """A running endpoint on loopback; a context manager."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Endpoint, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def settings(self) -> dict[str, str]:
        """The app settings that turn telemetry on and send it here and nowhere else, without long waits."""
        url = f"http://127.0.0.1:{self._server.server_port}/"
        key = "00000000-0000-0000-0000-000000000001"
        return {
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                f"InstrumentationKey={key};IngestionEndpoint={url};LiveEndpoint={url}"
            ),
            "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
            "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME": "exporter",
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
            "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
            "OTEL_BLRP_SCHEDULE_DELAY": "50",
        }

    def take(self, body: bytes) -> None:
        """Keep one request's body."""
        with self._news:
            self.bodies.append(body)
            self._news.notify_all()

    @property
    def lines(self) -> list[Line]:
        """The log lines so far, in order of arrival."""
        envelopes: list[dict[str, Any]] = [
            one for body in list(self.bodies) if body.startswith(b"[") for one in json.loads(body)
        ]
        return [
            Line(
                one["data"]["baseData"]["message"],
                one["tags"].get("ai.operation.id", ""),
                one["data"]["baseData"]["properties"].get("logger_name", ""),
            )
            for one in envelopes
            if one["data"]["baseType"] == "MessageData"
        ]

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Return once a line with ``text`` in it has arrived.

        Raises:
            TimeoutError: it did not.
        """
        with self._news:
            if not self._news.wait_for(lambda: any(text in line.message for line in self.lines), seconds):
                raise TimeoutError(f"no line with {text!r} after {seconds} s: {self.lines}")


class _Endpoint(BaseHTTPRequestHandler):
    def __init__(self, ingestion: Ingestion, *rest: Any) -> None:
        self._ingestion = ingestion
        super().__init__(*rest)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self._ingestion.take(body)
        count = len(json.loads(body)) if body.startswith(b"[") else 0
        answer = json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815 - the name http.server calls

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is the test's."""
