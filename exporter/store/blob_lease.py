"""The day's lease: a courtesy that saves double work. What proves a commit is its condition, not the lease."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from contextvars import copy_context
from functools import partial

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobClient, BlobLeaseClient

from exporter.errors import DayHeldError
from exporter.foreign import printable
from exporter.store.blob_errors import code_of, headers_of, if_there

LEASE_SECONDS = 60
RENEWALS = 3
"""A lease is renewed three times in its length, and four times as often after a renewal that failed."""
_SOONER = 4
LONGEST_RUN = 200
"""Characters of a run's id that are shown."""
_HELD = frozenset({"LeaseAlreadyPresent", "LeaseIdMissing"})
_LOST = frozenset(
    {
        "BlobNotFound",
        "LeaseIdMismatchWithLeaseOperation",
        "LeaseIsBreakingAndCannotBeChanged",
        "LeaseIsBrokenAndCannotBeRenewed",
        "LeaseLost",
        "LeaseNotPresentWithLeaseOperation",
    }
)
"""What a renewal is answered when the lease is another's or nobody's. Everything else passes."""

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
    created = None
    for _ in range(2):  # the holder may remove the blob between our two requests
        created = _create(blob, run)
        try:
            lease = if_there(partial(_take, blob, seconds))
        except HttpResponseError as error:
            if code_of(error) in _HELD:
                break
            raise
        if lease is None:
            continue
        if str(lease.etag) != created:  # not the blob that we have made: it names another run
            blob.set_blob_metadata({"run": run}, lease=lease)
        return lease
    holder = "" if created else _holder(blob)  # the run in a blob that we have just made is our own, not the holder's
    raise DayHeldError(
        f"{blob.blob_name} is held by run {holder or 'unknown'}, which is at work on this day. It is free when "
        f"that run ends, or {seconds} s after it was killed: wait for it, then call again",
        holder,
    )


def _create(blob: BlobClient, run: str) -> str | None:
    """Make the blob if it is not there; its ETag if it was made."""
    try:
        return str(blob.upload_blob(b"", overwrite=False, metadata=headers_of({"run": run}))["etag"])
    except ResourceExistsError:
        return None


def _take(blob: BlobClient, seconds: int) -> BlobLeaseClient:
    lease = BlobLeaseClient(blob)
    lease.acquire(lease_duration=seconds)
    return lease


def _holder(blob: BlobClient) -> str:
    found = if_there(blob.get_blob_properties)
    return printable(str((found.metadata or {}).get("run") or "")[:LONGEST_RUN]) if found else ""


def _renew(blob: BlobClient, lease: BlobLeaseClient, seconds: int, stop: threading.Event) -> None:
    turn = seconds / RENEWALS
    wait = turn
    while not stop.wait(wait):
        try:
            lease.renew(retry_total=0, read_timeout=turn)  # we try again ourselves, while there is time
            wait = turn
        except AzureError as error:
            if code_of(error) in _LOST:
                log.warning(
                    f"{blob.blob_name}: the lease could not be renewed; another exporter may begin ({_why(error)})"
                )
                return
            if wait == turn:  # said once, not at every try
                log.warning(f"{blob.blob_name}: the lease is not renewed yet, and tried again ({_why(error)})")
            wait = turn / _SOONER


def _why(error: AzureError) -> str:
    return code_of(error) or type(error).__name__
