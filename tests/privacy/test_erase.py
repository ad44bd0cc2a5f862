"""Erasing: a person is gone from every day, everything else stays, and nothing names them."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient, ContainerClient

from exporter.days.erasures import DONE
from exporter.days.verify import verify_day
from exporter.export import export_day
from exporter.privacy.ids import Ids, ids_in
from exporter.settings import Settings
from exporter.simulator import Simulator
from exporter.wiring import open_days, tables_of
from tests.azure.azurite import Azurite
from tests.kit import files_in
from tests.kit.blobs import LAYOUT, asking, blob_env, env_of, exporting, folder_env, set_env
from tests.privacy.world import (
    CONTENTS,
    KEY,
    NOW,
    days_from,
    erase,
    events_in,
    fill,
    killed,
    make_tables,
    names_in,
    opened,
    rejected_in,
    spellings_of,
    state_of,
    user_of,
)

DAYS = days_from(date(2025, 10, 1), 60)
FEW = DAYS[:3]
WITH_TABLE = DAYS[1]
KILLS = [
    ("searching", 1),
    ("committing", 1),
    ("committed", 1),
    ("remembered", 1),
    ("noting", 1),
    ("noted", 1),
    ("locked", 1),
    ("writing", 1),
    ("noting", 2),
    ("noted", 2),
    ("committing", 4),
    ("committed", 4),
    ("rejecting", 1),
    ("committed", 5),
    ("recording", 1),
    ("recorded", 1),
    ("proving", 1),
    ("proven", 1),
    ("clearing", 1),
    ("purging", 1),
    ("purged", 1),
    ("noting", 3),
    ("noted", 3),
    ("locked", 2),
    ("committed", 9),
    ("proven", 2),
    ("clearing", 2),
    ("deriving", 1),
    ("committing", 12),
    ("derived", 1),
    ("noting", 6),
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A small project with odd lines."""
    with Simulator(events_per_hour=60, contents=CONTENTS) as running:
        yield running


@pytest.fixture(scope="module")
def user(simulator: Simulator) -> str:
    """Whose event was rejected on the first day."""
    return user_of(simulator, DAYS[0])


@pytest.fixture(scope="module")
def person(simulator: Simulator, user: str) -> Ids:
    """Their ids: as they stand in the events that Amplitude has."""
    found = [ids_in(line) for day in DAYS for line in simulator.lines(day)]
    numbers = {number for ids in found if user in ids.users for number in ids.amplitude}
    return Ids(frozenset({user}), frozenset(numbers))


