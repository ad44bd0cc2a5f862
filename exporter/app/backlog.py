"""The queue of the chains, as the app itself reaches it: counted before more is added to it.

The platform's bindings cannot count. Everything else that goes on the queue, the rest of a chain above all, goes there
by a binding, after its function has succeeded.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.storage.queue import ExponentialRetry, QueueClient, TextBase64EncodePolicy

from exporter.app.chain import Chain
from exporter.errors import SettingsError, StoreError
from exporter.store.blob_transport import Transport, Waits

CONNECTION = "AzureWebJobsStorage"
"""The setting of the host's storage, and what the names of its parts begin with."""
STORAGE_SCOPE = "https://storage.azure.com/.default"
WAITS = Waits(connect=5, write=20, read=20, again=3)


@contextmanager
def open_backlog(values: Mapping[str, str], name: str) -> Iterator["Backlog"]:
    """The queue ``name`` in the host's storage, found and opened as the host itself does it.

    Raises:
        SettingsError: ``values`` name no storage.
        StoreError: no token, or no way to the queue.
    """
    with ExitStack() as opened:
        try:
            client = opened.enter_context(_client(values, name, opened))
            yield Backlog(client)
        except AzureError as error:
            raise StoreError(
                f"the queue {name} cannot be reached ({_reason(error)}), and unless it is counted nothing is put on "
                f"it. Is {CONNECTION} right, and has the identity the role Storage Queue Data Contributor on the queue?"
            ) from error


class Backlog:
    """What is queued or at work."""

    def __init__(self, queue: QueueClient) -> None:
        self._queue = queue

    def count(self) -> int:
        """The chains, one a message; those at work are there, invisible. Azure's figure is never too low."""
        try:
            return self._queue.get_queue_properties().approximate_message_count or 0
        except ResourceNotFoundError:  # the host makes the queue with its first message
            return 0

    def send(self, queued: Sequence[Chain]) -> None:
        """Put chains on the queue.

        Raises:
            StoreError: some are on it, and the rest could not follow.
        """
        for number, chain in enumerate(queued):
            try:
                self._send(chain.to_json())
            except AzureError as error:
                if number == 0:
                    raise
                raise StoreError(
                    f"run {chain.run}: {number} of {len(queued)} chains are queued, the rest is not "
                    f"({_reason(error)}). Ask for the same days again when those are done"
                ) from error

    def _send(self, text: str) -> None:
        """The queue is made if need be."""
        try:
            self._queue.send_message(text)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):  # the host may be quicker
                self._queue.create_queue()
            self._queue.send_message(text)


def _reason(error: AzureError) -> str:
    """Azure's short name for what is wrong, or the error's kind; none of its words."""
    code = getattr(error, "error_code", None)
    return str(
        getattr(code, "value", code) or type(error).__name__
    )  # an enum's member for the codes that the SDK knows


def _client(values: Mapping[str, str], name: str, opened: ExitStack) -> QueueClient:
    """By connection string (the emulator), else by identity, in the host's order."""
    if whole := values.get(CONNECTION):
        try:
            return QueueClient.from_connection_string(whole, name, **_options())
        except ValueError:
            raise SettingsError(f"{CONNECTION} is not a connection string") from None  # the SDK's words may show a key
    account = values.get(f"{CONNECTION}__accountName")
    url = values.get(f"{CONNECTION}__queueServiceUri") or (account and f"https://{account}.queue.core.windows.net")
    if not url:
        raise SettingsError(f"{CONNECTION}__queueServiceUri is missing: the app cannot count what is on its queue")
    identity = _identity(values, opened)
    opened.enter_context(identity)
    identity.get_token(STORAGE_SCOPE)  # once, here: the SDK would retry a missing token for minutes
    return QueueClient(url, name, credential=identity, **_options())


def _options() -> dict[str, Any]:
    """Few and short waits, for a person waits for the answer. The host reads base64."""
    return {
        "retry_policy": ExponentialRetry(initial_backoff=0, increment_base=2, retry_total=2, random_jitter_range=1),
        "transport": Transport(WAITS),
        "message_encode_policy": TextBase64EncodePolicy(),
    }


def _identity(values: Mapping[str, str], opened: ExitStack) -> DefaultAzureCredential | ManagedIdentityCredential:
    """Who the host is to its storage."""
    wire = Transport(WAITS, own=False)  # one for all credentials of the chain, which close it each
    opened.callback(wire.session.close)
    options: dict[str, Any] = {"transport": wire, "retry_total": 3}
    client = values.get(f"{CONNECTION}__clientId")
    if values.get(f"{CONNECTION}__credential", "").lower() == "managedidentity":
        return ManagedIdentityCredential(client_id=client, **options)
    return DefaultAzureCredential(**options | ({"managed_identity_client_id": client} if client else {}))
