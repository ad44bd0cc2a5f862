"""Blob Storage behind the Store contract: managed identity, conditional commits, blocks named by their content."""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient, ContainerClient, ContentSettings, ExponentialRetry

from exporter.azure_errors import code_of, explained
from exporter.blob_draft import BlobDraft
from exporter.clock import Progress, unseen
from exporter.lease import LEASE_SECONDS, leased
from exporter.settings import Settings
from exporter.store import ANY, Entry

STORAGE_SCOPE = "https://storage.azure.com/.default"
JSON = ContentSettings(content_type="application/json")


@contextlib.contextmanager
def open_blob_store(
    settings: Settings, progress: Progress = unseen, lease_seconds: int = LEASE_SECONDS
) -> Iterator["BlobStore"]:
    """The container that the settings name: by identity, or in the emulator.

    Raises:
        StoreError: no token, no way in, no container.
    """
    retries: dict[str, Any] = {
        "retry_policy": ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=4, random_jitter_range=1),
        "connection_timeout": 20,
        "read_timeout": 120,
    }
    with contextlib.ExitStack() as opened, explained(settings.storage_url or "the emulator", settings.container):
        if settings.storage_url:
            identity = opened.enter_context(DefaultAzureCredential())
            identity.get_token(STORAGE_SCOPE)  # once, here: the SDK would retry a missing token for minutes
            service = BlobServiceClient(settings.storage_url, identity, **retries)
        else:
            service = BlobServiceClient.from_connection_string(settings.storage_connection_string, **retries)
        container = opened.enter_context(service).get_container_client(settings.container)
        if not settings.storage_url:
            with contextlib.suppress(ResourceExistsError):
                container.create_container()
        yield BlobStore(container, settings.parts_limit, progress, lease_seconds)


class BlobStore:
    """One container. ``parts_limit`` bounds the bytes of part files in the temp folder."""

    def __init__(
        self,
        container: ContainerClient,
        parts_limit: int,
        progress: Progress = unseen,
        lease_seconds: int = LEASE_SECONDS,
    ) -> None:
        self._container = container
        self._parts_limit = parts_limit
        self._progress = progress
        self._lease_seconds = lease_seconds

    def __str__(self) -> str:
        return str(self._container.url)

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self._container.primary_hostname, str(self._container.container_name))

    def read(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""
        with self._explained():
            try:
                found = self._container.download_blob(name)
                return found.readall(), found.properties.etag
            except ResourceNotFoundError as error:
                if code_of(error) == "BlobNotFound":
                    return None
                raise

    def write(self, name: str, content: bytes | BinaryIO, *, seen: str | None, metadata: Mapping[str, str]) -> str:
        """See Store."""
        condition: dict[str, Any] = {"overwrite": seen is not None}
        if seen not in (None, ANY):
            condition |= {"etag": seen, "match_condition": MatchConditions.IfNotModified}
        with self._explained():
            blob = self._container.get_blob_client(name)
            done = blob.upload_blob(content, metadata=dict(metadata), content_settings=JSON, **condition)
            return str(done["etag"])

    def delete(self, name: str) -> None:
        """See Store."""
        with self._explained():
            try:
                self._container.delete_blob(name)
            except ResourceNotFoundError as error:
                if code_of(error) != "BlobNotFound":
                    raise

    def list(self, prefix: str) -> Iterator[Entry]:
        """See Store."""
        with self._explained():
            for blob in self._container.list_blobs(name_starts_with=prefix, include=["metadata"]):
                yield Entry(blob.name, blob.size, blob.etag, blob.metadata or {})

    def stat(self, name: str) -> Entry | None:
        """See Store."""
        with self._explained():
            try:
                blob = self._container.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError as error:
                if code_of(error) == "BlobNotFound":
                    return None
                raise
            return Entry(name, blob.size, blob.etag, blob.metadata or {})

    def stream(self, name: str) -> Iterator[bytes]:
        """See Store."""
        with self._explained():
            yield from self._container.download_blob(name).chunks()

    @contextlib.contextmanager
    def lock(self, name: str, run: str) -> Iterator[None]:
        """See Store."""
        with contextlib.ExitStack() as held:
            with self._explained():
                held.enter_context(leased(self._container.get_blob_client(name), run, self._lease_seconds))
            self._progress("locked", 0, None)
            yield

    def draft(self, name: str, seen: str | None) -> BlobDraft:
        """See Store."""
        with self._explained():
            return BlobDraft(
                self._container.get_blob_client(name), seen, self._parts_limit, self._progress, self._explained
            )
