import logging
from datetime import date, timedelta
from typing import Any, BinaryIO

import pytest

from exporter.archive import columns as schema
from exporter.days.layout import Layout
from exporter.days.manifest import FINAL, PROVISIONAL
from exporter.days.verify import verify_day
from exporter.run import RunResult, export_days, export_due
from exporter.simulator import Missing, Resized, Simulator, Status, When
from exporter.store import ANY
from tests.kit import DAY, Time, at, dump_of
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, days_on, exporter_on, night
from tests.store.contract import text_of

LAYOUT = Layout()


def day(number: int) -> date:
    """So many days after DAY."""
    return DAY + timedelta(days=number)


def ran(store: MemoryStore, simulator: Simulator, now: Time) -> RunResult:
    """One run."""
    with exporter_on(store, simulator, now) as core:
        return export_due(core)


def days_done(result: RunResult) -> list[date]:
    """The days that a run exported, in its order."""
    return [done.manifest.day for done in result.done]


def test_one_run_repairs_a_week_of_outage(caplog: pytest.LogCaptureFixture) -> None:
    """After seven nights without a run, every missed day is there, newest first; the summary says so."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator, caplog.at_level(logging.INFO):
        ran(store, simulator, night(0))
        result = ran(store, simulator, night(8))
        for number in range(9):
            assert text_of(store, LAYOUT.dump(day(number))) == dump_of(simulator.lines(day(number)))
    assert days_done(result) == [day(number) for number in range(8, 0, -1)] + [DAY]
    assert "run summary: newest=2025-11-14 due=9 done=9 failed=0 missing=0 ledger=10:" in caplog.text


def test_days_beyond_the_lookback_are_named_as_missing(caplog: pytest.LogCaptureFixture) -> None:
    """An outage longer than the lookback leaves days to a backfill, and every run says so."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        ran(store, simulator, night(11))
    summary = [r for r in caplog.records if r.message.startswith("run summary: ")][-1]
    assert summary.message.startswith(
        "run summary: newest=2025-11-17 due=9 done=9 failed=0 missing=3 first_missing=2025-11-07 ledger=10:"
    )
    assert summary.levelno == logging.WARNING


@pytest.mark.parametrize("late", [Missing("17", answers=1), Resized("17", 7, after=1)])
def test_late_hours_are_there_after_the_next_night(late: Missing | Resized) -> None:
    """An hour that appears, or grows, after the first look is in the dump after the second."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        simulator.add(late)
        ran(store, simulator, night(0))
        lines = simulator.lines(DAY)
        assert text_of(store, LAYOUT.dump(DAY)) != dump_of(lines)
        result = ran(store, simulator, night(1))
    assert days_done(result) == [day(1), DAY]
    assert text_of(store, LAYOUT.dump(DAY)) == dump_of(lines)
    assert days_on(store).coverage(night(1).moment).row(DAY).state == FINAL


def test_a_settled_store_is_left_alone() -> None:
    """A second run of the same night asks for nothing."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        asked = len(simulator.requests)
        assert ran(store, simulator, night(0)) == RunResult((), (), stopped=False)
        assert len(simulator.requests) == asked


@pytest.mark.parametrize("code", [401, 403])
def test_refused_keys_stop_the_run(code: int, caplog: pytest.LogCaptureFixture) -> None:
    """One request, one failed day; the other days are not tried and stay due."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        asked = len(simulator.requests)
        simulator.add(Status(code))
        result = ran(store, simulator, night(3))
        assert len(simulator.requests) == asked + 1
        assert result.stopped
        assert not result.ok
        assert [failed for failed, _ in result.failed] == [day(3)]
        assert "due=4 done=0 failed=1 missing=3 first_missing=2025-11-07" in caplog.text
        assert days_done(ran(store, simulator, night(3))) == [day(3), day(2), day(1), DAY]


def test_a_bad_day_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """The days before and after it are exported; the summary counts it, and the next run tries it again."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        simulator.add(Status(500, when=When(5, hours=f"{day(2):%Y%m%d}")))
        result = ran(store, simulator, night(3))
        assert days_done(result) == [day(3), day(1), DAY]
        assert [failed for failed, _ in result.failed] == [day(2)]
        assert "run summary: newest=2025-11-09 due=4 done=3 failed=1 missing=1 first_missing=2025-11-08" in caplog.text
        assert days_done(ran(store, simulator, night(3))) == [day(2)]


