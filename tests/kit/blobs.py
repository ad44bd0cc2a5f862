"""What the tests of Blob Storage share: the environment of an exporter, and what lies in its store afterwards."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient, ContainerClient

from exporter.days.audit import Audit
from exporter.days.layout import Layout
from exporter.days.manifest import Failure
from exporter.export import Exporter
from exporter.report import Progress, no_progress
from exporter.settings import Settings
from exporter.simulator import Simulator
from exporter.store import Store
from exporter.wiring import open_days, open_exporter, open_store
from tests.azure.azurite import Azurite
from tests.kit import DAY, Time
from tests.kit.rules import moment

LAYOUT = Layout()
DUMP, MANIFEST, REJECTED, FAILURE, LOCK = (
    LAYOUT.dump(DAY),
    LAYOUT.manifest(DAY),
    LAYOUT.rejected(DAY),
    LAYOUT.failure(DAY),
    LAYOUT.lock(DAY),
)
FIRST_LOOK, SECOND_LOOK = moment(DAY, 26), moment(DAY, 50)
"""02:00 on the two days after `DAY`: its export is provisional, then final."""
CHANGING = ("run", "started_at", "finished_at", "etag", "ledger")
"""Fields of a manifest that tell two exports of the same content apart."""


def blob_env(azurite: Azurite, container: ContainerClient, azure_env: dict[str, str]) -> dict[str, str]:
    """The environment of an exporter that writes to the test's container by managed identity."""
    return {
        **azure_env,
        "EXPORT_STORAGE_URL": azurite.blob_url,
        "EXPORT_CONTAINER": str(container.container_name),
    }


def folder_env(folder: Path) -> dict[str, str]:
    """The environment of an exporter that writes to a folder."""
    return {"EXPORT_DATA_DIR": str(folder / "data")}


def asking(env: dict[str, str], simulator: Simulator) -> dict[str, str]:
    """The environment with a simulator as the source."""
    return {
        **env,
        "AMP_BASE_URL": simulator.url,
        "AMP_API_KEY": simulator.api_key,
        "AMP_SECRET_KEY": simulator.secret_key,
        "EXPORT_DELAY_SECONDS": "0",
    }


def set_env(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    """Let this process reach Azure's stand-ins, too."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)


def env_of(
    request: pytest.FixtureRequest, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of an exporter into an empty store, a ``folder`` or a ``container`` as the parameter says."""
    if request.param == "folder":
        return asking(folder_env(tmp_path), simulator)
    env = blob_env(*(request.getfixturevalue(name) for name in ("azurite", "container", "azure_env")))
    set_env(monkeypatch, env)
    return asking(env, simulator)


@contextmanager
def exporting(
    env: dict[str, str], now: datetime = SECOND_LOOK, run: str = "run-again", progress: Progress = no_progress
) -> Iterator[Exporter]:
    """An exporter in this process."""
    with open_exporter(Settings.from_mapping(env), Time(now).clock(), run, progress) as core:
        yield core


def put_failure(env: dict[str, str], window_hours: int) -> None:
    """Leave the record of a failed attempt, so that the next one asks in windows of so many hours."""
    failure = Failure(DAY, "retriable", "the wire was cut", 1, window_hours, "run-before", SECOND_LOOK)
    with open_store(Settings.from_mapping(env, keys_needed=False)) as store:
        store.write(FAILURE, failure.to_json(), seen=None, metadata={})


def contents(env: dict[str, str]) -> dict[str, Any]:
    """Everything in the store that a reader can see: names, and what they hold; manifests without `CHANGING`."""
    with open_store(Settings.from_mapping(env, keys_needed=False)) as store:
        found: dict[str, Any] = {
            entry.name: b"".join(store.stream(entry.name))
            for prefix in ("20", "manifests/", "rejected/", "failures/", "locks/")
            for entry in store.list(prefix)
        }
    if MANIFEST in found:
        manifest = json.loads(found[MANIFEST])
        found[MANIFEST] = {name: value for name, value in manifest.items() if name not in CHANGING}
    return found


def check_ledger(env: dict[str, str]) -> None:
    """The chain is whole, and the day is its newest line, which its manifest names. It may stand twice, never miss."""
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        audit = Audit(days.ledger, SECOND_LOOK.year)
        manifest = days.manifest(DAY).manifest
        assert audit.problems == []
        assert manifest is not None
        assert audit.held(DAY, manifest) == ("", False)
        assert manifest.ledger is not None
        assert manifest.ledger["number"] <= audit.chain.newest[DAY].n


def manifest_in(store: Store, day: date = DAY) -> dict[str, Any]:
    """The day's manifest as it is stored."""
    stored = store.read(LAYOUT.manifest(day))
    assert stored is not None
    document: dict[str, Any] = json.loads(stored[0])
    return document


def staged_in(blob: BlobClient) -> list[str]:
    """The ids of the blocks that are staged and not committed."""
    try:
        _, staged = blob.get_block_list("all")
    except ResourceNotFoundError:
        return []
    return [str(block.id) for block in staged]


def sent_bytes(azurite: Azurite, name: str = DUMP) -> int:
    """The bytes of all blocks of ``name`` that Azurite accepted since its traffic was forgotten."""
    return sum(
        request.length
        for request in azurite.traffic()
        if (request.method, request.comp, request.status) == ("PUT", "block", 201) and request.path.endswith(name)
    )


def free(container: ContainerClient) -> None:
    """Let the lease of a killed exporter end now: its 60 seconds are waited for in no test but the lease's own."""
    try:
        BlobLeaseClient(container.get_blob_client(LOCK)).break_lease(0)
    except ResourceNotFoundError:
        return
