"""What Azure's storage and identity say when they refuse, and what to do about it."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceNotFoundError, ServiceRequestError

from exporter.errors import LostRaceError, StoreError
from exporter.foreign import LONGEST_QUOTE, Foreign

ROLE = "Storage Blob Data Contributor"
RACE_LOST = frozenset(
    {"ConditionNotMet", "TargetConditionNotMet", "BlobAlreadyExists", "InvalidBlockList", "UnsatisfiableCondition"}
)
NO_CONTAINER = "ContainerNotFound"
_LONGEST = LONGEST_QUOTE
_LONGEST_READ = 1 << 14
_TAIL = re.compile(r"\s*(ErrorCode:|To mitigate this issue).*", re.DOTALL)
"""Where the words of Azure's errors end; the rest repeats them in XML, or is a link."""
_CAUSE = "AADSTS"
"""What Entra's own words begin with; before them stands who asked it, after them ids for its support."""
_NOT_SET_UP = (
    "not fully configured",
    "not installed",
    "not found on path",
    "could not be found",
    "azure-identity-broker",
)
"""What a credential says that was not even tried: in Azure most of them."""
SECRET_HEADERS = frozenset({"authorization", "x-identity-header", "x-ms-copy-source-authorization"})
"""Headers of a request that hold what must not be shown."""
_NO_CODE = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_CODE = 60
_CODE = re.compile(rf"[A-Za-z]{{0,{_LONGEST_CODE}}}")


@contextmanager
def explained(where: str, container: str) -> Iterator[None]:
    """Turn Azure's errors into ours, a line each; ``where`` is the account's address.

    Raises:
        LostRaceError: a condition on an ETag did not hold.
        StoreError: everything else that Azure refuses.
    """
    try:
        yield
    except AzureError as error:
        code, status = code_of(error), getattr(error, "status_code", None)
        if code in RACE_LOST or status == HTTPStatus.PRECONDITION_FAILED:
            raise LostRaceError(f"the day was changed by another exporter since this one looked ({code})") from error
        raise StoreError(
            f"{where}, container {container}: {_advice(error, status, code)} "
            f"(Azure says: {code or type(error).__name__}: {_words_of(error)})"
        ) from error


def if_there[Found](call: Callable[[], Found], *, optional: bool = False) -> Found | None:
    """What ``call`` gives, or None where the blob is not there.

    A container that is not there stays an error, unless it is ``optional``.

    Raises:
        AzureError: as ``call`` does.
    """
    try:
        return call()
    except ResourceNotFoundError as error:
        if code_of(error) == "BlobNotFound" or (optional and code_of(error) == NO_CONTAINER):
            return None
        raise


def headers_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """``metadata`` as Azure takes them, which travel as HTTP headers.

    Raises:
        StoreError: a character outside ASCII, or one that ends a header.
    """
    for name, text in metadata.items():
        if not (text.isascii() and (text.isprintable() or not text)):
            raise StoreError(f"the blob's metadata {name} can hold printable ASCII only. Nothing was written")
    return dict(metadata)


def _words_of(error: AzureError) -> str:
    """What Azure says, in one line. An identity's long error ends with its cause; a storage error begins with it."""
    text, foreign = _TAIL.sub("", str(error)[:_LONGEST_READ]), Foreign(_sent_with(error))
    words = foreign.line(text)
    if len(words) <= _LONGEST:
        return words
    if not isinstance(error, ClientAuthenticationError) or code_of(error):
        return words[:_LONGEST]
    if _CAUSE in words:
        return f"... {words[words.rfind(_CAUSE) :][:_LONGEST]}"
    tried = [attempt for attempt in text.split("\n\t") if not any(idle in attempt for idle in _NOT_SET_UP)]
    return f"... {foreign.line(' '.join(tried))[-_LONGEST:]}"


def code_of(error: AzureError) -> str:
    """Azure's short name for what is wrong, e.g. BlobNotFound; "" where it gives none."""
    code = getattr(error, "error_code", None)
    code = str(getattr(code, "value", code) or "")  # the SDK gives an enum's member for the codes it knows
    if not _CODE.fullmatch(code):  # and any server's words for all others, perhaps our token
        code = Foreign(_sent_with(error)).line(code)
    return _NO_CODE.sub("", code)[:_LONGEST_CODE]


def _sent_with(error: BaseException) -> Iterator[str]:
    """The credentials of the request that an error is about, or one that led to it: whoever answered knows them."""
    seen: BaseException | None = error
    while seen is not None:
        request = getattr(getattr(seen, "response", None), "request", None)
        for name, value in (getattr(request, "headers", None) or {}).items():
            if name.lower() in SECRET_HEADERS:
                yield from (str(value), str(value).rpartition(" ")[2])
        seen = seen.__cause__ or seen.__context__


def _advice(error: AzureError, status: int | None, code: str) -> str:
    if code in _REFUSALS:
        return _REFUSALS[code]
    if isinstance(error, ClientAuthenticationError) and not code:  # identity's own: storage always gives a code
        return _UNKNOWN_CALLER
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return _REFUSED_CALLER
    if isinstance(error, ServiceRequestError):
        return (
            "the account cannot be reached. Is EXPORT_STORAGE_URL spelt right, does its name resolve (or, with a "
            "connection string, does the emulator run)?"
        )
    return "the store did not answer as it should. Try again later" + (f"; status {status}" if status else "")


_UNKNOWN_CALLER = (
    "no token could be had for the identity. In Azure: is an identity assigned to the app, and is AZURE_CLIENT_ID its "
    "client id? Elsewhere: sign in with `az login` (or, with a connection string, look at its key)"
)
_REFUSED_CALLER = (
    "the token is refused: it is expired, or not meant for storage (https://storage.azure.com). Is the clock right? "
    f"Does the identity belong to the account's tenant, with the role {ROLE} on this container?"
)
_REFUSALS = {
    NO_CONTAINER: "the container does not exist. Create it, or look at EXPORT_CONTAINER",
    "BlobNotFound": "the object is not there any more. Call again",
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
    "InvalidAuthenticationInfo": _REFUSED_CALLER,
    "InvalidBlobOrBlock": (
        "another program left unfinished blocks under a dump's name. Azure drops them within 7 days; at once if the "
        "name is written anew (`az storage blob upload`) and then deleted"
    ),
    "BlobArchived": (
        "the blob lies in the archive tier. Bring it back first, which takes hours (`az storage blob set-tier --tier "
        "Hot`), then call again"
    ),
    "BlobImmutableDueToPolicy": (
        "an immutability policy keeps the stored object as it is. Look at the container's access policy"
    ),
}
