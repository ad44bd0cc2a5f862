import logging
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.coverage import Coverage, Row, read_coverage
from exporter.days.layout import Layout
from exporter.days.manifest import FINAL, PROVISIONAL, Failure
from exporter.store import Store
from exporter.store.folder import LocalStore
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import manifest_of, moment

LAYOUT = Layout()


@pytest.fixture(params=["folder", "container"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store without metadata, and one that keeps them."""
    return LocalStore(tmp_path) if request.param == "folder" else MemoryStore()


def put(store: Store, day: date, *, damage: Callable[[bytes], bytes] = lambda text: text, **chosen: object) -> None:
    """Store a day as an export does: the dump, then its manifest."""
    etag = store.write(LAYOUT.dump(day), b"[]\n", seen=None, metadata={"sha256": "a" * 64})
    manifest = manifest_of(day, etag=etag, **chosen)
    damaged = damage(manifest.to_json())
    metadata = manifest.metadata() if damaged == manifest.to_json() else {}
    store.write(LAYOUT.manifest(day), damaged, seen=None, metadata=metadata)


def put_failure(store: Store, day: date) -> Failure:
    """Store a failure record."""
    failure = Failure(day, "retriable", "status 503", 2, 24, "run-1", moment(day, 26))
    store.write(LAYOUT.failure(day), failure.to_json(), seen=None, metadata={})
    return failure


def days(*numbers: int) -> list[date]:
    """Days by their distance from DAY."""
    return [DAY + timedelta(days=number) for number in numbers]


def test_an_empty_store_has_no_rows(store: Store) -> None:
    """Nothing is missing before the first record."""
    coverage = read_coverage(store, LAYOUT, DAY)
    assert (coverage.rows, coverage.newest, coverage.missing) == ((), None, [])


def test_a_row_tells_what_the_manifest_says(store: Store) -> None:
    """Its figures come from the manifest, wherever the store keeps them."""
    put(store, DAY, state=PROVISIONAL, rejected=2, kept={"events": 7})
    (row,) = read_coverage(store, LAYOUT, DAY).rows
    assert row == Row(DAY, PROVISIONAL, True, 10, 1000, 2, moment(DAY, 50.5), 7)


def test_rows_have_no_gaps(store: Store) -> None:
    """Every day from the first record to yesterday has a row; the days between are missing."""
    put(store, DAY)
    put(store, DAY + timedelta(days=2))
    coverage = read_coverage(store, LAYOUT, DAY + timedelta(days=4))
    assert [row.day for row in coverage.rows] == days(0, 1, 2, 3, 4)
    assert [row.shown for row in coverage.rows] == ["final", "missing", "final", "missing", "missing"]
    assert coverage.missing == days(1, 3, 4)
    assert coverage.newest == DAY + timedelta(days=2)


def test_a_failure_is_a_record(store: Store) -> None:
    """A day that only failed begins the rows, and is shown as failed."""
    failure = put_failure(store, DAY)
    coverage = read_coverage(store, LAYOUT, DAY + timedelta(days=1))
    assert coverage.rows[0] == Row(DAY, failure=failure)
    assert [row.shown for row in coverage.rows] == ["failed", "missing"]


def test_a_good_day_can_have_failed_since(store: Store) -> None:
    """A failure beside a whole day is told, and the day stays what it is."""
    put(store, DAY)
    failure = put_failure(store, DAY)
    (row,) = read_coverage(store, LAYOUT, DAY).rows
    assert (row.failure, row.shown, row.whole) == (failure, "final", True)


def test_a_dump_without_manifest_is_not_whole(store: Store) -> None:
    """Between a commit and its manifest, the day is missing."""
    put(store, DAY)
    put(store, DAY + timedelta(days=1))
    store.delete(LAYOUT.manifest(DAY + timedelta(days=1)))
    assert read_coverage(store, LAYOUT, DAY + timedelta(days=1)).missing == days(1)


@pytest.mark.parametrize("gone", [True, False])
def test_a_manifest_without_its_dump_is_not_whole(store: Store, gone: bool) -> None:
    """A dump that was deleted, or replaced by another, is missing."""
    put(store, DAY)
    store.delete(LAYOUT.dump(DAY))
    if not gone:
        store.write(LAYOUT.dump(DAY), b"[other]\n", seen=None, metadata={"sha256": "b" * 64})
    (row,) = read_coverage(store, LAYOUT, DAY).rows
    assert (row.whole, row.shown) == (False, "missing")


def test_an_empty_final_day_is_shown_as_empty(store: Store) -> None:
    """No events are worth a word once that is final, not before."""
    put(store, DAY, events=0)
    put(store, DAY + timedelta(days=1), events=0, state=PROVISIONAL)
    rows = read_coverage(store, LAYOUT, DAY + timedelta(days=1)).rows
    assert [row.shown for row in rows] == ["empty", "provisional"]


def test_other_names_are_no_days(store: Store) -> None:
    """What else lies in the store makes no row."""
    put(store, DAY)
    for name in ("20251101_0000_other.json", "manifests/20251101.json", "manifests/notes.txt", "failures/readme"):
        store.write(name, b"{}", seen=None, metadata={})
    assert [row.day for row in read_coverage(store, LAYOUT, DAY).rows] == [DAY]


def test_a_damaged_manifest_stops_no_other_day(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Its day is not whole, the log says why, and the rest is shown."""
    put(store, DAY, damage=lambda text: text[:40])
    put(store, DAY + timedelta(days=1))
    with caplog.at_level(logging.ERROR):
        coverage = read_coverage(store, LAYOUT, DAY + timedelta(days=1))
    assert [row.shown for row in coverage.rows] == ["missing", "final"]
    assert "manifests/20251106_0000.json is not JSON" in caplog.text


def test_a_damaged_failure_record_stops_no_other_day(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """It is named in the log and counts for nothing."""
    put(store, DAY)
    store.write(LAYOUT.failure(DAY), b"?", seen=None, metadata={})
    (row,) = read_coverage(store, LAYOUT, DAY).rows
    assert row.failure is None
    assert "failures/20251106_0000.json is not JSON" in caplog.text


def test_a_row_for_programs(store: Store) -> None:
    """The JSON row has the manifest's names, and the failure in full."""
    put(store, DAY)
    put_failure(store, DAY)
    (row,) = read_coverage(store, LAYOUT, DAY).rows
    assert row.plain() == {
        "day": "2025-11-06",
        "state": "final",
        "events": 10,
        "bytes": 1000,
        "rejected": 0,
        "finished_at": "2025-11-08T02:30:00+00:00",
        "kept": None,
        "failure": {
            "kind": "retriable",
            "reason": "status 503",
            "attempts": 2,
            "failed_at": "2025-11-07T02:00:00+00:00",
        },
    }
    assert Row(DAY).plain()["state"] == "missing"
    assert Row(DAY).plain()["failure"] is None


@given(st.dictionaries(st.integers(0, 30), st.booleans(), min_size=1), st.integers(0, 40))
def test_missing_and_whole_days_are_all_days(records: dict[int, bool], yesterday: int) -> None:
    """From the first record on, every day is either whole or named as missing."""
    store = MemoryStore()
    for number, good in records.items():
        (day,) = days(number)
        if good:
            put(store, day, state=FINAL)
        else:
            put_failure(store, day)
    coverage = read_coverage(store, LAYOUT, *days(yesterday))
    whole = {row.day for row in coverage.rows if row.whole}
    first, last = min(records), max(yesterday, *records)
    assert whole == set(days(*(number for number, good in records.items() if good)))
    assert sorted(whole | set(coverage.missing)) == days(*range(first, last + 1))
    assert coverage.newest == max(whole, default=None)


def test_any_day_has_a_row() -> None:
    """Asking for a day that is not covered gives an empty row."""
    assert Coverage((), DAY).row(DAY) == Row(DAY)
    assert Coverage((Row(DAY, FINAL, whole=True),), DAY).row(DAY).state == FINAL


def test_a_lock_that_nobody_holds_is_no_run(tmp_path: Path) -> None:
    """What a killed exporter left in locks/ neither hides a day's state nor begins the coverage."""
    store, layout = LocalStore(tmp_path), Layout()
    (tmp_path / "locks").mkdir()
    (tmp_path / layout.lock(date(2020, 1, 1))).write_text("a killed run")
    assert read_coverage(store, layout, DAY).rows == ()
    with store.lock(layout.lock(DAY), "run-1"):
        (row,) = read_coverage(store, layout, DAY).rows
    assert (row.day, row.shown) == (DAY, "running")
    assert read_coverage(store, layout, DAY).rows == ()
