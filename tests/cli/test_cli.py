"""The real command line, as a child process against the simulator."""

import base64
import json
import os
import pty
import re
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.report import NEVER_AN_EVENT
from exporter.simulator import ALWAYS, FAULT_NAMES, Missing, OddLine, Simulator, Status, When, Wire
from exporter.store.folder import LocalStore
from tests.cli.desk import Desk, left, recent, terminal, wait_for_a_request
from tests.kit import DAY, KEYS, dump_of, files_in
from tests.kit.rules import FEW_HOURS, FULL_HOURS, LAYOUT

DUMP, MANIFEST = LAYOUT.dump(DAY), LAYOUT.manifest(DAY)
LEDGER = LAYOUT.ledger.name(datetime.now(UTC).year)
SECRETS = (*KEYS, base64.b64encode(":".join(KEYS).encode()).decode())
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - (DEBUG|INFO|WARNING|ERROR) - .+")
SMALL_FILES = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
sys.argv = ["exporter", *sys.argv[1:]]
runpy.run_module("exporter", run_name="__main__")
"""


def test_export_writes_the_named_day(desk: Desk) -> None:
    """The dump is there, the log says so on stderr and in its file, stdout has a line for the day."""
    said = desk.call("export", "--day", str(DAY))
    assert said.code == 0
    assert re.fullmatch(r"2025-11-06  written    final +\d+ events +[\d,]+ bytes\n", said.out)
    assert (desk.data / DUMP).read_bytes() == dump_of(desk.simulator.lines(DAY))
    assert left(desk) == {DUMP, MANIFEST, LEDGER}
    assert "day exported: day=2025-11-06 state=final outcome=written" in said.err
    assert desk.logs() == said.err


def test_log_lines_are_the_promised_ones(desk: Desk) -> None:
    """Time in UTC, level, message; the file is named after the start."""
    before = datetime.now(UTC)
    said = desk.call("export", "--day", str(DAY), TZ="Asia/Tokyo")
    assert all(LOG_LINE.fullmatch(line) for line in said.err.splitlines())
    assert "Data fetched successfully (status 200)" in said.err
    first = datetime.strptime(said.err[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert before - timedelta(seconds=2) < first < datetime.now(UTC)
    (name,) = [path.name for path in (desk.folder / "logs").iterdir()]
    assert re.fullmatch(r"log_\d{8}_\d{6}\.log", name)


def test_export_takes_yesterday_if_no_day_is_named(desk: Desk) -> None:
    """Yesterday, UTC; a named day is always asked again."""
    before = datetime.now(UTC).date() - timedelta(days=1)
    result = desk.call("export", "--json").json
    assert date.fromisoformat(result["done"][0]["day"]) in (before, before + timedelta(days=1))
    assert len(desk.simulator.requests) == 1


def test_export_as_json(desk: Desk) -> None:
    """The figures of the manifests, oldest day first; log lines go to stderr."""
    said = desk.call("export", "--from", "2025-11-05", "--to", "2025-11-06", "--json")
    assert said.code == 0
    assert said.json["failed"] == []
    assert [done["day"] for done in said.json["done"]] == ["2025-11-05", "2025-11-06"]
    manifest = json.loads((desk.data / MANIFEST).read_text())
    names = ("day", "state", "dump", "events", "bytes", "rejected", "sha256")
    assert said.json["done"][1] == {"outcome": "written"} | {name: manifest[name] for name in names}


def test_a_named_day_is_asked_again(desk: Desk) -> None:
    """Also a final one; the same content changes nothing but what the manifest says of the run that looked."""
    desk.call("export", "--day", str(DAY))
    before, written = files_in(desk.data), (desk.data / DUMP).stat()
    said = desk.call("export", "--day", str(DAY), "--json")
    assert (said.code, said.json["done"][0]["outcome"]) == (0, "unchanged")
    after = files_in(desk.data)
    assert (after.keys(), after[DUMP]) == (before.keys(), before[DUMP])
    assert ((desk.data / DUMP).stat().st_ino, (desk.data / DUMP).stat().st_mtime_ns) == (
        written.st_ino,
        written.st_mtime_ns,
    )
    old, new = json.loads(before[MANIFEST]), json.loads(after[MANIFEST])
    assert {name for name, value in new.items() if value != old[name]} <= {"run", "started_at", "finished_at"}
    assert new["run"] != old["run"]
    assert len(desk.simulator.requests) == 2


def test_a_failed_day_is_exit_code_1(desk: Desk) -> None:
    """The other days of the range are exported; the reason is on stderr and in the result."""
    desk.simulator.add(Status(503, when=When(None, hours="20251105")))
    said = desk.call("export", "--from", "2025-11-05", "--to", "2025-11-06", "--json")
    assert said.code == 1
    assert [done["day"] for done in said.json["done"]] == ["2025-11-06"]
    ((failed),) = said.json["failed"]
    assert (failed["day"], failed["kind"]) == ("2025-11-05", "retriable")
    assert "day failed: day=2025-11-05 kind=retriable reason=window" in said.err


def test_refused_keys_are_exit_code_1_after_one_request(desk: Desk) -> None:
    """No other day is tried; the message names what to look at, and no key."""
    said = desk.call("export", "--from", "2025-11-05", "--to", "2025-11-06", AMP_SECRET_KEY="hush-hush")
    assert said.code == 1
    assert len(desk.simulator.requests) == 1
    assert "kind=refused" in said.err
    assert "AMP_SECRET_KEY" in said.err
    assert "hush-hush" not in said.err + desk.logs()


def test_a_day_held_by_another_run_is_exit_code_1(desk: Desk) -> None:
    """The sentence names the run that is at work."""
    with LocalStore(desk.data).lock(LAYOUT.lock(DAY), "run-0"):
        said = desk.call("export", "--day", str(DAY))
    assert said.code == 1
    assert "day failed: day=2025-11-06 kind=held reason=" in said.err
    assert "run-0" in said.err
    assert desk.simulator.requests == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "COMMAND"),
        ("exprot", "invalid choice"),
        ("export --day tomorrow", "write it as YYYY-MM-DD, for example 2025-11-06"),
        ("export --day 2025-02-30", "2025-02-30 is not a date"),
        ("export --day 2999-01-01", "2999-01-01 is not over yet (days are UTC)"),
        ("export --from 2025-11-06", "--from and --to go together"),
        ("export --from 2025-11-07 --to 2025-11-06", "from 2025-11-07 is after to 2025-11-06"),
        ("export --day 2025-11-06 --to 2025-11-07", "use one of the two"),
        ("backfill --to 2025-11-06", "--from"),
        ("export --frm 2025-11-06", "Did you mean --from?"),
        ("export --day=", "an argument is empty, at --day="),
        ("exprot --day 2025-11-06", "Did you mean export?"),
        ("status --by 25:00", "'25:00' is no time of a day. Write it as HH:MM, for example 06:00"),
        ("status --html no-folder/page.html", "--html no-folder/page.html cannot be written: No such file"),
        ("verify --all --day 2025-11-06", "--all names every day on record"),
        ("backfill --from 2025-11-06 --to 2999-01-01", "2999-01-01 is not over yet"),
        ("status --days 0", "'0' is not a whole number from 1 to"),
        ("verify --from 2025-11-06", "--from and --to go together"),
        ("simulate no-such-fault", "'no-such-fault' is no fault"),
        ("simulate --port 70000", "--port 70000 cannot be used"),
    ],
)
def test_wrong_usage_is_exit_code_2(desk: Desk, words: str, says: str) -> None:
    """A sentence says what is wrong, and nothing was done."""
    said = desk.call(*words.split())
    assert said.code == 2
    assert says in said.err
    assert "Traceback" not in said.err
    assert not desk.data.exists()
    assert desk.simulator.requests == []


@pytest.mark.parametrize("command", ["export", "run", "status", "verify"])
def test_every_settings_problem_is_listed(desk: Desk, command: str) -> None:
    """All of them at once, exit code 2, nothing done; the value of a secret is not repeated."""
    said = desk.call(
        command,
        EXPORT_MAX_ATTEMPTS="9",
        EXPORT_PREFIX="web",
        AMP_BASE_URL="http://example.com",
        AMP_SECRET_KEY="@Microsoft.KeyVault(hush-hush)",
    )
    assert said.code == 2
    lines = said.err.splitlines()
    assert lines[0] == "The settings or the command are wrong; nothing was done:"
    of_keys = ["AMP_SECRET_KEY"] if command in {"export", "run"} else []  # the others need none
    assert sorted(line.split(":")[0] for line in lines[1:]) == [
        "AMP_BASE_URL",
        *of_keys,
        "EXPORT_MAX_ATTEMPTS",
        "EXPORT_PREFIX",
    ]
    assert "hush-hush" not in said.err
    assert not desk.data.exists()


@pytest.mark.parametrize("command", ["export", "status", "verify"])
def test_unknown_settings_are_warned_of(desk: Desk, command: str) -> None:
    """With the nearest known name; the call goes on."""
    said = desk.call(command, EXPORT_LOOKBACK="3", AMP_SECRETKEY="hush-hush")
    assert said.code == 0
    assert "EXPORT_LOOKBACK is not a setting of this exporter, did you mean EXPORT_LOOKBACK_DAYS?" in said.err
    assert "AMP_SECRETKEY is not a setting of this exporter, did you mean AMP_SECRET_KEY?" in said.err
    assert "hush-hush" not in said.err


def test_settings_come_from_dotenv_and_the_environment_wins(desk: Desk) -> None:
    """`.env` of the current folder fills what the environment leaves open."""
    (desk.folder / ".env").write_text("EXPORT_DATA_DIR=from-file\nEXPORT_DATA_OUTFILE=from_file\n")
    assert desk.call("export", "--day", str(DAY), EXPORT_DATA_OUTFILE="from_shell").code == 0
    assert (desk.folder / "from-file" / "20251106_0000_from_shell.json").exists()


def test_run_exports_the_due_days(desk: Desk) -> None:
    """On an empty store yesterday; it ends with the summary, and exit code 1 if a day failed."""
    said = desk.call("run")
    assert said.code == 0
    assert "run summary: newest=" in said.err
    assert "due=1 done=1 failed=0 missing=0" in said.err
    desk.simulator.add(Status(401, when=ALWAYS))
    said = desk.call("run", EXPORT_SETTLE_HOURS="0", EXPORT_PREFIX="web/")
    assert said.code == 1
    assert "newest=none due=1 done=0 failed=1 missing=1" in said.err


def test_backfill_goes_on_where_it_stopped(desk: Desk) -> None:
    """Oldest day first; called again it asks only for what is not final or empty yet."""
    desk.simulator.add(Status(503, when=When(5, hours="20251105")))
    words = ("backfill", "--from", "2025-11-04", "--to", "2025-11-06", "--json")
    first = desk.call(*words)
    assert first.code == 1
    assert [done["day"] for done in first.json["done"]] == ["2025-11-04", "2025-11-06"]
    asked = len(desk.simulator.requests)
    second = desk.call(*words)
    assert second.code == 0
    assert [done["day"] for done in second.json["done"]] == ["2025-11-05"]
    assert len(desk.simulator.requests) == asked + 1
    assert "backfill: 3 of the range's days, 2 are final or empty already" in second.err
    nothing = {"version": 1, "command": "backfill", "ok": True, "done": [], "failed": [], "not_tried": []}
    assert desk.call(*words).json == nothing


def test_backfill_looks_again_at_provisional_days(desk: Desk) -> None:
    """A day that was exported before it had settled is not done."""
    words = ("backfill", "--from", recent(0), "--to", recent(0), "--json")
    assert desk.call(*words, EXPORT_SETTLE_HOURS="168").json["done"][0]["state"] == "provisional"
    (done,) = desk.call(*words, EXPORT_SETTLE_HOURS="0").json["done"]
    assert (done["state"], done["outcome"]) == ("final", "unchanged")


def test_a_backfill_without_any_event_asks_whose_keys_these_are(desk: Desk) -> None:
    """As a run does; not any more once a day has events."""
    for hour in FULL_HOURS:
        desk.simulator.add(Missing(f"{recent(1).replace('-', '')}T{hour:02}"))
    assert NEVER_AN_EVENT in desk.call("backfill", "--from", recent(1), "--to", recent(1)).err
    assert NEVER_AN_EVENT not in desk.call("backfill", "--from", recent(2), "--to", recent(1)).err


def test_no_word_of_another_kind_is_proposed(desk: Desk) -> None:
    """`frob` is near to `--from`, and is no option."""
    said = desk.call("frob")
    assert (said.code, "Did you mean" in said.err) == (2, False)


@pytest.mark.parametrize(
    "words",
    [
        ("erase", "--ids", "", "--reason", "ticket", "--yes"),
        ("erase", "--ids", "ids.txt", "--reason", " ", "--yes"),
        ("find", "--ids", ""),
        ("verify", "--head", ""),
        ("status", "--html", ""),
        ("report", "--out", ""),
        ("sql", ""),
    ],
    ids=" ".join,
)
def test_an_empty_argument_is_none_that_was_left_out(desk: Desk, words: tuple[str, ...]) -> None:
    """What a variable of the shell that is not set leaves: it erased Amplitude's whole list, and proved any ledger."""
    said = desk.call(*words, EXPORT_ERASURE_KEY="k" * 32)
    assert (said.code, "is a variable of the shell not set?" in said.err) == (2, True)
    assert desk.simulator.requests == []


