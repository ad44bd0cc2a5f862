"""What every folder of tests may ask for: Azure's stand-ins. Without node they skip; when CI=true they fail."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from azure.storage.blob import ContainerClient

from tests.azure.azurite import Azurite, missing
from tests.azure.identity import Identity

pytest.register_assert_rewrite("tests.store.contract", "tests.kit", "tests.kit.rules", "tests.kit.blobs")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite for the whole run."""
    reason = missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with Azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(scope="session")
def identity() -> Iterator[Identity]:
    """One well-behaved identity endpoint for the whole run."""
    with Identity() as running:
        yield running


@pytest.fixture
def make_identity() -> Iterator[Callable[..., Identity]]:
    """Makes identity endpoints with faults of their own; takes the arguments of `Identity`."""
    with ExitStack() as running:

        def make(**faults: int | str) -> Identity:
            return running.enter_context(Identity(**faults))  # type: ignore[arg-type]  # each fault has its type

        yield make


@pytest.fixture
def container(azurite: Azurite) -> Iterator[ContainerClient]:
    """A new, empty container, gone after the test."""
    name = f"test-{uuid.uuid4().hex}"
    with ContainerClient.from_connection_string(
        azurite.connection_string, name, connection_verify=str(azurite.ca_file)
    ) as client:
        client.create_container()
        yield client
        client.delete_container()


@pytest.fixture
def azure_env(azurite: Azurite, identity: Identity) -> dict[str, str]:
    """The environment in which azure-identity and azure-storage reach the stand-ins by managed identity."""
    return {
        "REQUESTS_CA_BUNDLE": str(azurite.ca_file),
        "NO_PROXY": "127.0.0.1",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "AZURE_CLIENT_ID": identity.client_id,
        "EXPORT_LEDGER_CONTAINER": f"ledger-{uuid.uuid4().hex}",
        **identity.env,
    }
