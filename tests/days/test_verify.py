import json
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.days.layout import Layout
from exporter.days.verify import Verified, verify_day
from exporter.export import export_day
from exporter.simulator import Missing, Simulator
from exporter.store import ANY, ARCHIVED
from exporter.store.folder import LocalStore
from tests.kit import DAY, dump_of
from tests.kit.rules import FEW_HOURS, days_on, exporter_on, second_look

LAYOUT = Layout()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A folder with one exported day."""
    store = LocalStore(tmp_path)
    with (
        Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator,
        exporter_on(store, simulator, second_look()) as it,
    ):
        export_day(DAY, it)
    return store


def test_an_exported_day_is_what_its_manifest_says(store: LocalStore, tmp_path: Path) -> None:
    """Events and bytes are those of the dump; there is no problem."""
    text = (tmp_path / LAYOUT.dump(DAY)).read_bytes()
    assert verify_day(DAY, days_on(store)) == Verified(DAY, len(json.loads(text)), len(text), None)


def test_a_dump_in_the_archive_tier_is_told(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not damaged, and nobody waits hours for it."""
    real = LocalStore.stat
    archived = {LAYOUT.dump(DAY): ARCHIVED}
    monkeypatch.setattr(
        LocalStore, "stat", lambda self, name: (e := real(self, name)) and replace(e, tier=archived.get(name, ""))
    )
    found = verify_day(DAY, days_on(store))
    assert (found.problem or "").endswith("lies in the archive tier. Bring it back, then verify it again")
    assert not found.damaged


@pytest.mark.parametrize("at", [0, 100, -1])
def test_one_changed_byte_is_noticed(store: LocalStore, tmp_path: Path, at: int) -> None:
    """The sentence names the dump and says what to do."""
    path = tmp_path / LAYOUT.dump(DAY)
    text = bytearray(path.read_bytes())
    text[at] ^= 1
    path.write_bytes(text)
    problem = verify_day(DAY, days_on(store)).problem
    assert problem is not None
    assert problem.startswith(LAYOUT.dump(DAY))
    assert "Restore it, or export the day again" in problem


def test_a_cut_dump_is_noticed(store: LocalStore, tmp_path: Path) -> None:
    """A dump without its last byte is not the one that was written."""
    path = tmp_path / LAYOUT.dump(DAY)
    path.write_bytes(path.read_bytes()[:-1])
    assert verify_day(DAY, days_on(store)).problem is not None


def test_a_wrong_count_is_noticed(store: LocalStore) -> None:
    """The lines are counted, not only hashed."""
    known = store.read(LAYOUT.manifest(DAY))
    assert known is not None
    document = json.loads(known[0])
    hours = document["hours"] | {"03": {"members": 1, "events": document["hours"]["03"]["events"] + 1}}
    text = json.dumps(document | {"events": document["events"] + 1, "hours": hours}).encode()
    store.write(LAYOUT.manifest(DAY), text, seen=known[1], metadata={})
    problem = verify_day(DAY, days_on(store)).problem
    assert problem is not None
    assert f"its manifest says {document['events'] + 1}," in problem


def test_a_missing_day_is_told(store: LocalStore) -> None:
    """Without a manifest the day is missing; without its dump it is to be exported again."""
    verified = verify_day(DAY.replace(day=5), days_on(store))
    assert verified == replace(verified, day=DAY.replace(day=5), events=0, size=0)
    assert verified.problem == "no manifest: the day is missing. Export it"
    store.delete(LAYOUT.dump(DAY))
    assert verify_day(DAY, days_on(store)).problem == f"{LAYOUT.dump(DAY)} is not there. Export the day again"


def test_an_empty_day_is_whole(tmp_path: Path) -> None:
    """Its dump is an empty array."""
    store = LocalStore(tmp_path)
    with Simulator(contents=[Missing("")]) as simulator, exporter_on(store, simulator, second_look()) as it:
        export_day(DAY, it)
    assert (tmp_path / LAYOUT.dump(DAY)).read_bytes() == dump_of([])
    assert verify_day(DAY, days_on(store)) == Verified(DAY, 0, 3, None)


def test_a_damaged_manifest_is_a_problem_of_its_day(store: LocalStore) -> None:
    """What cannot be read is named, and does not stop the days after it."""
    store.write(LAYOUT.manifest(DAY), b"{", seen=ANY, metadata={})
    problem = verify_day(DAY, days_on(store)).problem
    assert problem is not None
    assert problem.startswith(f"{LAYOUT.manifest(DAY)} is damaged: it is not a JSON object in UTF-8")
