from http import HTTPStatus

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)

from exporter.errors import LostRaceError, StoreError
from exporter.store.blob_errors import code_of, explained, if_there

ENTRA = (
    "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
    "value, not the client secret ID, for a secret added to app '0d7b6f5e-6f0e-4a57-9a4f-3f1f0c9d2b11'. "
    "Trace ID: 6f0e Correlation ID: 4a57 Timestamp: 2026-11-25 09:00:00Z"
)
TRIED = "".join(
    f"\n\t{name}Credential: {name} is not configured here, or not installed. Please visit https://aka.ms/{name} to "
    "troubleshoot this issue and to learn what it needs."
    for name in ("Workload", "SharedTokenCache", "VisualStudioCode", "AzureCli", "AzurePowerShell")
)
HEAD = "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:"
TAIL = "\nTo mitigate this issue, please refer to the troubleshooting guidelines here at https://aka.ms/troubleshoot."


def told(error: AzureError) -> str:
    """The line that becomes of an error."""
    with pytest.raises(StoreError) as caught, explained("https://account.example", "amplitude"):
        raise error
    return str(caught.value)


def refusal(kind: type[HttpResponseError], code: str, message: str = "no") -> HttpResponseError:
    """An error of the storage service."""
    error = kind(message)
    error.error_code = code  # type: ignore[attr-defined]  # the SDK sets it, too
    return error


@pytest.mark.parametrize(
    ("tried", "cause"),
    [
        (f"\n\tManagedIdentityCredential: {'It was asked. ' * 50}Nobody is there", "Nobody is there"),
        (f"{TRIED}\n\tEnvironmentCredential: Authentication failed: {ENTRA}", ENTRA),
        (f"\n\tEnvironmentCredential: Authentication failed: {ENTRA}{' More words.' * 100}", ENTRA),
        (f"{TRIED}\n\tManagedIdentityCredential: App Service: No User Assigned Identity", "No User Assigned Identity"),
        (f"\n\tManagedIdentityCredential: App Service: No User Assigned Identity{TRIED}", "No User Assigned Identity"),
    ],
    ids=[
        "with the cause last",
        "the last of many",
        "with much behind it",
        "no Entra at all",
        "before what is not installed",
    ],
)
def test_an_identitys_error_keeps_its_cause(tried: str, cause: str) -> None:
    """However long the list of what was tried is, the cause is in the line, and the advice to read a page is not."""
    line = told(ClientAuthenticationError(HEAD + tried + TAIL))
    assert cause in line
    assert "To mitigate" not in line
    assert "no token could be had" in line
    assert len(line) < 900


def test_a_short_error_is_told_whole() -> None:
    """What fits is not cut, at either end."""
    line = told(ClientAuthenticationError(f"{HEAD}\n\tManagedIdentityCredential: nobody there{TAIL}"))
    assert line.endswith(f"({HEAD} ManagedIdentityCredential: nobody there)".replace("\n", " ")[1:])
    assert "..." not in line


def test_a_storage_error_keeps_its_beginning() -> None:
    """There the words come first, and repetitions follow."""
    line = told(refusal(HttpResponseError, "ServerBusy", "The server is busy." + " And so on." * 100))
    assert "The server is busy." in line
    assert len(line) < 700


def test_a_line_holds_printable_characters_only() -> None:
    """Terminal escapes and control characters of a server, or of what stands before it, reach no terminal."""
    error = refusal(HttpResponseError, "Odd\x1b[2JCode" + "x" * 500, "red: \x1b[31m\x07 \u202e\nnext line")
    line = told(error)
    assert line.isprintable()
    assert code_of(error) == "OddCode" + "x" * 53


@pytest.mark.parametrize("status", [HTTPStatus.PRECONDITION_FAILED, None])
def test_a_condition_that_did_not_hold_is_a_lost_race(status: HTTPStatus | None) -> None:
    """By its status or by its code."""
    error = refusal(HttpResponseError, "" if status else "ConditionNotMet")
    error.status_code = status
    with pytest.raises(LostRaceError), explained("https://account.example", "amplitude"):
        raise error


def test_only_a_blob_may_be_missing() -> None:
    """A blob that is not there is None; a container that is not there, and every other error, stays one."""

    def fails(error: AzureError) -> None:
        raise error

    assert if_there(lambda: fails(refusal(ResourceNotFoundError, "BlobNotFound"))) is None
    assert if_there(lambda: 3) == 3
    for error in (refusal(ResourceNotFoundError, "ContainerNotFound"), ServiceRequestError("no way there")):
        with pytest.raises(type(error)):
            if_there(lambda error=error: fails(error))  # type: ignore[misc]