def test_status_of_an_empty_store(desk: Desk) -> None:
    """A sentence, and what would be due; no key is needed."""
    said = desk.call("status", AMP_API_KEY="", AMP_SECRET_KEY="")
    assert said.code == 0
    place = f"{desk.data}/"
    assert said.out == f"The store is empty: no day has been exported yet into {place}.\nDue now: {recent(0)}.\n"
    checked = desk.call("status", "--check", "--by", "00:00", "--quiet").out
    assert checked == f"Not well: {recent(0)} is missing: no day has been exported yet\n"
    assert desk.call("verify").out.startswith("No day is on record: there is nothing to read back.\n")
    assert desk.call("erasures").out == "Nobody was erased so far.\n"
    assert desk.call("tables").out.startswith("None of these days is whole, ")
    assert not desk.data.exists()


def test_status_shows_days_gaps_and_failures(desk: Desk) -> None:
    """A table of the last days; the gaps in words; failures with their reason."""
    oldest, failing = recent(4), recent(2)
    desk.call("export", "--day", oldest)
    desk.simulator.add(Status(503, when=ALWAYS))
    desk.call("export", "--day", failing)
    said = desk.call("status")
    assert said.code == 0
    assert re.search(rf"^{oldest}  final +\d+", said.out, re.MULTILINE)
    assert re.search(rf"^{failing}  failed .*retriable, attempt 1$", said.out, re.MULTILINE)
    assert f"\n{failing} failed last time: window" in said.out
    assert "Missing: 4. `run` repairs those that are due, and this all of them:" in said.out
    assert f"python -m exporter backfill --from {recent(3)} --to {recent(0)}\n" in said.out
    assert oldest not in desk.call("status", "--days", "3").out.split("Newest")[0]


