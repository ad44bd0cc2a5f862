from email.utils import formatdate
from time import time as system_time

import pytest

from exporter.amplitude.retries import Tries, seconds_asked
from exporter.clock import Deadline
from exporter.errors import DeadlineError, RetriableError
from exporter.simulator import (
    ALWAYS,
    Fault,
    Simulator,
    Spoilt,
    Status,
    TooManyRequests,
    When,
    Wire,
    WireKind,
)
from tests.kit import DAY, WHOLE_DAY, RawServer, Time, archive_of, asking, checked, fetched, http

TWICE = When(times=2)
GOOD = http(200, archive_of(b"{}\n"))


def waits(simulator: Simulator, *, attempts: int = 5, delay: float = 1) -> list[float]:
    """Ask for the day; the waits on the way to its archive."""
    time = Time()
    with asking(simulator.url, time, attempts=attempts, delay=delay) as client:
        answer = fetched(client)
    assert answer.requests == len(time.sleeps) + 1 == len(simulator.requests)
    return time.sleeps


def refused(simulator: Simulator, *, attempts: int = 5) -> list[float]:
    """Ask for the day in vain; the waits."""
    time = Time()
    with asking(simulator.url, time, attempts=attempts) as client, pytest.raises(RetriableError):
        fetched(client)
    assert len(simulator.requests) == attempts
    return time.sleeps


@pytest.mark.parametrize("code", [408, 425, 500, 501, 502, 503, 599])
def test_a_passing_status_is_waited_for_1_2_4_8_seconds(code: int) -> None:
    """Five requests are the end."""
    with Simulator(events_per_hour=1, faults=[Status(code, b"", When(times=4))]) as simulator:
        assert waits(simulator) == [1, 2, 4, 8]
    with Simulator(events_per_hour=1, faults=[Status(code, b"", ALWAYS)]) as simulator:
        assert refused(simulator) == [1, 2, 4, 8]


def test_too_many_requests_are_waited_for_2_4_8_16_seconds() -> None:
    """Twice as long as a server error."""
    with Simulator(events_per_hour=1, faults=[TooManyRequests(when=When(times=4))]) as simulator:
        assert waits(simulator) == [2, 4, 8, 16]
    with Simulator(events_per_hour=1, faults=[TooManyRequests(when=ALWAYS)]) as simulator:
        assert refused(simulator) == [2, 4, 8, 16]


@pytest.mark.parametrize(
    "fault",
    [
        *(
            Wire(kind, when=ALWAYS)
            for kind in ("truncated-zip", "short-body", "broken-off", "broken-chunks", "reset", "closed")
        ),
        *(Spoilt(kind, when=ALWAYS) for kind in ("corrupt-member", "corrupt-zip", "wrong-trailer", "truncated-member")),
        Status(200, when=ALWAYS),
        Status(200, b"", ALWAYS),
    ],
    ids=str,
)
def test_a_broken_body_is_waited_for_like_a_server_error(fault: Fault) -> None:
    """The whole request again, within the same five."""
    with Simulator(events_per_hour=1, faults=[fault]) as simulator:
        assert refused(simulator) == [1, 2, 4, 8]


def test_all_failures_share_one_budget() -> None:
    """Status, connection and body: each counts, and the wait goes on doubling whoever sends the request again."""
    faults: list[Fault] = [
        Status(503),
        Wire("truncated-zip"),
        TooManyRequests(),
        Wire("closed"),
    ]
    with Simulator(events_per_hour=1, faults=faults) as simulator:
        assert waits(simulator) == [1, 2, 8, 8]
    with Simulator(events_per_hour=1, faults=[*faults, Spoilt("corrupt-member")]) as simulator:
        assert refused(simulator) == [1, 2, 8, 8]


@pytest.mark.parametrize("last", ["503", "truncated-zip"])
def test_the_budget_can_be_set(last: WireKind | str) -> None:
    """One attempt means one request, whatever went wrong."""
    fault: Fault = Status(503, when=ALWAYS) if last == "503" else Wire("truncated-zip", when=ALWAYS)
    with Simulator(events_per_hour=1, faults=[fault]) as simulator:
        assert refused(simulator, attempts=1) == []
    with Simulator(events_per_hour=1, faults=[fault]) as simulator:
        assert refused(simulator, attempts=2) == [1]