def test_a_day_that_is_held_does_not_stop_the_others() -> None:
    """Another exporter at work on a day fails that day only, and is no failure of the day."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        with store.lock(LAYOUT.lock(day(2)), "run-0"):
            result = ran(store, simulator, night(2))
    assert days_done(result) == [day(1), DAY]
    ((held, error),) = result.failed
    assert (held, error.kind) == (day(2), "held")
    assert store.read(LAYOUT.failure(day(2))) is None


def test_a_damaged_manifest_is_told_and_mended(caplog: pytest.LogCaptureFixture) -> None:
    """The run says what is wrong, once, and writes the day anew; the others are exported."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        store.write(LAYOUT.manifest(DAY), b"{", seen=ANY, metadata={})
        result = ran(store, simulator, night(1))
    assert days_done(result) == [day(1), DAY]
    assert [line for line in caplog.messages if line.startswith("day damaged: ")] == [
        f"day damaged: day={DAY} reason={LAYOUT.manifest(DAY)} is damaged: it is not a JSON object in UTF-8"
    ]
    assert verify_day(DAY, days_on(store)).problem is None


def test_another_project_stops_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """One download and nothing written, not even a failure: no other day would do better."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
    before = {entry.name for entry in store.list("")}
    with Simulator(events_per_hour=4, contents=FEW_HOURS, project=222) as simulator:
        result = ran(store, simulator, night(4))
        assert len(simulator.requests) == 1
    assert result.stopped
    assert [failed for failed, _ in result.failed] == [day(4)]
    assert "the run stops here, 4 days were not tried" in caplog.text
    assert {entry.name for entry in store.list("")} == before


def test_a_mistake_of_ours_is_a_failed_day(caplog: pytest.LogCaptureFixture) -> None:
    """It is on record, its traceback is in the log, and the other days are exported."""
    store = MemoryStore()
    wrong = iter([ZeroDivisionError("ours")])

    def mistaken() -> None:
        for error in wrong:
            raise error

    with (
        Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator,
        exporter_on(store, simulator, night(1), progress=at("writing", mistaken)) as core,
    ):
        result = export_days([day(1), DAY], core)
    assert days_done(result) == [DAY]
    ((failed, error),) = result.failed
    assert (failed, error.kind) == (day(1), "unexpected")
    record = days_on(store).failure(day(1))
    assert record
    assert (record.kind, record.attempts) == ("unexpected", 1)
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError: ours" in caplog.text


def test_a_failure_is_recorded_while_the_day_is_locked() -> None:
    """Nobody else begins with the day before the record is there."""
    held: list[bool] = []

    class Watched(MemoryStore):
        def write(self, name: str, content: bytes | BinaryIO, **options: Any) -> str:
            if name == LAYOUT.failure(DAY):
                held.append(next(iter(self.list(LAYOUT.locks)), None) is not None or LAYOUT.lock(DAY) in self._holders)
            return super().write(name, content, **options)

    with Simulator(faults=[Status(503, when=When(5))]) as simulator:
        ran(Watched(), simulator, night(0))
    assert held == [True]


def test_a_store_without_any_event_asks_whether_the_keys_are_right(caplog: pytest.LogCaptureFixture) -> None:
    """The keys of a portfolio own no events: every day is answered with 404."""
    with Simulator(contents=[Missing("")]) as simulator:
        ran(MemoryStore(), simulator, night(0))
    assert "are these the keys of the project that receives the events" in caplog.text


def test_busy_hours_that_fall_silent_are_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    """For a week after the day's end; then the day is final, with a note. What comes late is taken."""
    store = MemoryStore()
    late = Missing("20251107T17", answers=100)
    with Simulator(events_per_hour=200, contents=[*FEW_HOURS, late]) as simulator:
        ran(store, simulator, night(0))
        for number in range(1, 9):
            result = ran(store, simulator, night(number))
            assert (day(1) in days_done(result)) == (number <= 8)
            (row,) = [row for row in days_on(store).coverage(night(number).moment).rows if row.day == day(1)]
            assert (row.state, row.quiet_hours) == (PROVISIONAL if number < 8 else FINAL, ("17",))
        assert day(1) not in days_done(ran(store, simulator, night(9)))
    assert "hours quiet: day=2025-11-07 hours=17: " in caplog.text


def test_late_hours_end_the_waiting() -> None:
    """Once the silent hour is there, the day is final without a note."""
    store = MemoryStore()
    with Simulator(events_per_hour=200, contents=[*FEW_HOURS, Missing("20251107T17", answers=2)]) as simulator:
        for number in range(4):
            ran(store, simulator, night(number))
        row = days_on(store).coverage(night(3).moment).row(day(1))
        assert (row.state, row.quiet_hours) == (FINAL, ())
        assert text_of(store, LAYOUT.dump(day(1))) == dump_of(simulator.lines(day(1)))


def test_named_days_are_asked_again() -> None:
    """Days that a person names are exported in the order given, final or not."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator, exporter_on(store, simulator, night(5)) as it:
        days = [day(1), DAY, day(2)]
        assert days_done(export_days(days, it)) == days
        assert days_done(export_days(days, it)) == days
        assert len(simulator.requests) == 6


def test_drifted_columns_are_told_once_a_run(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several days with the same new column make one line, and no error."""
    monkeypatch.setattr(schema, "KNOWN", schema.KNOWN - {"adid"})
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        assert ran(store, simulator, night(3)).ok
    drifts = [line for line in caplog.messages if line.startswith("schema drift: ")]
    assert drifts == [f"schema drift: day={day(number)} new=adid missing=none" for number in (0, 3)]
