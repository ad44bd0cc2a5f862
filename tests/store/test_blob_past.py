"""Old versions and soft-deleted blobs, against a small server that has them: the emulator knows none."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from exporter.errors import StoreError
from exporter.settings import Settings
from exporter.store import Remaining, Store
from exporter.store.blob import open_blob_store
from exporter.store.blob_account import Account
from exporter.wiring import open_store
from tests.azure.azurite import ACCOUNT, KEY, Azurite
from tests.kit.blobs import blob_env, set_env

NAME = "20251106_0000_ampl_dump.json"


@dataclass
class Kept:
    """One thing that the account keeps of a name."""

    name: str
    version: str = ""
    snapshot: str = ""
    deleted: bool = False
    current: bool = False
    days: int | None = None

    @property
    def xml(self) -> str:
        """As a listing tells it."""
        parts = [f"<Name>{escape(self.name)}</Name>"]
        parts += [f"<Snapshot>{self.snapshot}</Snapshot>"] if self.snapshot else []
        parts += [f"<VersionId>{self.version}</VersionId>"] if self.version else []
        parts += ["<IsCurrentVersion>true</IsCurrentVersion>"] if self.current else []
        parts += ["<Deleted>true</Deleted>"] if self.deleted else []
        days = f"<RemainingRetentionDays>{self.days}</RemainingRetentionDays>" if self.days is not None else ""
        properties = f"<Content-Length>5</Content-Length><BlobType>BlockBlob</BlobType>{days}"
        return f"<Blob>{''.join(parts)}<Properties>{properties}</Properties></Blob>"


@dataclass
class StorageAccount:
    """A storage account: ``soft`` days of soft delete, whether it allows ``permanent`` deletion, who may what."""

    kept: list[Kept]
    soft: int = 0
    permanent: bool = False
    may_versions: bool = True
    broken: bool = False
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def delete(self, name: str, query: dict[str, str]) -> tuple[int, str]:
        """Answer DELETE."""
        found = next(
            (
                one
                for one in self.kept
                if one.name == name and query.get("versionid") == (one.version or None)
                if query.get("snapshot") == (one.snapshot or None)
            ),
            None,
        )
        if self.broken:
            return 401, "InvalidAuthenticationInfo"
        if not self.may_versions:
            return 403, "AuthorizationPermissionMismatch"
        if found is None:
            return 404, "BlobNotFound"
        assert not found.current, "the blob that is there was to be deleted"
        if query.get("deletetype", "").lower() == "permanent":
            if not self.permanent:
                return 409, "PermanentDeleteNotAllowed"
            assert found.deleted
            self.kept.remove(found)
        elif found.deleted:
            return 404, "BlobNotFound"
        elif self.soft:
            found.deleted, found.days = True, self.soft
        else:
            self.kept.remove(found)
        return 202, ""


class Handler(BaseHTTPRequestHandler):
    """The wire of an account."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes = b"", code: str = "") -> None:
        """Send one answer."""
        self.send_response(status)
        if code:
            self.send_header("x-ms-error-code", code)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """A listing."""
        account: StorageAccount = self.server.account  # type: ignore[attr-defined]
        prefix = parse_qs(urlsplit(self.path).query)["prefix"][0]
        blobs = "".join(one.xml for one in account.kept if one.name.startswith(prefix))
        text = f'<?xml version="1.0"?><EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>'
        account.seen.append(("GET", prefix, {}))
        self.answer(200, text.encode())

    def do_PUT(self) -> None:
        """The container is there."""
        self.answer(409, code="ContainerAlreadyExists")

    def do_DELETE(self) -> None:
        """Remove one."""
        account: StorageAccount = self.server.account  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        query = {name: found[0] for name, found in parse_qs(url.query).items()}
        name = unquote(url.path).split("/", 3)[-1]
        account.seen.append(("DELETE", name, query))
        status, code = account.delete(name, query)
        self.answer(status, code=code)

    def log_message(self, *_: object) -> None:
        """Keep the tests' console quiet."""


