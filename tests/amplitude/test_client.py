import base64
import json
import logging
import re
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.amplitude.client import AmplitudeClient
from exporter.amplitude.connection import Bounds
from exporter.clock import Deadline
from exporter.errors import (
    BadArchiveError,
    DeadlineError,
    ExportError,
    PermanentError,
    RefusedError,
    RejectedError,
    RetriableError,
    WindowTooBigError,
)
from exporter.simulator import ALWAYS, Missing, Simulator, Status, TooLarge, Wire
from exporter.window import Window
from tests.kit import KEYS, WHOLE_DAY, RawServer, Time, archive_of, asking, at, checked, fetched, http

HOUR = next(WHOLE_DAY.cut(1))
BASIC = base64.b64encode(":".join(KEYS).encode()).decode()
ARCHIVE = archive_of(b'{"a":1}\n')
GOOD = http(200, ARCHIVE)


def envelope(message: str, details: str | None = None) -> bytes:
    """An error as Amplitude writes it."""
    return json.dumps({"error": {"http_code": 400, "message": message, "metadata": {"details": details}}}).encode()


def failure(*answers: bytes, window: Window = WHOLE_DAY) -> tuple[ExportError, int]:
    """What comes of these answers: the error, and how many requests were made."""
    with RawServer(*answers) as server:
        with asking(server.url, Time()) as client, pytest.raises(ExportError) as raised:
            fetched(client, window, checked)
        assert server.url in str(raised.value) or not isinstance(raised.value, RefusedError)
        return raised.value, len(server.heads)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small project."""
    with Simulator(events_per_hour=2) as running:
        yield running


def test_a_window_is_asked_for_by_its_hours_with_the_keys(simulator: Simulator) -> None:
    """One request: path, both ends inclusive, basic auth, no encoding over the ZIP."""
    with RawServer(GOOD) as server:
        with asking(server.url, Time()) as client:
            fetched(client)
        (head,) = server.heads
    assert head.startswith(b"GET /api/2/export?start=20251106T00&end=20251106T23 HTTP/1.1\r\n")
    assert f"Authorization: Basic {BASIC}\r\n".encode() in head
    assert b"Accept-Encoding: identity\r\n" in head
    with asking(simulator.url, Time()) as client:
        assert fetched(client, HOUR, checked).status == 200
    assert [(request.first, request.last) for request in simulator.requests] == [("20251106T00", "20251106T00")]


def test_the_whole_archive_is_taken_in(simulator: Simulator) -> None:
    """From its first byte, seekable, and its size is told."""
    taken: list[bytes] = []

    def take(archive: BinaryIO) -> None:
        taken.append(archive.read())

    with asking(simulator.url, Time()) as client:
        answer = fetched(client, WHOLE_DAY, take)
    assert [len(body) for body in taken] == [answer.archive_bytes] == [simulator.requests[0].length]
    assert taken[0].startswith(b"PK\x03\x04")


@pytest.mark.parametrize("kind", ["no-length", "chunked"])
def test_a_body_needs_no_length(simulator: Simulator, kind: str) -> None:
    """Without Content-Length and in chunks."""
    simulator.add(Wire("no-length" if kind == "no-length" else "chunked"))
    with asking(simulator.url, Time()) as client:
        assert fetched(client).requests == 1


def test_no_data_in_amplitudes_words_is_an_empty_window() -> None:
    """404 is then an answer, and nothing is taken in."""
    with Simulator(contents=[Missing("")]) as simulator, asking(simulator.url, Time()) as client:
        answer = fetched(client)
    assert (answer.status, answer.archive_bytes, answer.requests) == (404, 0, 1)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html><h1>404 Not Found</h1></html>", b"[]", b'{"error":null}', b'{"error":"Not Found"}', b"\xff\xfe"],
)
def test_a_404_that_is_not_amplitudes_is_an_error_that_names_both_regions(body: bytes) -> None:
    """A wrong AMP_BASE_URL must not make a day empty."""
    error, requests = failure(http(404, body))
    assert isinstance(error, PermanentError)
    assert "That is no Export API: look at AMP_BASE_URL (http://127.0.0.1:" in str(error)
    assert str(error).endswith("; EU https://analytics.eu.amplitude.com, US https://amplitude.com)")
    assert requests == 1


def test_amplitudes_404_in_other_words_is_a_failed_request() -> None:
    """Neither an empty window nor a wrong address: asked again, and the last one's words are quoted."""
    error, requests = failure(*[http(404, envelope("Not Found", "nothing ready"))] * 5)
    assert (type(error), requests) == (RetriableError, 5)
    assert "status 404, Amplitude says: Not Found: nothing ready, which does not say that there is no data" in str(
        error
    )
    assert "EU https://analytics.eu.amplitude.com, US https://amplitude.com" in str(error)
    with RawServer(http(404, envelope("Not Found")), GOOD) as server, asking(server.url, Time()) as client:
        assert fetched(client).requests == 2