def test_status_as_json(desk: Desk) -> None:
    """Newest, missing and due days, and a row a day."""
    desk.call("export", "--day", recent(2))
    document = desk.call("status", "--json").json
    assert document["newest"] == recent(2)
    assert document["missing"] == [recent(1), recent(0)]
    assert document["due"] == [recent(0), recent(1)]
    assert [row["state"] for row in document["days"]] == ["final", "missing", "missing"]


def test_status_tells_of_damage(desk: Desk) -> None:
    """A manifest that is none: the day is damaged, missing and due, with the reason, in words and as JSON."""
    desk.call("export", "--day", recent(2))
    day = date.fromisoformat(recent(2))
    (desk.data / LAYOUT.manifest(day)).write_text("not JSON")
    damage = f"{LAYOUT.manifest(day)} is damaged: it is not a JSON object in UTF-8"
    said = desk.call("status")
    assert said.code == 0
    assert re.search(rf"^{day}  damaged +0 +0 +0$", said.out, re.MULTILINE)
    assert f"\n{day} is damaged: {damage}\n" in said.out
    assert "failed last time" not in said.out
    assert "Newest whole day: none. Days since the first record: 3.\nMissing: 3." in said.out
    document = desk.call("status", "--json").json
    assert [(row["state"], row["damage"]) for row in document["days"]] == [
        ("damaged", damage),
        ("missing", None),
        ("missing", None),
    ]
    assert document["missing"] == document["due"][::-1] == [recent(2), recent(1), recent(0)]


