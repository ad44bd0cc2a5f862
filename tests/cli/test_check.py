"""Did last night work? `status --check`, the page, and what a monitor is told."""

import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from exporter.days.check import problems
from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing
from exporter.days.manifest import DAMAGED, Failure
from exporter.simulator import ALWAYS, Status
from tests.cli.desk import Desk, recent
from tests.kit import DAY
from tests.kit.rules import moment

BY = time(6)
TIMING = Timing(lookback_days=7)


def failed(day: date, kind: str = "retriable") -> Failure:
    """A failure record."""
    return Failure(day, kind, "no luck", 1, 24, "run-1", moment(day, 26))


def days_back(*rows: Row) -> Coverage:
    """Whole days from 20 days before DAY on, but for ``rows``."""
    given = {row.day: row for row in rows}
    every = [DAY - timedelta(days=n) for n in range(20, -1, -1)]
    return Coverage(tuple(given.get(day, Row(day, "final", whole=True)) for day in every), DAY)


def found(coverage: Coverage, hour: float = 30.5) -> list[tuple[date, str]]:
    """The problems so many hours after the start of DAY."""
    return problems(coverage, moment(DAY, hour), BY, TIMING)


def test_a_whole_store_is_well() -> None:
    """Nothing to say."""
    assert found(days_back()) == []


def test_yesterday_has_to_be_there_from_an_hour_on() -> None:
    """Not before: it may still be on its way."""
    gone = days_back(Row(DAY))
    assert found(gone, hour=29.9) == []
    assert found(gone, hour=30) == [(DAY, "missing")]
    assert found(Coverage((), DAY), hour=29.9) == []
    assert found(Coverage((), DAY)) == [(DAY, "missing: no day has been exported yet")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (Row(DAY - timedelta(days=7)), "missing"),
        (Row(DAY - timedelta(days=8)), None),
        (Row(DAY - timedelta(days=3), failure=failed(DAY - timedelta(days=3))), "failed: no luck"),
        (
            Row(DAY - timedelta(days=3), "final", whole=True, failure=failed(DAY - timedelta(days=3))),
            "final, and its last attempt failed: no luck",
        ),
        (Row(DAY - timedelta(days=19), failure=failed(DAY - timedelta(days=19))), None),
        (Row(DAY - timedelta(days=19), failure=failed(DAY - timedelta(days=19), DAMAGED)), "damaged: no luck"),
        (Row(DAY, "provisional", whole=True), None),
        (Row(DAY - timedelta(days=2), running=True), "running"),
    ],
)
def test_each_day_that_is_not_well_is_named(row: Row, problem: str | None) -> None:
    """In the lookback what is missing or failed, at any age what is damaged."""
    assert found(days_back(row)) == ([(row.day, problem)] if problem else [])


def test_a_failure_of_yesterday_counts_at_any_hour() -> None:
    """It has been tried."""
    assert found(days_back(Row(DAY, failure=failed(DAY))), hour=26) == [(DAY, "failed: no luck")]


def test_the_exit_code_tells(desk: Desk) -> None:
    """1 and the days by name, in words and as JSON; 0 once they are there. Quiet says only what is wrong."""
    desk.call("export", "--day", recent(2))
    said = desk.call("status", "--check", "--by", "00:00", "--quiet")
    assert said.code == 1
    assert said.out == f"Not well: {recent(1)} is missing\nNot well: {recent(0)} is missing\n"
    document = desk.call("status", "--check", "--by", "00:00", "--json")
    assert (document.code, document.json["ok"]) == (1, False)
    assert [one["day"] for one in document.json["problems"]] == [recent(1), recent(0)]
    assert desk.call("backfill", "--from", recent(1)).code == 0
    assert desk.call("status", "--check", "--by", "00:00").out.endswith("All is well.\n")
    assert desk.call("status", "--check", "--by", "00:00", "-q").out == ""
    assert desk.call("status", "--json").json["problems"] is None


def test_old_failures_are_always_told(desk: Desk) -> None:
    """However few days are shown."""
    desk.simulator.add(Status(503, when=ALWAYS))
    desk.call("export", "--day", recent(9))
    said = desk.call("status", "--days", "1")
    assert recent(9) not in said.out.split("Newest")[0]
    assert f"{recent(9)} failed last time: window" in said.out


def test_status_from_a_day_on(desk: Desk) -> None:
    """All days from there, more than the usual fourteen too; `yesterday` is a day."""
    desk.call("export", "--day", recent(19))
    assert len(desk.call("status", "--from", recent(19), "--json").json["days"]) == 20
    assert len(desk.call("status", "--from", "yesterday", "--json").json["days"]) == 1
    assert len(desk.call("status", "--json").json["days"]) == 14


def test_yesterday_is_a_day(desk: Desk) -> None:
    """For export and verify; a backfill without an end goes there."""
    said = desk.call("export", "--day", "yesterday", "--json", EXPORT_SETTLE_HOURS="168")  # whatever the hour is now
    assert said.json["done"][0]["day"] == recent(0)
    assert [one["day"] for one in desk.call("verify", "--day", "yesterday", "--json").json["days"]] == [recent(0)]
    done = desk.call("backfill", "--from", recent(2), "--json").json["done"]
    assert [one["day"] for one in done] == [recent(2), recent(1), recent(0)]