@pytest.mark.parametrize(
    "body",
    [
        b"Raw data files were not found.",
        envelope("Not Found", "Raw data files were not found."),
        b'{"error":"Raw data files were not found"}',
    ],
)
def test_the_words_count_wherever_they_stand(body: bytes) -> None:
    """In the envelope, and without one."""
    with RawServer(http(404, body)) as server, asking(server.url, Time()) as client:
        assert fetched(client).status == 404


@pytest.mark.parametrize("code", [401, 403])
def test_refused_keys_are_asked_with_once(code: int) -> None:
    """The message quotes Amplitude and names key, secret and region."""
    error, requests = failure(http(code, envelope("Forbidden", "Invalid API Key")))
    assert isinstance(error, RefusedError)
    assert requests == 1
    for part in (
        f"status {code}, Amplitude says: Forbidden: Invalid API Key",
        "AMP_API_KEY",
        "AMP_SECRET_KEY",
        "EU https://",
    ):
        assert part in str(error)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_is_not_followed(code: int) -> None:
    """The keys go nowhere else."""
    with RawServer(GOOD) as elsewhere:
        error, requests = failure(http(code, Location=f"{elsewhere.url}/login"))
        assert elsewhere.heads == []
    assert isinstance(error, PermanentError)
    assert f"a redirect to {elsewhere.url}/login. Look at AMP_BASE_URL" in str(error)
    assert requests == 1


@pytest.mark.parametrize("location", ["", "/", "https://[::1", "http://\xff\xfe/", "x:" * 2_000])
def test_a_redirect_to_nowhere_is_one_like_others(location: str) -> None:
    """Its address is not understood, only shown."""
    error, requests = failure(http(302, Location=location))
    assert isinstance(error, PermanentError)
    assert "status 302, a redirect" in str(error)
    assert requests == 1


def test_the_body_of_a_redirect_is_not_read() -> None:
    """It may be endless; who sent it is left at once."""
    endless = http(302, b"x" * 1000, Location="/", content_length=str(10**12))
    with (
        RawServer(endless, patience=10) as server,
        asking(server.url, Time()) as client,
        pytest.raises(PermanentError),
    ):
        fetched(client)
    assert server.left == [True]


@pytest.mark.parametrize(
    "words",
    [
        "",
        "The file size of the exported data is too large",
        "Please shorten the time range",
        "more than 4GB",
        "over 4 GB of events",
        "request entity TOO LARGE",
    ],
)
def test_a_400_about_size_or_without_words_names_the_way_out_of_one_hour(words: str) -> None:
    """Amplitude's own destination."""
    error, requests = failure(http(400, envelope(words) if words else b""), window=HOUR)
    assert type(error) is PermanentError
    assert "hour 20251106T00 is too big for the Export API" in str(error)
    assert "Use Amplitude's own Azure Blob Storage or S3 destination" in str(error)
    assert requests == 1


@pytest.mark.parametrize("words", ["", "The file size is too large", "Invalid parameter"])
def test_a_400_to_more_than_an_hour_asks_for_less(words: str) -> None:
    """Whatever it says: nobody publishes the words for a window that is too big."""
    two_hours = next(WHOLE_DAY.cut(2))
    for window in (WHOLE_DAY, two_hours):
        error, requests = failure(http(400, envelope(words) if words else b""), window=window)
        assert (type(error), requests) == (WindowTooBigError, 1)
        assert words in str(error)


def test_a_400_to_one_hour_in_other_words_fails_with_them() -> None:
    """It cannot be halved."""
    error, requests = failure(http(400, envelope("Bad Request", "Invalid parameter")), window=HOUR)
    assert type(error) is PermanentError
    assert "status 400, Amplitude says: Bad Request: Invalid parameter. Asking again will not help" in str(error)
    assert requests == 1


