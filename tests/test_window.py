from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.load import Plan
from exporter.window import Window, day_end, days_of, parse_day

DAY = date(2025, 11, 6)
dates = st.dates(min_value=date(2012, 1, 1), max_value=date(2099, 12, 30))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Any window of any day."""
    first = draw(st.integers(0, 23))
    midnight = datetime.combine(draw(dates), datetime.min.time(), UTC)
    return Window(midnight + timedelta(hours=first), draw(st.integers(1, 24 - first)))


def hours_of(window: Window) -> list[datetime]:
    """The hours as one who knows only the wire's spelling counts them: both ends are inclusive."""
    wire = window.wire()
    first, last = (datetime.strptime(wire[end], "%Y%m%dT%H").replace(tzinfo=UTC) for end in ("start", "end"))
    return [first + timedelta(hours=n) for n in range((last - first) // timedelta(hours=1) + 1)]


def test_a_day_is_asked_for_from_hour_0_to_hour_23() -> None:
    """Both ends are inclusive and have two digits."""
    assert Window.of_day(DAY).wire() == {"start": "20251106T00", "end": "20251106T23"}
    assert str(Window.of_day(DAY)) == "20251106T00..20251106T23"


def test_one_hour_begins_and_ends_with_itself() -> None:
    """A window of one hour has the same first and last."""
    assert Window(datetime(2025, 11, 6, 5, tzinfo=UTC), 1).wire() == {"start": "20251106T05", "end": "20251106T05"}


@pytest.mark.parametrize(
    ("start", "hours"),
    [
        (datetime(2025, 11, 6, 5), 1),  # noqa: DTZ001 - a time without a zone is what is refused
        (datetime(2025, 11, 6, 5, tzinfo=timezone(timedelta(hours=1))), 1),
        (datetime(2025, 11, 6, 5, 30, tzinfo=UTC), 1),
        (datetime(2025, 11, 6, 5, 0, 0, 1, tzinfo=UTC), 1),
        (datetime(2025, 11, 6, 5, tzinfo=UTC), 0),
        (datetime(2025, 11, 6, 5, tzinfo=UTC), 20),
    ],
)
def test_a_window_is_whole_utc_hours_of_one_day(start: datetime, hours: int) -> None:
    """No zone, another zone, a broken hour, no hours, hours of the next day: refused."""
    with pytest.raises(ValueError, match="not whole UTC hours"):
        Window(start, hours)


@settings(deadline=None)
@given(windows(), st.integers(1, 30))
def test_cutting_keeps_every_hour_once_and_in_order(window: Window, hours: int) -> None:
    """The pieces together ask for exactly the window's hours; none is wider than was asked."""
    pieces = list(window.cut(hours))
    assert [hour for piece in pieces for hour in hours_of(piece)] == hours_of(window)
    assert all(piece.hours <= hours for piece in pieces)
    assert len(pieces) == -(-window.hours // hours)


@settings(deadline=None)
@given(windows(), dates, st.integers(0, 30))
def test_a_window_holds_the_hours_it_asks_for_and_no_others(window: Window, day: date, hour: int) -> None:
    """`holds` agrees with the wire, on this day and on others."""
    asked = {(each.date(), each.hour) for each in hours_of(window)}
    assert window.holds(window.day, hour) == ((window.day, hour) in asked)
    assert window.holds(day, hour) == ((day, hour) in asked)


@settings(deadline=None)
@given(st.lists(st.integers(0, 23), max_size=12), st.integers(1, 24))
def test_halving_keeps_every_hour_and_never_widens(refusals: list[int], begun_with: int) -> None:
    """Whatever is refused and when: each hour is loaded once, and nothing is wider than half of what was refused."""
    plan = Plan(DAY, begun_with)
    loaded: list[datetime] = []
    bound = begun_with
    asked = 0
    while plan.pending:
        window = plan.pending.popleft()
        assert window.hours <= bound
        if asked in refusals and window.hours > 1:
            plan.halve(window)
            bound = -(-window.hours // 2)
        else:
            loaded += hours_of(window)
        asked += 1
    assert loaded == hours_of(Window.of_day(DAY))
    assert plan.hours == bound


def test_a_day_ends_where_the_next_begins() -> None:
    """Also at the end of a month, and aware."""
    assert day_end(date(2025, 11, 30)) == datetime(2025, 12, 1, tzinfo=UTC)


def test_days_of_a_range_are_all_its_days() -> None:
    """Both ends are in; a leap day too; a range backwards is empty."""
    assert days_of(date(2024, 2, 28), date(2024, 3, 1)) == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    assert days_of(DAY, DAY) == [DAY]
    assert days_of(DAY, date(2025, 11, 5)) == []


@settings(deadline=None)
@given(dates)
def test_a_day_is_read_as_it_is_written(day: date) -> None:
    """`parse_day` reads what `str` writes."""
    assert parse_day(str(day)) == day


@pytest.mark.parametrize("text", ["", "20251106", "2025-11-6", "06.11.2025", " 2025-11-06", "2025-W45-4", "٢٠٢٥-11-06"])
def test_a_day_written_otherwise_is_refused_with_an_example(text: str) -> None:
    """The sentence shows what was written and what to write."""
    with pytest.raises(ValueError, match="write it as YYYY-MM-DD, for example 2025-11-06"):
        parse_day(text)


@pytest.mark.parametrize("text", ["2025-02-29", "2025-13-01", "0000-01-01"])
def test_a_date_that_no_calendar_has_is_refused(text: str) -> None:
    """The sentence names the date."""
    with pytest.raises(ValueError, match=f"{text} is not a date: "):
        parse_day(text)


def test_a_long_text_is_not_shown_whole() -> None:
    """What somebody put in is cut in the message."""
    with pytest.raises(ValueError, match="is not a day") as raised:
        parse_day("x" * 10_000)
    assert len(str(raised.value)) < 200
