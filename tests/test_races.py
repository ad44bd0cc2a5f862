import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from exporter.days.verify import verify_day
from exporter.errors import DayHeldError
from exporter.export import DayExported, export_day
from exporter.settings import Settings
from exporter.simulator import OddLine, Resized, Simulator
from exporter.wiring import open_store
from tests.azure.azurite import Azurite
from tests.kit import DAY, dump_of
from tests.kit.blobs import (
    DUMP,
    FIRST_LOOK,
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
    set_env,
)
from tests.kit.rules import FEW_HOURS, days_on
from tests.kit.stopped import start, wait_until_suspended

Child = subprocess.Popen[str]
Suspend = Callable[[dict[str, str], tuple[str, int]], Child]

SUSPENDED_AT = [("staged", 1), ("committing", 1), ("committed", 1), ("proving", 1), ("proven", 1)]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A small project."""
    with Simulator(events_per_hour=40, contents=FEW_HOURS) as running:
        yield running


@pytest.fixture(scope="module")
def grown() -> Iterator[Simulator]:
    """The same project when one of its hours has grown."""
    with Simulator(events_per_hour=40, contents=[*FEW_HOURS, Resized("17", 5)]) as running:
        yield running


@pytest.fixture(scope="module")
def spoilt() -> Iterator[Simulator]:
    """The same project with a line that is no event."""
    with Simulator(events_per_hour=40, contents=[*FEW_HOURS, OddLine("nan", "03")]) as running:
        yield running


@pytest.fixture(scope="module")
def spoilt_and_grown() -> Iterator[Simulator]:
    """The same project with a line that is no event, and more events."""
    with Simulator(
        events_per_hour=40, contents=[*FEW_HOURS, OddLine("nan", "03"), Resized("03", 1), Resized("17", 5)]
    ) as running:
        yield running


@pytest.fixture
def env(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of an exporter into the test's container."""
    env = blob_env(azurite, container, azure_env)
    set_env(monkeypatch, env)
    return env


@pytest.fixture
def suspended() -> Iterator[Suspend]:
    """Starts an exporter in a child process and returns when it is suspended at a step."""
    with ExitStack() as children:

        def suspend(env: dict[str, str], at: tuple[str, int]) -> Child:
            child = start(env, DAY, SECOND_LOOK, run="run-suspended", at=at, sent=signal.SIGSTOP)
            children.enter_context(child)
            children.callback(child.kill)  # if the test fails before it has let it end
            wait_until_suspended(child)
            return child

        yield suspend


def ended(child: Child) -> str:
    """Let the child go on to its end; return its last line, the outcome."""
    child.send_signal(signal.SIGCONT)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0, said
    return said.splitlines()[-1]


def export(env: dict[str, str], run: str = "run-other") -> DayExported:
    """Export the day in this process."""
    with exporting(env, run=run) as core:
        return export_day(DAY, core)


def check_whole(env: dict[str, str], text: bytes, run: str) -> None:
    """The store holds exactly this day, as this run wrote it, and nothing beside it."""
    found = contents(env)
    assert sorted(found) == [DUMP, MANIFEST]
    assert found[DUMP] == text
    with open_store(Settings.from_mapping(env)) as store:
        assert verify_day(DAY, days_on(store)).problem is None
        assert manifest_in(store)["run"] == run


BEFORE_COMMIT, AFTER_COMMIT = SUSPENDED_AT[:2], SUSPENDED_AT[2:]
RACES = [
    *((None, "simulator", "grown", at) for at in SUSPENDED_AT),
    *((None, "grown", "simulator", at) for at in BEFORE_COMMIT),
    *((None, "simulator", "simulator", at) for at in SUSPENDED_AT),
    *(("simulator", "grown", "grown", at) for at in SUSPENDED_AT[1:4]),
]
"""What is stored before, what the suspended one exports, what the other one does meanwhile, where it is suspended."""


