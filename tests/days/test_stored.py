import os
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from exporter.days.facts import Facts
from exporter.days.manifest import DAMAGED, Failure, Manifest, Source
from exporter.days.rules import StoredDay
from exporter.errors import OtherSourceError, PermanentError, RetriableError
from exporter.export import export_day
from exporter.settings import Settings
from exporter.simulator import Simulator
from exporter.store import ANY, LARGEST_READ, Store
from exporter.store.folder import LocalStore
from exporter.wiring import days_in
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, LAYOUT, days_on, exporter_on, manifest_of, moment, second_look

STORED = manifest_of()
LATER = b'{"server_upload_time":"2025-11-06 17:59:59"}'


@pytest.fixture(params=["folder", "container"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store without metadata, and one that keeps them."""
    return LocalStore(tmp_path) if request.param == "folder" else MemoryStore()


def put(store: Store, manifest: Manifest) -> None:
    """Store a manifest as an export does."""
    name = LAYOUT.manifest(manifest.day)
    store.write(name, manifest.to_json(), seen=ANY, metadata=Facts.of(manifest).metadata())


def test_what_is_there_is_found() -> None:
    """Dump, manifest with its ETag, and failure; each None where it is not there."""
    store = MemoryStore()
    assert days_on(store).stored(DAY) == StoredDay(DAY)
    failure = Failure(DAY, "retriable", "status 503", 3, 6, "run-1", moment(DAY, 26))
    store.write(LAYOUT.dump(DAY), b"[]\n", seen=None, metadata={"sha256": STORED.sha256})
    etag = store.write(LAYOUT.manifest(DAY), STORED.to_json(), seen=None, metadata={})
    store.write(LAYOUT.failure(DAY), failure.to_json(), seen=None, metadata={})
    stored = days_on(store).stored(DAY)
    assert stored == StoredDay(DAY, store.stat(LAYOUT.dump(DAY)), STORED, etag, failure)
    assert stored.whole
    assert (stored.attempts, StoredDay(DAY).attempts) == (3, 0)


def test_a_damaged_manifest_is_told_and_can_be_replaced(store: Store) -> None:
    """Its ETag is known, so that a new one goes in its place."""
    etag = store.write(LAYOUT.manifest(DAY), b"{", seen=None, metadata={})
    stored = days_on(store).stored(DAY)
    assert (stored.manifest, stored.manifest_etag, stored.whole) == (None, etag, False)
    assert stored.damage == "manifests/20251106_0000.json is damaged: it is not a JSON object in UTF-8"


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "20251107_0000_ampl_dump.json", "x" * 300])
def test_a_manifest_that_points_elsewhere_is_damaged(store: Store, name: str) -> None:
    """It is not followed, and not quoted."""
    put(store, replace(STORED, dump=name))
    assert days_on(store).stored(DAY).damage == (
        "manifests/20251106_0000.json is damaged: the dump that it names is not 20251106_0000_ampl_dump.json"
    )


def test_another_outfile_is_refused_with_both_names(store: Store) -> None:
    """The day itself, and its neighbours."""
    put(store, STORED)
    store.write(STORED.dump, b"[]\n", seen=None, metadata={})
    days = days_in(store, Settings(data_outfile="events"))
    for read in (lambda: days.stored(DAY), lambda: days.neighbours(StoredDay(DAY + timedelta(days=1)))):
        with pytest.raises(OtherSourceError, match=r"20251106_0000_ampl_dump\.json.*20251106_0000_events\.json"):
            read()


def test_a_newer_format_is_left_alone(store: Store) -> None:
    """A newer exporter wrote it."""
    store.write(LAYOUT.manifest(DAY), b'{"format": 3}', seen=None, metadata={})
    with pytest.raises(PermanentError, match="Update the exporter"):
        days_on(store).stored(DAY)


@pytest.mark.parametrize(
    ("lines", "hours"),
    [
        (
            [b'{"server_upload_time":"2025-11-06 03:00:01.5"}', b'{"server_upload_time":"2025-11-06 17:59:59"}'],
            {"03": 1, "17": 1},
        ),
        ([b'{"server_upload_time":"2025-11-06 03:00:01.5"}', b'{"server_upload_time":null}'], {"all": 2}),
        ([b'{"server_upload_time":"2025-11-05 03:00:01.5"}'], {"all": 1}),
        ([b'{"a":1}', b'{"a":2}'], {"all": 2}),
        ([], {}),
    ],
)
def test_an_unproven_dump_is_counted_by_the_hour(store: Store, lines: list[bytes], hours: dict[str, int]) -> None:
    """By the time of each event; as one figure where any does not tell it. Brackets do not count."""
    text = b"[\n" + b",\n".join(lines) + b"\n]\n" if lines else b"[]\n"
    store.write(LAYOUT.dump(DAY), text, seen=None, metadata={})
    assert days_on(store).stored(DAY).unproven == hours


def test_a_dump_tells_its_hours() -> None:
    """In a container they are noted beside it, so that it need not be read."""
    store = MemoryStore()
    store.write(LAYOUT.dump(DAY), b"not read", seen=None, metadata={"hours": "03:20 17:4"})
    assert days_on(store).stored(DAY).unproven == {"03": 20, "17": 4}
    store.write(LAYOUT.dump(DAY), b"[\n{}\n]\n", seen=ANY, metadata={"hours": "03:many"})
    assert days_on(store).stored(DAY).unproven == {"all": 1}


@pytest.fixture
def project() -> Simulator:
    """A small project."""
    return Simulator(events_per_hour=4, contents=FEW_HOURS)


def test_a_copied_file_is_read_once_and_is_whole(tmp_path: Path, project: Simulator) -> None:
    """Same size, another time: its bytes are hashed. Another byte of the same size is damage."""
    store = LocalStore(tmp_path)
    with project, exporter_on(store, project, second_look()) as core:
        export_day(DAY, core)
    dump = tmp_path / LAYOUT.dump(DAY)
    os.utime(dump, (1, 1))
    stored = days_on(store).stored(DAY)
    assert (stored.whole, stored.hashed) == (True, True)
    text = bytearray(dump.read_bytes())
    text[40] ^= 1
    dump.write_bytes(text)
    stored = days_on(store).stored(DAY)
    assert not stored.whole
    assert stored.damage.startswith(f"{LAYOUT.dump(DAY)} has SHA-256 ")


def test_a_copied_folder_is_a_whole_store(tmp_path: Path, project: Simulator) -> None:
    """Its days are final, nothing but yesterday is due, and an export of a copied day changes only its manifest."""
    with project, exporter_on(LocalStore(tmp_path / "data"), project, second_look()) as core:
        export_day(DAY, core)
    shutil.copytree(tmp_path / "data", tmp_path / "copy", copy_function=shutil.copy)
    copy = LocalStore(tmp_path / "copy")
    (row,) = days_on(copy).coverage(moment(DAY, 30)).rows
    assert row.settled
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as again, exporter_on(copy, again, second_look()) as core:
        found = replace(core.days.manifest(DAY).manifest or STORED, source=Source(again.url, "100011471"))
        put(copy, found)
        before = copy.stat(LAYOUT.dump(DAY))
        assert before
        assert export_day(DAY, core).outcome == "unchanged"
        assert copy.stat(LAYOUT.dump(DAY)) == before
    manifest = days_on(copy).manifest(DAY).manifest
    assert manifest
    assert manifest.etag == before.etag


def test_damage_on_record_makes_a_day_damaged(store: Store) -> None:
    """Whatever its dump looks like."""
    put(store, STORED)
    store.write(LAYOUT.dump(DAY), b"x" * 1000, seen=None, metadata={"sha256": STORED.sha256})
    failure = Failure(DAY, DAMAGED, "another SHA-256", 1, 24, "run-1", moment(DAY, 26))
    store.write(LAYOUT.failure(DAY), failure.to_json(), seen=None, metadata={})
    stored = days_on(store).stored(DAY)
    assert (stored.whole, stored.damage) == (False, "another SHA-256")


def neighbours(store: Store, day: date = DAY) -> tuple[date | None, date | None, str]:
    """The days before and after, and the project."""
    near = days_on(store).neighbours(days_on(store).stored(day))
    before, after = (manifest.day if manifest else None for manifest in (near.before, near.after))
    return before, after, near.source.project if near.source else ""


def test_the_days_beside_a_day(store: Store) -> None:
    """The day before; the day after only without it; another day only for the project."""
    before, after = DAY - timedelta(days=1), DAY + timedelta(days=1)
    assert neighbours(store) == (None, None, "")
    put(store, manifest_of(DAY + timedelta(days=300)))
    assert neighbours(store) == (None, None, "100011471")
    put(store, manifest_of(after, source=Source("https://a.example", "5")))
    assert neighbours(store) == (None, after, "5")
    put(store, manifest_of(before, source=Source("https://a.example", "6")))
    assert neighbours(store) == (before, None, "6")


def test_empty_days_do_not_hide_whose_store_it_is(store: Store) -> None:
    """They tell no project; another day does, however far away, and though some cannot be read."""
    for number in range(1, 20):
        put(
            store, manifest_of(DAY - timedelta(days=number), events=0, hours={}, source=Source("https://a.example", ""))
        )
    store.write(LAYOUT.manifest(DAY - timedelta(days=20)), b"?", seen=None, metadata={})
    put(store, manifest_of(DAY - timedelta(days=21)))
    assert neighbours(store)[2] == "100011471"
    for number in range(30, 45):
        put(store, manifest_of(DAY - timedelta(days=number), events=0, source=Source("https://a.example", "")))
    assert neighbours(store)[2] == "100011471"


def test_failures_are_counted(store: Store) -> None:
    """Each attempt; no later one may ask for wider windows. A record that cannot be read counts as none."""
    days = days_on(store)
    for attempt, (asked, hours) in enumerate([(24, 24), (6, 6), (12, 6)], start=1):
        made = days.record_failure(DAY, RetriableError("status 503"), asked, f"run-{attempt}", moment(DAY, 26))
        assert (made.attempts, made.window_hours, made.kind) == (attempt, hours, "retriable")
        assert days.failure(DAY) == made
    store.write(LAYOUT.failure(DAY), b"?", seen=ANY, metadata={})
    assert days.record_failure(DAY, RetriableError("status 503"), 24, "run-4", moment(DAY, 26)).attempts == 1
    store.write(LAYOUT.failure(DAY), b'{"format": 3}', seen=ANY, metadata={})
    with pytest.raises(PermanentError, match="Update the exporter"):
        days.record_failure(DAY, RetriableError("status 503"), 24, "run-4", moment(DAY, 26))


def test_one_edited_manifest_does_not_rename_a_store(store: Store) -> None:
    """It names a dump as another EXPORT_DATA_OUTFILE would, and there is none: that day is damaged, no more."""
    put(store, replace(STORED, dump="20251106_0000_events.json"))
    assert "belongs to 20251106_0000_events.json" in days_on(store).stored(DAY).damage
    assert days_on(store).neighbours(StoredDay(DAY + timedelta(days=1))).before is None


def test_a_record_that_is_too_large_is_damaged(store: Store) -> None:
    """It is not read, and can be replaced."""
    etag = store.write(LAYOUT.manifest(DAY), b" " * (LARGEST_READ + 1), seen=None, metadata={})
    stored = days_on(store).stored(DAY)
    assert "more than the 4194304 that a record may have" in stored.damage
    assert stored.manifest_etag == etag
    store.write(LAYOUT.failure(DAY), b" " * (LARGEST_READ + 1), seen=None, metadata={})
    failure = days_on(store).failure(DAY)
    assert failure
    assert failure.kind == DAMAGED


def test_a_dump_of_another_project_that_was_never_proven_tells_so() -> None:
    """In a container its metadata name the project, though no manifest does."""
    store = MemoryStore()
    store.write(LAYOUT.dump(DAY), b"[]\n", seen=None, metadata={"project": "7", "hours": "03:1"})
    near = days_on(store).neighbours(days_on(store).stored(DAY))
    assert near.source == Source("", "7")


def test_a_gap_before_a_day_is_known(store: Store) -> None:
    """The day before is missing, or cannot be read, and there are older ones: not so on a store's first day."""
    assert not days_on(store).neighbours(StoredDay(DAY)).gap
    put(store, manifest_of(DAY + timedelta(days=5)))
    assert not days_on(store).neighbours(StoredDay(DAY)).gap
    put(store, manifest_of(DAY - timedelta(days=5)))
    assert days_on(store).neighbours(StoredDay(DAY)).gap
    store.write(LAYOUT.manifest(DAY - timedelta(days=1)), b"?", seen=None, metadata={})
    assert days_on(store).neighbours(StoredDay(DAY)).gap
    put(store, manifest_of(DAY - timedelta(days=1)))
    assert not days_on(store).neighbours(StoredDay(DAY)).gap
