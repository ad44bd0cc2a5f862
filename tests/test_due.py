import logging
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import schema
from exporter.coverage import Coverage, Row, read_coverage
from exporter.due import RunResult, due_days, export_days, is_due, run, yesterday_of
from exporter.layout import Layout
from exporter.manifest import FINAL, PROVISIONAL, Failure
from exporter.simulator import Missing, Resized, Simulator, Status, When
from exporter.window import day_end
from tests.kit import DAY, Time, dump_of
from tests.memory_store import MemoryStore
from tests.rules_kit import FEW_HOURS, exporter_on, moment
from tests.store_contract import text_of

LAYOUT = Layout()
SETTLE = timedelta(hours=12)
FAILURE = Failure(DAY, "retriable", "status 503", 1, 24, "run-1", moment(DAY, 26))
ROWS = st.builds(
    Row,
    day=st.just(DAY),
    state=st.sampled_from([None, PROVISIONAL, FINAL]),
    whole=st.booleans(),
    failure=st.sampled_from([None, FAILURE]),
)


def night(number: int) -> Time:
    """02:00 so many nights after the first night on which DAY is over."""
    return Time(moment(DAY + timedelta(days=number), 26))


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


def due(coverage: Coverage, now: Time, lookback_days: int = 7) -> list[date]:
    """The due days with the usual settle delay."""
    return due_days(coverage, now.moment, settle=SETTLE, lookback_days=lookback_days)


def test_on_an_empty_store_only_yesterday_is_due() -> None:
    """Nothing before the first record is asked for by itself."""
    assert due(Coverage((), DAY), night(0)) == [DAY]


def test_gaps_inside_the_lookback_are_due_newest_first() -> None:
    """From the oldest record on; what is older than the lookback is left to a backfill."""
    rows = (Row(day(-20), FINAL, whole=True), *(Row(day(n)) for n in range(-19, 1)))
    assert due(Coverage(rows, DAY), night(0)) == [day(-n) for n in range(8)]
    assert due(Coverage(rows[15:], DAY), night(0)) == [day(-n) for n in range(6)]


def test_a_provisional_day_is_due_when_it_is_settled() -> None:
    """Twelve hours after its end, to the second."""
    row = Row(DAY, PROVISIONAL, whole=True)
    settled = day_end(DAY) + SETTLE
    assert is_due(row, settled, SETTLE)
    assert not is_due(row, settled - timedelta(seconds=1), SETTLE)


def test_a_second_look_stays_due_beyond_the_lookback() -> None:
    """A day that an outage left provisional is looked at again, unless that was done and gave fewer events."""
    rows = tuple(Row(day(n), FINAL, whole=True) for n in range(1, 31))
    assert due(Coverage((Row(DAY, PROVISIONAL, whole=True), *rows), day(30)), night(30)) == [DAY]
    assert due(Coverage((Row(DAY, PROVISIONAL, whole=True, kept=3), *rows), day(30)), night(30)) == []


@given(row=ROWS, hours=st.integers(24, 24 * 30))
def test_what_makes_a_day_due(row: Row, hours: int) -> None:
    """Not whole, failed last time, or provisional and settled: nothing else."""
    now = moment(DAY, hours)
    reasons = (not row.whole, row.failure is not None, row.state == PROVISIONAL and hours >= 36)
    assert is_due(row, now, SETTLE) == any(reasons)


@given(
    rows=st.lists(ROWS, max_size=30),
    gap=st.integers(0, 12),
    lookback_days=st.integers(1, 30),
    hour=st.floats(0, 23.9),
)
def test_due_days_are_few_and_in_order(rows: list[Row], gap: int, lookback_days: int, hour: float) -> None:
    """Newest first, none twice, none that is not over, none in need left out; a final day only if it failed."""
    covered = tuple(Row(**vars(row) | {"day": day(number)}) for number, row in enumerate(rows))
    yesterday = day(len(rows) + gap)
    now = Time(moment(yesterday, 24 + hour))
    found = due(Coverage(covered, yesterday), now, lookback_days)
    assert found == sorted(set(found), reverse=True)
    assert all(each <= yesterday for each in found)
    known = {row.day: row for row in covered}
    assert (yesterday in found) == (yesterday not in known or is_due(known[yesterday], now.moment, SETTLE))
    for number in range(-5, len(rows) + gap):
        near = day(number) >= yesterday - timedelta(days=lookback_days) and covered and number >= 0
        needy = is_due(known.get(day(number), Row(day(number))), now.moment, SETTLE)
        if near:
            assert (day(number) in found) == needy
        elif day(number) in found:
            assert known[day(number)].state == PROVISIONAL
            assert known[day(number)].whole


def test_yesterday_is_a_utc_date() -> None:
    """The last date that is over."""
    assert yesterday_of(moment(DAY, 24)) == DAY
    assert yesterday_of(moment(DAY, 47.99)) == DAY


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
