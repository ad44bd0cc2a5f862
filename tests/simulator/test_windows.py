import contextlib
import io
import itertools
import re
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from exporter.simulator import Simulator, Status, When, Wire
from exporter.simulator.answers import ZIP, Answer, answered
from exporter.simulator.archive import PART_EVENTS, members_of_hour
from exporter.simulator.events import Events
from exporter.simulator.server import Server
from exporter.simulator.simulator import EXPORT_PATH
from tests.simulator.client import DAY, ask, bodies, infos, lines

NAME = re.compile(r"100011471/100011471_(\d{4}-\d{2}-\d{2})_(0|[1-9]\d?)#(0|[1-9]\d*)\.json\.gz")


def hours(content: bytes) -> list[tuple[str, int]]:
    """Date and hour of each member, read from its name."""
    matches = [NAME.fullmatch(info.filename) for info in infos(content)]
    return [(match[1], int(match[2])) for match in matches if match]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator without scripts."""
    with Simulator() as running:
        yield running


def test_both_ends_of_a_window_are_inclusive(simulator: Simulator) -> None:
    """T00..T23 is the whole day, T05..T05 one hour, and a window may cross midnight."""
    assert sorted(set(hours(ask(simulator).content))) == [("2025-11-06", hour) for hour in range(24)]
    assert set(hours(ask(simulator, "20251106T05", "20251106T05").content)) == {("2025-11-06", 5)}
    across = ask(simulator, "20251106T23", "20251107T00").content
    assert set(hours(across)) == {("2025-11-06", 23), ("2025-11-07", 0)}


def test_every_member_has_amplitudes_kind_of_name(simulator: Simulator) -> None:
    """Project, date, unpadded hour and part; parts need neither start at 0 nor be contiguous."""
    content = ask(simulator).content
    names = [info.filename for info in infos(content)]
    parts = [int(match[3]) for match in map(NAME.fullmatch, names) if match]
    assert len(parts) == len(names)
    assert max(Counter(hours(content)).values()) > 1
    assert {0, 5} < set(parts)


def test_events_lie_in_the_member_of_their_upload_hour(simulator: Simulator) -> None:
    """The member's name tells the hour in which each of its events was uploaded."""
    for name, body in bodies(ask(simulator).content).items():
        match = NAME.fullmatch(name)
        assert match
        wanted = f'"server_upload_time":"{match[1]} {int(match[2]):02}:'.encode()
        assert all(wanted in line for line in body.split(b"\n") if line)


def test_lines_tells_what_an_archive_holds(simulator: Simulator) -> None:
    """`lines` is the day's archive, and the archives of the day's halves are the same lines."""
    whole = lines(ask(simulator).content)
    halves = [ask(simulator, "20251106T00", "20251106T11"), ask(simulator, "20251106T12", "20251106T23")]
    assert simulator.lines(DAY) == whole == [line for half in halves for line in lines(half.content)]
    assert len(whole) > 1_000


def test_the_same_window_gives_the_same_bytes(simulator: Simulator) -> None:
    """Archives are equal byte for byte, also from another simulator of that seed; other seeds differ."""
    first = ask(simulator).content
    with Simulator() as again, Simulator(seed=2) as other:
        assert first == ask(simulator).content == ask(again).content
        assert first != ask(other).content


def test_an_archive_is_announced_as_zip_with_its_length(simulator: Simulator) -> None:
    """A 200 names its type and its length."""
    answer = ask(simulator)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_requests_are_noted_in_order(simulator: Simulator) -> None:
    """The list tells windows, statuses, faults and lengths."""
    fault = Status(503, when=When(times=1))
    simulator.add(fault)
    ask(simulator, "20251106T05", "20251106T05")
    length = len(ask(simulator, "20251106T07", "20251106T08").content)
    first, second = simulator.requests
    assert (first.first, first.last, first.status, first.fault) == ("20251106T05", "20251106T05", 503, fault)
    assert (second.first, second.last, second.status) == ("20251106T07", "20251106T08", 200)
    assert (second.path, second.fault, second.length) == (EXPORT_PATH, None, length)


@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [
        (None, 401, "Missing or malformed credentials"),
        (("wrong", "simulated-secret-key"), 403, "Invalid API Key"),
        (("simulated-api-key", "wrong"), 403, "Invalid API Key"),
    ],
)
def test_keys_are_checked(simulator: Simulator, keys: tuple[str, str] | None, status: int, said: str) -> None:
    """No keys give 401, wrong ones 403, both in Amplitude's envelope."""
    url = f"{simulator.url}{EXPORT_PATH}?start=20251106T00&end=20251106T23"
    answer = requests.get(url, auth=keys, timeout=30)
    error = answer.json()["error"]
    assert (answer.status_code, error["http_code"], error["metadata"]["details"]) == (status, status, said)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("20251106", "20251106T23", "not written YYYYMMDDTHH"),
        ("20251106T0", "20251106T23", "not written YYYYMMDDTHH"),
        ("20251106T00", "20251106T24", "20251106T24 is no hour"),
        ("20251306T00", "20251306T01", "20251306T00 is no hour"),
        ("", "", "not written YYYYMMDDTHH"),
        ("20251106T05", "20251106T04", "before the start"),
        ("20240101T00", "20241231T00", "365 days"),
    ],
)
def test_senseless_windows_are_refused(simulator: Simulator, first: str, last: str, words: str) -> None:
    """A malformed, reversed or too long window gives 400 with words that say why."""
    answer = ask(simulator, first, last)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["metadata"]["details"]


