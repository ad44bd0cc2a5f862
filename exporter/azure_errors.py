"""What Azure's storage and identity say when they refuse, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)

from exporter.errors import LostRaceError, StoreError

ROLE = "Storage Blob Data Contributor"
RACE_LOST = frozenset(
    {"ConditionNotMet", "TargetConditionNotMet", "BlobAlreadyExists", "InvalidBlockList", "UnsatisfiableCondition"}
)


@contextmanager
def explained(where: str, container: str) -> Iterator[None]:
    """Turn Azure's errors into ours; ``where`` is the account's address.

    Raises:
        LostRaceError: a condition on an ETag did not hold.
        StoreError: everything else that Azure refuses.
    """
    try:
        yield
    except AzureError as error:
        code = code_of(error)
        status = getattr(error, "status_code", None)
        if code in RACE_LOST or status == HTTPStatus.PRECONDITION_FAILED:
            raise LostRaceError(f"the day was changed by another exporter since this one looked ({code})") from error
        raise StoreError(f"{where}, container {container}: {_words(error, status, code)}") from error


def code_of(error: AzureError) -> str:
    """Azure's short name for what is wrong, e.g. BlobNotFound; "" where it gives none."""
    return str(getattr(error, "error_code", None) or "")


def _words(error: AzureError, status: int | None, code: str) -> str:
    first_line = str(error).split("\n", 1)[0][:300]
    if isinstance(error, HttpResponseError) and status is not None:
        words = _refusal(status, code)
    elif isinstance(error, ClientAuthenticationError):
        words = (
            "no token could be had for the identity. In Azure: is an identity assigned to the app, and is "
            "AZURE_CLIENT_ID its client id? Elsewhere: sign in with `az login`"
        )
    elif isinstance(error, ServiceRequestError):
        words = "the account cannot be reached. Is EXPORT_STORAGE_URL spelt right, does its name resolve?"
    else:
        words = "the store did not answer. Try again later"
    return f"{words} (Azure says: {code or type(error).__name__}: {first_line})"


def _refusal(status: int, code: str) -> str:
    if code in _REFUSALS:
        return _REFUSALS[code]
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return (
            "the token is refused: it is expired, or not meant for storage (https://storage.azure.com). Is the clock "
            f"right? Does the identity belong to the account's tenant, with the role {ROLE} on this container?"
        )
    return f"status {status}. Try again later"


_REFUSALS = {
    "ContainerNotFound": "the container does not exist. Create it, or look at EXPORT_CONTAINER",
    "AuthorizationPermissionMismatch": (
        f"the identity lacks a role. Assign it {ROLE} with this container as the scope; a new assignment takes up to "
        "ten minutes"
    ),
    "AuthorizationFailure": (
        "the account refuses the request. Either its firewall does not let this network in (Networking), or the "
        f"identity lacks the role {ROLE} on this container"
    ),
    "KeyBasedAuthenticationNotPermitted": (
        "the account allows no keys. Use EXPORT_STORAGE_URL and an identity, not a connection string"
    ),
}