def test_a_day_can_be_named_by_its_distance(desk: Desk) -> None:
    """`1-day-ago` is yesterday, `3-days-ago` the day two before it; a distance that is none is wrong usage."""
    said = desk.call("backfill", "--from", "3-days-ago", "--json")
    assert [one["day"] for one in said.json["done"]] == [recent(2), recent(1), recent(0)]
    said = desk.call("verify", "--from", "2-days-ago", "--to", "1-day-ago", "--json")
    assert [one["day"] for one in said.json["days"]] == [recent(1), recent(0)]
    for odd in ("0-days-ago", "-1-days-ago", "99999-days-ago", "days-ago", "3-days"):
        assert desk.call("export", f"--day={odd}").code == 2
    assert "before 2012-01-01" in desk.call("export", "--day", "9999-days-ago").err


def test_verify_all_reads_every_day(desk: Desk) -> None:
    """Also those before the lookback."""
    desk.call("backfill", "--from", recent(20), "--to", recent(19))
    days = [one["day"] for one in desk.call("verify", "--all", "--json").json["days"]]
    assert days == [recent(number) for number in range(20, -1, -1)]


def test_the_page_is_written(desk: Desk) -> None:
    """One document, in one step, whatever else status shows."""
    desk.call("export", "--day", recent(0))
    said = desk.call("status", "--html", "coverage.html", "--quiet")
    assert (said.code, said.out) == (0, "")
    page = (desk.folder / "coverage.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert "Yesterday is there" in page
    assert not (desk.folder / ".coverage.html.new").exists()


def test_the_page_is_its_owners_until_they_say_otherwise(desk: Desk) -> None:
    """A new file is nobody else's; who may read an old one stays as it was said, and a link behind it is no target."""
    page = desk.folder / "coverage.html"
    for mode in (0o600, 0o644):
        desk.call("status", "--html", "coverage.html", "--quiet")
        assert stat.S_IMODE(page.stat().st_mode) == mode
        page.chmod(0o644)
    assert desk.call("status", "--html", "no/such.html").code == desk.call("status", "--html", "tmp").code == 2


class Monitor(ThreadingHTTPServer):
    """Notes what it is told: (path, text)."""

    daemon_threads = True

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Told)
        self.status = status
        self.told: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """Where to tell it."""
        return f"http://127.0.0.1:{self.server_port}/ping-secret"


class _Told(BaseHTTPRequestHandler):
    server: Monitor

    def do_POST(self) -> None:
        """Note it."""
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.told.append((self.path, text))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def monitor(status: int = 200) -> Iterator[Monitor]:
    """A monitor at work."""
    with Monitor(status) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_monitor_is_told_of_start_and_success(desk: Desk) -> None:
    """Two pings; status and verify make none."""
    with monitor() as told:
        assert desk.call("run", EXPORT_PING_URL=told.url).code == 0
        desk.call("status", EXPORT_PING_URL=told.url)
        desk.call("verify", EXPORT_PING_URL=told.url)
    assert told.told == [("/ping-secret/start", ""), ("/ping-secret", "1 days done, 0 failed")]


def test_a_monitor_is_told_of_failures(desk: Desk) -> None:
    """Days and kinds, no word that Amplitude wrote; the address is in no log."""
    desk.simulator.add(Status(400, body=b'{"error":{"message":"jane@example.com"}}', when=ALWAYS))
    with monitor() as told:
        said = desk.call("export", "--day", "2025-11-06", EXPORT_PING_URL=told.url, EXPORT_LOG_LEVEL="DEBUG")
    assert said.code == 1
    assert told.told[1] == ("/ping-secret/fail", "0 days done, 1 failed: 2025-11-06 permanent")
    assert "ping-secret" not in said.err + said.out + desk.logs()


def test_a_monitor_is_told_when_a_run_breaks_off(desk: Desk) -> None:
    """The store is away: no day was tried."""
    with monitor() as told:
        said = desk.call(
            "run",
            EXPORT_PING_URL=told.url,
            EXPORT_STORAGE_CONNECTION_STRING="UseDevelopmentStorage=true;BlobEndpoint=http://127.0.0.1:9/x",
        )
    assert said.code in {1, 2}
    assert [path for path, _ in told.told][-1] == "/ping-secret/fail"


@pytest.mark.parametrize("status", [500, 302])
def test_a_monitor_that_is_away_fails_nothing(desk: Desk, status: int) -> None:
    """A warning, without the address; nobody is sent elsewhere."""
    with monitor(status) as told:
        said = desk.call("export", "--day", "2025-11-06", EXPORT_PING_URL=told.url)
    assert said.code == 0
    assert f"WARNING - EXPORT_PING_URL could not be told of start: status {status}" in said.err
    assert "ping-secret" not in said.err
    assert all(path != "/elsewhere" for path, _ in told.told)


