from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from exporter.export import export_day
from exporter.simulator import OddLine, Resized, Simulator
from exporter.store.folder import LocalStore
from tests.azure.azurite import Azurite
from tests.kit import DAY, dump_of, files_in
from tests.kit.blobs import (
    DUMP,
    FAILURE,
    FIRST_LOOK,
    LAYOUT,
    LOCK,
    MANIFEST,
    REJECTED,
    SECOND_LOOK,
    asking,
    blob_env,
    check_ledger,
    contents,
    exporting,
    folder_env,
    free,
    manifest_in,
    put_failure,
    sent_bytes,
    set_env,
    staged_in,
)
from tests.kit.rules import FEW_HOURS
from tests.kit.stopped import killed

Kill = tuple[str, int]

WINDOW_HOURS = 12
"""A failure record asks for two windows, so that there is something between them."""
REJECTED_LINE = OddLine("nan", "03")
FOLDER_KILLS: list[Kill] = [
    ("locked", 1),
    ("asking", 1),
    ("downloading", 1),
    ("unzipping", 1),
    ("writing", 1),
    ("asking", 2),
    ("downloading", 2),
    ("unzipping", 2),
    ("writing", 2),
    ("committing", 1),
    ("committed", 1),
    ("rejecting", 1),
    ("recording", 1),
    ("recorded", 1),
    ("proving", 1),
    ("proven", 1),
]
BLOB_KILLS = [*FOLDER_KILLS, *((step, nth) for nth in (1, 2, 3) for step in ("staging", "staged"))]
REPLACING_KILLS: list[Kill] = [
    ("locked", 1),
    ("staged", 1),
    ("committing", 1),
    ("committed", 1),
    ("rejecting", 1),
    ("recording", 1),
    ("recorded", 1),
    ("proving", 1),
    ("proven", 1),
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A small project with one line that is no event."""
    with Simulator(events_per_hour=40, contents=[*FEW_HOURS, REJECTED_LINE]) as running:
        yield running


@pytest.fixture(scope="module")
def grown() -> Iterator[Simulator]:
    """The same project a night later: an hour has grown, and the bad line is good."""
    with Simulator(events_per_hour=40, contents=[*FEW_HOURS, Resized("17", 5)]) as running:
        yield running


@pytest.fixture
def in_container(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of an exporter into the test's container."""
    env = blob_env(azurite, container, azure_env)
    set_env(monkeypatch, env)
    return env


@pytest.fixture(scope="module")
def undisturbed(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the store holds after an export of the small project that nothing disturbed."""
    env = asking(folder_env(tmp_path_factory.mktemp("undisturbed")), simulator)
    put_failure(env, WINDOW_HOURS)
    export(env)
    found = contents(env)
    assert sorted(found) == [DUMP, MANIFEST, REJECTED]
    return found


@pytest.fixture(scope="module")
def replaced(
    simulator: Simulator, grown: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the store holds after the first look, and after a second one that nothing disturbed."""
    env = folder_env(tmp_path_factory.mktemp("replaced"))
    export(asking(env, simulator), now=FIRST_LOOK)
    old = contents(env)
    export(asking(env, grown))
    new = contents(env)
    assert (sorted(old), sorted(new)) == ([DUMP, MANIFEST, REJECTED], [DUMP, MANIFEST])
    assert new[DUMP] == dump_of(grown.lines(DAY)) != old[DUMP]
    return old, new


def export(env: dict[str, str], **chosen: Any) -> str:
    """Export the day in this process; return the outcome."""
    with exporting(env, **chosen) as core:
        return export_day(DAY, core).outcome


def check_nothing_partial(env: dict[str, str], *worlds: dict[str, Any]) -> None:
    """Each object that can be read is whole: what it is in one of the ``worlds``."""
    for name, content in contents(env).items():
        if name not in (FAILURE, LOCK):
            assert content in [world.get(name) for world in worlds], name


def steps(env: dict[str, str], **chosen: Any) -> Counter[str]:
    """The named steps of an export in this process, and how often each comes."""
    seen: Counter[str] = Counter()
    export(env, progress=lambda step, _done, _total: seen.update((step,)), **chosen)
    return seen


def test_every_step_in_a_folder_is_swept(simulator: Simulator, tmp_path: Path) -> None:
    """The kills below name each step of an export into a folder, and none that does not come."""
    env = asking(folder_env(tmp_path), simulator)
    put_failure(env, WINDOW_HOURS)
    seen = steps(env)
    assert set(seen) == {step for step, _ in FOLDER_KILLS}
    assert all(seen[step] >= nth for step, nth in FOLDER_KILLS)


def test_every_step_in_a_container_is_swept(simulator: Simulator, in_container: dict[str, str]) -> None:
    """The kills below name each step of an export into a container; each block's staging is one of them."""
    env = asking(in_container, simulator)
    put_failure(env, WINDOW_HOURS)
    seen = steps(env)
    assert set(seen) == {step for step, _ in BLOB_KILLS}
    assert seen["staging"] == seen["staged"] == max(nth for step, nth in BLOB_KILLS if step == "staged")


@pytest.mark.parametrize("at", FOLDER_KILLS, ids=lambda at: f"{at[0]}-{at[1]}")
def test_kill_in_a_folder(at: Kill, simulator: Simulator, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Kill -9 at a step shows nothing partial; the next export ends as if it had not been, with no file left over."""
    env = asking(folder_env(tmp_path), simulator)
    put_failure(env, WINDOW_HOURS)
    killed(env, DAY, SECOND_LOOK, at)
    check_nothing_partial(env, undisturbed)
    export(env)
    assert contents(env) == undisturbed
    assert set(files_in(tmp_path / "data")) == {*undisturbed, LAYOUT.ledger.name(SECOND_LOOK.year)}
    check_ledger(env)
    store = LocalStore(tmp_path / "data")
    found = store.stat(DUMP)
    assert found is not None
    assert manifest_in(store)["etag"] == found.etag


@pytest.mark.parametrize("at", BLOB_KILLS, ids=lambda at: f"{at[0]}-{at[1]}")
def test_kill_in_a_container(
    at: Kill,
    simulator: Simulator,
    undisturbed: dict[str, Any],
    in_container: dict[str, str],
    container: ContainerClient,
    azurite: Azurite,
) -> None:
    """Kill -9 at a step shows nothing partial; the next export ends as if it had not been, and sends no block again."""
    env = asking(in_container, simulator)
    put_failure(env, WINDOW_HOURS)
    azurite.forget_traffic()
    killed(env, DAY, SECOND_LOOK, at)
    check_nothing_partial(env, undisturbed)
    free(container)
    export(env)
    assert contents(env) == undisturbed
    assert sent_bytes(azurite) == len(undisturbed[DUMP])
    assert staged_in(container.get_blob_client(DUMP)) == []
    check_ledger(env)


@pytest.mark.parametrize("at", REPLACING_KILLS, ids=lambda at: f"{at[0]}-{at[1]}")
def test_kill_while_a_day_is_replaced(
    at: Kill,
    simulator: Simulator,
    grown: Simulator,
    replaced: tuple[dict[str, Any], dict[str, Any]],
    in_container: dict[str, str],
    container: ContainerClient,
) -> None:
    """A reader sees the old day or the new one; the next export ends with the new one and leaves nothing else."""
    old, new = replaced
    export(asking(in_container, simulator), now=FIRST_LOOK, run="run-first")
    assert contents(in_container) == old
    env = asking(in_container, grown)
    killed(env, DAY, SECOND_LOOK, at)
    check_nothing_partial(env, old, new)
    free(container)
    export(env)
    assert contents(env) == new
    assert staged_in(container.get_blob_client(DUMP)) == []
    check_ledger(env)


def test_killed_again_and_again(
    simulator: Simulator,
    undisturbed: dict[str, Any],
    in_container: dict[str, str],
    container: ContainerClient,
    azurite: Azurite,
) -> None:
    """An exporter that is killed a little later each time gets there, and each block is sent once."""
    env = asking(in_container, simulator)
    put_failure(env, WINDOW_HOURS)
    azurite.forget_traffic()
    for at in (("staged", 1), ("staging", 2), ("committing", 1), ("committed", 1), ("proven", 1)):
        killed(env, DAY, SECOND_LOOK, at)
        check_nothing_partial(env, undisturbed)
        free(container)
    export(env)
    assert contents(env) == undisturbed
    assert sent_bytes(azurite) == len(undisturbed[DUMP])