@pytest.mark.parametrize("code", [402, 405, 410, 413, 418, 451])
def test_every_other_refusal_is_said_as_it_is(code: int) -> None:
    """Once, also if it comes with a Retry-After."""
    error, requests = failure(http(code, b"<p>why</p>", retry_after="1"))
    assert type(error) is PermanentError
    assert f"status {code}, Amplitude says: why. Asking again will not help" in str(error)
    assert requests == 1


def test_two_gateway_timeouts_ask_for_less(simulator: Simulator) -> None:
    """Not the first one, and not a third."""
    simulator.add(TooLarge(6, 504))
    time = Time()
    with asking(simulator.url, time) as client, pytest.raises(WindowTooBigError, match="timed out twice"):
        fetched(client)
    assert len(simulator.requests) == 2
    assert time.sleeps == [1]


def test_one_gateway_timeout_is_a_passing_fault(simulator: Simulator) -> None:
    """The same window again."""
    simulator.add(Status(504))
    with asking(simulator.url, Time()) as client:
        assert fetched(client).requests == 2


def test_gateway_timeouts_count_across_other_failures(simulator: Simulator) -> None:
    """A broken body between the two does not make the window smaller."""
    for fault in (Status(504), Wire("truncated-zip"), Status(504)):
        simulator.add(fault)
    with asking(simulator.url, Time()) as client, pytest.raises(WindowTooBigError):
        fetched(client)
    assert len(simulator.requests) == 3


@pytest.mark.parametrize("told", [True, False])
def test_an_archive_over_its_share_asks_for_less(simulator: Simulator, told: bool) -> None:
    """With a Content-Length before a byte of it is read, without one as soon as it is over."""
    if not told:
        simulator.add(Wire("no-length"))
    downloaded: list[int] = []

    def watch(step: str, done: int, _total: int | None) -> None:
        if step == "downloading":
            downloaded.append(done)

    with (
        asking(simulator.url, Time(), archive_limit=5_000, progress=watch) as client,
        pytest.raises(WindowTooBigError, match="bigger than 5000 bytes, its share of EXPORT_TMP_LIMIT_MB"),
    ):
        fetched(client)
    assert len(simulator.requests) == 1
    assert bool(downloaded) != told


def test_an_archive_of_exactly_its_share_is_taken(simulator: Simulator) -> None:
    """The bound itself is allowed."""
    with asking(simulator.url, Time()) as client:
        size = fetched(client).archive_bytes
    with asking(simulator.url, Time(), archive_limit=size) as client:
        fetched(client)
    with asking(simulator.url, Time(), archive_limit=size - 1) as client, pytest.raises(WindowTooBigError):
        fetched(client)


@pytest.mark.parametrize("length", ["9" * 5_000, "-5", "many"])
def test_a_content_length_that_means_nothing_is_harmless(length: str) -> None:
    """The body is judged by itself."""
    with RawServer(http(200, ARCHIVE, content_length=length)) as server, asking(server.url, Time()) as client:
        assert fetched(client).archive_bytes == len(ARCHIVE)


def test_a_slow_drip_is_bounded(simulator: Simulator) -> None:
    """Every read time-out is passed, the total time is not."""
    time = Time()
    simulator.add(Wire("drip", 10_000, ALWAYS))
    with (
        asking(simulator.url, time, progress=at("downloading", lambda: time.pass_by(Bounds().request / 2))) as client,
        pytest.raises(RetriableError, match="still not all of the answer is here after 3600 s"),
    ):
        fetched(client)
    assert len(simulator.requests) == 1


def test_earlier_requests_do_not_eat_the_time_of_a_body() -> None:
    """The bound is one body's: waits and time-outs before it do not count."""
    time = Time()
    slow = replace(time.clock(), sleep=lambda seconds: time.sleep(seconds + Bounds().request))
    with (
        RawServer(http(503), GOOD) as server,
        AmplitudeClient(server.url, KEYS, attempts=5, delay=1, archive_limit=10**6, clock=slow) as client,
    ):
        assert fetched(client).requests == 2
    assert time.seconds > Bounds().request