@pytest.mark.parametrize("race", RACES, ids=str)
def test_suspended_while_another_finishes(
    race: tuple[str | None, str, str, tuple[str, int]],
    suspended: Suspend,
    env: dict[str, str],
    container: ContainerClient,
    request: pytest.FixtureRequest,
) -> None:
    """The other one's day stands, whole: more, less or the same, new or replaced. A late commit is refused."""
    before, mine, others, at = race
    first, second = request.getfixturevalue(mine), request.getfixturevalue(others)
    if before:
        with exporting(asking(env, request.getfixturevalue(before)), now=FIRST_LOOK, run="run-first") as core:
            export_day(DAY, core)
    child = suspended(asking(env, first), at)
    free(container)
    export(asking(env, second))
    outcome = ended(child)
    assert outcome == "unchanged" or at in AFTER_COMMIT
    check_whole(asking(env, second), dump_of(second.lines(DAY)), "run-other")
    check_ledger(env)


def test_both_suspended_in_turn(
    suspended: Suspend, env: dict[str, str], simulator: Simulator, grown: Simulator, container: ContainerClient
) -> None:
    """Both stage their blocks, then both commit: the first commit stands, the second exporter says so."""
    first = suspended(asking(env, simulator), ("staged", 2))
    free(container)
    second = suspended(asking(env, grown), ("committing", 1))
    assert ended(first) == "written"
    assert ended(second) == "unchanged"
    check_whole(asking(env, simulator), dump_of(simulator.lines(DAY)), "run-suspended")
    check_ledger(env)


def test_two_at_the_same_time(env: dict[str, str], simulator: Simulator) -> None:
    """Of two exporters started together one says that the other holds the day; the day is whole."""
    both = [
        start(asking(env, simulator), DAY, SECOND_LOOK, run=run, at=("none", 1), sent=signal.SIGKILL)
        for run in ("run-1", "run-2")
    ]
    said = [child.communicate(timeout=60)[0] for child in both]
    assert {child.returncode for child in both} <= {0, 1}, said
    assert any(child.returncode == 0 for child in both), said
    assert all("DayHeldError" in text for child, text in zip(both, said, strict=True) if child.returncode)
    assert contents(env)[DUMP] == dump_of(simulator.lines(DAY))
    with open_store(Settings.from_mapping(asking(env, simulator))) as store:
        assert verify_day(DAY, days_on(store)).problem is None


def test_held_while_suspended(suspended: Suspend, env: dict[str, str], simulator: Simulator, tmp_path: Path) -> None:
    """A suspended exporter holds its day, in a container and in a folder: another one says who, and changes nothing."""
    for place in (env, folder_env(tmp_path)):
        child = suspended(asking(place, simulator), ("committing", 1))
        with pytest.raises(DayHeldError, match="run-suspended"):
            export(asking(place, simulator))
        assert ended(child) == "written"
        check_whole(asking(place, simulator), dump_of(simulator.lines(DAY)), "run-suspended")


@pytest.mark.parametrize(("early", "late"), [("spoilt", "simulator"), ("simulator", "spoilt_and_grown")])
def test_suspended_before_its_rejected_lines(
    early: str,
    late: str,
    suspended: Suspend,
    env: dict[str, str],
    request: pytest.FixtureRequest,
    container: ContainerClient,
) -> None:
    """Who comes back late neither adds its rejected lines to another's day nor takes the other's away."""
    first, second = request.getfixturevalue(early), request.getfixturevalue(late)
    child = suspended(asking(env, first), ("rejecting", 1))
    free(container)
    manifest = export(asking(env, second)).manifest
    assert ended(child) == "unchanged"
    found = contents(env)
    assert (REJECTED in found) == (manifest.rejected > 0)
    assert found[MANIFEST]["sha256"] == manifest.sha256
    check_ledger(env)


def test_lost_to_one_that_has_not_finished(
    suspended: Suspend, env: dict[str, str], simulator: Simulator, grown: Simulator, container: ContainerClient
) -> None:
    """Who loses to an exporter that has not proven its day yet says so; the day is due until the other has."""
    loser = suspended(asking(env, simulator), ("committing", 1))
    free(container)
    winner = suspended(asking(env, grown), ("committed", 1))
    loser.send_signal(signal.SIGCONT)
    said, _ = loser.communicate(timeout=60)
    assert loser.returncode == 1
    assert "day failed: day=2025-11-06 kind=retriable" in said
    assert sorted(contents(env)) == [DUMP, LOCK]
    assert ended(winner) == "written"
    check_whole(asking(env, grown), dump_of(grown.lines(DAY)), "run-suspended")
    check_ledger(env)