def test_a_year_without_events_has_no_raw_data_files() -> None:
    """365 days are allowed; where there are no events the answer is 404 in Amplitude's own words."""
    with Simulator(events_per_hour=0) as empty:
        answer = ask(empty, "20240101T00", "20241230T23")
        assert answer.status_code == 404
        assert "Raw data files were not found." in answer.text
        assert empty.lines(DAY) == []


def test_other_paths_are_not_the_api(simulator: Simulator) -> None:
    """A wrong path gives an HTML page without Amplitude's words."""
    answer = requests.get(f"{simulator.url}/api/2/exports", timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "Raw data files" not in answer.text


def test_hours_are_not_there_before_the_lag_is_over() -> None:
    """Asked too early, the newest hours are missing from a 200; where no hour is there the answer is 404."""
    now = datetime(2025, 11, 6, 2, 59, 59, tzinfo=UTC)
    with Simulator(clock=lambda: now, lag_hours=2) as simulator:
        assert ask(simulator).status_code == 404
        now += timedelta(seconds=1)
        assert set(hours(ask(simulator).content)) == {("2025-11-06", 0)}
        assert lines(ask(simulator).content) == simulator.lines(DAY)
        now = datetime(2025, 11, 7, 2, tzinfo=UTC)
        assert {hour for _, hour in hours(ask(simulator).content)} == set(range(24))


def test_legal_oddities_are_there_by_default_and_can_be_left_out() -> None:
    """Ten seeds show all: folders, streamed and stored entries, gzip after gzip, blank lines, open ends."""
    seen = {True: set[str](), False: set[str]()}
    for seed, oddities in itertools.product(range(10), seen):
        with Simulator(seed=seed, events_per_hour=10, oddities=oddities) as running:
            seen[oddities].update(oddities_in(ask(running).content))
    assert seen[True] == {"folder", "streamed", "stored", "two gzips", "blank line", "no last line end"}
    assert seen[False] == set()


def oddities_in(content: bytes) -> set[str]:
    """The names of the legal oddities that an archive has."""
    texts = bodies(content).values()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        gzips = [archive.read(entry) for entry in entries]
    return {
        name
        for name, there in {
            "folder": entries[0].is_dir(),
            "streamed": any(entry.flag_bits & 0x8 for entry in entries),
            "stored": any(entry.compress_type == zipfile.ZIP_STORED for entry in infos(content)),
            "two gzips": any(member.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") > 1 for member in gzips),
            "blank line": any(b"\n\n" in text for text in texts),
            "no last line end": any(not text.endswith(b"\n") for text in texts),
        }.items()
        if there
    }


def test_members_are_made_one_at_a_time() -> None:
    """A big hour is cut into members of bounded size, and no line is made before its member is asked for."""
    made = 0

    def many() -> Iterator[bytes]:
        nonlocal made
        for made in range(1, 3 * PART_EVENTS):  # noqa: B007 - the test looks at how far it came
            yield b"{}"

    hour = datetime(2025, 11, 6, 5, tzinfo=UTC)
    members = members_of_hour(Events(1, 1, 10 * PART_EVENTS), hour, many(), odd=True)
    next(members)
    assert made == PART_EVENTS


def test_a_request_is_over_before_its_last_piece_is_sent() -> None:
    """Who has a whole answer and asks again, on another connection, never counts as two at once."""
    read = threading.Event()
    read_before_over = []

    @contextlib.contextmanager
    def answer(_target: str, _authorization: str | None) -> Iterator[Answer]:
        yield answered(200, ZIP, b"a whole body")
        read_before_over.append(read.wait(0.3))

    server = Server(0, answer)
    server.start()
    try:
        assert requests.get(f"http://127.0.0.1:{server.server_port}", timeout=30).content == b"a whole body"
        read.set()
    finally:
        server.stop()
    assert read_before_over == [False]


def test_leaving_ends_what_is_under_way_and_most_at_once_counts_it() -> None:
    """Two requests that get no answer count as two at once, and end when the simulator does."""
    ended: list[str] = []

    def ask_in_vain() -> None:
        try:
            ask(silent)
        except requests.ConnectionError:
            ended.append("broken off")
        else:
            ended.append("answered")

    threads = [threading.Thread(target=ask_in_vain) for _ in range(2)]
    with Simulator(faults=[Wire("silence", 600, When(times=None))]) as silent:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while silent.most_at_once < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    for thread in threads:
        thread.join(20)
    assert silent.most_at_once == 2
    assert len(ended) == 2
