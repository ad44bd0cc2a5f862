from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing, due_days
from exporter.days.facts import Facts
from exporter.days.layout import Layout
from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL, Failure
from exporter.settings import Settings
from exporter.store import ANY, Store
from exporter.store.folder import LocalStore
from exporter.wiring import days_in
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, manifest_of, moment


@pytest.fixture(params=["folder", "container"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store without metadata, and one that keeps them."""
    return LocalStore(tmp_path) if request.param == "folder" else MemoryStore()


def put(store: Store, day: date, *, damage: Callable[[bytes], bytes] = lambda text: text, **chosen: object) -> None:
    """Store a day as an export does: the dump, then its manifest."""
    etag = store.write(LAYOUT.dump(day), b"[]\n", seen=None, metadata={"sha256": "a" * 64})
    manifest = manifest_of(day, etag=etag, size=3, **chosen)
    damaged = damage(manifest.to_json())
    metadata = Facts.of(manifest).metadata() if damaged == manifest.to_json() else {}
    store.write(LAYOUT.manifest(day), damaged, seen=None, metadata=metadata)


def put_failure(store: Store, day: date) -> Failure:
    """Store a failure record."""
    failure = Failure(day, "retriable", "status 503", 2, 24, "run-1", moment(day, 26))
    store.write(LAYOUT.failure(day), failure.to_json(), seen=None, metadata={})
    return failure


def coverage_on(store: Store, yesterday: date) -> Coverage:
    """What the store holds on the day after ``yesterday``."""
    return days_on(store).coverage(moment(yesterday, 30))


def days(*numbers: int) -> list[date]:
    """Days by their distance from DAY."""
    return [DAY + timedelta(days=number) for number in numbers]


def test_an_empty_store_has_no_rows(store: Store) -> None:
    """Nothing is missing before the first record."""
    coverage = coverage_on(store, DAY)
    assert (coverage.rows, coverage.newest, coverage.missing) == ((), None, [])


def test_a_row_tells_what_the_manifest_says(store: Store) -> None:
    """Its figures come from the manifest, wherever the store keeps them."""
    put(store, DAY, state=PROVISIONAL, rejected=2, fewer_found={"events": 7}, quiet_hours=("17",), unusual=4)
    (row,) = coverage_on(store, DAY).rows
    assert row == Row(DAY, PROVISIONAL, True, 10, 3, 2, moment(DAY, 50.5), 7, ("17",), 4)


def test_rows_have_no_gaps(store: Store) -> None:
    """Every day from the first record to yesterday has a row; the days between are missing."""
    put(store, DAY)
    put(store, DAY + timedelta(days=2))
    coverage = coverage_on(store, DAY + timedelta(days=4))
    assert [row.day for row in coverage.rows] == days(0, 1, 2, 3, 4)
    assert [row.shown for row in coverage.rows] == ["final", "missing", "final", "missing", "missing"]
    assert coverage.missing == days(1, 3, 4)
    assert coverage.newest == DAY + timedelta(days=2)


def test_a_failure_is_a_record(store: Store) -> None:
    """A day that only failed begins the rows, and is shown as failed."""
    failure = put_failure(store, DAY)
    coverage = coverage_on(store, DAY + timedelta(days=1))
    assert coverage.rows[0] == Row(DAY, failure=failure)
    assert [row.shown for row in coverage.rows] == ["failed", "missing"]


def test_a_good_day_can_have_failed_since(store: Store) -> None:
    """A failure beside a whole day is told, and the day stays what it is."""
    put(store, DAY)
    failure = put_failure(store, DAY)
    (row,) = coverage_on(store, DAY).rows
    assert (row.failure, row.shown, row.whole) == (failure, "final", True)


def test_a_dump_without_manifest_is_not_whole(store: Store) -> None:
    """Between a commit and its manifest, the day is missing."""
    put(store, DAY)
    put(store, DAY + timedelta(days=1))
    store.delete(LAYOUT.manifest(DAY + timedelta(days=1)))
    assert coverage_on(store, DAY + timedelta(days=1)).missing == days(1)


@pytest.mark.parametrize("gone", [True, False])
def test_a_manifest_without_its_dump_is_not_whole(store: Store, gone: bool) -> None:
    """A dump that was deleted, or replaced by another, is missing."""
    put(store, DAY)
    store.delete(LAYOUT.dump(DAY))
    if not gone:
        store.write(LAYOUT.dump(DAY), b"[other]\n", seen=None, metadata={"sha256": "b" * 64})
    (row,) = coverage_on(store, DAY).rows
    assert (row.whole, row.shown) == (False, "missing")


def test_an_empty_final_day_is_shown_as_empty(store: Store) -> None:
    """No events are worth a word once that is final, not before."""
    put(store, DAY, events=0, hours={}, state=EMPTY)
    put(store, DAY + timedelta(days=1), events=0, hours={}, state=PROVISIONAL)
    rows = coverage_on(store, DAY + timedelta(days=1)).rows
    assert [row.shown for row in rows] == ["empty", "provisional"]


def test_other_names_are_no_days(store: Store) -> None:
    """What else lies in the store makes no row."""
    put(store, DAY)
    for name in ("20251101_0000_other.json", "manifests/20251101.json", "manifests/notes.txt", "failures/readme"):
        store.write(name, b"{}", seen=None, metadata={})
    assert [row.day for row in coverage_on(store, DAY).rows] == [DAY]


def test_a_damaged_manifest_stops_no_other_day(store: Store) -> None:
    """Its day is damaged and says why, and the rest is shown."""
    put(store, DAY, damage=lambda text: text[:40])
    put(store, DAY + timedelta(days=1))
    coverage = coverage_on(store, DAY + timedelta(days=1))
    assert [row.shown for row in coverage.rows] == ["damaged", "final"]
    assert coverage.rows[0].damage == "manifests/20251106_0000.json is damaged: it is not a JSON object in UTF-8"
    assert (coverage.missing, coverage.newest) == ([DAY], DAY + timedelta(days=1))


def test_a_damaged_failure_record_stops_no_other_day(store: Store) -> None:
    """Its day counts as damaged: it is looked at again, and the record goes."""
    put(store, DAY)
    store.write(LAYOUT.failure(DAY), b"?", seen=None, metadata={})
    (row,) = coverage_on(store, DAY).rows
    assert (row.shown, row.settled, row.good) == ("damaged", False, False)
    assert row.damage == "failures/20251106_0000.json is damaged: it is not a JSON object in UTF-8"


@pytest.mark.parametrize("odd", [{"sha256": "a" * 64}, {"state": "final", "events": "many", "sha256": "a" * 64}])
def test_odd_metadata_is_no_reason_to_stop(odd: dict[str, str]) -> None:
    """Then the manifest itself is read."""
    store = MemoryStore()
    put(store, DAY)
    stored = store.read(LAYOUT.manifest(DAY))
    assert stored
    store.write(LAYOUT.manifest(DAY), stored[0], seen=ANY, metadata=odd)
    (row,) = coverage_on(store, DAY).rows
    assert (row.shown, row.events) == ("final", 10)


@pytest.mark.parametrize("day", [date(9999, 12, 28), date(2000, 1, 1), DAY + timedelta(days=1)])
def test_a_day_that_cannot_be_is_ignored_and_told(store: Store, day: date) -> None:
    """A record of the year 9999 makes no millions of rows."""
    put(store, DAY)
    put(store, day)
    coverage = coverage_on(store, DAY)
    assert [row.day for row in coverage.rows] == [DAY]
    assert coverage.ignored == (day,)


def test_a_manifest_copied_from_another_day_is_damaged(store: Store) -> None:
    """In a folder it shows at once; in a container its metadata names another dump."""
    put(store, DAY)
    manifest = store.read(LAYOUT.manifest(DAY))
    entry = next(iter(store.list(LAYOUT.manifests)))
    assert manifest
    later = DAY + timedelta(days=1)
    store.write(LAYOUT.manifest(later), manifest[0], seen=None, metadata=entry.metadata or {})
    store.write(LAYOUT.dump(later), b"[]\n", seen=None, metadata={"sha256": "a" * 64})
    assert [row.shown for row in coverage_on(store, later).rows] == ["final", "damaged"]


def test_another_outfile_is_told_with_both_names(store: Store) -> None:
    """EXPORT_DATA_OUTFILE was changed on a full store: every day says so."""
    put(store, DAY)
    renamed = days_in(store, Settings(data_outfile="events"))
    (row,) = renamed.coverage(moment(DAY, 30)).rows
    assert "20251106_0000_ampl_dump.json" in row.damage
    assert "20251106_0000_events.json" in row.damage


def test_a_store_in_which_no_day_has_events_says_so(store: Store) -> None:
    """These may be the keys of another project."""
    assert not coverage_on(store, DAY).never_an_event
    put(store, DAY, events=0, hours={}, state=EMPTY)
    assert coverage_on(store, DAY).never_an_event
    put(store, DAY + timedelta(days=1))
    assert not coverage_on(store, DAY + timedelta(days=1)).never_an_event


def test_a_backfill_asks_for_what_is_not_settled(store: Store) -> None:
    """Final and empty days that did not fail since are left out."""
    put(store, DAY)
    put(store, DAY + timedelta(days=1), events=0, hours={}, state=EMPTY)
    put(store, DAY + timedelta(days=2), state=PROVISIONAL)
    put(store, DAY + timedelta(days=3))
    put_failure(store, DAY + timedelta(days=3))
    coverage = coverage_on(store, DAY + timedelta(days=4))
    assert coverage.open_days(days(0, 1, 2, 3, 4, -1)) == days(2, 3, 4, -1)


def test_a_row_for_programs(store: Store) -> None:
    """The JSON row has the manifest's names, and the failure in full."""
    put(store, DAY)
    put_failure(store, DAY)
    (row,) = coverage_on(store, DAY).rows
    assert row.plain() == {
        "day": "2025-11-06",
        "state": "final",
        "events": 10,
        "bytes": 3,
        "rejected": 0,
        "finished_at": "2025-11-08T02:30:00+00:00",
        "fewer_found": None,
        "quiet_hours": (),
        "unusual": 0,
        "damage": None,
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
    coverage = coverage_on(store, *days(yesterday))
    whole = {row.day for row in coverage.rows if row.whole}
    first = min((number for number in records if number <= yesterday), default=yesterday + 1)
    assert whole == set(days(*(number for number, good in records.items() if good and number <= yesterday)))
    assert sorted(whole | set(coverage.missing)) == days(*range(first, yesterday + 1))
    assert coverage.newest == max(whole, default=None)
    assert coverage.ignored == tuple(days(*sorted(number for number in records if number > yesterday)))


def test_any_day_has_a_row() -> None:
    """Asking for a day that is not covered gives an empty row."""
    assert Coverage((), DAY).row(DAY) == Row(DAY)
    assert Coverage((Row(DAY, FINAL, whole=True),), DAY).row(DAY).state == FINAL


@pytest.mark.parametrize("place", [LAYOUT.manifest(DAY), LAYOUT.failure(DAY)])
def test_a_newer_format_is_shown_and_left_alone(store: Store, place: str) -> None:
    """Neither damaged nor missing nor due: a newer exporter looks after it. No other day is stopped."""
    put(store, DAY + timedelta(days=1))
    store.write(place, b'{"format": 3}', seen=ANY, metadata={})
    coverage = coverage_on(store, DAY + timedelta(days=1))
    assert [row.shown for row in coverage.rows] == ["newer", "final"]
    assert coverage.missing == []
    assert due_days(coverage, moment(DAY, 54), Timing()) == []


def test_a_record_that_may_not_be_read_stops_no_other_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to another user: that day is damaged, and says so."""
    store = LocalStore(tmp_path)
    put(store, DAY)
    put(store, DAY + timedelta(days=1))
    read = LocalStore.read

    def refused(self: LocalStore, name: str) -> tuple[bytes, str] | None:
        if name == LAYOUT.manifest(DAY):
            raise PermissionError(13, "Permission denied", name)
        return read(self, name)

    monkeypatch.setattr(LocalStore, "read", refused)  # root may read everything
    rows = coverage_on(store, DAY + timedelta(days=1)).rows
    assert [row.shown for row in rows] == ["damaged", "final"]
    assert rows[0].damage == f"{LAYOUT.manifest(DAY)} cannot be read: Permission denied"


def test_a_day_at_which_an_exporter_was_killed_is_due(tmp_path: Path) -> None:
    """Its lock was left, whatever its dump looks like; a dump alone is a record, too."""
    store = LocalStore(tmp_path)
    put(store, DAY)
    (tmp_path / "locks").mkdir()
    (tmp_path / LAYOUT.lock(DAY)).write_text("a killed run")
    store.write(LAYOUT.dump(DAY - timedelta(days=9)), b"[]\n", seen=None, metadata={})
    coverage = coverage_on(store, DAY)
    assert coverage.rows[0].day == DAY - timedelta(days=9)
    assert not coverage.row(DAY).settled
    assert DAY in due_days(coverage, moment(DAY, 54), Timing())
    with store.lock(LAYOUT.lock(DAY), "run-2"):
        pass
    assert coverage_on(store, DAY).row(DAY).settled


def test_a_lock_that_nobody_holds_is_no_run(tmp_path: Path) -> None:
    """What a killed exporter left in locks/ neither hides a day's state nor begins the coverage."""
    store, layout = LocalStore(tmp_path), Layout()
    (tmp_path / "locks").mkdir()
    (tmp_path / layout.lock(date(2020, 1, 1))).write_text("a killed run")
    assert coverage_on(store, DAY).rows == ()
    with store.lock(layout.lock(DAY), "run-1"):
        (row,) = coverage_on(store, DAY).rows
    assert (row.day, row.shown) == (DAY, "running")
    assert coverage_on(store, DAY).rows == ()
