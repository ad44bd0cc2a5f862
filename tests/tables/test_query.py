import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from exporter.errors import PermanentError, SettingsError
from exporter.export import export_day
from exporter.settings import Settings
from exporter.simulator import Simulator
from exporter.store import ANY
from exporter.store.folder import LocalStore
from exporter.tables.derive import Tables
from exporter.tables.query import Archive, open_archive
from exporter.tables.reading import Ranges, StoreFiles
from exporter.wiring import open_days
from tests.kit import DAY
from tests.kit.blobs import LAYOUT, SECOND_LOOK, asking, env_of, exporting, folder_env
from tests.tables.hostile import ARCHIVE, EMPTY, ODD, events_in, export_lines, figures

DAYS = [DAY - timedelta(days=2), DAY - timedelta(days=1), DAY]
NOW = SECOND_LOOK
LIMIT = 10**8
Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A small project."""
    with Simulator(events_per_hour=20) as running:
        yield running


@pytest.fixture(scope="module")
def events(simulator: Simulator) -> Events:
    """Every event of the three days, as the simulator sent them."""
    return [json.loads(line) for day in DAYS for line in simulator.lines(day)]


@pytest.fixture(params=["folder", "container"])
def env(
    request: pytest.FixtureRequest, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """A store with three days, of which one has no table yet."""
    env = env_of(request, simulator, tmp_path, monkeypatch)
    for day in DAYS:
        with exporting(env if day == DAY else env | {"EXPORT_TABLES": "parquet"}) as core:
            export_day(day, core)
    return env


@contextmanager
def opened(env: dict[str, str], notes: list[str] | None = None, limit: int = LIMIT) -> Iterator[Archive]:
    """The archive of a store."""
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        rows = days.coverage(NOW).rows
        with open_archive(Tables(days), rows, limit, (notes if notes is not None else []).append) as archive:
            yield archive


def ask(archive: Archive, query: str) -> list[tuple[Any, ...]]:
    """The rows of an answer."""
    return list(archive.ask(query).rows)


def moment(event: dict[str, Any]) -> datetime:
    """When it happened, UTC."""
    return datetime.fromisoformat(event["event_time"])


def per(events: Events, key: Callable[[dict[str, Any]], Any]) -> dict[Any, Events]:
    """Events by a key."""
    found: dict[Any, Events] = defaultdict(list)
    for event in events:
        found[key(event)].append(event)
    return found


def test_views_say_what_a_loop_finds(env: dict[str, str], events: Events) -> None:
    """Events, sessions, people and days, in a folder and a container, with tables and without one."""
    notes: list[str] = []
    with opened(env, notes) as archive:
        assert ask(archive, "SELECT count(*), count(DISTINCT uuid) FROM events") == [(len(events), len(events))]
        people = ask(archive, "SELECT person, events, first_seen, last_seen FROM people")
        sessions = ask(archive, "SELECT person, device_id, session_id, started, ended, events, seconds FROM sessions")
        daily = ask(archive, "SELECT day, events, people, new_people FROM daily")
    assert len(notes) == 1
    assert notes[0].startswith("1 days have no table yet")
    assert set(people) == {
        (person, len(own), min(map(moment, own)), max(map(moment, own)))
        for person, own in per(events, lambda event: event["amplitude_id"]).items()
    }
    by_session = per(
        [event for event in events if event["session_id"] != -1],
        lambda event: (event["amplitude_id"], event["device_id"], event["session_id"]),
    )
    assert {row[:6] for row in sessions} == {
        (*key, min(map(moment, own)), max(map(moment, own)), len(own)) for key, own in by_session.items()
    }
    first = {person: first_seen.date() for person, _, first_seen, _ in people}
    assert daily == [
        (
            day,
            len(own),
            len({event["amplitude_id"] for event in own}),
            len({event["amplitude_id"] for event in own if first[event["amplitude_id"]] == day}),
        )
        for day, own in sorted(per(events, lambda event: moment(event).date()).items())
    ]


def test_macros_say_what_a_loop_finds(env: dict[str, str], events: Events) -> None:
    """The calendar day in a zone, a funnel of three steps, and who comes back."""
    with opened(env) as archive:
        (found,) = ask(archive, "SELECT count(*) FROM events WHERE day(event_time, 'Asia/Tokyo') = DATE '2025-11-06'")
        funnel = ask(archive, "SELECT people FROM funnel('session_start', 'Added to Cart', 'Checkout Completed')")
        retention = ask(archive, "SELECT cohort, days, people FROM retention('UTC')")
        assert ask(archive, "SELECT day(DATE '2025-11-09')") == [(9,)]
    assert found == (sum((moment(event) + timedelta(hours=9)).date() == date(2025, 11, 6) for event in events),)
    reached: Counter[int] = Counter()
    active: dict[int, set[date]] = {}
    for person, own in per(events, lambda event: event["amplitude_id"]).items():
        at = datetime.min  # noqa: DTZ901 - compared with times without a zone
        active[person] = {moment(event).date() for event in own}
        for step, name in enumerate(("session_start", "Added to Cart", "Checkout Completed")):
            later = [moment(event) for event in own if event["event_type"] == name and moment(event) > at]
            if not later:
                break
            reached[step] += 1
            at = min(later)
    assert funnel == [(reached[step],) for step in range(3)]
    expected = Counter((min(seen), (day - min(seen)).days) for seen in active.values() for day in seen)
    assert {(cohort, days): people for cohort, days, people in retention} == expected


def test_the_dumps_that_a_day_of_events_may_be_in(env: dict[str, str], events: Events) -> None:
    """The manifests tell which dates of events a dump touches."""
    with opened(env) as archive:
        rows = ask(archive, "SELECT event_date, sum(events) FROM dumps GROUP BY ALL")
    assert dict(rows) == Counter(moment(event).date() for event in events)


def test_an_event_that_was_delivered_twice_is_one_event(tmp_path: Path) -> None:
    """`events` has each uuid once, those without any all; `deliveries` has what was delivered."""
    export_lines(ARCHIVE, tmp_path / "data", tables="parquet")
    with opened(folder_env(tmp_path)) as archive:
        every = list(events_in(tmp_path / "data", first=False))
        without = sum(event.get("uuid") is None for event in every)
        by_loop = figures(tmp_path / "data")
        assert ask(archive, "SELECT count(*) FROM deliveries") == [(by_loop.events,)] == [(len(every),)]
        assert ask(archive, "SELECT count(*) FROM events") == [(by_loop.uuids + without,)]
        assert ask(archive, "SELECT count(*) FROM events WHERE upload_date = DATE '2025-11-04'") == [(0,)]
        assert ask(archive, "SELECT count(*) FROM events WHERE event_properties ->> 'coupon' = 'LATE'") == [(1,)]


def test_only_the_files_that_a_query_needs_are_read(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For a question about one day its table is read, and of it a part."""
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        Tables(days).derive(DAY)
        read: Counter[str] = Counter()
        part = days.store.part

        def noted(name: str, start: int, length: int) -> bytes:
            read[name] += length
            return part(name, start, length)

        monkeypatch.setattr(type(days.store), "part", lambda _store, *words: noted(*words))
        monkeypatch.setattr("exporter.tables.reading.AHEAD", 1 << 14)
        with open_archive(Tables(days), days.coverage(NOW).rows, LIMIT, print) as archive:
            read.clear()
            ask(archive, "SELECT count(DISTINCT user_id) FROM deliveries WHERE upload_date = DATE '2025-11-06'")
        entry = days.store.stat(LAYOUT.table(DAY))
        assert entry is not None
        assert set(read) == {LAYOUT.table(DAY)}
        assert read[LAYOUT.table(DAY)] < entry.size


