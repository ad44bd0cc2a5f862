"""Each fault of the simulator, from the wire to the store: what the user sees, what it costs, and what is left."""

import base64
import gzip
import json
import logging
import re
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from exporter.archive.lines import LongLineError
from exporter.clock import Deadline
from exporter.errors import DeadlineError, ExportError, PermanentError, RefusedError, RejectedError, RetriableError
from exporter.export import DayExported, Exporter, export_day
from exporter.simulator import FAULT_NAMES, Resized, Simulator, TooLarge, When, parse_faults
from tests.kit import DAY, KEYS, RawServer, Time, at, dump_of, exporting, files_in, http, member, zipped

DUMP, MANIFEST = "20251106_0000_ampl_dump.json", "manifests/20251106_0000.json"
REJECTED, FAILURE = "rejected/20251106_0000.jsonl", "failures/20251106_0000.json"
SECRETS = (base64.b64encode(":".join(KEYS).encode()).decode(), *KEYS)
FIRST = "window 20251106T00..20251106T23: request 1 of 5 failed "

ALLOWED = [
    "no-length",
    "chunked",
    "reordered",
    "blank-lines",
    "crlf",
    "separators",
    "lone-surrogate",
    "long-line",
    "big-integer",
    "huge-integer",
    "huge-float",
    "deep-nesting",
    "drip:5000000",
    "silence:0.05",
    "empty-hour",
    "late-hour",
    "grows",
    "shrinks",
]
"""Unusual, and none of the user's business: one request, and the day is whole."""

PASSING = {
    "429": "(status 429); the next one follows in 2 s",
    "429:3": "(status 429); the next one follows in 3 s",
    "429-date:100": "(status 429); the next one follows in ",
    "500": "(status 500); the next one follows in 1 s",
    "502": "(status 502); the next one follows in 1 s",
    "503": "(status 503); the next one follows in 1 s",
    "504": "(status 504); the next one follows in 1 s",
    "html": "(the body is no ZIP archive: it says: Please wait Please wait)",
    "empty-body": "(the body is no ZIP archive: it is empty)",
    "truncated-zip": "(the archive is cut off or corrupt: the end of its directory is not at its end)",
    "short-body": "(the archive is cut off or corrupt: the end of its directory is not at its end)",
    "broken-off": "(IncompleteRead: ",
    "broken-chunks": "(IncompleteRead: ",
    "reset": "(ConnectionResetError: ",
    "closed": "(RemoteDisconnected: Remote end closed connection without response)",
    "corrupt-member": "is corrupt: ",
    "corrupt-zip": "is corrupt: ",
    "wrong-trailer": "is corrupt: ",
    "truncated-member": "is cut off)",
    "foreign-member": "('readme.txt' in the archive is neither a folder nor a member of Amplitude's. ",
    "bad-name": "('export-of-today.json.gz' in the archive is neither a folder nor a member of Amplitude's. ",
    "renamed-member": ".JSON.GZ' in the archive is neither a folder nor a member of Amplitude's. ",
    "folder-with-data": "/' in the archive is a folder and holds data)",
    "missing-entry": "(the archive is corrupt before '",
    "two-archives": "(the archive is c",
    "other-hour": "is of an hour that was not asked for (20251106T00..20251106T23))",
    "same-member-twice": "is in the archive twice)",
    "path-outside": "('../../etc/x.json.gz' in the archive is neither a folder nor a member of Amplitude's. ",
    "bomb:300": "inflates to more than a sound archive of its size can hold)",
    "encrypted": "is encrypted, or compressed in a way that Amplitude does not use)",
    "unsupported-compression": "is encrypted, or compressed in a way that Amplitude does not use)",
}
"""What the log says of a fault that the next request gets over."""

