import logging
import threading
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient, ContainerClient

from exporter.errors import DayHeldError
from exporter.store.blob_lease import leased
from tests.azure.azurite import Azurite

SECONDS = 15
"""The shortest lease that Azure gives."""
NAME = "locks/20251106_0000"


@pytest.fixture
def blob(container: ContainerClient) -> Iterator[BlobClient]:
    """The blob that is leased for a day."""
    with container.get_blob_client(NAME) as client:
        yield client


def renewals(azurite: Azurite) -> int:
    """Requests about leases that Azurite answered with 200: renewals, for a lease that is taken gets 201."""
    return sum((sent.comp, sent.status) == ("lease", 200) for sent in azurite.traffic())


def wait_for_renewals(azurite: Azurite, count: int) -> None:
    """Return once so many renewals have been seen; they come every third of a lease."""
    for _ in range(SECONDS * 20):
        if renewals(azurite) >= count:
            return
        threading.Event().wait(0.1)
    pytest.fail(f"{renewals(azurite)} renewals in {2 * SECONDS} s")


def test_who_holds_the_day_and_until_when(blob: BlobClient) -> None:
    """The second exporter is told the first one's run, and how long it may take."""
    with leased(blob, "run-1", SECONDS):
        with pytest.raises(DayHeldError) as caught, leased(blob, "run-2", SECONDS):
            pass
        assert caught.value.holder == "run-1"
        assert f"{NAME} is held by run run-1" in str(caught.value)
        assert "free when that run ends, or 15 s after it was killed" in str(caught.value)


def test_nothing_is_left_of_a_lease(blob: BlobClient) -> None:
    """Given back, a lease leaves no blob."""
    with leased(blob, "run-1", SECONDS):
        assert blob.exists()
    assert not blob.exists()


def test_the_blob_of_a_killed_exporter_is_taken_over(blob: BlobClient) -> None:
    """A blob whose lease has ended names its last holder until the next one takes it."""
    blob.upload_blob(b"", metadata={"run": "run-killed"})
    with leased(blob, "run-2", SECONDS):
        assert blob.get_blob_properties().metadata == {"run": "run-2"}


def test_renewed_while_held_and_free_when_not(blob: BlobClient, container: ContainerClient, azurite: Azurite) -> None:
    """A living exporter holds its day for longer than a lease; that of a dead one is free after 15 seconds."""
    with container.get_blob_client("locks/20251105_0000") as dead:
        dead.upload_blob(b"", metadata={"run": "run-dead"})
        BlobLeaseClient(dead).acquire(lease_duration=SECONDS)
        azurite.forget_traffic()
        with leased(blob, "run-1", SECONDS):
            with pytest.raises(DayHeldError, match="run-dead"), leased(dead, "run-2", SECONDS):
                pass
            wait_for_renewals(azurite, 3)  # 15 s: both leases would be over
            with leased(dead, "run-2", SECONDS):
                pass
            with pytest.raises(DayHeldError, match="run-1"), leased(blob, "run-2", SECONDS):
                pass


def test_a_lost_lease_is_said_once(blob: BlobClient, caplog: pytest.LogCaptureFixture) -> None:
    """Whose lease was taken away says so when it is renewed and when it ends, in a line each; no error comes of it."""
    with caplog.at_level(logging.WARNING, "exporter"), leased(blob, "run-1", SECONDS):
        BlobLeaseClient(blob).break_lease(0)
        blob.delete_blob()
        for _ in range(SECONDS * 10):
            if caplog.messages:
                break
            threading.Event().wait(0.1)
    assert [message.split(" (")[0] for message in caplog.messages] == [
        f"{NAME}: the lease could not be renewed; another exporter may begin",
        f"{NAME}: the lease was not there to be given back, or ends by itself",
    ]
    assert all("\n" not in message for message in caplog.messages)


def test_another_holder_keeps_its_lease(blob: BlobClient, caplog: pytest.LogCaptureFixture) -> None:
    """Who comes back too late does not take the lease of its successor away."""
    with caplog.at_level(logging.WARNING, "exporter"), leased(blob, "run-1", SECONDS):
        BlobLeaseClient(blob).break_lease(0)
        successor = BlobLeaseClient(blob)
        successor.acquire(lease_duration=SECONDS)
    assert len(caplog.messages) == 1
    successor.renew()


def test_a_store_that_refuses_is_no_holder(container: ContainerClient, blob: BlobClient) -> None:
    """An error of the store comes as it is, and not as a day that is held."""
    container.delete_container()
    with pytest.raises(ResourceNotFoundError), leased(blob, "run-1", SECONDS):
        pass
    container.create_container()  # the fixture removes it