def test_run_tells_of_damage_and_mends_it(desk: Desk) -> None:
    """One line for the day that does not fit, though it is older than the lookback; after the run it is whole again."""
    day = date.fromisoformat(recent(9))
    desk.call("backfill", "--from", str(day), "--to", recent(0))
    dump = (desk.data / LAYOUT.dump(day)).read_bytes()
    (desk.data / LAYOUT.manifest(day)).write_text("{}")
    said = desk.call("run", EXPORT_SETTLE_HOURS="0")
    assert said.code == 0
    reason = f"{LAYOUT.manifest(day)} is damaged: it has no format number"
    assert f"WARNING - day damaged: day={day} reason={reason}\n" in said.err
    assert f"day exported: day={day} state=final" in said.err
    assert (desk.data / LAYOUT.dump(day)).read_bytes() == dump
    assert desk.call("verify", "--day", str(day)).code == 0
    assert "is damaged" not in desk.call("status").out


def test_days_that_cannot_be_are_told_and_ignored(desk: Desk) -> None:
    """Records of days to come, or older than Amplitude, make no rows and no gaps."""
    desk.call("export", "--day", recent(0))
    for day in (date(1999, 1, 1), date(2999, 1, 1)):
        (desk.data / LAYOUT.manifest(day)).write_text("{}")
    told = "days ignored: count=2 first=1999-01-01 last=2999-01-01: not over yet, or older than Amplitude"
    said = desk.call("status")
    assert said.code == 0
    assert f"\n{told}\n" in said.out
    assert "Days since the first record: 1.\n" in said.out
    assert told in desk.call("run").err


def test_a_project_without_any_event_is_asked_about(desk: Desk) -> None:
    """Days and no event at all: status and run ask whose keys these are, as long as it is so."""
    hint = "no event in any day so far: are these the keys of the project that receives the events, and not of a"
    for hour in FULL_HOURS:
        desk.simulator.add(Missing(f"{recent(1).replace('-', '')}T{hour:02}"))
    assert hint not in desk.call("status").out
    desk.call("export", "--day", recent(1))
    said = desk.call("status")
    assert re.search(rf"^{recent(1)}  empty ", said.out, re.MULTILINE)
    assert f"\nThere is {hint} portfolio?\n" in said.out
    for hour in FULL_HOURS:
        desk.simulator.add(Missing(f"{recent(0).replace('-', '')}T{hour:02}"))
    assert f"WARNING - {hint}" in desk.call("run").err
    desk.call("export", "--day", recent(2))
    assert hint not in desk.call("status").out
    assert hint not in desk.call("run").err