FATAL: dict[str, tuple[type[ExportError], str]] = {
    "401": (RefusedError, "Look at AMP_API_KEY, AMP_SECRET_KEY and the region"),
    "403": (RefusedError, "status 403, Amplitude says: Forbidden: Invalid API Key"),
    "404": (PermanentError, "That is no Export API: look at AMP_BASE_URL (http://127.0.0.1:"),
    "302": (PermanentError, "a redirect to /login. Look at AMP_BASE_URL"),
    "huge-line": (LongLineError, "is longer than 16777216 bytes"),
}
"""What asking again would not help: one request."""

HALVING = {"400": 3, "400-empty": 3, "too-large:6": 6, "too-slow:6": 8}
"""Requests until every hour is there."""

BAD_LINES = {
    "torn-line": 2,
    "torn-at-comma": 2,
    "two-objects": 1,
    "array-line": 1,
    "bom": 1,
    "nan": 1,
    "invalid-utf8": 1,
}
"""How many lines are rejected."""


@dataclass(frozen=True)
class Place:
    """Where an export works, and everything somebody could read afterwards."""

    store: Path
    temp: Path
    caplog: pytest.LogCaptureFixture

    def stored(self) -> dict[str, bytes]:
        """The store's files."""
        return files_in(self.store)

    def messages(self, level: int = logging.WARNING) -> list[str]:
        """What the exporter logged, at this level or above."""
        return [r.message for r in self.caplog.records if r.levelno >= level and r.name.startswith("exporter.")]


