"""Blob Storage behind the Store contract: managed identity, conditional commits, blocks named by their content."""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, BinaryIO

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobProperties, ContainerClient

from exporter.errors import DamagedError
from exporter.report import Progress, Step, no_progress
from exporter.store import ANY, LARGEST_READ, Entry, Remaining, gone, too_large
from exporter.store.blob_account import Account, open_container, open_containers
from exporter.store.blob_append import append_lines
from exporter.store.blob_draft import BlobDraft, content_settings
from exporter.store.blob_errors import explained, headers_of, if_there
from exporter.store.blob_lease import LEASE_SECONDS, leased
from exporter.store.blob_past import purge
from exporter.store.names import checked, checked_prefix, is_name

LARGEST_PAGE = 5000
"""Blobs in an answer, as Azure has it."""


@contextlib.contextmanager
def open_blob_store(account: Account, progress: Progress = no_progress) -> Iterator["BlobStore"]:
    """The account's container as a store.

    Raises:
        StoreError: no token, no way in, no container.
        SettingsError: the address or the connection string is none that may be used.
    """
    with open_container(account) as container:
        yield BlobStore(container, account.parts_limit, progress, account.lease_seconds)


@contextlib.contextmanager
def open_blob_stores(account: Account, progress: Progress = no_progress) -> Iterator[tuple["BlobStore", "BlobStore"]]:
    """The account's container as a store, and that of its ledger, which may be missing until something is appended.

    Raises:
        StoreError: no token, no way in, no container.
        SettingsError: the address or the connection string is none that may be used.
    """
    with open_containers(account) as (container, ledger):
        store = BlobStore(container, account.parts_limit, progress, account.lease_seconds)
        yield store, BlobStore(ledger, account.parts_limit, progress, optional=True) if ledger else store


class BlobStore:
    """One container. ``parts_limit`` bounds the bytes of part files in the temp folder.

    ``optional``: a container that is not there has no objects, and `append` makes it.
    """

    def __init__(
        self,
        container: ContainerClient,
        parts_limit: int,
        progress: Progress = no_progress,
        lease_seconds: int = LEASE_SECONDS,
        *,
        optional: bool = False,
    ) -> None:
        self._container = container
        self._parts_limit = parts_limit
        self._progress = progress
        self._lease_seconds = lease_seconds
        self._optional = optional

    def __str__(self) -> str:
        return str(self._container.url)

    def read(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""
        blob = self._blob(name)

        def download() -> tuple[bytes, str]:
            found = blob.download_blob()
            if found.size > LARGEST_READ:
                raise too_large(name, found.size)
            return found.readall(), str(found.properties.etag)

        with self._explained():
            return if_there(download, optional=self._optional)

    def write(self, name: str, content: bytes | BinaryIO, *, seen: str | None, metadata: Mapping[str, str]) -> str:
        """See Store."""
        condition: dict[str, Any] = {"overwrite": seen is not None}
        if seen not in (None, ANY):
            condition |= {"etag": seen, "match_condition": MatchConditions.IfNotModified}
        blob = self._blob(name)
        with self._explained():
            try:
                done = blob.upload_blob(
                    content, metadata=headers_of(metadata), content_settings=content_settings(name), **condition
                )
                return str(done["etag"])
            except AzureError:
                there = None
                with contextlib.suppress(DamagedError):  # too large to be compared
                    there = self.read(name)  # the answer may have been lost, and the SDK's retry have met its own work
                if there and there[0] == content and there[1] != seen:
                    return there[1]
                raise

    def append(self, name: str, content: bytes, *, at: int) -> None:
        """See Store."""
        with self._explained():
            append_lines(self._container, checked(name), content, at)

    def delete(self, name: str) -> None:
        """See Store."""
        with self._explained():
            if_there(self._blob(name).delete_blob)

    def purge(self, name: str) -> Remaining:
        """See Store."""
        with self._explained():
            return purge(self._container, checked(name))

    def sweep(self, prefix: str) -> None:
        """See Store; blocks that were never committed go by themselves, a week later."""

    def list(self, prefix: str, most: int | None = None) -> Iterator[Entry]:
        """See Store."""
        start, page = checked_prefix(prefix), most or LARGEST_PAGE
        with self._explained():
            found = self._container.list_blobs(name_starts_with=start, include=["metadata"], results_per_page=page)
            for blob in islice(self._paged(found), most):
                if is_name(str(blob.name)):  # else another program's, which no method here would take
                    yield _entry(blob)

    def _paged(self, blobs: Iterator[BlobProperties]) -> Iterator[BlobProperties]:
        try:
            yield from blobs
        except ResourceNotFoundError:
            if not self._optional:
                raise

    def stat(self, name: str) -> Entry | None:
        """See Store."""
        with self._explained():
            found = if_there(self._blob(name).get_blob_properties, optional=self._optional)
        return _entry(found) if found else None

    def stream(self, name: str) -> Iterator[bytes]:
        """See Store."""
        with self._explained():
            found = if_there(self._blob(name).download_blob, optional=self._optional)
            if found is None:
                raise gone(name)
            yield from found.chunks()

    def part(self, name: str, start: int, length: int) -> bytes:
        """See Store."""
        with self._explained():
            return bytes(self._container.download_blob(name, offset=start, length=length).readall())

    @contextlib.contextmanager
    def lock(self, name: str, run: str) -> Iterator[None]:
        """See Store."""
        with contextlib.ExitStack() as held:
            with self._explained():
                held.enter_context(leased(self._blob(name), run, self._lease_seconds))
            self._progress(Step.LOCKED, 0, None)
            yield

    def draft(self, name: str, seen: str | None, *, afresh: bool = False) -> BlobDraft:
        """See Store."""
        with self._explained():
            return BlobDraft(self._blob(name), seen, self._parts_limit, self._progress, self._explained, afresh=afresh)

    def _blob(self, name: str) -> BlobClient:
        return self._container.get_blob_client(checked(name))

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self._container.primary_hostname, str(self._container.container_name))


def _entry(blob: BlobProperties) -> Entry:
    """A listing gives ETags without their quotes and empty metadata as None, everything else does not.

    A held lease shows as metadata of its own, so that a listing of the locks tells which days are being exported.
    What others put into metadata is passed on as text; who uses it judges it.
    """
    etag = str(blob.etag).strip('"')
    metadata = {str(name): str(text or "") for name, text in (blob.metadata or {}).items()}
    metadata.pop("lease", None)  # only a lease says so
    if blob.lease.state == "leased":
        metadata["lease"] = "leased"
    return Entry(str(blob.name), int(blob.size or 0), f'"{etag}"', metadata, str(blob.blob_tier or ""))