def test_another_projects_keys_stop_a_run(desk: Desk) -> None:
    """Nothing of any day is stored, the days that nobody had begun with are left, and the sentence says what to set."""
    desk.call("export", "--day", "2025-11-04")
    before = files_in(desk.data)
    words = ("backfill", "--from", "2025-11-04", "--to", "2025-11-10", "--json")
    with Simulator(events_per_hour=4, contents=FEW_HOURS, project=999) as other:
        said = desk.call(*words, AMP_BASE_URL=other.url, EXPORT_CONCURRENCY="2")
        assert 1 <= len(other.requests) <= 3
    assert said.code == 1
    failed, left_out = said.json["failed"], said.json["not_tried"]
    assert [one["day"] for one in failed] + left_out == [f"2025-11-{day:02}" for day in range(5, 11)]
    assert left_out
    assert all("Set EXPORT_PREFIX or EXPORT_CONTAINER" in one["reason"] for one in failed)
    assert f"the run stops here, {len(left_out)} days were not tried" in said.err
    assert files_in(desk.data) == before


def test_verify_reads_dumps_back(desk: Desk) -> None:
    """0 while every dump is what its manifest says, 1 when one is not."""
    desk.call("export", "--from", "2025-11-05", "--to", "2025-11-06")
    words = ("verify", "--from", "2025-11-05", "--to", "2025-11-06")
    good = desk.call(*words, AMP_API_KEY="", AMP_SECRET_KEY="")
    assert (good.code, good.out.count(" ok ")) == (0, 2)
    with (desk.data / DUMP).open("r+b") as dump:
        dump.seek(100)
        dump.write(b"?")
    bad = desk.call(*words)
    assert bad.code == 1
    assert re.search(r"^2025-11-05  ok ", bad.out, re.MULTILINE)
    assert f"{DUMP} has" in bad.out
    document = desk.call(*words, "--json").json
    assert [(one["problem"] is None, one["damaged"]) for one in document["days"]] == [(True, False), (False, True)]
    assert (document["command"], document["ok"], document["repaired"]) == ("verify", False, None)


def spoil(desk: Desk) -> bytes:
    """Export DAY, change a byte of its dump and leave its size and time as they were; return what it was."""
    desk.call("export", "--day", str(DAY))
    dump = desk.data / DUMP
    good, written = dump.read_bytes(), dump.stat()
    dump.write_bytes(good[:100] + b"?" + good[101:])
    os.utime(dump, ns=(written.st_atime_ns, written.st_mtime_ns))
    return good


def test_verify_puts_damage_on_record(desk: Desk) -> None:
    """A listing cannot see it, so the finding stays: status shows it, an export mends it, and then it is gone."""
    good = spoil(desk)
    assert "damaged" not in desk.call("status").out
    (found,) = desk.call("verify", "--day", str(DAY), "--json", AMP_API_KEY="", AMP_SECRET_KEY="").json["days"]
    problem = found["problem"]
    record = json.loads((desk.data / LAYOUT.failure(DAY)).read_text())
    assert (record["kind"], record["reason"], record["attempts"]) == ("damaged", problem, 1)
    (row,) = [row for row in status_of(desk)["days"] if row["state"] != "missing"]
    assert (row["day"], row["state"], row["damage"]) == (str(DAY), "damaged", problem)
    assert str(DAY) in status_of(desk)["due"]
    assert desk.call("verify", "--day", str(DAY)).code == 1
    assert json.loads((desk.data / LAYOUT.failure(DAY)).read_text()) == record
    said = desk.call("export", "--day", str(DAY), "--json")
    assert (said.code, said.json["done"][0]["outcome"]) == (0, "replaced")
    assert (desk.data / DUMP).read_bytes() == good
    assert desk.call("verify", "--day", str(DAY)).code == 0
    assert left(desk) == {DUMP, MANIFEST, LEDGER}


def status_of(desk: Desk) -> Any:
    """The whole coverage as JSON."""
    return desk.call("status", "--days", "9999", "--json").json


def test_verify_takes_back_what_is_whole_again(desk: Desk) -> None:
    """A dump that was restored by hand: the record of its damage goes, other failures stay."""
    good = spoil(desk)
    assert desk.call("verify", "--day", str(DAY)).code == 1
    (desk.data / DUMP).write_bytes(good)
    assert desk.call("verify", "--day", str(DAY)).code == 0
    assert left(desk) == {DUMP, MANIFEST, LEDGER}
    desk.simulator.add(Status(503, when=ALWAYS))
    desk.call("export", "--day", str(DAY))
    assert desk.call("verify", "--day", str(DAY)).code == 0
    assert left(desk) == {DUMP, MANIFEST, LAYOUT.failure(DAY), LEDGER}