@pytest.fixture
def place(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An empty store. Afterwards: no temp file, no hidden file, no lock, no secret in any file or log line."""
    caplog.set_level(logging.DEBUG)
    place = Place(tmp_path / "store", tmp_path / "temp", caplog)
    place.temp.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(place.temp))
        yield place
    assert files_in(place.temp) == {}
    stored = place.stored()
    assert {name.split("/")[0] for name in stored} <= {DUMP, "manifests", "rejected", "failures", "ledger"}
    everything = caplog.text.encode() + b"".join(stored.values())
    for secret in SECRETS:
        assert secret.encode() not in everything


def simulated(*words: str) -> Simulator:
    """A small project with faults and contents as the command line spells them."""
    simulator = Simulator(events_per_hour=2)
    for scripted in parse_faults(words):
        simulator.add(scripted)
    return simulator


def exported(simulator: Simulator, place: Place) -> DayExported:
    """Export the day and look whether it is whole."""
    with exporting(simulator, place.store) as core:
        done = export_day(DAY, core)
    assert DUMP in place.stored()
    assert MANIFEST in place.stored()
    assert FAILURE not in place.stored()
    assert done.manifest.attempts == len(simulator.requests)
    return done


def failed(core: Exporter, place: Place) -> ExportError:
    """Export the day in vain: nothing but the failure is left, with the sentence that the user saw."""
    before = {name: text for name, text in place.stored().items() if name != FAILURE}
    with pytest.raises(ExportError) as raised:
        export_day(DAY, core)
    error = raised.value
    stored = place.stored()
    failure = json.loads(stored.pop(FAILURE))
    assert stored == before
    assert (failure["reason"], failure["kind"]) == (str(error), error.kind)
    assert f"day failed: day=2025-11-06 kind={error.kind} reason={error}" in place.messages(logging.ERROR)
    shown = "".join(traceback.format_exception(error)) + repr(error)
    assert not [secret for secret in SECRETS if secret in shown]
    return error


def test_every_fault_is_shown_here() -> None:
    """A fault that the simulator learns needs its place in these tests."""
    here = {re.sub(":.*", "", word) for word in (*ALLOWED, *PASSING, *FATAL, *HALVING, *BAD_LINES, "empty-day")}
    assert here == set(FAULT_NAMES)


@pytest.mark.parametrize("word", ALLOWED)
def test_what_is_allowed_is_taken_as_it_is(word: str, place: Place) -> None:
    """One request, every line in its place, and not a word."""
    with simulated(word) as simulator:
        lines = simulator.lines(DAY)
        done = exported(simulator, place)
        assert len(simulator.requests) == 1
    assert place.stored()[DUMP] == dump_of(lines)
    assert (done.manifest.events, done.manifest.retries, done.manifest.rejected) == (len(lines), 0, 0)
    assert place.messages() == []


@pytest.mark.parametrize("word", PASSING)
def test_what_passes_is_asked_for_again(word: str, place: Place) -> None:
    """Two requests, one line in the log that says why, and the day is whole."""
    with simulated(word) as simulator:
        lines = simulator.lines(DAY)
        done = exported(simulator, place)
        assert len(simulator.requests) == 2
    assert place.stored()[DUMP] == dump_of(lines)
    assert (done.manifest.attempts, done.manifest.retries, done.outcome) == (2, 1, "written")
    (said,) = place.messages()
    assert said.startswith(FIRST)
    assert PASSING[word] in said


@pytest.mark.parametrize("word", [word for word in PASSING if word not in {"504", "bomb:300"}])
def test_what_does_not_pass_leaves_nothing_partial(word: str, place: Place) -> None:
    """Five requests, then the reason and nothing else; the next attempt makes up for it."""
    with simulated(f"{word}x5") as simulator:
        with exporting(simulator, place.store) as core:
            error = failed(core, place)
        assert isinstance(error, RetriableError)
        assert str(error).startswith("window 20251106T00..20251106T23: ")
        assert len(simulator.requests) == 5
        assert set(place.stored()) == {FAILURE}
        with exporting(simulator, place.store) as core:
            assert export_day(DAY, core).outcome == "written"
        assert place.stored()[DUMP] == dump_of(simulator.lines(DAY))
        assert FAILURE not in place.stored()


@pytest.mark.parametrize("word", ["503", "reset", "truncated-zip", "wrong-trailer", "403"])
def test_a_stored_day_stays_as_it_is(word: str, place: Place) -> None:
    """A failed second look changes neither dump nor manifest, though events came in."""
    with Simulator(events_per_hour=2) as simulator, exporting(simulator, place.store) as core:
        export_day(DAY, core)
        before = place.stored()
        simulator.add(Resized("05", 5))
        for fault in parse_faults([f"{word}x5"]):
            simulator.add(fault)
        failed(core, place)
        assert {name: text for name, text in place.stored().items() if name != FAILURE} == before


@pytest.mark.parametrize("word", FATAL)
def test_what_asking_again_will_not_help_is_asked_once(word: str, place: Place) -> None:
    """The message quotes Amplitude and names the setting to look at."""
    kind, says = FATAL[word]
    with simulated(word) as simulator:
        with exporting(simulator, place.store) as core:
            error = failed(core, place)
        assert len(simulator.requests) == 1
    assert type(error) is kind
    assert says in str(error)
    assert set(place.stored()) == {FAILURE}


@pytest.mark.parametrize("word", HALVING)
def test_a_window_too_big_comes_in_smaller_ones(word: str, place: Place) -> None:
    """Every hour once, in order; the size that worked is remembered and used first the next time."""
    with simulated(word) as simulator:
        done = exported(simulator, place)
        assert len(simulator.requests) == HALVING[word]
        assert place.stored()[DUMP] == dump_of(simulator.lines(DAY))
        hours = 12 if word.startswith("400") else 6
        assert done.manifest.window_hours == hours
        assert [window.start[-2:] for window in done.manifest.windows] == [f"{h:02}" for h in range(0, 24, hours)]
        assert f"Asking for {hours} hours at a time from here on" in place.messages()[-1]
        before = len(simulator.requests)
        with exporting(simulator, place.store) as core:
            assert export_day(DAY, core).outcome == "unchanged"
        assert len(simulator.requests) - before == 24 // hours


def test_no_later_window_is_wider_than_half_of_a_refused_one(place: Place) -> None:
    """What was too big in the morning is not tried in the evening; what is finished stays."""
    noon = TooLarge(3, 400, When(times=None, hours="13"))
    with Simulator(events_per_hour=2, faults=[noon]) as simulator:
        exported(simulator, place)
        asked = [(request.first[-2:], request.last[-2:], request.status) for request in simulator.requests]
        assert place.stored()[DUMP] == dump_of(simulator.lines(DAY))
    assert asked == [
        ("00", "23", 400),
        ("00", "11", 200),
        ("12", "23", 400),
        ("12", "17", 400),
        *((f"{first:02}", f"{first + 2:02}", 200) for first in (12, 15, 18, 21)),
    ]


def test_an_archive_over_its_share_comes_in_halves(place: Place) -> None:
    """The share is 5/8 of EXPORT_TMP_LIMIT_MB; nothing of the refused archive is in the dump."""
    with Simulator(events_per_hour=2) as simulator:
        with exporting(simulator, place.store) as core:
            core.client.archive_limit = 12_000
            done = export_day(DAY, core)
        assert done.manifest.window_hours < 24
        assert place.stored()[DUMP] == dump_of(simulator.lines(DAY))
    assert "its archive is bigger than 12000 bytes, its share of EXPORT_TMP_LIMIT_MB" in place.messages()[0]


def test_an_hour_that_comes_near_its_share_is_told_in_time(place: Place) -> None:
    """From half of what an archive may have, once it is asked for alone, with the setting's name."""
    with Simulator(events_per_hour=60) as simulator, exporting(simulator, place.store) as core:
        core.client.archive_limit = 70_000  # a bit more than the largest hour has
        assert export_day(DAY, core).manifest.window_hours == 1
    told = [line for line in place.messages() if "more than half of the" in line]
    assert told
    assert "Raise EXPORT_TMP_LIMIT_MB" in told[0]


@pytest.mark.parametrize(("code", "requests"), [(400, 6), (504, 15)])
def test_one_hour_too_big_names_the_way_out(code: Literal[400, 504], requests: int, place: Place) -> None:
    """Halved down to the hour, then an end; the next attempt begins with single hours."""
    with Simulator(events_per_hour=2, faults=[TooLarge(0, code)]) as simulator:
        with exporting(simulator, place.store) as core:
            error = failed(core, place)
        assert len(simulator.requests) == requests
        if code == 400:
            assert type(error) is PermanentError
            assert "hour 20251106T00 is too big for the Export API" in str(error)
            assert "Use Amplitude's own Azure Blob Storage or S3 destination" in str(error)
        with exporting(simulator, place.store) as core:
            failed(core, place)
        assert simulator.requests[requests].last == "20251106T00"


def test_one_hour_over_its_share_names_setting_and_destination(place: Place) -> None:
    """An hour cannot be halved."""
    with Simulator(events_per_hour=2) as simulator, exporting(simulator, place.store) as core:
        core.client.archive_limit = 100
        error = failed(core, place)
    assert type(error) is PermanentError
    assert "raise EXPORT_TMP_LIMIT_MB" in str(error)
    assert "Use Amplitude's own Azure Blob Storage or S3 destination" in str(error)


@pytest.mark.parametrize("word", BAD_LINES)
def test_a_bad_line_is_kept_aside(word: str, place: Place) -> None:
    """The day is whole without it; the line is there byte for byte, and its content is in no log."""
    with simulated(word) as simulator:
        lines = simulator.lines(DAY)
        done = exported(simulator, place)
        assert len(simulator.requests) == 1
    count = BAD_LINES[word]
    records = [json.loads(record) for record in place.stored()[REJECTED].decode().split("\n")[:-1]]
    bad = [r["text"].encode() if "text" in r else base64.b64decode(r["base64"]) for r in records]
    assert len(bad) == count == done.manifest.rejected
    assert place.stored()[DUMP] == dump_of([line for line in lines if line not in bad])
    assert [line for line in lines if line in bad] == bad
    assert place.messages() == [f"lines rejected: day=2025-11-06 count={count} kept={REJECTED}"]
    assert "@example.com" not in place.caplog.text


def test_too_many_bad_lines_fail_the_day(place: Place) -> None:
    """The message names the share, the setting and the file to look at, which holds every one of them."""
    with (
        simulated(*(f"nan@{hour:02}" for hour in range(24))) as simulator,
        exporting(simulator, place.store) as core,
        pytest.raises(RejectedError, match=rf"EXPORT_MAX_REJECTED_PERCENT=1\). Look at {REJECTED}"),
    ):
        export_day(DAY, core)
    stored = place.stored()
    assert set(stored) == {REJECTED, FAILURE}
    count = stored[REJECTED].count(b"\n")
    assert count > 10
    assert json.loads(stored[FAILURE])["reason"].startswith(f"{count} of ")


def test_a_day_without_events_is_an_empty_array(place: Place) -> None:
    """404 in Amplitude's words is an answer."""
    with simulated("empty-day") as simulator:
        assert exported(simulator, place).outcome == "empty"
        assert len(simulator.requests) == 1
    assert place.stored()[DUMP] == b"[]\n"
    assert place.messages() == []


def test_a_404_after_an_archive_that_broke_is_no_empty_day(place: Place) -> None:
    """Its directory told of two hours. What was written of it is taken back, the rejected lines too."""
    members = [(member(1), gzip.compress(b'{"a":1}\nbad\n')), (member(2), gzip.compress(b"{}\n")[:-1])]
    broken, gone = http(200, zipped(members)), http(404, b"Raw data files were not found.")
    with RawServer(broken, *[gone] * 4) as server, exporting(server, place.store) as core:
        error = failed(core, place)
        assert len(server.heads) == 5
    assert isinstance(error, RetriableError)
    assert "status 404: less in the hours 01, 02 now, and there was more before" in str(error)


def test_an_archive_that_broke_leaves_no_event_twice(place: Place) -> None:
    """What was written of it before the fault is taken back, and comes once from the next."""
    lines = [b'{"hour":%d}' % hour for hour in (1, 2)]
    whole = [(member(hour), gzip.compress(line)) for hour, line in zip((1, 2), lines, strict=True)]
    broken = [whole[0], (whole[1][0], whole[1][1][:-1])]
    with (
        RawServer(http(200, zipped(broken)), http(200, zipped(whole))) as server,
        exporting(server, place.store) as core,
    ):
        done = export_day(DAY, core)
    assert place.stored()[DUMP] == dump_of(lines)
    assert done.manifest.hours["01"] == {"members": 1, "events": 1}


def test_a_body_that_drips_for_an_hour_is_given_up(place: Place) -> None:
    """It passes every read time-out; nothing is left of it."""
    time = Time()
    drips = at("downloading", lambda: time.pass_by(1_801))
    with (
        simulated("drip:5000") as simulator,
        exporting(simulator, place.store, time=time, progress=drips) as core,
    ):
        error = failed(core, place)
        assert len(simulator.requests) == 1
    assert "still not all of the answer is here after 3600 s" in str(error)
    assert set(place.stored()) == {FAILURE}


def test_the_deadline_of_a_day_leaves_nothing_partial(place: Place) -> None:
    """Whether it passes while a body comes in, or while its events are written."""
    for step in ("downloading", "unzipping"):
        time = Time()
        late = at(step, lambda time=time: time.pass_by(100))  # type: ignore[misc]  # bound at once, not when called
        with simulated() as simulator, exporting(simulator, place.store, time=time, progress=late) as core:
            with pytest.raises(DeadlineError):
                export_day(DAY, core, deadline=Deadline(time.clock(), at=50))
            assert len(simulator.requests) == 1
        assert set(place.stored()) == {FAILURE}
