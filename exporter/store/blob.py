"""Blob Storage behind the Store contract: managed identity, conditional commits, blocks named by their content."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobProperties, BlobServiceClient, ContainerClient, ContentSettings, ExponentialRetry

from exporter.errors import SettingsError
from exporter.report import Progress, Step, no_progress
from exporter.settings import Settings
from exporter.store import ANY, Entry
from exporter.store.blob_draft import BLOCK, BlobDraft
from exporter.store.blob_errors import code_of, explained
from exporter.store.blob_lease import LEASE_SECONDS, leased

# Its warnings, many lines each, say what the error says that follows them.
logging.getLogger("azure.identity").setLevel(logging.ERROR)

STORAGE_SCOPE = "https://storage.azure.com/.default"
JSON = ContentSettings(content_type="application/json")


@contextlib.contextmanager
def open_blob_store(
    settings: Settings, progress: Progress = no_progress, lease_seconds: int = LEASE_SECONDS
) -> Iterator["BlobStore"]:
    """The container that the settings name: by identity, or in the emulator.

    Raises:
        StoreError: no token, no way in, no container.
        SettingsError: the connection string is none.
    """
    with contextlib.ExitStack() as opened, explained(settings.storage_url or "the emulator", settings.container):
        if settings.storage_url:
            identity = opened.enter_context(DefaultAzureCredential())
            identity.get_token(STORAGE_SCOPE)  # once, here: the SDK would retry a missing token for minutes
            service = BlobServiceClient(settings.storage_url, identity, **_client_options())
        else:
            service = _emulator(settings.storage_connection_string)
        container = opened.enter_context(service).get_container_client(settings.container)
        if not settings.storage_url:
            with contextlib.suppress(ResourceExistsError):
                container.create_container()
        yield BlobStore(container, settings.parts_limit, progress, lease_seconds)


def _client_options() -> dict[str, Any]:
    """Few and short waits: what stays away for a minute is the next attempt's business."""
    waits = ExponentialRetry(initial_backoff=0, increment_base=2, retry_total=4, retry_connect=2, random_jitter_range=1)
    return {
        "retry_policy": waits,
        "connection_timeout": 10,
        "read_timeout": 60,
        "max_single_put_size": BLOCK,
    }


def _emulator(connection_string: str) -> BlobServiceClient:
    try:
        return BlobServiceClient.from_connection_string(connection_string, **_client_options())
    except ValueError:
        raise SettingsError(
            "EXPORT_STORAGE_CONNECTION_STRING is not a connection string. For the emulator: UseDevelopmentStorage=true"
        ) from None  # the SDK's message may show the key


class BlobStore:
    """One container. ``parts_limit`` bounds the bytes of part files in the temp folder."""

    def __init__(
        self,
        container: ContainerClient,
        parts_limit: int,
        progress: Progress = no_progress,
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
        blob = self._container.get_blob_client(name)
        with self._explained():
            try:
                done = blob.upload_blob(content, metadata=dict(metadata), content_settings=JSON, **condition)
                return str(done["etag"])
            except AzureError:
                there = self.read(name)  # the answer may have been lost, and the SDK's retry have met its own work
                if there and there[0] == content and there[1] != seen:
                    return there[1]
                raise

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
                yield _entry(blob)

    def stat(self, name: str) -> Entry | None:
        """See Store."""
        with self._explained():
            try:
                blob = self._container.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError as error:
                if code_of(error) == "BlobNotFound":
                    return None
                raise
            return _entry(blob)

    def stream(self, name: str) -> Iterator[bytes]:
        """See Store."""
        with self._explained():
            yield from self._container.download_blob(name).chunks()

    def part(self, name: str, start: int, length: int) -> bytes:
        """See Store."""
        with self._explained():
            return bytes(self._container.download_blob(name, offset=start, length=length).readall())

    @contextlib.contextmanager
    def lock(self, name: str, run: str) -> Iterator[None]:
        """See Store."""
        with contextlib.ExitStack() as held:
            with self._explained():
                held.enter_context(leased(self._container.get_blob_client(name), run, self._lease_seconds))
            self._progress(Step.LOCKED, 0, None)
            yield

    def draft(self, name: str, seen: str | None) -> BlobDraft:
        """See Store."""
        with self._explained():
            return BlobDraft(
                self._container.get_blob_client(name), seen, self._parts_limit, self._progress, self._explained
            )


def _entry(blob: BlobProperties) -> Entry:
    """A listing gives ETags without their quotes and empty metadata as None, everything else does not.

    A held lease shows as metadata of its own, so that a listing of the locks tells which days are being exported.
    """
    etag = str(blob.etag).strip('"')
    metadata = {name: text or "" for name, text in blob.metadata.items()}
    if blob.lease.state == "leased":
        metadata["lease"] = "leased"
    return Entry(str(blob.name), blob.size, f'"{etag}"', metadata)
