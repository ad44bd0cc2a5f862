"""A store with many days in all states, and the page about it on loopback."""

import json
import math
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from exporter.days.facts import Facts
from exporter.days.manifest import DAMAGED, EMPTY, FINAL, PROVISIONAL, Failure
from exporter.pages import page
from exporter.pages.frame import Frame
from exporter.pages.rejections import read_rejections
from exporter.pages.schedule import Schedule
from exporter.pages.shown import showing
from exporter.settings import Settings
from exporter.store import ANY
from exporter.window import days_of, yesterday_of
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, manifest_of

NOW = datetime(2025, 11, 7, 2, 30, tzinfo=UTC)
NEWEST = yesterday_of(NOW)
NIGHTLY = Schedule.parse(Settings().schedule)
SLOW = "Amplitude answered 503 (Service Unavailable) to all 5 requests for 20251027T00..20251027T23"
BIG = (
    "one hour (20250924T14) has more than the 250 MB that an archive may take: set EXPORT_TMP_LIMIT_MB to 800 or "
    "more, on an instance with that much room, and export the day again"
)
SPOILT = (
    f"20250920_0000_ampl_dump.json has 118204 events, 172577840 bytes and SHA-256 {'7' * 64}; its manifest says "
    f"118204, 172577840 and {'20250920' * 8}. Restore it, or export the day again"
)


def put_day(store: MemoryStore, day: date, events: int, state: str = FINAL, rejected: int = 0, **chosen: Any) -> None:
    """A whole day with its manifest; ``chosen`` are fields of that."""
    sha256 = f"{day:%Y%m%d}" * 8
    store.put(LAYOUT.dump(day), b"[]", ANY, {"sha256": sha256})
    at = datetime(day.year, day.month, day.day, 2, 4, tzinfo=UTC) + timedelta(days=1 if state == PROVISIONAL else 2)
    manifest = manifest_of(
        day,
        state=state,
        events=events,
        size=events * 1_460,
        rejected=rejected,
        sha256=sha256,
        finished_at=at,
        hours={"03": {"members": 1, "events": events}},
        **chosen,
    )
    store.put(LAYOUT.manifest(day), manifest.to_json(), ANY, Facts.of(manifest).metadata())


def put_failure(store: MemoryStore, day: date, kind: str, reason: str, attempts: int = 1) -> None:
    """The record of a failed attempt, the night after the day."""
    at = datetime(day.year, day.month, day.day, 2, 9, tzinfo=UTC) + timedelta(days=1)
    failure = Failure(day, kind, reason, attempts, 24, "run-1", at)
    store.put(LAYOUT.failure(day), failure.to_json(), ANY, {})


def put_rejected(store: MemoryStore, day: date, reasons: list[str]) -> None:
    """Rejected lines, each with a person's name in it."""
    lines = [
        {"member": f"100011471_{day}_{n % 24}#0.json.gz", "line": 17 * n + 5, "reason": reason, "text": "Ada Lovelace"}
        for n, reason in enumerate(reasons)
    ]
    store.put(LAYOUT.rejected(day), "".join(json.dumps(line) + "\n" for line in lines).encode(), ANY, {})


def many_days(count: int = 90, reason: str = SLOW) -> MemoryStore:
    """``count`` days up to `NEWEST`: nearly all good, and every other state among the last 60."""
    store, noise = MemoryStore(), random.Random(7)
    bad = {ago: NEWEST - timedelta(days=ago) for ago in (1, 2, 5, 10, 33, 43, 47, 52)}
    for ago in range(count):
        day = NEWEST - timedelta(days=ago)
        if ago in {1, 10, 23, 24, 25, 33, 43}:
            continue
        wave = 1 + 0.12 * math.sin(ago / 14) - (0.4 if day.weekday() >= 5 else 0)
        events = round(182_000 * wave * noise.uniform(0.92, 1.08))
        rejected = {2: 4, 52: 1}.get(ago, 0)
        put_day(store, day, events, PROVISIONAL if ago == 0 else FINAL, rejected)
    if count > 60:
        put_day(store, bad[33], 0, EMPTY)
        put_day(store, NEWEST - timedelta(days=18), 1_512_007)
        fewer = {"events": 120_300, "run": "run-2", "at": NOW - timedelta(days=9)}
        put_day(store, NEWEST - timedelta(days=14), 178_222, FINAL, fewer_found=fewer)
        put_day(store, bad[5], 163_001, FINAL, quiet_hours=("09", "10"))
        put_failure(store, bad[10], "retriable", reason, 5)
        put_failure(store, bad[43], "permanent", BIG)
        put_failure(store, NEWEST - timedelta(days=16), "retriable", reason, 1)
        put_failure(store, bad[47], DAMAGED, SPOILT)
        store.put(LAYOUT.lock(bad[1]), b"", ANY, {"run": "run-3", "lease": "leased"})
        found = ["not JSON at character 412: Expecting ',' delimiter", "not UTF-8 at byte 88", "not a JSON object"]
        put_rejected(store, bad[2], [*found, found[0]])
        put_rejected(store, bad[52], [found[0]])
    return store


def good_days(count: int) -> MemoryStore:
    """``count`` final days up to `NEWEST`, nothing else."""
    store = MemoryStore()
    for day in days_of(NEWEST - timedelta(days=count - 1), NEWEST):
        put_day(store, day, 123_456)
    return store


def page_of(store: MemoryStore, now: datetime = NOW, **chosen: Any) -> str:
    """The page about all days of a store as the app serves it; ``chosen`` are fields of its frame."""
    days = days_on(store)
    coverage = days.coverage(now)
    frame = Frame("amplitude/web/", now, showing(Settings()), NIGHTLY, served=True)
    rejections = read_rejections(days, coverage.rows)
    return page.render(coverage, coverage.rows, rejections, days.timing, replace(frame, **chosen))


@dataclass(frozen=True)
class Site:
    """A running server; ``asked`` are the paths that were asked for."""

    url: str
    asked: list[str]


@contextmanager
def served(document: Callable[[], str], refresh: int | None = None) -> Iterator[Site]:
    """The page on loopback with the headers that it is sent with; ``refresh`` s in place of five minutes."""
    asked: list[str] = []
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Endpoint, document, asked, {"Refresh": str(refresh)} if refresh else {})
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{server.server_port}/api/exports", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Endpoint(BaseHTTPRequestHandler):
    def __init__(self, document: Callable[[], str], asked: list[str], changed: dict[str, str], *rest: object) -> None:
        self._document, self._asked, self._changed = document, asked, changed
        super().__init__(*rest)  # type: ignore[arg-type]  # what the server gives

    def do_GET(self) -> None:
        self._asked.append(self.path)
        body = self._document().encode()
        self.send_response(200)
        headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
        headers |= page.headers() | self._changed
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is the test's."""