def test_verify_repairs_what_does_not_fit(desk: Desk) -> None:
    """With --repair the damaged day is written anew at once, and the others are not asked for."""
    desk.call("export", "--day", "2025-11-05")
    good = spoil(desk)
    desk.simulator.requests.clear()
    words = ("verify", "--from", "2025-11-05", "--to", "2025-11-06")
    said = desk.call(*words, "--repair")
    assert said.code == 0
    assert re.search(r"^2025-11-06  see below ", said.out, re.MULTILINE)
    assert "day exported: day=2025-11-06 state=final outcome=replaced" in said.err
    assert [request.first[:8] for request in desk.simulator.requests] == ["20251106"]
    assert (desk.data / DUMP).read_bytes() == good
    assert desk.call(*words).code == 0
    assert not (desk.data / LAYOUT.failure(DAY)).exists()


def test_what_no_export_puts_right_is_no_repair(desk: Desk) -> None:
    """The bytes are right, and the manifest names another line of the ledger: a person has to say so."""
    desk.call("export", "--day", str(DAY))
    path = desk.data / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ledger": {"number": 1, "sha256": "a" * 64}}))
    for words, code in (("--repair", 1), ("--accept", 0), ("--repair", 0)):
        assert desk.call("verify", "--day", str(DAY), words).code == code


def test_a_day_that_cannot_be_read_keeps_no_other_from_being_verified(desk: Desk) -> None:
    """A sector of the disk is bad."""
    desk.call("backfill", "--from", "2025-11-05", "--to", "2025-11-06")
    bad = (
        "import runpy\nfrom exporter.store.folder import LocalStore\nreal = LocalStore.stream\n"
        "def stream(self, name):\n"
        "    if name == '20251105_0000_ampl_dump.json':\n        raise OSError(5, 'Input/output error', name)\n"
        "    return real(self, name)\n"
        "LocalStore.stream = stream\nrunpy.run_module('exporter', run_name='__main__')\n"
    )
    said = desk.call_as(("-c", bad), ("verify", "--from", "2025-11-05", "--to", "2025-11-06", "--json"), {})
    assert said.code == 1, said.err
    problems = [one["problem"] for one in said.json["days"]]
    assert problems == ["it cannot be read back: [Errno 5] Input/output error: '20251105_0000_ampl_dump.json'", None]


def test_a_repair_that_fails_is_exit_code_1(desk: Desk) -> None:
    """The damage stays on record until the day is whole; without anything to repair no day is asked for."""
    spoil(desk)
    desk.simulator.add(Status(503, when=When(5)))
    said = desk.call("verify", "--day", str(DAY), "--repair")
    assert said.code == 1
    assert f"day failed: day={DAY} kind=retriable" in said.err
    assert desk.call("verify", "--day", str(DAY), "--repair").code == 0
    asked = len(desk.simulator.requests)
    assert desk.call("verify", "--day", str(DAY), "--repair").code == 0
    assert len(desk.simulator.requests) == asked


def test_a_failed_attempt_does_not_hide_damage(desk: Desk) -> None:
    """What does not fit stays known until the day is written anew, however many attempts fail before that."""
    good = spoil(desk)
    assert desk.call("verify", "--day", str(DAY)).code == 1
    desk.simulator.add(Status(503, when=When(5)))
    assert desk.call("export", "--day", str(DAY)).code == 1
    assert [row["state"] for row in status_of(desk)["days"] if row["day"] == str(DAY)] == ["damaged"]
    assert desk.call("export", "--day", str(DAY)).code == 0
    assert (desk.data / DUMP).read_bytes() == good
    assert desk.call("verify", "--day", str(DAY)).code == 0


def test_verify_goes_on_after_a_record_of_a_newer_version(desk: Desk) -> None:
    """A manifest that this version cannot read is a line of the result; it is not damage, and the others are read."""
    desk.call("export", "--from", "2025-11-05", "--to", "2025-11-06")
    (desk.data / LAYOUT.manifest(date(2025, 11, 5))).write_text('{"format": 99}')
    said = desk.call("verify", "--from", "2025-11-05", "--to", "2025-11-06", "--json")
    assert said.code == 1
    newer, good = said.json["days"]
    assert ("has format 99" in newer["problem"], newer["damaged"], good["problem"]) == (True, False, None)


def test_a_repair_as_json_is_one_document(desk: Desk) -> None:
    """What was found, and what became of it."""
    spoil(desk)
    said = desk.call("verify", "--day", str(DAY), "--repair", "--json")
    assert said.code == 0
    (found,), (done,) = said.json["days"], said.json["repaired"]["done"]
    assert (found["damaged"], done["day"], done["outcome"]) == (True, str(DAY), "replaced")


def test_a_repair_needs_keys(desk: Desk) -> None:
    """They are missed before anything is read, not after a long look at every dump."""
    said = desk.call("verify", "--day", str(DAY), "--repair", AMP_API_KEY="")
    assert (said.code, "AMP_API_KEY is missing" in said.err) == (2, True)


