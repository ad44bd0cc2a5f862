from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing, due_days, is_due
from exporter.days.manifest import DAMAGED, EMPTY, FINAL, PROVISIONAL, Failure
from exporter.window import day_end
from tests.kit import DAY, Time
from tests.kit.rules import moment, night

SETTLE = timedelta(hours=12)
TIMING = Timing(SETTLE)
FAILURE = Failure(DAY, "retriable", "status 503", 1, 24, "run-1", moment(DAY, 26))
BROKEN = Failure(DAY, DAMAGED, "another SHA-256", 1, 24, "run-1", moment(DAY, 26))
ROWS = st.builds(
    Row,
    day=st.just(DAY),
    state=st.sampled_from([None, PROVISIONAL, FINAL, EMPTY]),
    whole=st.booleans(),
    failure=st.sampled_from([None, FAILURE, BROKEN]),
)


def day(number: int) -> date:
    """So many days after DAY."""
    return DAY + timedelta(days=number)


def due(coverage: Coverage, now: Time, lookback_days: int = 7) -> list[date]:
    """The due days with the usual settle delay."""
    return due_days(coverage, now.moment, Timing(SETTLE, lookback_days))


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
    assert is_due(row, settled, TIMING)
    assert not is_due(row, settled - timedelta(seconds=1), TIMING)


def test_a_second_look_stays_due_beyond_the_lookback() -> None:
    """A day that an outage left provisional is looked at again, unless that was done and gave fewer events."""
    rows = tuple(Row(day(n), FINAL, whole=True) for n in range(1, 31))
    assert due(Coverage((Row(DAY, PROVISIONAL, whole=True), *rows), day(30)), night(30)) == [DAY]
    assert due(Coverage((Row(DAY, PROVISIONAL, whole=True, fewer_found=3), *rows), day(30)), night(30)) == []


@given(row=ROWS, hours=st.integers(24, 24 * 30))
def test_what_makes_a_day_due(row: Row, hours: int) -> None:
    """Not whole, failed last time, or provisional and settled: nothing else."""
    now = moment(DAY, hours)
    reasons = (not row.whole, row.failure is not None, row.state == PROVISIONAL and hours >= 36)
    assert is_due(row, now, TIMING) == any(reasons)


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
    assert (yesterday in found) == (yesterday not in known or is_due(known[yesterday], now.moment, TIMING))
    for number in range(-5, len(rows) + gap):
        near = day(number) >= yesterday - timedelta(days=lookback_days) and covered and number >= 0
        needy = is_due(known.get(day(number), Row(day(number))), now.moment, TIMING)
        if near:
            assert (day(number) in found) == needy
        elif day(number) in found:
            assert known[day(number)].damage or (known[day(number)].state == PROVISIONAL and known[day(number)].whole)


def test_a_damaged_day_is_due_at_any_age() -> None:
    """Nobody else would repair it."""
    rows = (Row(DAY, FINAL, whole=True, failure=BROKEN), *(Row(day(n), FINAL, whole=True) for n in range(1, 31)))
    assert due(Coverage(rows, day(30)), night(30)) == [DAY]
