import resource
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobBlock, ContainerClient

from exporter.days.repair import note_verified
from exporter.days.rules import Outcome
from exporter.days.verify import verify_day
from exporter.errors import SettingsError, StoreError
from exporter.export import DayExported, export_day
from exporter.settings import Settings
from exporter.simulator import Resized, Simulator
from exporter.store import Store, blob
from exporter.store.blob import open_blob_store
from exporter.store.blob_account import Account
from exporter.wiring import open_store
from tests.azure.azurite import KEY, Azurite
from tests.azure.identity import Identity
from tests.kit import DAY, dump_of
from tests.kit.blobs import (
    DUMP,
    FAILURE,
    FIRST_LOOK,
    LAYOUT,
    MANIFEST,
    SECOND_LOOK,
    asking,
    blob_env,
    contents,
    exporting,
    manifest_in,
    sent_bytes,
    set_env,
    staged_in,
)
from tests.kit.rules import FEW_HOURS, days_on
from tests.store.contract import StoreContract
from tests.store.test_blob_draft import losing


@pytest.fixture
def env(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of an exporter into the test's container."""
    env = blob_env(azurite, container, azure_env)
    set_env(monkeypatch, env)
    return env


@pytest.fixture
def store(env: dict[str, str]) -> Iterator[Store]:
    """The test's container, opened by managed identity."""
    with open_store(Settings.from_mapping(env, keys_needed=False)) as opened:
        yield opened


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A small project."""
    with Simulator(events_per_hour=40, contents=FEW_HOURS) as running:
        yield running


class TestBlobStore(StoreContract):
    """The contract on Azurite, by managed identity."""

    @pytest.fixture
    def other(self, env: dict[str, str]) -> Iterator[Store]:
        """Another exporter's view of the container."""
        with open_store(Settings.from_mapping(env, keys_needed=False)) as opened:
            yield opened


def export(env: dict[str, str], **chosen: Any) -> DayExported:
    """Export the day in this process."""
    with exporting(env, **chosen) as core:
        return export_day(DAY, core)


def test_a_day_lands_in_the_container_by_managed_identity(
    env: dict[str, str], simulator: Simulator, store: Store, container: ContainerClient, identity: Identity
) -> None:
    """An export asks the identity for one token, for storage, and leaves a dump, and the manifest that names it."""
    before = len(identity.asked)
    done = export(asking(env, simulator))
    assert [(asked.resource, asked.client_id) for asked in identity.asked[before:]] == [
        ("https://storage.azure.com", identity.client_id)
    ]
    assert done.outcome == Outcome.WRITTEN
    assert sorted(found.name for found in container.list_blobs()) == [DUMP, MANIFEST]
    found = container.get_blob_client(DUMP).get_blob_properties()
    assert found.content_settings.content_type == "application/json"
    assert manifest_in(store)["etag"] == found.etag
    assert found.metadata["sha256"] == manifest_in(store)["sha256"]
    assert contents(env)[DUMP] == dump_of(simulator.lines(DAY))


def test_an_unchanged_second_look_sends_nothing(
    env: dict[str, str], simulator: Simulator, store: Store, container: ContainerClient, azurite: Azurite
) -> None:
    """The same content again: no block, no commit, the same ETag, nothing staged; a manifest, and once a line."""
    export(asking(env, simulator), now=FIRST_LOOK)
    first = store.stat(DUMP)
    dump = container.get_blob_client(DUMP)
    for lines in ([["ledger", "2025.jsonl"]], []):  # the day is final now; then nothing is other
        azurite.forget_traffic()
        assert export(asking(env, simulator), now=SECOND_LOOK).outcome == Outcome.UNCHANGED
        puts = [(sent.comp, sent.path.rsplit("/", 2)[-2:]) for sent in azurite.traffic() if sent.method == "PUT"]
        assert [path for comp, path in puts if path[0] != "locks"] == [*lines, MANIFEST.split("/")]
        assert store.stat(DUMP) == first
        assert staged_in(dump) == []
        assert manifest_in(store)["state"] == "final"


def test_a_changed_day_sends_what_changed(
    env: dict[str, str], simulator: Simulator, store: Store, azurite: Azurite
) -> None:
    """Of a day that grew in one hour, the other hours are not sent again."""
    with Simulator(events_per_hour=40, contents=[*FEW_HOURS, Resized("17", 5)]) as grown:
        export(asking(env, simulator), now=FIRST_LOOK)
        azurite.forget_traffic()
        assert export(asking(env, grown)).outcome == Outcome.REPLACED
        text = dump_of(grown.lines(DAY))
    third_hour = manifest_in(store)["hours"]["03"]["events"]
    unchanged = sum(len(line) + 1 for line in text.split(b"\n")[: third_hour + 1]) - len(b",\n") + len(b"\n]\n")
    assert contents(env)[DUMP] == text
    assert sent_bytes(azurite) == len(text) - unchanged


def test_status_takes_listings_only(env: dict[str, str], simulator: Simulator, store: Store, azurite: Azurite) -> None:
    """The coverage reads no manifest: its figures are in the metadata that a listing shows."""
    done = export(asking(env, simulator)).manifest
    azurite.forget_traffic()
    coverage = days_on(store).coverage(SECOND_LOOK)
    assert {sent.comp for sent in azurite.traffic()} == {"list"}
    row = coverage.row(DAY)
    assert row.whole
    assert (row.events, row.size, row.state) == (done.events, done.size, "final")


def test_verify_finds_a_changed_byte(
    env: dict[str, str], simulator: Simulator, store: Store, container: ContainerClient
) -> None:
    """A dump is read back against its manifest; one changed byte is found."""
    export(asking(env, simulator))
    assert verify_day(DAY, days_on(store)).problem is None
    text = contents(env)[DUMP]
    container.upload_blob(DUMP, text[:500] + b"?" + text[501:], overwrite=True)
    problem = verify_day(DAY, days_on(store)).problem
    assert problem is not None
    assert "Restore it, or export the day again" in problem


def test_a_damaged_day_is_sent_whole_again(
    env: dict[str, str], simulator: Simulator, store: Store, container: ContainerClient, azurite: Azurite
) -> None:
    """Its blocks have the right names and other bytes: verify puts that on record, the next export sends them anew."""
    export(asking(env, simulator))
    text, dump = contents(env)[DUMP], container.get_blob_client(DUMP)
    committed, _ = dump.get_block_list("committed")
    for block in committed:
        dump.stage_block(block.id, b"?" * block.size)
    metadata = dump.get_blob_properties().metadata
    dump.commit_block_list([BlobBlock(block.id) for block in committed], metadata=metadata)
    days = days_on(store)
    assert days.coverage(SECOND_LOOK).row(DAY).good
    note_verified(verify_day(DAY, days), days, "run-v", SECOND_LOOK)
    assert days.coverage(SECOND_LOOK).row(DAY).shown == "damaged"
    azurite.forget_traffic()
    assert export(asking(env, simulator)).outcome == Outcome.REPLACED
    assert sent_bytes(azurite) == len(text)
    assert contents(env)[DUMP] == text
    assert days.coverage(SECOND_LOOK).row(DAY).settled


def test_a_dump_without_its_manifest_is_not_whole(
    env: dict[str, str], simulator: Simulator, store: Store, azurite: Azurite
) -> None:
    """A day whose manifest is missing is due; the next export proves it and sends no block."""
    export(asking(env, simulator))
    store.delete(MANIFEST)
    assert not days_on(store).coverage(SECOND_LOOK).row(DAY).whole
    azurite.forget_traffic()
    export(asking(env, simulator))
    assert sent_bytes(azurite) == 0
    assert days_on(store).coverage(SECOND_LOOK).row(DAY).whole


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    env: dict[str, str], simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temp folder without room fails the day; nothing of it is visible but the record of the failure."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(StoreError, match="Nothing of the day is visible") as caught:
            export(asking(env, simulator))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert sorted(contents(env)) == [FAILURE]
    assert list(tmp_path.iterdir()) == []


def test_the_emulator_needs_no_identity_and_gets_its_container(
    azurite: Azurite, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a connection string the container is created, and an existing one is used."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.ca_file))
    env = {"EXPORT_STORAGE_CONNECTION_STRING": azurite.connection_string, "EXPORT_CONTAINER": "made-by-the-exporter"}
    assert export(asking(env, simulator)).outcome == Outcome.WRITTEN
    assert export(asking(env, simulator)).outcome == Outcome.UNCHANGED


def test_a_bad_connection_string_is_not_shown() -> None:
    """What is no connection string is a wrong setting; its text, a key perhaps, is in no message."""
    account = Account("amplitude", 10**6, connection_string="AccountKey " + KEY.rstrip("="))
    with pytest.raises(SettingsError, match="EXPORT_STORAGE_CONNECTION_STRING") as caught, open_blob_store(account):
        pass
    assert KEY[:10] not in str(caught.value)


def test_a_write_whose_answer_is_lost_has_happened(azurite: Azurite, container: ContainerClient) -> None:
    """The retry of a conditional write that had arrived meets its own work: that is no lost race."""
    with losing(azurite, container, "manifests/") as store:
        etag = store.write(MANIFEST, b"{}", seen=None, metadata={})
        assert store.read(MANIFEST) == (b"{}", etag)


def test_empty_metadata_stay_empty(store: Store) -> None:
    """A value without text comes back as such, and not as None, from a listing and from a look at one object."""
    store.write(MANIFEST, b"{}", seen=None, metadata={"kept": ""})
    assert [*store.list(LAYOUT.manifests), store.stat(MANIFEST)] == [store.stat(MANIFEST)] * 2
    assert [dict(entry.metadata or {}) for entry in store.list(LAYOUT.manifests)] == [{"kept": ""}]


def test_foreign_metadata_are_passed_on_as_text(store: Store, container: ContainerClient) -> None:
    """Whatever another program put there comes as plain text, from a listing and from a look; nobody claims a lease."""
    for name, metadata in (("a", {"events": "viele ä"}), ("b", {"lease": "leased", "x": ""}), ("c", {})):
        container.upload_blob(f"manifests/{name}", b"{}", metadata=metadata)
    listed = {entry.name: dict(entry.metadata or {}) for entry in store.list("manifests/")}
    assert listed["manifests/b"] == {"x": ""}
    assert listed["manifests/c"] == {}
    assert set(listed["manifests/a"]) == {"events"}
    for name, metadata in listed.items():
        found = store.stat(name)
        assert found is not None
        texts = [*metadata.values(), *(found.metadata or {}).values()]
        assert all(type(text) is str for text in texts)


def test_what_could_be_no_object_is_not_listed(store: Store, container: ContainerClient) -> None:
    """Another program's blob that no method of the store would take is in no listing."""
    for name in ("manifests/.hidden", "manifests//x", "manifests/x/", "manifests/x"):
        container.upload_blob(name, b"{}")
    assert [entry.name for entry in store.list("manifests/")] == ["manifests/x"]


class Properties:
    """A blob as the SDK shows it when an answer lacks what it should hold."""

    name, size, etag, metadata, blob_tier = "x", None, None, {"a": None, "b": 3}, None

    class lease:  # noqa: N801 - the SDK's name
        """No lease is told."""

        state = None


def test_an_answer_that_lacks_something_is_text_all_the_same() -> None:
    """Metadata without text, without a size, without an ETag: the entry holds text and numbers, whoever sent it."""
    entry = blob._entry(Properties)  # type: ignore[arg-type]
    assert (entry.size, dict(entry.metadata or {})) == (0, {"a": "", "b": "3"})
    Properties.metadata = None  # type: ignore[assignment]
    assert blob._entry(Properties).metadata == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["ä", "€", "two\nlines", "a\r\nx-ms-header: b"])
def test_metadata_that_are_no_headers_are_refused(store: Store, text: str) -> None:
    """They are the writer's mistake, said in one sentence, and nothing is written."""
    with pytest.raises(StoreError, match="metadata kept can hold printable ASCII only"):
        store.write(MANIFEST, b"{}", seen=None, metadata={"kept": text})
    draft = store.draft(DUMP, None)
    draft.write(0, b"[]")
    with pytest.raises(StoreError, match="metadata kept"):
        draft.commit({"kept": text})
    draft.discard()
    assert list(store.list("")) == []


def test_the_store_tells_where_it_is(store: Store, azurite: Azurite, container: ContainerClient) -> None:
    """Its text form is the container's address, for messages."""
    assert str(store) == f"{azurite.blob_url}/{container.container_name}"


def test_the_ledger_costs_two_requests_an_export(env: dict[str, str], simulator: Simulator, azurite: Azurite) -> None:
    """A look at its end, and an append; the first look of a run reads the whole year."""
    wanted = asking(env, simulator)
    place = env["EXPORT_LEDGER_CONTAINER"]

    def requests() -> list[str]:
        found = [f"{one.method} {one.comp}".strip() for one in azurite.traffic() if f"/{place}" in one.path]
        azurite.forget_traffic()
        return found

    export(wanted | {"EXPORT_SETTLE_HOURS": "0"})
    made = requests()
    assert len(made) <= 10, made  # once: none is there, it is looked for twice, and made with its container
    with exporting(wanted) as core:
        for number in range(1, 4):
            export_day(DAY - timedelta(days=number), core)
            assert requests() == ["GET", "PUT appendblock"]
        export_day(DAY, core)
        assert requests() == []  # nothing changed


def test_a_lost_answer_to_an_append_is_no_race(azurite: Azurite, container: ContainerClient) -> None:
    """The SDK sends it again and meets its own lines: they stand once."""
    with losing(azurite, container, "ledger/", "comp=appendblock") as store:
        store.append("ledger/x.jsonl", b"one\n", at=0)
        store.append("ledger/x.jsonl", b"two\n", at=4)
        assert b"".join(store.stream("ledger/x.jsonl")) == b"one\ntwo\n"
