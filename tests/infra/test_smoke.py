import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from exporter.days.manifest import Manifest
from tests.infra.compiler import INFRA

KEY = "made-up-function-key"
DAY = "2025-11-06"
MANIFEST = {"run": "r1", "day": DAY, "state": "provisional", "dump": "20251106_0000_ampl_dump.json", "events": 1234}
NOTHING: tuple[int, dict[str, object]] = (404, {"error": f"{DAY} is not exported"})
QUEUED: tuple[int, dict[str, object]] = (202, {"run": "r1", "days": [DAY], "look": f"/api/exports/{DAY}"})

pytestmark = pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")


@dataclass
class App:
    """The deployed app as the script sees it: ``looks`` are answered one after the other, the last one for ever."""

    url: str
    looks: list[tuple[int, dict[str, object]]] = field(default_factory=lambda: [NOTHING])
    queued: tuple[int, dict[str, object]] = QUEUED
    first: list[int] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, key: str | None) -> tuple[int, dict[str, object]]:
        """What one request gets."""
        self.asked.append((method, path))
        if self.first:
            return self.first.pop(0), {}
        if key != KEY:
            return 401, {}
        if method == "POST":
            return self.queued
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.fixture
def app() -> Iterator[App]:
    """An app on loopback."""

    class Answers(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            status, body = deployed.answer(self.command, self.path, self.headers["x-functions-key"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body, indent=2).encode())

        do_GET = do_POST = _answer  # noqa: N815 - the names that the server looks for

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        deployed = App(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield deployed
        server.shutdown()
        thread.join()


def _smoke(
    *arguments: str, limit: int = 30, quiet: int = 30, patience: int = 0, key: str = KEY, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {"FUNCTION_KEY": key, "DUMPS_URL": "https://x.blob/amplitude", "SMOKE_EVERY": "0"}
    environment |= {"PATH": "/usr/bin:/bin", "SMOKE_LIMIT": str(limit), "SMOKE_QUIET": str(quiet)}
    environment |= {"SMOKE_PATIENCE": str(patience), **more}
    done = subprocess.run(
        [str(INFRA / "smoke.sh"), *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert not key or key not in done.stdout + done.stderr
    if done.returncode != 2:
        assert (done.stderr or done.stdout).rstrip().splitlines()[-1].startswith("VERDICT: ")
    return done


def test_day_that_arrives_is_shown_with_its_address(app: App) -> None:
    """The script asks once, waits, and prints the dump's address and its events."""
    app.looks = [NOTHING, NOTHING, NOTHING, (200, {"whole": True, "manifest": MANIFEST, "failure": None})]
    done = _smoke(app.url, DAY)
    assert (done.returncode, done.stderr) == (0, "")
    assert "OK: 2025-11-06 is there, provisional, 1234 events." in done.stdout
    assert "https://x.blob/amplitude/20251106_0000_ampl_dump.json" in done.stdout
    assert [method for method, _ in app.asked] == ["GET", "POST", "GET", "GET", "GET"]


def test_first_minutes_of_an_app_are_waited_out(app: App) -> None:
    """A key that is not known yet, functions that are not loaded, an instance that starts: asked again, and said."""
    app.first = [401, 404, 502, 503]
    app.looks = [NOTHING, (200, {"whole": True, "manifest": MANIFEST, "failure": None})]
    done = _smoke(app.url, DAY, patience=20)
    assert (done.returncode, done.stderr) == (0, "")
    for status in (401, 404, 502, 503):
        assert f"Status {status} so far" in done.stdout
    assert done.stdout.endswith("and a day came from Amplitude to the store.\n")


def test_patience_ends(app: App) -> None:
    """An app that goes on answering 503 is not waited for for ever."""
    app.first = [503] * 10_000
    assert "The app answers with status 503" in _smoke(app.url, DAY, patience=1).stderr


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("echo 2025-11-07T02:00:01Z", "ran for the first time at 2025-11-07T02:00:01Z"),
        ("echo", "has not run yet"),
        ("exit 1", "the log cannot be asked"),
    ],
)
def test_first_run_of_the_timer_is_told(app: App, answer: str, told: str, tmp_path: Path) -> None:
    """With the workspace at hand the script says when the timer has run for the first time, or that it has not."""
    (tmp_path / "az").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "az").chmod(0o755)
    app.looks = [NOTHING, (200, {"whole": True, "manifest": MANIFEST, "failure": None})]
    done = _smoke(app.url, DAY, WORKSPACE="made-up", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert (done.returncode, f"the timer: {told}" in done.stdout) == (0, True)


def test_yesterday_is_the_day_unless_one_is_given(app: App) -> None:
    """Without a day the script asks for yesterday, UTC."""
    before = datetime.now(UTC)
    _smoke(app.url, limit=0)
    possible = {f"/api/exports/{now.date() - timedelta(days=1)}" for now in (before, datetime.now(UTC))}
    assert {path for _, path in app.asked} <= possible


def test_day_of_an_earlier_run_is_not_taken_for_success(app: App) -> None:
    """A manifest that was there before does not count: this run must have written it."""
    app.looks = [(200, {"manifest": MANIFEST | {"run": "r0"}, "failure": None})]
    done = _smoke(app.url, DAY, quiet=0)
    assert done.returncode == 3
    assert "OK" not in done.stdout
    assert "day exported: day=2025-11-06" in done.stdout


def test_day_without_its_dump_is_not_taken_for_success(app: App) -> None:
    """A manifest of this run whose dump is gone does not count."""
    app.looks = [NOTHING, (200, {"whole": False, "manifest": MANIFEST, "failure": None})]
    assert _smoke(app.url, DAY, limit=0).returncode == 1


def test_day_that_does_not_arrive_is_told_at_the_limit(app: App) -> None:
    """When time is up the script says so, and where to look."""
    done = _smoke(app.url, DAY, limit=0)
    assert done.returncode == 1
    assert "is not there after" in done.stderr


def test_failure_is_told_with_its_reason(app: App) -> None:
    """A failure of this run ends the wait with Amplitude's own words."""
    failure = {"kind": "refused", "reason": 'Amplitude says "Invalid API Key" (403)', "attempts": 1}
    app.looks = [NOTHING, (200, {"manifest": None, "failure": failure})]
    done = _smoke(app.url, DAY)
    assert done.returncode == 1
    assert 'Amplitude says \\"Invalid API Key\\" (403)' in done.stderr


def test_failure_of_an_earlier_night_is_waited_out(app: App) -> None:
    """A failure that stood there before is not taken for one of this run."""
    old: tuple[int, dict[str, object]] = (200, {"manifest": None, "failure": {"reason": "time-out", "attempts": 5}})
    app.looks = [old, old, (200, {"manifest": MANIFEST, "failure": None})]
    assert _smoke(app.url, DAY).returncode == 0


def test_line_of_the_ledger_is_shown(app: App) -> None:
    """The first head that somebody can keep; a day of an older version has none, and is well without."""
    line = {"ledger": {"number": 12, "sha256": "0a" * 32}}
    app.looks = [NOTHING, (200, {"manifest": MANIFEST | line, "failure": None})]
    assert f"ledger: 12:{'0a' * 32}, a line to keep" in _smoke(app.url, DAY).stdout
    app.looks = [NOTHING, (200, {"manifest": MANIFEST | {"ledger": None}, "failure": None})]
    done = _smoke(app.url, DAY)
    assert (done.returncode, "ledger" in done.stdout) == (0, False)


def test_day_that_was_kept_is_told(app: App) -> None:
    """Amplitude had fewer events than are stored: noted by this run. A note of an earlier run is none of ours."""
    for run, told in (("r1", True), ("r0", False)):
        note = {"fewer_found": {"events": 3, "run": run, "at": "2025-11-07T02:00:00Z"}}
        app.looks = [NOTHING, (200, {"manifest": note | MANIFEST, "failure": None})]
        assert ("fewer events now than are stored" in _smoke(app.url, DAY).stdout) == told
    assert "fewer_found" in {field.name for field in dataclasses.fields(Manifest)}


def test_rejected_lines_are_mentioned(app: App) -> None:
    """A day with rejected lines is there, and says so."""
    app.looks = [NOTHING, (200, {"manifest": MANIFEST | {"rejected": 3}, "failure": None})]
    assert "3 lines were rejected" in _smoke(app.url, DAY).stdout


@pytest.mark.parametrize(
    ("status", "told"),
    [(404, "no functions are deployed"), (403, "stopped"), (500, "Key Vault references resolved"), (400, "refuses")],
)
def test_unwanted_answer_is_explained(app: App, status: int, told: str) -> None:
    """Each answer that is not a queued day says what is wrong and where to look."""
    app.queued = (status, {})
    done = _smoke(app.url, DAY)
    assert done.returncode == 1
    assert told in done.stderr


def test_busy_app_is_explained_in_its_own_words(app: App) -> None:
    """409: the limit of chains is reached. The app's sentence is shown, and what can be done; nothing is waited for."""
    app.queued = (409, {"error": "2 chains are queued or at work, and EXPORT_CONCURRENCY allows 2"})
    done = _smoke(app.url, DAY, patience=20)
    assert done.returncode == 1
    assert "is busy with what others asked for, and has not queued 2025-11-06" in done.stderr
    assert "2 chains are queued or at work" in done.stderr
    assert "/api/exports/stop" in done.stderr
    assert [method for method, _ in app.asked] == ["GET", "POST"]


def test_wrong_key_is_explained(app: App) -> None:
    """A refused key ends the script before anything is queued, and the key is not printed."""
    done = _smoke(app.url, DAY, key="another-key")
    assert done.returncode == 1
    assert "The function key is not accepted" in done.stderr
    assert [method for method, _ in app.asked] == ["GET"]


def test_app_that_does_not_answer_is_explained() -> None:
    """An address where nobody listens is told as such."""
    done = _smoke("http://127.0.0.1:1", DAY)
    assert done.returncode == 1
    assert "does not answer" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("http://example.com",), ("https://x.net", "yesterday")])
def test_wrong_usage_ends_with_two(arguments: tuple[str, ...]) -> None:
    """No address, one that would send the key in the clear, or no date: usage, exit 2, nothing sent."""
    done = _smoke(*arguments)
    assert done.returncode == 2
    assert "FUNCTION_KEY=" in done.stderr


def test_missing_key_ends_with_two(app: App) -> None:
    """Without a key nothing is asked."""
    assert _smoke(app.url, DAY, key="").returncode == 2
    assert app.asked == []
