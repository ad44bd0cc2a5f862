import logging
from datetime import date, timedelta

import pytest

from exporter.archive import columns as schema
from exporter.days.coverage import read_coverage
from exporter.days.layout import Layout
from exporter.days.manifest import FINAL
from exporter.run import RunResult, export_days, run
from exporter.simulator import Missing, Resized, Simulator, Status, When
from tests.kit import DAY, Time, dump_of
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, exporter_on, night
from tests.store.contract import text_of

LAYOUT = Layout()


def day(number: int) -> date:
    """So many days after DAY."""
    return DAY + timedelta(days=number)


def ran(store: MemoryStore, simulator: Simulator, now: Time) -> RunResult:
    """One run."""
    with exporter_on(store, simulator, now) as exporter:
        return run(exporter)


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
    assert "run summary: newest=2025-11-14 due=9 done=9 failed=0 missing=0" in caplog.messages


def test_days_beyond_the_lookback_are_named_as_missing(caplog: pytest.LogCaptureFixture) -> None:
    """An outage longer than the lookback leaves days to a backfill, and every run says so."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        ran(store, simulator, night(11))
    summary = [r for r in caplog.records if r.message.startswith("run summary: ")][-1]
    assert summary.message == (
        "run summary: newest=2025-11-17 due=9 done=9 failed=0 missing=3 first_missing=2025-11-07"
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
    assert read_coverage(store, LAYOUT, day(1)).row(DAY).state == FINAL


def test_a_settled_store_is_left_alone() -> None:
    """A second run of the same night asks for nothing."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        asked = len(simulator.requests)
        assert ran(store, simulator, night(0)) == RunResult((), (), refused=False)
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
        assert result.refused
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


def test_a_damaged_manifest_does_not_stop_the_others() -> None:
    """Its day fails with a sentence; the others are exported."""
    store = MemoryStore()
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        ran(store, simulator, night(0))
        store.delete(LAYOUT.manifest(DAY))
        store.write(LAYOUT.manifest(DAY), b"{", seen=None, metadata={})
        result = ran(store, simulator, night(1))
    assert days_done(result) == [day(1)]
    ((failed, error),) = result.failed
    assert failed == DAY
    assert f"{LAYOUT.manifest(DAY)} is not JSON" in str(error)


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
