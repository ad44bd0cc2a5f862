"""A store as the first form wrote it: five whole days (one empty, one with a rejected line) and a failed one.

The folder is a copy, so its files have other times than its manifests say. The container is made of the same files.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from exporter.days.verify import verify_day
from exporter.errors import OtherSourceError
from exporter.export import export_day
from exporter.run import export_days, export_due
from exporter.simulator import Simulator
from exporter.store import ANY, Store
from exporter.store.blob import BlobStore
from exporter.store.folder import LocalStore
from tests.kit import Time
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, exporter_on, moment

FIRST = Path(__file__).parent / "data/store-of-0.1"
DAYS = [date(2025, 11, number) for number in range(1, 7)]
FAILED = DAYS[-1]
WHOLE = DAYS[:-1]
NIGHT = Time(moment(FAILED, 50))


def put_all(store: Store) -> None:
    """Every object as the first form put it into a container, its metadata too."""
    for path in sorted(FIRST.rglob("*")):
        if not path.is_file():
            continue
        name, text, metadata = path.relative_to(FIRST).as_posix(), path.read_bytes(), {}
        if name.startswith("manifests/"):
            manifest = json.loads(text)
            names = ("state", "events", "bytes", "rejected", "sha256")
            metadata = {each: str(manifest[each]) for each in names}
            finished = datetime.fromisoformat(manifest["finished_at"])
            metadata |= {"etag": manifest["etag"], "finished": finished.isoformat(timespec="seconds"), "kept": ""}
        elif "/" not in name:
            manifest = json.loads((FIRST / f"manifests/{name[:13]}.json").read_text())
            metadata = {"sha256": manifest["sha256"], "events": str(manifest["events"]), "run": manifest["run"]}
        store.write(name, text, seen=ANY, metadata=metadata)


@pytest.fixture(params=["folder", "memory", "container"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The store of the first form, in each kind of place."""
    if request.param == "folder":
        shutil.copytree(FIRST, tmp_path / "data", copy_function=shutil.copy)
        yield LocalStore(tmp_path / "data")
    elif request.param == "memory":
        found = MemoryStore()
        put_all(found)
        yield found
    else:
        blobs = BlobStore(request.getfixturevalue("container"), 12_500_000)
        put_all(blobs)
        yield blobs


@pytest.fixture
def project() -> Iterator[Simulator]:
    """The project whose days these are."""
    with Simulator(events_per_hour=1, project=31337) as simulator:
        yield simulator


def test_it_reads_as_it_did(store: Store) -> None:
    """Four days are final, one is empty, one failed; nothing else is due."""
    coverage = days_on(store).coverage(NIGHT.moment)
    assert [row.shown for row in coverage.rows] == ["final", "final", "empty", "final", "final", "failed", "missing"]
    assert [row.events for row in coverage.rows[:5]] == [12, 12, 0, 12, 12]
    assert [row.rejected for row in coverage.rows[:5]] == [0, 0, 0, 1, 0]
    assert coverage.open_days(DAYS) == [FAILED]
    assert coverage.ignored == ()


def test_it_verifies(store: Store) -> None:
    """Every day's bytes are what its manifest says, the rejected line too."""
    assert [verify_day(day, days_on(store)).problem for day in WHOLE] == [None] * 5


def test_it_goes_on(store: Store, project: Simulator) -> None:
    """A run exports what is due, and leaves the other days as they are."""
    before = {day: store.stat(LAYOUT.dump(day)) for day in WHOLE}
    with exporter_on(store, project, NIGHT) as core:
        result = export_due(core)
    assert [done.manifest.day for done in result.done] == [date(2025, 11, 7), FAILED]
    assert {day: store.stat(LAYOUT.dump(day)) for day in WHOLE} == before
    rows = days_on(store).coverage(NIGHT.moment).rows
    assert [row.shown for row in rows] == ["final", "final", "empty", "final", "final", "final", "provisional"]


def test_it_is_repaired(store: Store, project: Simulator) -> None:
    """A damaged day of it is found, is due, and is written anew."""
    day = WHOLE[0]
    name = LAYOUT.manifest(day)
    store.write(name, b"?", seen=ANY, metadata={})
    assert days_on(store).coverage(NIGHT.moment).row(day).shown == "damaged"
    with exporter_on(store, project, NIGHT) as core:
        assert export_days([day], core, force=True).ok
    assert verify_day(day, days_on(store)).problem is None
    assert days_on(store).coverage(NIGHT.moment).row(day).shown == "final"


def test_it_is_of_one_project(store: Store) -> None:
    """Keys of another project write nothing into it."""
    with (
        Simulator(events_per_hour=1, project=7) as other,
        exporter_on(store, other, NIGHT) as core,
        pytest.raises(OtherSourceError, match="this store holds project 31337"),
    ):
        export_day(date(2025, 11, 7), core)
    assert list(store.list(LAYOUT.dump(date(2025, 11, 7)))) == []


def test_an_empty_day_of_it_may_fill_up(store: Store, project: Simulator) -> None:
    """What Amplitude has now replaces nothing but emptiness."""
    with exporter_on(store, project, NIGHT) as core:
        done = export_day(WHOLE[2], core)
    assert (done.outcome, done.manifest.state) == ("replaced", "final")
    assert done.manifest.events > 0
