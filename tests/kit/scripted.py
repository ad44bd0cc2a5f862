"""An Export API of a few events whose next answers are scripted: what cannot be scripted is what really is there."""

import gzip
import threading
from collections import deque
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.kit import member, zipped

HOURS = (3, 9, 17)
"""The hours of a day that may hold events: one in each third, so that halves and quarters of a day differ."""
NO_DATA = b'{"error":{"http_code":404,"message":"Not Found","metadata":{"details":"Raw data files were not found."}}}'
ODD = {
    "headless": (404, NO_DATA),
    "gone": (404, NO_DATA),
    "empty-zip": (200, zipped([])),
    "too-large": (400, b"too large"),
    "too-slow": (504, b""),
    "busy": (503, b""),
    "html": (200, b"<html>sorry</html>"),
}
KINDS = ("good", "damaged", "partial", *ODD)

Truth = dict[date, dict[int, int]]
"""Events per hour of each day."""


def line(day: date, hour: int, number: int) -> bytes:
    """An event: no two are the same."""
    return f'{{"server_upload_time":"{day} {hour:02}:00:00","uuid":"{day}-{hour}-{number}"}}'.encode()


def lines(day: date, hours: dict[int, int]) -> list[bytes]:
    """The events of a day in their order."""
    return [line(day, hour, number) for hour in sorted(hours) for number in range(hours[hour])]


class ScriptedApi(ThreadingHTTPServer):
    """``truth`` is what Amplitude has; ``script`` the kinds of the next answers; ``seen`` what each answer showed.

    An entry of ``seen`` is the window's hours and, of those, the ones that the answer's archive named; None where it
    only showed that there is something.
    """

    daemon_threads = True

    def __init__(self, truth: Truth) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.truth = truth
        self.script: deque[str] = deque()
        self.seen: list[tuple[range, frozenset[int] | None]] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.005,))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def answer(self, start: str, end: str) -> tuple[int, bytes]:
        """The status and body for a window."""
        day = date(int(start[:4]), int(start[4:6]), int(start[6:8]))
        asked = range(int(start[-2:]), int(end[-2:]) + 1)
        has = {hour: count for hour, count in self.truth.get(day, {}).items() if hour in asked and count}
        kind = self.script.popleft() if self.script else "good"
        bodies = {hour: gzip.compress(b"\n".join(lines(day, {hour: has[hour]})), 1) for hour in has}
        if kind in ODD:
            return self._odd(kind, asked, bodies, day)
        if kind == "damaged" and has:
            bodies[max(has)] = bodies[max(has)][:-1]
            self.seen.append((asked, frozenset(has)))
        if kind == "partial" and len(has) > 1:
            del bodies[max(has)]
        return (200, _archive(day, bodies)) if bodies else (404, NO_DATA)

    def _odd(self, kind: str, asked: range, bodies: dict[int, bytes], day: date) -> tuple[int, bytes]:
        """An answer that tells nothing, or not everything, of what there is."""
        if kind in {"too-large", "too-slow"} or (kind == "headless" and bodies):
            self.seen.append((asked, None))
        if kind == "headless" and bodies:
            return 200, _archive(day, bodies)[:-10]
        return ODD[kind]


def _archive(day: date, bodies: dict[int, bytes]) -> bytes:
    return zipped([(member(hour, day=day), body) for hour, body in sorted(bodies.items())])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: two would wait for each other
    server: ScriptedApi

    def do_GET(self) -> None:
        """Answer one window."""
        query = parse_qs(urlsplit(self.path).query)
        status, body = self.server.answer(query["start"][0], query["end"][0])
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