@pytest.mark.parametrize("url", ["http://example.com/x", "https://user:pw@example.com/x", "hc-ping.com/x"])
def test_a_monitor_is_told_over_tls_only(desk: Desk, url: str) -> None:
    """Or on this machine; the address is not repeated."""
    said = desk.call("run", EXPORT_PING_URL=url)
    assert said.code == 2
    assert "EXPORT_PING_URL: " in said.err
    assert url not in said.err


def test_a_reader_who_has_seen_enough_is_no_error(desk: Desk) -> None:
    """`status | head -1` says nothing on stderr, and a run goes on to its end."""
    desk.call("export", "--day", "2012-02-01")
    for words, code in (("status --days 9999", 0), ("export --day 2025-11-06", 0)):
        with desk.started(*words.split()) as child:
            assert child.stdout
            child.stdout.close()
            assert child.stderr
            said = child.stderr.read()
            assert child.wait(60) == code, said
        assert "Broken" not in said
        assert "Traceback" not in said
    assert (desk.data / "20251106_0000_ampl_dump.json").exists()


def test_the_ledgers_head_is_shown_and_proven(desk: Desk) -> None:
    """On the run's last line, in `status` and `verify`; whoever kept it can hold the ledger against it."""
    last = desk.call("export", "--day", recent(3)).err.splitlines()[-1]
    head = last.rpartition("ledger=")[2]
    assert re.fullmatch(r"1:[0-9a-f]{64}", head)
    assert " ledger=4:" in desk.call("run").err.splitlines()[-1]  # the days since then
    assert f"The last line of the ledger: ledger={desk.call('status', '--json').json['ledger']['head']}" in (
        desk.call("verify", "--all").out
    )
    assert desk.call("verify", "--all", "--head", head, "--json").json["ledger"]["problems"] == []
    assert "\nLine 1 is the one that you kept: no line up to it was " in desk.call("verify", "--head", head).out
    (name,) = (desk.data / "ledger").glob("2*.jsonl")
    name.write_bytes(name.read_bytes().replace(b'"cause":"written"', b'"cause":"forced"', 1))
    said = desk.call("verify", "--all", "--head", head, "--json")
    assert said.code == 1
    edited, other = said.json["ledger"]["problems"]
    assert edited.startswith(f"line 2 in ledger/{name.name} does not hold the hash of line 1: ")
    assert other == "line 1 is not the one that --head names: the ledger was changed, or written anew"
    assert desk.call("status", "--check").code == 1
    assert "Not well: the ledger is broken: line 2" in desk.call("status", "--check", "--quiet").out
    assert desk.call("verify", "--head", "57").code == 2


def test_what_you_changed_yourself_is_accepted(desk: Desk) -> None:
    """For days that are named; then nothing is said against them."""
    desk.call("backfill", "--from", recent(2), "--to", recent(1))
    day = recent(2).replace("-", "")
    for path in (desk.data / f"{day}_0000_ampl_dump.json", desk.data / "manifests" / f"{day}_0000.json"):
        path.unlink()
    said = desk.call("verify", "--all")
    assert said.code == 1
    assert f"{recent(2)}: line 1 of the ledger (" in said.out
    assert desk.call("verify", "--all", "--accept").code == 2
    assert desk.call("verify", "--day", recent(2), "--accept", "--repair").code == 2
    assert desk.call("verify", "--day", recent(2), "--accept").code == 0
    assert desk.call("verify", "--from", recent(2), "--to", recent(1)).code == 0


def test_a_run_reads_final_days_back(desk: Desk) -> None:
    """After the due days; the line tells how many. Not where it is turned off."""
    desk.call("backfill", "--from", recent(20), "--to", recent(18))
    assert "scrub ended: days=1 " in desk.call("run").err
    assert "scrub ended" not in desk.call("run", EXPORT_SCRUB_DAYS="0").err
    assert list((desk.data / "ledger").glob("checks-*.jsonl"))


def test_a_ledger_that_is_gone_is_told_before_the_next_export_stops(desk: Desk) -> None:
    """By who only looks: `status --check`, which said that all is well, and `doctor`, which promised a new one."""
    desk.call("export", "--day", recent(0))
    (name,) = (desk.data / "ledger").glob("2*.jsonl")
    name.rename(desk.folder / "put aside")
    said = desk.call("status", "--check", "--quiet")
    told = f"it is gone (ledger/{name.name}), and the manifest of {recent(0)} names line 1 of it. Put it back"
    assert (said.code, f"Not well: the ledger is broken: {told}" in said.out) == (1, True)
    said = desk.call("doctor")
    assert (said.code, re.search(r"^ledger +failed +it is gone", said.out, re.MULTILINE) is not None) == (1, True)
    assert desk.call("export", "--day", recent(0)).code == 1
    name.touch()  # a person's decision: a new one may begin
    assert desk.call("doctor").code == desk.call("run").code == desk.call("status", "--check").code == 0


def test_without_a_ledger_days_have_their_manifests_only(desk: Desk) -> None:
    """And verify says so."""
    said = desk.call("verify", "--all")
    assert (said.code, "No ledger was read: nothing but its manifest proves a day." in said.out) == (0, True)
    assert desk.call("status", "--json").json["ledger"] == {"head": None, "problems": []}
