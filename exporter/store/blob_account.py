"""Where a container is, and the way in: by identity, or, in the emulator, by its connection string."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry

from exporter.errors import SettingsError
from exporter.foreign.addresses import connecting
from exporter.store.blob_draft import BLOCK
from exporter.store.blob_errors import explained
from exporter.store.blob_identity import Identity, TokenTransport
from exporter.store.blob_lease import LEASE_SECONDS
from exporter.store.blob_transport import Transport, Waits

# Its warnings, many lines each, say what the error says that follows them.
logging.getLogger("azure.identity").setLevel(logging.ERROR)

STORAGE_SCOPE = "https://storage.azure.com/.default"
TOKEN_SECONDS = 12
"""No try for a token begins later; with the longest try a credential takes 20 s at most."""
_TOKEN_WAITS = Waits(connect=5, write=5, read=8, again=3)
_TOKEN_TRIES = {"retry_total": 6, "retry_connect": 6, "retry_read": 6, "retry_status": 6, "retry_backoff_factor": 0.4}
"""Seven, with 0, 0.8, 1.6, 3, 3 and 3 s between them: an identity endpoint that hiccups costs no night."""


@dataclass(frozen=True, slots=True)
class Account:
    """A container's place, by ``url`` (Azure, by identity) or by ``connection_string`` (the emulator).

    Attributes:
        container: Its name.
        parts_limit: Bytes of all part files in the temp folder at a time.
        url: `https://<account>.blob.core.windows.net`; empty for the emulator.
        ledger: The name of the ledger's container in the same account; empty: it is not opened.
        connection_string: Of the emulator, on this machine; its container is made if it is missing.
        lease_seconds: 15 to 60: after so long the day of a killed exporter is free.
        waits: How long the storage service is waited for.
    """

    container: str
    parts_limit: int
    url: str = ""
    connection_string: str = field(default="", repr=False)
    ledger: str = ""
    lease_seconds: int = LEASE_SECONDS
    waits: Waits = field(default_factory=Waits)


@contextlib.contextmanager
def open_container(account: Account) -> Iterator[ContainerClient]:
    """The container of the account.

    Raises:
        StoreError: no token, no way in, no container.
        SettingsError: the address or the connection string is none that may be used.
    """
    with open_containers(account) as (container, _):
        yield container


@contextlib.contextmanager
def open_containers(account: Account) -> Iterator[tuple[ContainerClient, ContainerClient | None]]:
    """The container of the account, and the one of its ledger, if that is named; one way in for both.

    Raises:
        StoreError: no token, no way in, no container. The ledger's may be missing.
        SettingsError: the address or the connection string is none that may be used.
    """
    with contextlib.ExitStack() as opened, explained(account.url or "the emulator", account.container):
        service = opened.enter_context(_by_identity(account, opened) if account.url else _emulator(account))
        container = opened.enter_context(service.get_container_client(account.container))
        if not account.url:
            with contextlib.suppress(ResourceExistsError):
                container.create_container()
        yield container, service.get_container_client(account.ledger) if account.ledger else None


def _by_identity(account: Account, opened: contextlib.ExitStack) -> BlobServiceClient:
    address = connecting(account.url)
    if address is None or address.scheme != "https":
        raise SettingsError(
            "EXPORT_STORAGE_URL: an identity's token goes to a plain https:// address only. Write https:// and the "
            "account's host; for an emulator without TLS, set a connection string instead"
        )
    wire = TokenTransport(_TOKEN_WAITS, own=False)  # one for all credentials of the chain, which close it each
    opened.callback(wire.session.close)
    tries = {**_TOKEN_TRIES, "timeout": TOKEN_SECONDS}
    identity = Identity(opened.enter_context(DefaultAzureCredential(transport=wire, **tries)), wire)
    identity.get_token(STORAGE_SCOPE)  # once, here: the SDK would retry a missing token for minutes
    return BlobServiceClient(account.url, identity, **_client_options(account.waits))


def _emulator(account: Account) -> BlobServiceClient:
    try:
        service = BlobServiceClient.from_connection_string(account.connection_string, **_client_options(account.waits))
    except ValueError:
        raise SettingsError(
            "EXPORT_STORAGE_CONNECTION_STRING is not a connection string. For the emulator: UseDevelopmentStorage=true"
        ) from None  # the SDK's message may show the key
    hosts = filter(None, (service.primary_hostname, service.secondary_hostname))
    ends = [connecting(f"{service.scheme}://{host}") for host in hosts]
    if not all(end and end.loopback for end in ends):
        service.close()
        raise SettingsError(
            "EXPORT_STORAGE_CONNECTION_STRING is for the emulator on this machine, and leads to another one. For Azure "
            "set EXPORT_STORAGE_URL, and let an identity open the account"
        )
    return service


def _client_options(waits: Waits) -> dict[str, Any]:
    """Few and short waits: what stays away for a minute is the next attempt's business."""
    return {
        "retry_policy": ExponentialRetry(
            initial_backoff=0, increment_base=2, retry_total=4, retry_connect=2, random_jitter_range=1
        ),
        "transport": Transport(waits),
        "permit_redirects": False,  # neither Azure nor the emulator has any: whoever sends one is somebody else
        "max_single_put_size": BLOCK,
    }