WRITES = [
    "COPY (SELECT 1) TO 'out.csv'",
    "COPY (SELECT 1 AS a) TO 'archive://parquet/upload_date=2025-11-06/events.parquet' (FORMAT parquet)",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO 'archive://parquet/upload_date=2025-11-06/events.parquet'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.csv'",
    "ATTACH 'other.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "EXPORT DATABASE 'out'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "CREATE TABLE other AS SELECT 1",
    "INSERT INTO dumps VALUES (NULL, NULL, 1)",
    "DROP VIEW events",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SELECT 1; SELECT 2",
    "",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_parquet('https://example.com/a.parquet')",
    "SELECT * FROM read_text('archive://manifests/20251106_0000.json')",
    "SELECT nothing FROM events",
    "no query",
]


def test_nothing_is_written_and_nothing_else_is_read(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file, no network, no extension, no setting; each with words, and the archive can be asked again."""
    env = asking(folder_env(tmp_path), simulator) | {"EXPORT_TABLES": "parquet"}
    with exporting(env) as core:
        export_day(DAY, core)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    with opened(env) as archive:
        for query in WRITES:
            with pytest.raises(SettingsError) as refused:
                ask(archive, query)
            assert str(refused.value), query
        assert ask(archive, "SELECT count(*) > 0 FROM events") == [(True,)]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_people_whom_amplitude_has_merged_are_one(env: dict[str, str], events: Events) -> None:
    """With Amplitude's export of merged ids in `merged/` an id becomes the one that it ends up as."""
    one, two, three, *_ = sorted({event["amplitude_id"] for event in events})
    lines = [
        {"scope": 1, "merge_time": "x", "amplitude_id": one, "merged_amplitude_id": two},
        {"scope": 1, "merge_time": "x", "amplitude_id": two, "merged_amplitude_id": three},
    ]
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        days.store.write("merged/2025-11-06.json", text, seen=ANY, metadata={})
    with opened(env) as archive:
        found = ask(archive, "SELECT person, events FROM people ORDER BY person")
    merged = Counter({one: three, two: three}.get(event["amplitude_id"], event["amplitude_id"]) for event in events)
    assert found == sorted(merged.items())


def test_ids_that_were_merged_in_a_circle_end_somewhere(tmp_path: Path) -> None:
    """A file that contradicts itself does not run for ever."""
    export_lines({ODD: ARCHIVE[ODD][:3]}, tmp_path / "data")
    (tmp_path / "data/merged").mkdir()
    circle = '{"amplitude_id":1,"merged_amplitude_id":2}\n{"amplitude_id":2,"merged_amplitude_id":1}\n'
    (tmp_path / "data/merged/a.json").write_text(circle)
    with opened(folder_env(tmp_path)) as archive:
        assert ask(archive, "SELECT count(*) FROM merged") == [(2,)]
    for name, content in (("b.json", b"not json"), ("b.json.gz", gzip.compress(b"{}", mtime=0)[:-10] + b"\x07" * 10)):
        (tmp_path / "data/merged" / name).write_bytes(content)
        with pytest.raises(PermanentError, match="is no export of merged ids"), opened(folder_env(tmp_path)):
            pass
        (tmp_path / "data/merged" / name).unlink()


def test_an_archive_without_an_event_can_be_asked(tmp_path: Path) -> None:
    """An empty folder, and one whose only day is empty: the views are there."""
    with opened(folder_env(tmp_path)) as archive:
        assert ask(archive, "SELECT count(*) FROM events") == [(0,)]
    export_lines({EMPTY: []}, tmp_path / "data")
    with opened(folder_env(tmp_path)) as archive:
        assert ask(archive, "SELECT count(*) FROM events") == [(0,)]
        assert ask(archive, "FROM daily") == []


def test_tables_for_the_moment_have_a_bound(tmp_path: Path) -> None:
    """Too much is an error that names the way out, before the temp folder is full."""
    export_lines({ODD: ARCHIVE[ODD][:3]}, tmp_path / "data")
    with pytest.raises(PermanentError, match=r"Make them once with `tables`"), opened(folder_env(tmp_path), limit=100):
        pass


def test_threads_that_share_a_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    """DuckDB's threads seek and read in one file, in two calls each: every thread reads where it wanted to."""
    content = bytes(range(256)) * 4_096
    (tmp_path / "one").write_bytes(content)
    with Ranges(LocalStore(tmp_path), "one", len(content)) as file, ThreadPoolExecutor(2) as threads:
        both = Barrier(2, timeout=10)

        def read(start: int) -> bytes:
            file.seek(start)
            both.wait()
            return file.read(1_000)

        for start in (7, 300_000, len(content) - 1_500):
            found = threads.map(read, (start, start + 500))
            assert list(found) == [content[at : at + 1_000] for at in (start, start + 500)]


def test_a_file_of_the_archive_cannot_be_written(tmp_path: Path) -> None:
    """The file system that DuckDB is given opens for reading only, and only what it was given."""
    (tmp_path / "one").write_bytes(b"one")
    files = StoreFiles(LocalStore(tmp_path), {"one": 3})
    assert files.open("archive://one").read() == b"one"
    for name, mode in (("one", "wb"), ("one", "ab"), ("two", "wb")):
        with pytest.raises(OSError):  # noqa: PT011 - whichever
            files.open(f"archive://{name}", mode)
    with pytest.raises(FileNotFoundError):
        files.open("archive://two")
    assert files.glob("archive://two") == []
