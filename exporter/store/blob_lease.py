"""The day's lease: a courtesy that saves double work. What proves a commit is its condition, not the lease."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from contextvars import copy_context

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient

from exporter.errors import DayHeldError
from exporter.store.blob_errors import code_of

LEASE_SECONDS = 60
RENEWALS = 3
"""A lease is renewed three times in its length."""
_HELD = frozenset({"LeaseAlreadyPresent", "LeaseIdMissing"})

log = logging.getLogger(__name__)


@contextlib.contextmanager
def leased(blob: BlobClient, run: str, seconds: int = LEASE_SECONDS) -> Iterator[None]:
    """Hold ``blob`` for ``run``; it is free again at the latest ``seconds`` (15 to 60) after the holder's end.

    Raises:
        DayHeldError: another exporter holds it.
        AzureError: the store refuses.
    """
    lease = _acquire(blob, run, seconds)
    stop = threading.Event()
    in_context = copy_context().run  # its log lines keep the invocation's operation id
    renewing = threading.Thread(target=in_context, args=(_renew, blob, lease, seconds, stop), name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        stop.set()
        renewing.join(seconds)
        try:
            blob.delete_blob(lease=lease)
        except AzureError as error:  # it ends by itself; the day's result does not depend on it
            log.warning(
                f"{blob.blob_name}: the lease was not there to be given back, or ends by itself ({_why(error)})"
            )


def _acquire(blob: BlobClient, run: str, seconds: int) -> BlobLeaseClient:
    for _ in range(2):  # the holder may remove the blob between our two requests
        created = _create(blob, run)
        try:
            lease = BlobLeaseClient(blob)
            lease.acquire(lease_duration=seconds)
            blob.set_blob_metadata({"run": run}, lease=lease)
        except ResourceNotFoundError:
            continue
        except HttpResponseError as error:
            if code_of(error) in _HELD:
                break
            raise
        return lease
    holder = "" if created else _holder(blob)  # the run in a blob that we have just made is our own, not the holder's
    raise DayHeldError(
        f"{blob.blob_name} is held by run {holder or 'unknown'}, which is at work on this day. It is free when "
        f"that run ends, or {seconds} s after it was killed: wait for it, then call again",
        holder,
    )


def _create(blob: BlobClient, run: str) -> bool:
    """Make the blob if it is not there; whether it was made."""
    try:
        blob.upload_blob(b"", overwrite=False, metadata={"run": run})
    except ResourceExistsError:
        return False
    return True


def _holder(blob: BlobClient) -> str:
    try:
        return str(blob.get_blob_properties().metadata.get("run", ""))
    except ResourceNotFoundError:
        return ""


def _renew(blob: BlobClient, lease: BlobLeaseClient, seconds: int, stop: threading.Event) -> None:
    while not stop.wait(seconds / RENEWALS):
        try:
            lease.renew()
        except AzureError as error:
            log.warning(f"{blob.blob_name}: the lease could not be renewed; another exporter may begin ({_why(error)})")
            if isinstance(error, HttpResponseError):  # refused, not unreachable: it is lost for good
                return


def _why(error: AzureError) -> str:
    return code_of(error) or type(error).__name__