def test_the_deadline_is_kept_while_a_body_comes_in(simulator: Simulator) -> None:
    """Between two pieces."""
    time = Time()
    with (
        asking(simulator.url, time, progress=at("downloading", lambda: time.pass_by(100))) as client,
        pytest.raises(DeadlineError),
    ):
        fetched(client, WHOLE_DAY, checked, Deadline(time.clock(), at=50))
    assert len(simulator.requests) == 1


def test_the_last_failure_is_told_when_the_budget_is_used_up(simulator: Simulator) -> None:
    """How many requests, why, and where to look."""
    simulator.add(Wire("truncated-zip", when=ALWAYS))
    with asking(simulator.url, Time()) as client, pytest.raises(RetriableError) as raised:
        fetched(client)
    for part in (
        "5 requests failed",
        "the archive is cut off or corrupt",
        "AMP_BASE_URL",
        "https://status.amplitude.com",
    ):
        assert part in str(raised.value)


def test_nobody_there_is_said_plainly() -> None:
    """A refused connection: five attempts, one line, no Python objects in it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    time = Time()
    with asking(f"http://127.0.0.1:{port}", time) as client, pytest.raises(RetriableError) as raised:
        fetched(client)
    assert time.sleeps == [1, 2, 4, 8]
    assert "5 requests failed, the last one because of: " in str(raised.value)
    assert "Connection refused" in str(raised.value)
    assert not re.search(r"0x[0-9a-f]{6}|\n", str(raised.value))


@pytest.mark.parametrize("error", [RejectedError("too many"), OSError(28, "No space left on device")])
def test_what_is_not_amplitudes_fault_is_not_asked_again(simulator: Simulator, error: Exception) -> None:
    """A full disk or too many rejected lines: the next archive would be no better."""

    def take(_archive: BinaryIO) -> None:
        raise error

    with asking(simulator.url, Time()) as client, pytest.raises(type(error)) as raised:
        fetched(client, WHOLE_DAY, take)
    assert raised.value is error
    assert len(simulator.requests) == 1


def test_a_bad_archive_is_asked_for_again(simulator: Simulator) -> None:
    """Also if it shows only when it is unzipped; each time the archive is handed over from its start."""
    starts: list[bytes] = []

    def take(archive: BinaryIO) -> None:
        starts.append(archive.read(4))
        if len(starts) < 3:
            raise BadArchiveError("the third is good")

    with asking(simulator.url, Time()) as client:
        assert fetched(client, WHOLE_DAY, take).requests == 3
    assert starts == [b"PK\x03\x04"] * 3


def test_nothing_stays_in_the_temp_folder(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither after a good archive nor after bad ones."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    simulator.add(Wire("reset"))
    simulator.add(Wire("truncated-zip"))
    with asking(simulator.url, Time()) as client:
        fetched(client)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [400, 403, 404, 500])
@pytest.mark.parametrize("json_body", [True, False])
def test_a_page_that_shows_the_request_gives_no_key_away(code: int, json_body: bool) -> None:
    """Some proxies print headers in their error pages; also where the message is cut."""
    for filler in (0, 260, 290):
        text = "x" * filler + f" Authorization: Basic {BASIC} {' '.join(KEYS)}"
        error, _ = failure(*[http(code, envelope(text) if json_body else f"<pre>{text}</pre>".encode())] * 5)
        for start in (BASIC[:8], KEYS[0][:12], KEYS[1][:12]):
            assert start not in str(error)


def test_no_key_in_any_representation(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """Neither of the client, nor in the log of a request, however much is logged."""
    caplog.set_level(logging.DEBUG)
    with asking(simulator.url, Time()) as client:
        fetched(client)
        shown = repr(client) + str(client) + caplog.text
    assert "asking Amplitude for window 20251106T00..20251106T23: request 1 of 5 at most" in shown
    for secret in (BASIC, *KEYS):
        assert secret not in shown


def test_no_proxy_is_asked_for_this_machine(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy, which would fail here, is for everything else."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with asking(simulator.url, Time()) as client:
        assert fetched(client).requests == 1


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_error_body_breaks_the_error(body: bytes) -> None:
    """Whatever stands in it, the message is one printable line of bounded length."""
    with (
        RawServer(http(404, body)) as server,
        AmplitudeClient(server.url, KEYS, attempts=1, delay=0, archive_limit=1, clock=Time().clock()) as client,
    ):
        with pytest.raises(PermanentError) as raised:
            fetched(client)
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 600
