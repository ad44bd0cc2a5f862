"""Append blobs: lines that are only ever added, each time on the condition that the blob is as long as it was seen."""

from contextlib import suppress

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from exporter.errors import StoreError
from exporter.store import LARGEST_READ
from exporter.store.blob_draft import content_settings
from exporter.store.blob_errors import NO_CONTAINER, code_of


def append_lines(container: ContainerClient, name: str, content: bytes, at: int) -> None:
    """See Store.append. A container that is not there is made, where the identity may.

    Raises:
        AzureError: the store refuses, or (412) the blob has another length.
        StoreError: there is no container, and none could be made.
    """
    blob = container.get_blob_client(name)
    try:
        if at == 0:
            _create(container, name)
        blob.append_block(content, length=len(content), appendpos_condition=at)
    except HttpResponseError:
        with suppress(AzureError):
            found = blob.download_blob(offset=at, length=LARGEST_READ).readall()
            # The answer may have been lost, and the SDK's retry have met its own work.
            if found.startswith(content):
                return
            # No exporter leaves lines without an end, and it may be that nobody can take them away. Once they have one
            # they are lines, and others can follow.
            if found and not found.endswith(b"\n"):
                blob.append_block(b"\n", length=1, appendpos_condition=at + len(found))
        raise


def _create(container: ContainerClient, name: str) -> None:
    """Make an empty one, unless there is one: an exporter that was stopped here leaves it, and it counts as none."""
    blob, settings = container.get_blob_client(name), content_settings(name)
    for made in (False, True):
        try:
            with suppress(ResourceExistsError):
                blob.create_append_blob(content_settings=settings, match_condition=MatchConditions.IfMissing)
        except ResourceNotFoundError as error:
            if made or code_of(error) != NO_CONTAINER:
                raise
            _make(container)
        else:
            return


def _make(container: ContainerClient) -> None:
    with suppress(ResourceExistsError):
        try:
            container.create_container()
        except ResourceExistsError:
            raise
        except AzureError as error:
            raise StoreError(
                f"{container.primary_hostname}: container {container.container_name} does not exist, and could not be "
                f"made ({code_of(error) or type(error).__name__}). Deploy infra/ again, which makes it, or create it "
                "and let this identity append there, or look at EXPORT_LEDGER_CONTAINER"
            ) from error
