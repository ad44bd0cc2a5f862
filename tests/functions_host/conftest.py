"""Hosts for the tests of this folder."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient

from tests.azure.azurite import Azurite
from tests.functions_host.host import Host


@pytest.fixture
def queue_service(azurite: Azurite) -> Iterator[QueueServiceClient]:
    """Azurite's queue service; every queue is deleted after the test."""
    with QueueServiceClient.from_connection_string(
        azurite.connection_string, connection_verify=str(azurite.ca_file)
    ) as service:
        yield service
        for queue in list(service.list_queues()):
            service.delete_queue(queue)


@pytest.fixture
def make_host(
    azurite: Azurite, azure_env: dict[str, str], queue_service: QueueServiceClient
) -> Iterator[Callable[..., Host]]:
    """Starts hosts: `make_host(app_dir, {"SETTING": "value"}, lock_seconds=600, retry_seconds=None)`.

    An app sees these settings, AzureWebJobsStorage and azure_env, and nothing else.
    """
    if sys.version_info < (3, 13):
        pytest.skip("azure-functions-runtime needs Python 3.13; deploy on 3.13")
    with ExitStack() as running:

        def make(
            app_dir: Path, settings: Mapping[str, str], *, lock_seconds: int = 600, retry_seconds: int | None = None
        ) -> Host:
            every = {"AzureWebJobsStorage": azurite.connection_string, **azure_env, **settings}
            host = Host(app_dir, every, queue_service, lock_seconds=lock_seconds, retry_seconds=retry_seconds)
            return running.enter_context(host)

        yield make
