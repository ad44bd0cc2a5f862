"""The past of a blob: old versions, snapshots and soft-deleted ones, each removed as far as account and identity allow.

Removing a version takes a right that the app's identity does not have. Where the account keeps what is deleted (soft
delete), it is removed for good only if the account allows that, too; else it goes by itself after a number of days.
"""

from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContainerClient

from exporter.store import Remaining
from exporter.store.blob_errors import code_of

ROUNDS = 2
"""What is deleted in the first round is soft-deleted in the second, where the account keeps it."""
NOT_NOW = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.BAD_REQUEST, HTTPStatus.PRECONDITION_FAILED})
"""How an account refuses that does not allow it, lacks the right, or keeps versions by a policy."""
_EMULATED = frozenset({"InvalidQueryParameterValue", "NotImplemented", "APINotImplemented"})


def purge(container: ContainerClient, name: str) -> Remaining:
    """Remove everything that is kept of ``name`` beside what it is now; return what is left.

    Raises:
        AzureError: the store does not answer.
    """
    refused = ""
    for _ in range(ROUNDS):
        for one in _past(container, name):
            refused = _removed(container, one) or refused
    left = _past(container, name)
    days = [one.remaining_retention_days for one in left if one.remaining_retention_days is not None]
    return Remaining(len(left), max(days) if left and len(days) == len(left) else None, refused if left else "")


def _past(container: ContainerClient, name: str) -> list[BlobProperties]:
    """What is kept of this very name, and is not what is there now."""
    try:
        listed = list(container.list_blobs(name_starts_with=name, include=["versions", "snapshots", "deleted"]))
    except HttpResponseError as error:
        if code_of(error) in _EMULATED:  # an emulator knows no versions, and keeps none
            return []
        raise
    return [one for one in listed if one.name == name and _is_past(one)]


def _is_past(blob: BlobProperties) -> bool:
    return bool(blob.deleted or blob.snapshot or (blob.version_id and not blob.is_current_version))


def _removed(container: ContainerClient, one: BlobProperties) -> str:
    """Remove one; return why it could not be, in Azure's word for it."""
    if one.deleted and not (one.snapshot or one.version_id):
        return "soft-deleted"  # such a blob has no name of its own that it could be removed by
    blob = container.get_blob_client(str(one.name), snapshot=one.snapshot, version_id=one.version_id)
    try:
        if one.deleted:
            blob.delete_blob(blob_delete_type="Permanent")
        else:
            blob.delete_blob()
    except ResourceNotFoundError:
        return ""
    except HttpResponseError as error:
        if error.status_code not in NOT_NOW:
            raise
        return code_of(error) or "refused"
    return ""
