import base64
import contextlib
import http.client
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
import requests

from exporter.simulator import ALWAYS, Fault, Simulator, Status, TooLarge, TooManyRequests, When, Wire
from tests.simulator.client import ask, lines

HOUR_5, HOUR_6 = ("20251106T05", "20251106T05"), ("20251106T06", "20251106T06")


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "text"),
    [
        (Status(400), 400, "application/json", "not supported"),
        (Status(400, b""), 400, "application/json", ""),
        (Status(401), 401, "application/json", "credentials"),
        (Status(403), 403, "application/json", "Invalid API Key"),
        (Status(404), 404, "text/html; charset=utf-8", "<h1>404 Not Found</h1>"),
        (Status(500), 500, "application/json", '"http_code":500'),
        (Status(502), 502, "text/html; charset=utf-8", "<h1>502 Bad Gateway</h1>"),
        (Status(503), 503, "application/json", '"http_code":503'),
        (Status(504), 504, "text/html; charset=utf-8", "<h1>504 Gateway Timeout</h1>"),
        (Status(200), 200, "text/html; charset=utf-8", "<h1>Please wait</h1>"),
        (Status(200, b""), 200, "application/zip", ""),
        (TooManyRequests(), 429, "application/json", "concurrent"),
        (TooLarge(hours=6), 400, "application/json", "too large"),
        (TooLarge(hours=6, code=504), 504, "text/html; charset=utf-8", "504"),
    ],
)
def test_an_answer_stands_in_for_the_archive(fault: Fault, status: int, content_type: str, text: str) -> None:
    """Status, type and words are those of the script; an empty text means an empty body."""
    with Simulator(faults=[fault]) as simulator:
        answer = ask(simulator)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
        assert text in answer.text
        assert bool(answer.text) == bool(text)
        assert [request.fault for request in simulator.requests] == [fault]


def test_a_redirect_leads_to_a_login_page_that_is_no_api() -> None:
    """302 names another path; who follows it gets no archive."""
    with Simulator(faults=[Status(302)]) as simulator:
        answer = ask(simulator)
        followed = requests.get(f"{simulator.url}{answer.headers['Location']}", timeout=30)
        assert (answer.status_code, answer.headers["Location"], followed.status_code) == (302, "/login", 404)
        assert [request.path for request in simulator.requests] == ["/api/2/export", "/login"]


def test_retry_after_comes_in_seconds_as_a_date_or_not_at_all() -> None:
    """429 can say how long to wait in each of the ways HTTP allows."""
    faults = [TooManyRequests(), TooManyRequests(7), TooManyRequests(60, as_date=True)]
    with Simulator(faults=faults) as simulator:
        silent, seconds, date = (ask(simulator).headers.get("Retry-After") for _ in faults)
        assert (silent, seconds) == (None, "7")
        assert date
        assert 50 < parsedate_to_datetime(date).timestamp() - time.time() <= 60


def test_a_fault_is_used_up_and_the_archive_comes_after_it() -> None:
    """Faults come in the order of the script, each as often as it says, and then no more."""
    with Simulator(faults=[Status(503, when=When(times=2)), TooManyRequests()]) as simulator:
        assert [ask(simulator, *HOUR_5).status_code for _ in range(4)] == [503, 503, 429, 200]
        simulator.add(Status(500))
        assert [ask(simulator, *HOUR_5).status_code for _ in range(2)] == [500, 200]


def test_a_fault_for_always_does_not_wear_out() -> None:
    """`ALWAYS` means every request."""
    with Simulator(faults=[Status(503, when=ALWAYS)]) as simulator:
        assert {ask(simulator, *HOUR_5).status_code for _ in range(5)} == {503}


@pytest.mark.parametrize("hours", ["05", "20251106T05"])
def test_a_fault_can_wait_for_the_window_with_an_hour(hours: str) -> None:
    """Windows without the hour are answered as ever, and do not use the fault up."""
    with Simulator(faults=[Status(500, when=When(hours=hours))]) as simulator:
        assert ask(simulator, *HOUR_6).status_code == 200
        assert [ask(simulator).status_code for _ in range(2)] == [500, 200]


