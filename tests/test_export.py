import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.clock import Deadline
from exporter.days.due import Timing, due_days
from exporter.days.facts import Facts
from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL, Failure, Manifest
from exporter.days.repair import note_verified
from exporter.days.rules import Outcome
from exporter.days.verify import verify_day
from exporter.errors import (
    DamagedError,
    DayHeldError,
    DeadlineError,
    OtherSourceError,
    PermanentError,
    RefusedError,
    RejectedError,
    RetriableError,
    StoreError,
)
from exporter.export import DayExported, export_day
from exporter.simulator import ALWAYS, Missing, OddLine, Resized, Simulator, Status, TooLarge, When
from exporter.store import ANY, Store
from exporter.store.folder import LocalStore
from tests.kit import DAY, Time, at, dump_of, files_in
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, FULL_HOURS, LAYOUT, days_on, exporter_on, first_look, moment, second_look
from tests.store.contract import names, text_of

DUMP, MANIFEST, FAILURE, REJECTED = LAYOUT.dump(DAY), LAYOUT.manifest(DAY), LAYOUT.failure(DAY), LAYOUT.rejected(DAY)
PLACES = ("20", "manifests/", "failures/", "rejected/", "locks/")
NO_DATA = b'{"error":{"message":"Not found","metadata":{"details":"Raw data files were not found."}}}'