def test_the_first_wait_can_be_set() -> None:
    """The others are its multiples."""
    with Simulator(events_per_hour=1, faults=[Status(500, when=TWICE), TooManyRequests(when=TWICE)]) as simulator:
        assert waits(simulator, delay=0.5) == [0.5, 1, 4, 8]


@pytest.mark.parametrize("delay", [60, 1000])
def test_own_waits_end_at_120_seconds(delay: float, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever EXPORT_DELAY_SECONDS is, and nobody says that Amplitude wants it so."""
    faults: list[Fault] = [Status(500, when=TWICE), TooManyRequests(), Wire("closed")]
    with Simulator(events_per_hour=1, faults=faults) as simulator:
        assert waits(simulator, delay=delay) == [min(delay, 120), 120, 120, 120]
    assert "Amplitude asks to wait" not in caplog.text


@pytest.mark.parametrize("seconds", [0, 7, 120])
def test_a_retry_after_wins(seconds: int) -> None:
    """Up to 120 seconds, instead of the wait that would be due."""
    with Simulator(events_per_hour=1, faults=[TooManyRequests(seconds), Status(500)]) as simulator:
        assert waits(simulator) == [seconds, 2]


def test_a_retry_after_of_a_server_error_wins_too() -> None:
    """503 may name its time as well."""
    with RawServer(http(503, Retry_After="9"), GOOD) as server:
        time = Time()
        with asking(server.url, time) as client:
            fetched(client)
        assert time.sleeps == [9]


def test_a_retry_after_can_be_a_date() -> None:
    """What is left until then is waited; HTTP dates have whole seconds."""
    with Simulator(events_per_hour=1, faults=[TooManyRequests(60, as_date=True)]) as simulator:
        (wait,) = waits(simulator)
    assert 50 < wait <= 60


@pytest.mark.parametrize(("retry_after", "wait"), [(60, 60), (-3600, 0), (0, 0)])
@pytest.mark.parametrize("their_clock", [-(10**8), 0, 10**8])
def test_a_retry_after_is_read_by_the_answers_own_clock(retry_after: int, wait: int, their_clock: int) -> None:
    """Theirs may be behind ours, or before it, by years; a date in the past is no wait."""
    now = system_time() + their_clock
    head = {"Date": formatdate(now, usegmt=True), "Retry_After": formatdate(now + retry_after, usegmt=True)}
    with RawServer(http(429, b"", **head), GOOD) as server:
        time = Time()
        with asking(server.url, time) as client:
            fetched(client)
    assert time.sleeps == [wait]


def test_a_retry_after_as_a_date_without_a_date_to_read_it_by_is_as_none() -> None:
    """Our clock is no measure for it."""
    with RawServer(http(429, Retry_After=formatdate(system_time() + 50, usegmt=True)), GOOD) as server:
        time = Time()
        with asking(server.url, time) as client:
            fetched(client)
    assert time.sleeps == [2]


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        ("7", "", 7),
        (" 120 ", "nonsense", 120),
        ("Sun, 09 Nov 2025 02:00:30 GMT", "Sun, 09 Nov 2025 02:00:00 GMT", 30),
        ("Sun, 09 Nov 2025 03:00:30 +0100", "Sun, 09 Nov 2025 02:00:00", 30),
        ("Sunday, 09-Nov-25 02:00:30 GMT", "Sun Nov  9 02:00:00 2025", 30),
    ],
)
def test_the_spellings_of_a_retry_after(retry_after: str, date: str, seconds: float) -> None:
    """Seconds, and every date that HTTP knows, in any zone."""
    assert seconds_asked(retry_after, date) == seconds


@pytest.mark.parametrize("seconds", [121, 100_000])
def test_a_longer_retry_after_ends_the_attempt(seconds: int) -> None:
    """At once, and the message says for how long Amplitude wants to be left alone."""
    with Simulator(events_per_hour=1, faults=[TooManyRequests(seconds, when=ALWAYS)]) as simulator:
        time = Time()
        with asking(simulator.url, time) as client, pytest.raises(RetriableError) as raised:
            fetched(client)
        assert len(simulator.requests) == 1
    assert time.sleeps == []
    assert f"status 429, and Amplitude asks to wait {seconds} s, longer than the 120 s" in str(raised.value)


@pytest.mark.parametrize("value", ["soon", "1.5", "-1", "9" * 5_000, "Thu, 01 Nov 99999999 10:00:00 GMT", "inf", ""])
def test_a_retry_after_that_nobody_can_read_is_as_none(value: str, caplog: pytest.LogCaptureFixture) -> None:
    """The usual wait, and a warning."""
    with RawServer(http(429, Retry_After=value, Date=formatdate(usegmt=True)), GOOD) as server:
        time = Time()
        with asking(server.url, time) as client:
            fetched(client)
        assert time.sleeps == [2]
    assert "Retry-After that cannot be read" in caplog.text


def test_every_retry_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Which request of how many, why, and the wait: one line each."""
    with Simulator(events_per_hour=1, faults=[Status(503), Wire("closed"), Wire("truncated-zip")]) as simulator:
        waits(simulator)
    said = [record.message for record in caplog.records if record.name == "exporter.amplitude.retries"]
    window = "window 20251106T00..20251106T23: request"
    assert said[0] == f"{window} 1 of 5 failed (status 503); the next one follows in 1 s"
    assert said[1].startswith(f"{window} 2 of 5 failed (RemoteDisconnected: ")
    assert said[2].startswith(f"{window} 3 of 5 failed (the archive is cut off or corrupt: ")
    assert len(said) == 3


def test_a_gateway_that_times_out_on_one_hour_has_all_its_attempts() -> None:
    """An hour cannot be halved."""
    hour = next(WHOLE_DAY.cut(1))
    with Simulator(events_per_hour=1, faults=[Status(504, when=ALWAYS)]) as simulator:
        time = Time()
        with asking(simulator.url, time) as client, pytest.raises(RetriableError, match="status 504"):
            fetched(client, hour, checked)
        assert len(simulator.requests) == 5
    assert time.sleeps == [1, 2, 4, 8]


def test_an_error_page_without_end_does_not_hold_the_retry_up() -> None:
    """The rest of a refused answer's body is not read: it may never end."""
    endless = http(503, b"x" * 1000, content_length=str(10**12))
    with RawServer(endless, GOOD, patience=10) as server:
        time = Time()
        with asking(server.url, time) as client:
            assert fetched(client).requests == 2
        assert time.sleeps == [1]
    assert server.left[0]


@pytest.mark.parametrize("fault", [Status(503), Wire("truncated-zip")], ids=str)
def test_no_wait_goes_beyond_the_deadline(fault: Fault) -> None:
    """A retry that would come too late is not waited for."""
    with Simulator(events_per_hour=1, faults=[fault]) as simulator:
        time = Time(seconds=100)
        with asking(simulator.url, time) as client, pytest.raises(DeadlineError, match="Nothing of it is visible"):
            fetched(client, WHOLE_DAY, checked, Deadline(time.clock(), at=100.5))
        assert len(simulator.requests) == 1
    assert time.sleeps == []


def test_a_wait_that_ends_at_the_deadline_is_in_time() -> None:
    """The bound itself is allowed."""
    time = Time()
    tries = Tries(WHOLE_DAY, "https://example", 5, 1, Deadline(time.clock(), at=8), made=4)
    tries.wait("why")
    assert time.sleeps == [8]
    assert tries.left == 1


def test_each_window_has_a_budget_of_its_own() -> None:
    """Four retries for each half of a day."""
    first, second = WHOLE_DAY.cut(12)
    faults = [Status(503, when=When(4, "20251106T00")), Status(503, when=When(4, "20251106T12"))]
    with Simulator(events_per_hour=1, faults=faults) as simulator:
        time = Time()
        with asking(simulator.url, time) as client:
            assert [fetched(client, window, checked).requests for window in (first, second)] == [5, 5]
        assert [request.first for request in simulator.requests] == [f"{DAY:%Y%m%d}T00"] * 5 + [f"{DAY:%Y%m%d}T12"] * 5
    assert time.sleeps == [1, 2, 4, 8] * 2
