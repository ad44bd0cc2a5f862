from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerClient

from exporter.blob_store import open_blob_store
from exporter.settings import Settings
from exporter.store import Store
from tests.azure.azurite import Azurite
from tests.store_contract import StoreContract


@pytest.fixture
def by_identity(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings that name the test's container, and the environment in which a managed identity opens it."""
    for name, value in azure_env.items():
        monkeypatch.setenv(name, value)
    return Settings(storage_url=azurite.blob_url, container=str(container.container_name))


@pytest.fixture
def store(by_identity: Settings) -> Iterator[Store]:
    """The test's container by managed identity."""
    with open_blob_store(by_identity, lease_seconds=15) as opened:
        yield opened


class TestBlobStore(StoreContract):
    """The contract on Azurite, by managed identity."""

    @pytest.fixture
    def other(self, by_identity: Settings) -> Iterator[Store]:
        """Another exporter's view of the container."""
        with open_blob_store(by_identity, lease_seconds=15) as opened:
            yield opened
