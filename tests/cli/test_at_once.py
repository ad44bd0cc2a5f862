"""Days side by side, as they are called: many requests at once, and one Ctrl-C for all of them."""

import signal
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from exporter.simulator import ALWAYS, Simulator, TooManyRequests, Wire
from tests.azure.azurite import Azurite
from tests.cli.desk import Desk, left
from tests.kit import files_in
from tests.kit.rules import FEW_HOURS

WORDS = ("backfill", "--from", "2025-11-01", "--to", "2025-11-08")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_who_waits_for_a_first_byte_holds_nobody(desk: Desk, sent: signal.Signals) -> None:
    """Four days wait for ten minutes; the first Ctrl-C ends them all, and nothing of them is left."""
    assert desk.call("export", "--day", "2025-10-01").code == 0
    before = left(desk)
    desk.simulator.requests.clear()
    desk.simulator.add(Wire("silence", 600, when=ALWAYS))
    with desk.started(*WORDS, EXPORT_CONCURRENCY="4") as child:
        while len(desk.simulator.requests) < 4:
            with pytest.raises(Exception, match="timed out"):
                child.wait(0.01)
        child.send_signal(sent)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err.splitlines()[-1].startswith("Interrupted. Nothing partial is left")
    assert "Traceback" not in err
    assert "ERROR" not in err + desk.logs()
    assert left(desk) == before
    assert desk.simulator.most_at_once == 4


def test_an_interrupted_run_gives_its_leases_back(
    desk: Desk, azurite: Azurite, container: ContainerClient, azure_env: dict[str, str]
) -> None:
    """In Blob Storage, too: no lock is left for a minute, and nothing is recorded."""
    env = azure_env | {"EXPORT_STORAGE_URL": azurite.blob_url, "EXPORT_CONTAINER": container.container_name}
    assert desk.call("export", "--day", "2025-10-01", **env).code == 0
    before = {blob.name for blob in container.list_blobs()}
    desk.simulator.requests.clear()
    desk.simulator.add(Wire("silence", 600, when=ALWAYS))
    with desk.started(*WORDS, EXPORT_CONCURRENCY="3", **env) as child:
        while len(desk.simulator.requests) < 3:
            with pytest.raises(Exception, match="timed out"):
                child.wait(0.01)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert (child.returncode, "Traceback" in err) == (130, False)
    assert {blob.name for blob in container.list_blobs()} == before


def test_the_setting_bounds_the_requests(desk: Desk) -> None:
    """EXPORT_CONCURRENCY at once and no more, whatever Amplitude answers; the days come out in their order."""
    desk.call("export", "--day", "2025-10-01")
    desk.simulator.add(TooManyRequests(retry_after=0))
    said = desk.call(*WORDS, "--json", EXPORT_CONCURRENCY="3")
    assert said.code == 0
    assert [done["day"] for done in said.json["done"]] == [f"2025-11-0{day}" for day in range(1, 9)]
    assert desk.simulator.most_at_once <= 3


def test_one_at_a_time_gives_the_same(desk: Desk, tmp_path: Path) -> None:
    """Dumps do not depend on how many were made at once."""
    desk.call("export", "--day", "2025-10-01")
    assert desk.call(*WORDS, EXPORT_CONCURRENCY="4").code == 0
    (tmp_path / "other/tmp").mkdir(parents=True)
    with Simulator(events_per_hour=4, contents=FEW_HOURS) as simulator:
        other = Desk(tmp_path / "other", simulator)
        assert other.call("export", "--day", "2025-10-01").code == 0
        assert other.call(*WORDS, EXPORT_CONCURRENCY="1").code == 0
    dumps = [{n: text for n, text in files_in(one.data).items() if n.endswith("dump.json")} for one in (desk, other)]
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) == 9