def test_verify_takes_the_lookback_if_no_day_is_named(desk: Desk) -> None:
    """From the first record inside the lookback on; missing days are a problem."""
    desk.call("export", "--from", recent(1), "--to", recent(1))
    said = desk.call("verify")
    assert said.code == 1
    assert [line.split()[:2] for line in said.out.splitlines()[1:3]] == [[recent(1), "ok"], [recent(0), "see"]]
    assert f"{recent(0)}: no manifest: the day is missing. Export it" in said.out


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_download_leaves_nothing(desk: Desk, sent: signal.Signals) -> None:
    """Exit code 130, a sentence, and neither the store nor the temp folder holds a file."""
    desk.simulator.add(Wire("drip", 200))
    with desk.started("export", "--day", str(DAY)) as child:
        wait_for_a_request(desk, child)
        child.send_signal(sent)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Interrupted. Nothing partial is left, days that were finished stay. Call the same command again." in err
    assert "Traceback" not in err
    assert left(desk) == set()
    assert desk.call("export", "--day", str(DAY)).code == 0


def test_secrets_are_in_no_output_and_no_file(desk: Desk) -> None:
    """Not with everything logged, and not when everything fails."""
    for fault in (Status(503), Status(400), Status(403), Wire("reset"), Wire("closed")):
        desk.simulator.add(fault)
    desk.simulator.add(OddLine("nan", "17"))
    said = [desk.call("export", "--day", str(DAY), EXPORT_LOG_LEVEL="DEBUG") for _ in range(3)]
    assert [one.code for one in said] == [1, 0, 0]
    written = b"".join(files_in(desk.folder).values()).decode()
    seen = written + "".join(one.out + one.err for one in said)
    assert "rejected/20251106_0000.jsonl" in seen
    assert not [secret for secret in SECRETS if secret in seen]


def on_a_terminal(desk: Desk, *words: str, stream: str = "stderr", **changed: str) -> tuple[int, str, str]:
    """Call with a terminal for stderr (or stdout); the exit code, what it showed, and what the other stream said."""
    ours, theirs = pty.openpty()
    streams = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, stream: theirs}
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", *words],
        cwd=desk.folder,
        env=desk.environment(**{"TERM": "xterm", "COLUMNS": "200"} | changed),
        stdout=streams["stdout"],
        stderr=streams["stderr"],
        text=True,
    ) as child:
        os.close(theirs)
        shown = terminal(ours)
        other = child.stdout if stream == "stderr" else child.stderr
        assert other
        said = other.read()
    return child.returncode, shown, said


def test_bars_on_a_terminal(desk: Desk) -> None:
    """How far the run is, who is at work on what, the last log lines below; the lines of the days go to the pipe."""
    desk.simulator.add(Wire("drip", 8_000, when=ALWAYS))
    code, shown, said = on_a_terminal(desk, "backfill", "--from", "2025-11-04", "--to", "2025-11-06")
    assert code == 0
    for text in ("day 1 of 3", "day 3 of 3", " left", "download", "2025-11-05", "day exported: day=2025-11-06"):
        assert text in shown
    assert shown.index("day 1 of 3") < shown.index("download") < shown.index("day exported: day=2025-11-04")
    assert "\x1b[" in shown
    assert [line[:19] for line in said.splitlines()] == [f"2025-11-0{day}  written" for day in (4, 5, 6)]


def test_quiet_draws_nothing(desk: Desk) -> None:
    """Not on a terminal either; what goes wrong is said."""
    assert on_a_terminal(desk, "export", "--quiet", "--day", str(DAY)) == (0, "", "")
    desk.simulator.add(Status(403))
    code, shown, said = on_a_terminal(desk, "export", "-q", "--day", "2025-11-05")
    assert (code, said) == (1, "")
    assert "ERROR - day failed: day=2025-11-05 kind=refused" in shown


def test_troubles_stay_on_a_terminal(desk: Desk) -> None:
    """When the bars are gone, warnings and errors stand there, also those that come at the very end."""
    with LocalStore(desk.data).lock(LAYOUT.lock(DAY), "run-0"):
        code, shown, _ = on_a_terminal(desk, "export", "--day", str(DAY), EXPORT_LOOKBACK="3")
    assert code == 1
    last = shown.rpartition("\x1b[")[2]
    assert "EXPORT_LOOKBACK is not a setting of this exporter" in last
    assert "day failed: day=2025-11-06 kind=held" in last


def test_a_table_at_the_end_on_a_terminal(desk: Desk) -> None:
    """What became of each day; numbers stand on the right, and at 60 columns no day is cut."""
    desk.simulator.add(Status(403, when=When(1, hours="20251106")))
    words = ("export", "--from", "2025-11-05", "--to", "2025-11-06")
    code, shown, _ = on_a_terminal(desk, *words, stream="stdout", COLUMNS="60")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert code == 1
    assert re.search(r"2025-11-05 │ written +│ final +│ +\d+ │ +[\d,]+ │", plain)
    assert re.search(r"2025-11-06 │ failed +│ refused", plain)
    assert "2025-11-06 failed: Amplitude refuses the keys" in plain