@pytest.fixture(params=["folder", "container"])
def env(
    request: pytest.FixtureRequest, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """An empty store."""
    return env_of(request, simulator, tmp_path, monkeypatch) | {"EXPORT_ERASURE_KEY": KEY}


@pytest.fixture
def in_folder(simulator: Simulator, tmp_path: Path) -> dict[str, str]:
    """An empty folder."""
    return asking(folder_env(tmp_path), simulator) | {"EXPORT_ERASURE_KEY": KEY}


def test_sixty_days_lose_one_person_and_nothing_else(
    in_folder: dict[str, str],
    user: str,
    person: Ids,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """Gone from arrays, rejected lines and tables; every other event has its bytes, in order; nothing names them."""
    caplog.set_level(logging.DEBUG)
    fill(in_folder, DAYS)
    make_tables(in_folder, DAYS[:20])
    with opened(in_folder) as store:
        before = {day: (events_in(store, day), rejected_in(store, day)) for day in DAYS}
    hit = [day for day in DAYS if any(person.meet(ids_in(line)) for part in before[day] for line in part)]
    assert len(hit) > 20
    assert any(person.meet(ids_in(line)) for day in DAYS for line in before[day][1])
    done = erase(in_folder, [f"user_id={user}"])
    assert done.state == DONE
    assert [one.day for one in done.days] == hit
    with opened(in_folder) as store:
        for day in DAYS:
            events, rejected = before[day]
            assert events_in(store, day) == [line for line in events if not person.meet(ids_in(line))]
            assert rejected_in(store, day) == [line for line in rejected if not person.meet(ids_in(line))]
            if day in hit:
                told = done.day(day)
                assert told
                taken = len(events) - len(events_in(store, day)), len(rejected) - len(rejected_in(store, day))
                assert (told.events, told.rejected) == taken
    with open_days(Settings.from_mapping(in_folder)) as days:
        for day in DAYS:
            assert verify_day(day, days).problem is None
        rows = days.coverage(NOW).rows
        sources = tables_of(days).sources(rows)
        assert set(sources) == set(DAYS[:20])
        assert all(sources[row.day] == row.sha256 for row in rows if row.day in sources)
    needles = [one for one in spellings_of(person) if len(one) > 3]
    texts = list(files_in(tmp_path).values())
    texts.append("\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records).encode())
    assert [needle for needle in needles for text in texts if needle in text] == []


def test_they_stay_gone(in_folder: dict[str, str], user: str, person: Ids) -> None:
    """After another look, a forced one, and new tables."""
    fill(in_folder, FEW)
    erase(in_folder, [f"user_id={user}"])
    with exporting(in_folder, NOW, "run-forced") as core:
        for day in FEW:
            export_day(day, core)
            export_day(day, core, force=True)
    with opened(in_folder) as store:
        for day in FEW:
            found = [*events_in(store, day), *rejected_in(store, day)]
            assert found
            assert not any(person.meet(ids_in(line)) for line in found)
    with open_days(Settings.from_mapping(in_folder)) as days:
        for day in FEW:
            assert verify_day(day, days).problem is None


def test_every_step_is_swept(env: dict[str, str], user: str) -> None:
    """The kills below name each step of an erasure, and none that does not come; blobs are staged, too."""
    fill(env, FEW)
    make_tables(env, [WITH_TABLE])
    seen: Counter[str] = Counter()
    erase(env, [f"user_id={user}"], progress=lambda step, _done, _total: seen.update((str(step),)))
    assert set(seen) - {"staging", "staged"} == {step for step, _ in KILLS}
    if not seen["staged"]:  # a folder commits records as it does days
        assert all(seen[step] >= nth for step, nth in KILLS)


@pytest.fixture(scope="module")
def undisturbed(
    simulator: Simulator, user: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, object], dict[str, object]]:
    """The store before an erasure, and after one that nothing disturbed."""
    env = asking(folder_env(tmp_path_factory.mktemp("undisturbed")), simulator) | {"EXPORT_ERASURE_KEY": KEY}
    fill(env, FEW)
    make_tables(env, [WITH_TABLE])
    before = state_of(env)
    erase(env, [f"user_id={user}"])
    return before, state_of(env)


@pytest.mark.parametrize("at", KILLS, ids=lambda at: f"{at[0]}-{at[1]}")
def test_killed_in_a_folder(
    at: tuple[str, int], in_folder: dict[str, str], user: str, undisturbed: tuple[dict[str, object], dict[str, object]]
) -> None:
    """Kill -9 at a step, then the same again: the end is as if nothing had been."""
    fill(in_folder, FEW)
    make_tables(in_folder, [WITH_TABLE])
    killed(in_folder, [f"user_id={user}"], at)
    before, after = undisturbed
    for name, content in state_of(in_folder).items():
        if name.startswith(("20", "rejected/")):
            assert content in (before[name], after[name]), name
    erase(in_folder, [f"user_id={user}"])
    assert state_of(in_folder) == after


@pytest.fixture
def in_container(
    azurite: Azurite,
    container: ContainerClient,
    azure_env: dict[str, str],
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """An empty container."""
    env = blob_env(azurite, container, azure_env)
    set_env(monkeypatch, env)
    return asking(env, simulator) | {"EXPORT_ERASURE_KEY": KEY}


@pytest.mark.parametrize(
    "at", [("noted", 2), ("staged", 1), ("committing", 1), ("committed", 1), ("rejecting", 1), ("proven", 1)]
)
def test_killed_in_a_container(
    at: tuple[str, int],
    in_container: dict[str, str],
    container: ContainerClient,
    user: str,
    undisturbed: tuple[dict[str, object], dict[str, object]],
) -> None:
    """The same in Blob Storage, when the lease of the killed one has ended."""
    fill(in_container, FEW)
    make_tables(in_container, [WITH_TABLE])
    killed(in_container, [f"user_id={user}"], at)
    for day in FEW:
        break_lease(container, LAYOUT.lock(day))
    erase(in_container, [f"user_id={user}"])
    assert state_of(in_container) == undisturbed[1]


def break_lease(container: ContainerClient, name: str) -> None:
    """Let the lease of a killed one end now."""
    with suppress(ResourceNotFoundError):
        BlobLeaseClient(container.get_blob_client(name)).break_lease(0)


def test_the_record_tells_what_was_done(env: dict[str, str], user: str) -> None:
    """Who asked, why, which days, how many lines, the hashes before and after, and what is left: nothing here."""
    fill(env, FEW)
    done = erase(env, [f"user_id={user}"])
    with opened(env) as store:
        stored = store.read(LAYOUT.erasure(done.id))
        record = json.loads(stored[0])
        manifests = {day: json.loads(store.read(LAYOUT.manifest(day))[0]) for day in FEW}
        assert sorted(name for name in names_in(store) if "locks/" in name) == []
    assert (record["state"], record["by"], record["reason"]) == ("done", "the desk", "ticket-4711")
    assert record["ids"] == {"user_id": 1, "amplitude_id": 1, "device_id": 0}
    for one in record["days"]:
        manifest = manifests[date.fromisoformat(one["day"])]
        assert (manifest["erased"], manifest["sha256"]) == (one["events"], one["after"])
        assert one["before"] != one["after"]
        assert (one["old_versions"], one["until"], one["why"]) == (0, None, "")
        assert "manifest" not in one