def test_a_window_is_too_large_above_its_number_of_hours() -> None:
    """Six hours pass, seven do not, however often one asks."""
    with Simulator(faults=[TooLarge(hours=6)]) as simulator:
        assert ask(simulator, "20251106T00", "20251106T05").status_code == 200
        assert {ask(simulator, "20251106T00", "20251106T06").status_code for _ in range(3)} == {400}


@contextlib.contextmanager
def exchange(simulator: Simulator) -> Iterator[http.client.HTTPResponse]:
    """Ask for an hour without any library between us and the wire: the answer with its body unread."""
    keys = base64.b64encode(f"{simulator.api_key}:{simulator.secret_key}".encode()).decode()
    address = simulator.url.removeprefix("http://")
    target = "/api/2/export?start=20251106T05&end=20251106T05"
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request("GET", target, headers={"Authorization": f"Basic {keys}"})
        with connection.getresponse() as answer:
            yield answer


@pytest.fixture(scope="module")
def whole() -> bytes:
    """The archive of the hour that `exchange` asks for."""
    with Simulator() as simulator:
        return ask(simulator, *HOUR_5).content


def test_a_truncated_archive_has_a_length_that_fits(whole: bytes) -> None:
    """Only the body shows that half of the archive is missing."""
    with Simulator(faults=[Wire("truncated-zip")]) as simulator, exchange(simulator) as answer:
        assert answer.headers["Content-Length"] == str(len(whole) // 2)
        assert answer.read() == whole[: len(whole) // 2]


def test_a_short_body_without_a_length_ends_with_the_connection(whole: bytes) -> None:
    """Nothing in HTTP tells that half of the body is missing."""
    with Simulator(faults=[Wire("short-body")]) as simulator, exchange(simulator) as answer:
        assert answer.headers["Content-Length"] is None
        assert answer.read() == whole[: len(whole) // 2]


@pytest.mark.parametrize("fault", [Wire("broken-off"), Wire("broken-chunks")])
def test_a_body_that_breaks_off_shows_in_http(fault: Wire, whole: bytes) -> None:
    """The connection is closed before the promised length, or before the last chunk."""
    with Simulator(faults=[fault]) as simulator, exchange(simulator) as answer:
        with pytest.raises(http.client.IncompleteRead) as broken:
            answer.read()
        assert broken.value.partial == whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("fault", "header", "value"),
    [
        (Wire("no-length"), "Content-Length", None),
        (Wire("chunked"), "Transfer-Encoding", "chunked"),
        (Wire("silence", 0.05), "Transfer-Encoding", None),
    ],
)
def test_unusual_bodies_arrive_whole(fault: Wire, header: str, value: str | None, whole: bytes) -> None:
    """No length, chunked coding and a late first byte are allowed and lose nothing."""
    with Simulator(faults=[fault]) as simulator, exchange(simulator) as answer:
        assert answer.headers[header] == value
        assert answer.read() == whole


def test_a_reset_comes_in_the_middle_of_the_body() -> None:
    """The status line arrives, then the connection is reset and not only closed."""
    with Simulator(faults=[Wire("reset")]) as simulator, exchange(simulator) as answer:
        assert answer.status == 200
        with pytest.raises(ConnectionResetError):
            answer.read()


def test_a_connection_can_be_closed_before_any_answer() -> None:
    """Not even a status line arrives; the request is noted with status 0."""
    with Simulator(faults=[Wire("closed")]) as simulator:
        with pytest.raises(requests.ConnectionError, match="RemoteDisconnected"):
            ask(simulator, *HOUR_5)
        assert [request.status for request in simulator.requests] == [0]


def test_a_drip_takes_its_time(whole: bytes) -> None:
    """The body comes whole, and no faster than the bytes a second that were asked for."""
    rate = len(whole) * 4
    with Simulator(faults=[Wire("drip", rate)]) as simulator, exchange(simulator) as answer:
        started = time.monotonic()
        assert answer.read() == whole
        assert time.monotonic() - started > 0.15


def test_silence_outlasts_a_clients_patience() -> None:
    """A client that waits less than the silence gives up, and the simulator still ends at once."""
    with Simulator(faults=[Wire("silence", 600)]) as simulator:
        url = f"{simulator.url}/api/2/export?start=20251106T05&end=20251106T05"
        with pytest.raises(requests.ReadTimeout):
            requests.get(url, auth=(simulator.api_key, simulator.secret_key), timeout=0.1)
        assert lines(ask(simulator, *HOUR_5).content)