def test_no_bars_elsewhere(desk: Desk) -> None:
    """What a log collector reads holds no escape sequences."""
    said = desk.call("export", "--day", str(DAY))
    assert "\x1b" not in said.err + said.out


def test_demo_leaves_settings_and_dumps_alone(desk: Desk) -> None:
    """It reads neither `.env` nor the environment, and writes to demo/ only."""
    (desk.folder / ".env").write_text("EXPORT_MAX_ATTEMPTS=rubbish\n")
    desk.data.mkdir()
    (desk.data / DUMP).write_text("mine")
    before = files_in(desk.folder)
    said = desk.call("demo", EXPORT_DATA_DIR="elsewhere", EXPORT_SETTLE_HOURS="rubbish")
    assert said.code == 0
    written = {name: text for name, text in files_in(desk.folder).items() if name not in before}
    assert {name: text for name, text in files_in(desk.folder).items() if name in before} == before
    assert {name.split("/")[0] for name in written} == {"demo"}
    (dump,) = [text for name, text in written.items() if name.endswith("_ampl_dump.json")]
    assert f"{len(json.loads(dump)):,} events, {len(dump):,} bytes" in said.out
    assert "python -m exporter export" in said.out
    assert desk.simulator.requests == []
    assert desk.call("demo").code == 0


def test_simulate_serves_until_it_is_stopped(desk: Desk) -> None:
    """It says what to type; that works; Ctrl-C ends it quietly."""
    with desk.started("simulate", "--port", "0", "--events-per-hour", "5", "503") as child:
        assert child.stdout
        url = re.search(r"http://127\.0\.0\.1:\d+", child.stdout.readline())
        assert url
        said = desk.call("export", "--day", str(DAY), "--json", AMP_BASE_URL=url[0])
        child.send_signal(signal.SIGINT)
        out = child.stdout.read()
        _, err = child.communicate(timeout=30)
    assert said.code == 0
    assert said.json["done"][0]["events"] > 0
    assert "status 503" in said.err
    assert all(key in out for key in KEYS)
    assert (child.returncode, err) == (0, "")


def test_simulate_says_when_its_port_is_taken(desk: Desk) -> None:
    """A sentence, and what to do."""
    said = desk.call("simulate", "--port", desk.simulator.url.rpartition(":")[2])
    assert said.code == 2
    assert "cannot be used" in said.err
    assert "0 picks a free one" in said.err


def test_simulate_names_its_faults(desk: Desk) -> None:
    """Every name with a line about it."""
    said = desk.call("simulate", "--list-faults")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == list(FAULT_NAMES)


def test_help_names_every_command(desk: Desk) -> None:
    """What can be typed, and what the exit codes mean."""
    said = desk.call("--help")
    assert said.code == 0
    for command in ("export", "run", "backfill", "status", "verify", "simulate", "demo"):
        assert re.search(rf"^ +{command} +\w", said.out, re.MULTILINE)
    assert "exit codes: 0 done, 1 a day failed or is held by another run, 2 wrong" in said.out


def test_a_full_disk_is_one_clear_sentence(tmp_path: Path) -> None:
    """The operating system lets no file grow beyond a megabyte: nothing of the day is left, there or in temp."""
    (tmp_path / "tmp").mkdir()
    with Simulator(events_per_hour=60) as simulator:
        desk = Desk(tmp_path, simulator)
        said = desk.call_as(("-c", SMALL_FILES), ("export", "--day", str(DAY)), {})
    assert said.code == 1
    (failed,) = [line for line in said.err.splitlines() if "day failed: " in line]
    assert "kind=retriable reason=File too large: " in failed
    assert "Nothing of the day is visible." in failed
    assert "Traceback" not in said.err
    assert left(desk) == {LAYOUT.failure(DAY)}


@pytest.mark.parametrize(
    ("name", "words", "code", "says"),
    [
        ("EXPORT_LOG_DIR", "export", 2, "EXPORT_LOG_DIR: a-file/log_"),
        ("EXPORT_DATA_DIR", "export", 1, "day failed: day="),
        ("EXPORT_DATA_DIR", "status", 1, "Not a directory"),
        ("EXPORT_DATA_DIR", "verify --day 2025-11-06", 1, "Not a directory"),
    ],
)
def test_a_file_in_the_way_is_a_sentence(desk: Desk, name: str, words: str, code: int, says: str) -> None:
    """A folder that cannot be used is named; no traceback is shown."""
    (desk.folder / "a-file").write_text("not a folder")
    said = desk.call(*words.split(), **{name: "a-file"})
    assert said.code == code
    assert says in said.err
    assert "a-file" in said.err
    assert "Traceback" not in said.err