@pytest.fixture(params=["folder", "container"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store without metadata, and one that keeps them: the rules are the same."""
    return LocalStore(tmp_path / "data") if request.param == "folder" else MemoryStore()


@contextmanager
def project(*scripted: Any, **chosen: Any) -> Iterator[Simulator]:
    """A small project in which ``scripted`` happens."""
    with Simulator(events_per_hour=6, contents=FEW_HOURS, **chosen) as simulator:
        for one in scripted:
            simulator.add(one)
        yield simulator


def exported(store: Store, simulator: Simulator, now: Time, *, force: bool = False, **chosen: Any) -> DayExported:
    """Export DAY once."""
    with exporter_on(store, simulator, now, **chosen) as core:
        return export_day(DAY, core, force=force)


def failed(kind: type[Exception], store: Store, simulator: Simulator, now: Time, **chosen: Any) -> str:
    """Export DAY, which fails; return the message."""
    with pytest.raises(kind) as caught:
        exported(store, simulator, now, **chosen)
    return str(caught.value)


def stored_manifest(store: Store) -> Manifest:
    """The manifest that stands."""
    found = store.read(MANIFEST)
    assert found
    return Manifest.from_json(found[0], MANIFEST, DAY)


def failure_of(store: Store) -> Failure:
    """The failure record that stands."""
    found = store.read(FAILURE)
    assert found
    return Failure.from_json(found[0], FAILURE, DAY)


def objects(store: Store) -> dict[str, bytes]:
    """Every object with its content."""
    return {entry.name: text_of(store, entry.name) for prefix in PLACES for entry in store.list(prefix)}


def test_a_new_day_is_written(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """The dump holds every line of the archive, byte for byte and in order; the manifest proves it."""
    with project() as simulator, caplog.at_level(logging.INFO):
        lines = simulator.lines(DAY)
        result = exported(store, simulator, second_look())
    assert result.outcome is Outcome.WRITTEN
    assert objects(store).keys() == {DUMP, MANIFEST}
    assert text_of(store, DUMP) == dump_of(lines)
    assert verify_day(DAY, days_on(store)).problem is None
    manifest = stored_manifest(store)
    assert manifest == result.manifest
    assert (manifest.events, manifest.state, manifest.dump) == (len(lines), FINAL, DUMP)
    assert (manifest.attempts, manifest.retries, manifest.rejected) == (1, 0, 0)
    assert [window.start for window in manifest.windows] == ["20251106T00"]
    assert {int(hour) for hour, found in manifest.hours.items() if found["events"]} == set(FULL_HOURS)
    assert sum(found["events"] for found in manifest.hours.values()) == manifest.events
    assert (manifest.source.project, manifest.run) == ("100011471", "run-1")
    assert f"outcome=written events={len(lines)} bytes={manifest.size} rejected=0 windows=1 requests=1" in caplog.text


def test_events_are_counted_by_the_day_they_happened(store: Store) -> None:
    """The manifest tells which event dates the dump touches."""
    with project() as simulator:
        lines = simulator.lines(DAY)
        result = exported(store, simulator, second_look())
    dates = Counter(json.loads(line)["event_time"][:10] for line in lines)
    assert dict(result.manifest.event_days) == dict(dates)
    assert len(dates) > 1


def test_a_day_is_provisional_before_the_settle_delay(store: Store) -> None:
    """An export 2 hours after the day's end is provisional, one 12 hours after it is final."""
    with project() as simulator:
        assert exported(store, simulator, first_look()).manifest.state == PROVISIONAL
        assert exported(store, simulator, Time(moment(DAY, 36))).manifest.state == FINAL
        assert exported(store, simulator, first_look(), settle_hours=2).manifest.state == FINAL


def test_the_second_look_moves_only_the_manifest(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """The same content: the dump stays as it was written, its manifest becomes final."""
    with project() as simulator:
        exported(store, simulator, first_look())
        before = store.stat(DUMP)
        with caplog.at_level(logging.INFO):
            result = exported(store, simulator, second_look(), run="run-2")
    assert result.outcome is Outcome.UNCHANGED
    assert store.stat(DUMP) == before
    manifest = stored_manifest(store)
    assert (manifest.state, manifest.run) == (FINAL, "run-2")
    assert verify_day(DAY, days_on(store)).problem is None
    assert "state=final outcome=unchanged" in caplog.text


def test_a_further_look_leaves_the_dump(store: Store) -> None:
    """A final day with the same content keeps its dump as it was written; its manifest tells who looked last."""
    with project() as simulator:
        exported(store, simulator, second_look())
        before, dump = stored_manifest(store), store.stat(DUMP)
        result = exported(store, simulator, Time(moment(DAY, 100)), run="run-2")
    assert result.outcome is Outcome.UNCHANGED
    assert store.stat(DUMP) == dump
    assert objects(store).keys() == {DUMP, MANIFEST}
    after, looked = stored_manifest(store), moment(DAY, 100)
    assert after == replace(before, run="run-2", started_at=looked, finished_at=looked)


def test_a_day_that_grew_is_replaced(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """The dump is the new one; the log tells both counts."""
    with project(Resized("17", 5, after=1)) as simulator:
        old = exported(store, simulator, first_look()).manifest.events
        lines = simulator.lines(DAY)
        with caplog.at_level(logging.INFO):
            result = exported(store, simulator, second_look())
    assert result.outcome is Outcome.REPLACED
    assert text_of(store, DUMP) == dump_of(lines)
    assert result.manifest.events == old + 5
    assert f"{old} events were stored, {old + 5} are there now" in caplog.text


def test_a_day_that_shrank_is_kept(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """The stored day stays, provisional as it was, with a warning and a note in its manifest."""
    with project(Resized("17", -3, after=1)) as simulator:
        lines = simulator.lines(DAY)
        exported(store, simulator, first_look())
        result = exported(store, simulator, second_look(), run="run-2")
    assert result.outcome is Outcome.KEPT
    assert text_of(store, DUMP) == dump_of(lines)
    manifest = stored_manifest(store)
    assert (manifest.state, manifest.events, manifest.run) == (PROVISIONAL, len(lines), "run-1")
    assert manifest.fewer_found is not None
    assert (manifest.fewer_found["events"], manifest.fewer_found["run"]) == (len(lines) - 3, "run-2")
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert (
        f"gives {len(lines) - 3} events now, {len(lines)} are stored (fewer in the hours 17). The stored"
        in warning.message
    )


def test_a_day_that_shrank_is_replaced_if_forced(store: Store) -> None:
    """Force takes what Amplitude gives now."""
    with project(Resized("17", -3, after=1)) as simulator:
        exported(store, simulator, first_look())
        lines = simulator.lines(DAY)
        result = exported(store, simulator, second_look(), force=True)
    assert result.outcome is Outcome.REPLACED
    assert text_of(store, DUMP) == dump_of(lines)
    assert verify_day(DAY, days_on(store)).problem is None


def test_a_stray_404_costs_no_day(store: Store) -> None:
    """A day that seems empty for once is kept, and its next look puts everything right."""
    with project() as simulator:
        lines = simulator.lines(DAY)
        exported(store, simulator, first_look())
        simulator.add(Status(404, NO_DATA))
        assert exported(store, simulator, second_look(), force=True).outcome is Outcome.KEPT
        assert exported(store, simulator, second_look()).outcome is Outcome.UNCHANGED
    assert text_of(store, DUMP) == dump_of(lines)
    assert (stored_manifest(store).state, stored_manifest(store).fewer_found) == (FINAL, None)


def test_an_empty_day_is_an_empty_array(store: Store) -> None:
    """It is provisional until settled, then empty, and is no failure."""
    with project(Missing("")) as simulator:
        first = exported(store, simulator, first_look())
        second = exported(store, simulator, second_look())
    assert (first.outcome, first.manifest.state) == (Outcome.EMPTY, PROVISIONAL)
    assert (second.outcome, second.manifest.state, second.manifest.events) == (Outcome.UNCHANGED, EMPTY, 0)
    assert text_of(store, DUMP) == b"[]\n"
    assert [window.status for window in second.manifest.windows] == [404]


def test_an_empty_day_may_fill_up(store: Store) -> None:
    """Events that come after an empty first look are there after the second."""
    with project(Missing("", answers=1)) as simulator:
        exported(store, simulator, first_look())
        lines = simulator.lines(DAY)
        assert exported(store, simulator, second_look()).outcome is Outcome.REPLACED
    assert lines
    assert text_of(store, DUMP) == dump_of(lines)


@pytest.mark.parametrize("force", [False, True])
def test_another_project_is_refused(store: Store, force: bool) -> None:
    """Keys of another project change nothing in a store that is not theirs."""
    with project() as simulator:
        exported(store, simulator, second_look())
    before = objects(store)
    with project(project=222) as simulator:
        message = failed(OtherSourceError, store, simulator, second_look(), force=force)
    assert "this store holds project 100011471" in message
    assert "and the keys are for project 222" in message
    assert objects(store) == before


def test_a_new_day_of_another_project_is_refused(store: Store) -> None:
    """Nor do they add a day: two projects in one store would lock each other out."""
    with project() as simulator:
        exported(store, simulator, second_look())
    before = objects(store)
    with project(project=222) as simulator, exporter_on(store, simulator, second_look()) as core:
        for back in (1, 30):
            with pytest.raises(OtherSourceError, match="this store holds project 100011471"):
                export_day(DAY - timedelta(days=back), core)
    assert objects(store) == before


def test_another_host_is_refused_before_anything_is_asked(store: Store) -> None:
    """The region can be told without a request."""
    with project() as simulator:
        exported(store, simulator, second_look())
        found = stored_manifest(store)
        elsewhere = replace(found, source=replace(found.source, url="https://amplitude.com"))
        store.write(MANIFEST, elsewhere.to_json(), seen=ANY, metadata=Facts.of(elsewhere).metadata())
        message = failed(OtherSourceError, store, simulator, second_look())
        assert len(simulator.requests) == 1
    assert "this store holds host amplitude.com" in message
    assert "and the keys are for host 127.0.0.1" in message


def test_projects_live_side_by_side_under_prefixes(store: Store) -> None:
    """What the refusal advises works."""
    with project() as one, project(project=222) as two:
        exported(store, one, second_look())
        exported(store, two, second_look(), prefix="web/")
    assert names(store, "20") == [DUMP]
    assert names(store, "web/20") == [f"web/{DUMP}"]


def test_a_failure_is_recorded_counted_and_removed(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Each failed attempt counts; the record goes with the next success."""
    with project(Status(503, when=When(times=10))) as simulator:
        for attempt in (1, 2):
            now = second_look()
            message = failed(RetriableError, store, simulator, now, run=f"run-{attempt}")
            assert failure_of(store) == Failure(DAY, "retriable", message, attempt, 24, f"run-{attempt}", now.moment)
            assert objects(store).keys() == {FAILURE}
        exported(store, simulator, second_look())
    assert objects(store).keys() == {DUMP, MANIFEST}
    assert caplog.text.count("day failed: day=2025-11-06 kind=retriable reason=window 20251106T00..20251106T23") == 2


def test_a_failure_beside_a_good_day_leaves_it(store: Store) -> None:
    """A second look that fails changes nothing but the failure record; an unchanged look removes it."""
    with project() as simulator:
        exported(store, simulator, second_look())
        before = objects(store)
        simulator.add(Status(503, when=When(times=5)))
        failed(RetriableError, store, simulator, second_look())
        assert {name: text for name, text in objects(store).items() if name != FAILURE} == before
        assert failure_of(store).attempts == 1
        exported(store, simulator, second_look())
    assert objects(store) == before


def test_a_refusal_is_recorded(store: Store) -> None:
    """Wrong keys fail the day with one request, and the sentence names keys and region."""
    with project(Status(403)) as simulator:
        message = failed(RefusedError, store, simulator, second_look())
        assert len(simulator.requests) == 1
    assert failure_of(store).kind == "refused"
    assert all(word in message for word in ("AMP_API_KEY", "AMP_SECRET_KEY", "AMP_BASE_URL"))


def test_the_window_size_that_worked_is_used_first(store: Store) -> None:
    """The next look at the day, and the day after it, start with the size that worked."""
    with Simulator(events_per_hour=1, faults=[TooLarge(6)]) as simulator:
        assert exported(store, simulator, first_look()).manifest.window_hours == 6
        asked = len(simulator.requests)
        exported(store, simulator, second_look())
        with exporter_on(store, simulator, second_look(DAY.replace(day=7))) as core:
            export_day(DAY.replace(day=7), core)
        later = simulator.requests[asked:]
    assert [request.status for request in later] == [200] * 8


def test_a_silent_part_of_a_window_that_was_too_big_is_asked_for_twice(store: Store) -> None:
    """A 404 about hours that were refused for their size is no proof of silence. The next attempt asks for less."""
    with project(TooLarge(6)) as simulator:
        lines = simulator.lines(DAY)
        message = failed(RetriableError, store, simulator, second_look())
        assert "status 404: nothing in it now, and there was before, or it was too big" in message
        assert failure_of(store).window_hours == 6
        manifest = exported(store, simulator, second_look()).manifest
    assert [window.status for window in manifest.windows] == [200, 404, 200, 404]
    assert text_of(store, DUMP) == dump_of(lines)


def test_a_failure_remembers_the_window_size(store: Store) -> None:
    """An attempt that failed after halving does not begin with the whole day again."""
    with project(TooLarge(12), Status(503, when=When(times=5, hours="17"))) as simulator:
        failed(RetriableError, store, simulator, second_look())
        assert failure_of(store).window_hours == 12
        asked = len(simulator.requests)
        exported(store, simulator, second_look())
        assert [request.first for request in simulator.requests[asked:]] == ["20251106T00", "20251106T12"]


def test_rejected_lines_are_kept_beside_the_day(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A few lines that are no events cost no day; they can be had back, and the log does not show them."""
    with project(OddLine("nan", "17")) as simulator:
        lines = [line for line in simulator.lines(DAY) if b"NaN" not in line]
        (odd,) = [line for line in simulator.lines(DAY) if b"NaN" in line]
        result = exported(store, simulator, second_look())
    assert (result.manifest.rejected, result.manifest.events) == (1, len(lines))
    assert text_of(store, DUMP) == dump_of(lines)
    (rejected,) = text_of(store, REJECTED).splitlines()
    assert json.loads(rejected)["text"].encode() == odd
    assert "lines rejected: day=2025-11-06 count=1 kept=rejected/20251106_0000.jsonl" in caplog.text
    assert "insert_id" not in caplog.text


def test_rejected_lines_go_with_the_next_good_look(store: Store) -> None:
    """A day without rejected lines has no such object."""
    with project(OddLine("nan", "17")) as simulator:
        exported(store, simulator, first_look())
    with project() as simulator:
        exported(store, simulator, second_look())
    assert objects(store).keys() == {DUMP, MANIFEST}
    assert stored_manifest(store).rejected == 0


def test_too_many_rejected_lines_fail_the_day(store: Store) -> None:
    """More than 10 and more than the percentage: no day, but what was rejected is kept, and the sentence says where."""
    odd = [OddLine("nan", "17", line=0), *(OddLine("array-line", "17", line=number) for number in range(1, 11))]
    with Simulator(events_per_hour=20, contents=[*FEW_HOURS, *odd]) as simulator:
        message = failed(RejectedError, store, simulator, second_look())
        assert objects(store).keys() == {FAILURE, REJECTED}
        assert len(text_of(store, REJECTED).splitlines()) == 11
        assert exported(store, simulator, second_look(), max_rejected_percent=100).outcome is Outcome.WRITTEN
    assert "11 of " in message
    assert "EXPORT_MAX_REJECTED_PERCENT=1" in message
    assert REJECTED in message
    assert objects(store).keys() == {DUMP, MANIFEST, REJECTED}


def test_ten_rejected_lines_are_allowed_whatever_the_percentage(store: Store) -> None:
    """A quiet day does not fail because of a handful of odd lines."""
    odd = [OddLine("array-line", "17", line=number) for number in range(10)]
    with Simulator(events_per_hour=20, contents=[*FEW_HOURS, *odd]) as simulator:
        assert exported(store, simulator, second_look(), max_rejected_percent=0).manifest.rejected == 10


def test_new_columns_are_noticed(store: Store) -> None:
    """The simulator's events have the 55 known columns: there is nothing to tell."""
    with project() as simulator:
        assert exported(store, simulator, second_look()).manifest.schema == {}


@pytest.mark.parametrize("hour", [0, 12, 23.99])
def test_a_day_that_is_not_over_is_refused(store: Store, hour: float) -> None:
    """Not even asked for, and no failure of the day."""
    with project() as simulator:
        message = failed(PermanentError, store, simulator, Time(moment(DAY, hour)))
        assert simulator.requests == []
    assert message.startswith("2025-11-06 is not over yet: it is 2025-11-06 ")
    assert objects(store) == {}


def test_a_day_at_work_elsewhere_is_left_alone(store: Store) -> None:
    """The error names the run that holds it; no failure is recorded and nothing is asked."""
    with project() as simulator, store.lock(LAYOUT.lock(DAY), "run-0"):
        message = failed(DayHeldError, store, simulator, second_look())
        assert simulator.requests == []
        assert store.read(FAILURE) is None
    assert "run-0" in message


@pytest.mark.parametrize("step", ["writing", "proving"])
def test_losing_the_race_leaves_the_winner(store: Store, step: str, caplog: pytest.LogCaptureFixture) -> None:
    """Another exporter that finished the day meanwhile has the last word, and that is no failure."""
    with project() as simulator, caplog.at_level(logging.INFO):
        exported(store, simulator, first_look(), run="run-0")
        simulator.add(Resized("17", 5))
        result = exported(store, simulator, second_look(), progress=at(step, lambda: finish_day(store)))
    assert (result.manifest.run, result.outcome) == ("run-w", Outcome.UNCHANGED)
    assert stored_manifest(store).run == "run-w"
    assert days_on(store).stored(DAY).whole
    assert "run run-w finished this day first" in caplog.text
    assert store.read(FAILURE) is None


def finish_day(store: Store) -> None:
    """Finish the day as an exporter does that holds no lock: the dump, then the manifest."""
    found = stored_manifest(store)
    text = b"[\n{}\n]\n"
    etag = store.write(DUMP, text, seen=ANY, metadata={"sha256": "f" * 64, "events": "1"})
    hours = {"17": {"members": 1, "events": 1}}
    won = replace(found, run="run-w", sha256="f" * 64, etag=etag, size=len(text), events=1, hours=hours)
    store.write(MANIFEST, won.to_json(), seen=ANY, metadata=Facts.of(won).metadata())


def test_the_deadline_ends_the_day(store: Store) -> None:
    """A day that takes too long is recorded and leaves nothing."""
    now = second_look()
    slow = at("unzipping", lambda: now.pass_by(11))
    with project() as simulator, exporter_on(store, simulator, now, progress=slow) as core:
        deadline = Deadline(core.clock, core.clock.monotonic() + 10)
        with pytest.raises(DeadlineError):
            export_day(DAY, core, deadline=deadline)
    assert objects(store).keys() == {FAILURE}
    assert failure_of(store).kind == "deadline"


def test_a_full_store_is_one_clear_sentence() -> None:
    """No room for the dump: the sentence says where and what to do, nothing of the day is left."""
    store = MemoryStore(room=1000)
    with project() as simulator:
        message = failed(StoreError, store, simulator, second_look())
    assert message == (
        f"No space left on device: {DUMP}. Nothing of the day is visible. Make room there, or lower EXPORT_TMP_LIMIT_MB"
    )
    assert objects(store).keys() == {FAILURE}


def test_a_full_store_keeps_the_old_day() -> None:
    """A day that grew beyond the room there is stays as it was."""
    with project() as simulator:
        store = MemoryStore()
        exported(store, simulator, first_look())
        before = objects(store)
        lines = {entry.name: text_of(store, entry.name) for entry in store.list("ledger/")}
        full = MemoryStore(room=sum(map(len, (before | lines).values())) + 1500)
        for name, text in (before | lines).items():
            entry = store.stat(name)
            full.write(name, text, seen=None, metadata=entry.metadata or {} if entry else {})
    with project(Resized("17", 5)) as simulator:
        failed(StoreError, full, simulator, second_look())
    assert {name: text for name, text in objects(full).items() if name != FAILURE} == before


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be is told with its path."""
    (tmp_path / "data").write_text("not a folder")
    with project() as simulator:
        message = failed(StoreError, LocalStore(tmp_path / "data"), simulator, second_look())
    assert str(tmp_path / "data") in message
    assert "Look at the path and its permissions" in message
    assert files_in(tmp_path) == {"data": b"not a folder"}


def test_nothing_is_left_of_a_failed_window(tmp_path: Path) -> None:
    """A day whose last window fails leaves only its failure record, though the others were loaded."""
    store = LocalStore(tmp_path)
    with project(TooLarge(12), Status(500, when=When(times=None, hours="17"))) as simulator:
        failed(RetriableError, store, simulator, second_look())
    assert files_in(tmp_path).keys() == {FAILURE}


def test_a_disk_that_fails_while_recording_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """If not even the failure can be recorded, the log says so and the first error is the one that is raised."""
    store = MemoryStore(room=10)
    with project(Status(503, when=ALWAYS)) as simulator:
        message = failed(RetriableError, store, simulator, second_look())
    assert "status 503" in message
    assert f"the failure of {DAY} could not be recorded: " in caplog.text


def test_an_hour_that_vanished_is_not_made_up_for_by_another(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """More events in all, but fewer in one hour: the stored day is kept, and the hour is named."""
    with project() as simulator:
        before = exported(store, simulator, first_look()).manifest
        fuller, emptier = [hour for hour, found in before.hours.items() if found["events"]][:2]
        simulator.add(Resized(f"20251106T{fuller}", 50))
        simulator.add(Missing(f"20251106T{emptier}"))
        after = exported(store, simulator, second_look())
    assert (after.outcome, after.manifest.sha256, after.manifest.state) == (Outcome.KEPT, before.sha256, PROVISIONAL)
    assert f"fewer in the hours {emptier})" in caplog.text


def test_damage_that_an_export_finds_and_cannot_mend_stays_known(tmp_path: Path) -> None:
    """Another byte and another time, and Amplitude has fewer events now: a failed day, damaged on record, and due."""
    store = LocalStore(tmp_path)
    with project(Resized("17", -3, after=1)) as simulator:
        exported(store, simulator, first_look())
        path = tmp_path / DUMP
        text = bytearray(path.read_bytes())
        text[40] ^= 1
        path.write_bytes(text)
        os.utime(path, (1, 1))
        message = failed(DamagedError, store, simulator, second_look())
        assert path.read_bytes() == text
        assert "Restore the day from a backup, or force it if fewer is right" in message
        coverage = days_on(store).coverage(second_look().moment)
        assert coverage.row(DAY).shown == "damaged"
        assert DAY in due_days(coverage, second_look().moment, Timing())
        assert exported(store, simulator, second_look(), force=True).outcome is Outcome.REPLACED
    assert days_on(store).coverage(second_look().moment).row(DAY).settled


def test_verify_beside_an_export_accuses_nobody(store: Store) -> None:
    """Between a commit and its manifest a day looks damaged: its lock is held, so nothing is put on record."""
    seen = []

    def verify() -> None:
        days = days_on(store)
        seen.append(note_verified(verify_day(DAY, days), days, "run-v", first_look().moment))

    with project(Resized("17", 5, after=1)) as simulator:
        exported(store, simulator, first_look())
        exported(store, simulator, second_look(), progress=at("rejecting", verify))
    assert [one.problem for one in seen] == ["an exporter is at work on the day. Verify it again later"]
    assert objects(store).keys() == {DUMP, MANIFEST}


def test_an_exporter_killed_between_dump_and_manifest_leaves_a_day_that_is_due(tmp_path: Path) -> None:
    """Though the new dump has the size that the old manifest tells; the next export proves it."""
    store = LocalStore(tmp_path)
    with project() as simulator:
        exported(store, simulator, second_look())
        text = (tmp_path / DUMP).read_bytes()
        (tmp_path / "locks").mkdir(exist_ok=True)
        (tmp_path / LAYOUT.lock(DAY)).write_text("run-killed")
        (tmp_path / DUMP).write_bytes(text.replace(b'"city":"', b'"CITY":"', 1))
        coverage = days_on(store).coverage(second_look().moment)
        assert coverage.row(DAY).whole
        assert DAY in due_days(coverage, second_look().moment, Timing())
        assert exported(store, simulator, second_look()).outcome is Outcome.REPLACED
    assert (tmp_path / DUMP).read_bytes() == text
    assert days_on(store).coverage(second_look().moment).row(DAY).settled