@contextmanager
def opened(account: StorageAccount) -> Iterator[Store]:
    """The account as a store."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.account = account  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        place = f"http://127.0.0.1:{server.server_port}/{ACCOUNT}"
        connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={place};"
        try:
            with open_blob_store(Account("amplitude", 10**6, connection_string=connection)) as store:
                yield store
        finally:
            server.shutdown()
            thread.join()


def past(**chosen: Any) -> StorageAccount:
    """An account with a dump, two old versions of it, a snapshot, and another day's past."""
    kept = [
        Kept(NAME, version="v3", current=True),
        Kept(NAME, version="v1"),
        Kept(NAME, version="v2"),
        Kept(NAME, snapshot="s1"),
        Kept(NAME + ".other", version="v1"),
        Kept("20251107_0000_ampl_dump.json", version="v1"),
    ]
    return StorageAccount(kept, **chosen)


def left(account: StorageAccount) -> list[tuple[str, str]]:
    """What is kept of the dump, but itself."""
    return [(one.version, one.snapshot) for one in account.kept if one.name == NAME and not one.current]


def test_old_versions_go_at_once_where_nothing_is_soft_deleted() -> None:
    """Each by its id; what is there stays, and so does every other name."""
    account = past()
    with opened(account) as store:
        assert store.purge(NAME) == Remaining()
    assert left(account) == []
    assert len(account.kept) == 3
    deletes = [(name, query) for method, name, query in account.seen if method == "DELETE"]
    assert deletes == [(NAME, {"versionid": "v1"}), (NAME, {"versionid": "v2"}), (NAME, {"snapshot": "s1"})]


def test_soft_deleted_ones_go_for_good_where_the_account_allows_it() -> None:
    """Each is deleted, and then deleted permanently."""
    account = past(soft=30, permanent=True)
    with opened(account) as store:
        assert store.purge(NAME) == Remaining()
    assert left(account) == []
    kinds = [query.get("deletetype") for method, _, query in account.seen if method == "DELETE"]
    assert [kind and kind.lower() for kind in kinds] == [None] * 3 + ["permanent"] * 3


def test_where_it_does_not_allow_it_the_days_are_told() -> None:
    """So that the record can say when they are gone."""
    account = past(soft=30)
    with opened(account) as store:
        assert store.purge(NAME) == Remaining(3, 30, "PermanentDeleteNotAllowed")


def test_without_the_right_the_number_is_told() -> None:
    """An old version has no date by which it goes."""
    account = past(may_versions=False)
    with opened(account) as store:
        assert store.purge(NAME) == Remaining(3, None, "AuthorizationPermissionMismatch")
    assert len(left(account)) == 3


def test_a_deleted_blob_without_versions_waits_for_its_days() -> None:
    """There is no request that could name it."""
    account = StorageAccount([Kept("rejected/20251106_0000.jsonl", deleted=True, days=12)])
    with opened(account) as store:
        assert store.purge("rejected/20251106_0000.jsonl") == Remaining(1, 12, "soft-deleted")
    assert [method for method, _, _ in account.seen if method == "DELETE"] == []


def test_whom_the_store_does_not_know_is_told() -> None:
    """It is not taken for a right that is missing."""
    with opened(past(broken=True)) as store, pytest.raises(StoreError):
        store.purge(NAME)


def test_the_emulator_keeps_nothing(
    azurite: Azurite, container: Any, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azurite has no versions: purging leaves the blob alone, and nothing is left."""
    env = blob_env(azurite, container, azure_env)
    set_env(monkeypatch, env)
    with open_store(Settings.from_mapping(env, keys_needed=False)) as store:
        store.write(NAME, b"one", seen=None, metadata={})
        store.write(NAME, b"two", seen="*", metadata={})
        assert store.purge(NAME) == Remaining()
        assert b"".join(store.stream(NAME)) == b"two"
