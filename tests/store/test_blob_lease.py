import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import BlobClient, BlobLeaseClient, ContainerClient

from exporter.errors import DayHeldError
from exporter.store import blob_lease
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


class Script:
    """Stands for a lease: its renewals end as the script says, None for well; ``options`` of each are kept."""

    def __init__(self, *ends: AzureError | None) -> None:
        self.options: list[dict[str, Any]] = []
        self.over = threading.Event()
        self._ends = list(ends)

    def renew(self, **options: Any) -> None:
        """The next end."""
        self.options.append(options)
        end = self._ends.pop(0)
        if not self._ends:
            self.over.set()
        if end:
            raise end


def refusal(status: int, code: str) -> HttpResponseError:
    """An answer of the storage service that refuses."""
    error = HttpResponseError(f"refused with {status}")
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]  # the SDK sets it, too
    return error


def renewed(blob: BlobClient, *ends: AzureError | None) -> Script:
    """Let the renewal of a very short lease meet these ends; return when the last one has come."""
    script, stop = Script(*ends), threading.Event()
    renewing = threading.Thread(target=blob_lease._renew, args=(blob, script, 0.03, stop))
    renewing.start()
    assert script.over.wait(60)
    stop.set()
    renewing.join()
    return script


PASSING = [
    refusal(503, "ServerBusy"),
    refusal(500, "InternalError"),
    refusal(403, "AuthorizationFailure"),
    refusal(409, "SomethingNew"),
    refusal(412, "ConditionNotMet"),
    refusal(404, "ContainerNotFound"),
    ServiceRequestError("no way there"),
    ServiceResponseError("cut off"),
    ClientAuthenticationError("no token just now"),
]


def test_a_renewal_that_failed_is_tried_again(blob: BlobClient, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is no loss of the lease ends its renewal never; it is said once, and anew after it went well."""
    with caplog.at_level(logging.WARNING, "exporter"):
        script = renewed(blob, *PASSING, None, *PASSING, None)
    assert len(script.options) == 2 * len(PASSING) + 2
    assert caplog.messages == [f"{NAME}: the lease is not renewed yet, and tried again (ServerBusy)"] * 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "BlobNotFound"),
        (409, "LeaseIdMismatchWithLeaseOperation"),
        (409, "LeaseIsBrokenAndCannotBeRenewed"),
        (409, "LeaseNotPresentWithLeaseOperation"),
        (409, "LeaseIsBreakingAndCannotBeChanged"),
        (412, "LeaseLost"),
    ],
)
def test_a_lost_lease_is_given_up(blob: BlobClient, caplog: pytest.LogCaptureFixture, status: int, code: str) -> None:
    """Whose lease is another's, or nobody's, does not ask for it again."""
    with caplog.at_level(logging.WARNING, "exporter"):
        script = Script(refusal(status, code), None)
        blob_lease._renew(blob, script, 0.03, threading.Event())  # type: ignore[arg-type]  # ends by itself
    assert len(script.options) == 1
    assert caplog.messages == [f"{NAME}: the lease could not be renewed; another exporter may begin ({code})"]


def test_a_renewal_that_failed_comes_again_sooner(blob: BlobClient) -> None:
    """After a failure the wait is a quarter of the usual one; and no renewal takes longer than the usual wait."""
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return len(waits) == 5

    script = Script(None, PASSING[0], PASSING[1], None, None)
    blob_lease._renew(blob, script, 60, Stop())  # type: ignore[arg-type]
    assert waits == [20, 20, 5, 5, 20]
    assert script.options == [{"retry_total": 0, "read_timeout": 20}] * 4


def requests_of(azurite: Azurite) -> list[tuple[str, str, int]]:
    """Method, comp and status of what Azurite saw."""
    return [(sent.method, sent.comp, sent.status) for sent in azurite.traffic()]


def test_a_fresh_lock_takes_three_requests(blob: BlobClient, azurite: Azurite) -> None:
    """It is made with its run's id, leased, and removed: one request each."""
    azurite.forget_traffic()
    with leased(blob, "run-1", SECONDS):
        assert blob.get_blob_properties().metadata == {"run": "run-1"}
    assert requests_of(azurite) == [("PUT", "", 201), ("PUT", "lease", 201), ("HEAD", "", 200), ("DELETE", "", 202)]


def test_a_lock_that_was_left_takes_four(blob: BlobClient, azurite: Azurite) -> None:
    """The lock of a killed exporter gets its new holder's name, which is the fourth request."""
    blob.upload_blob(b"", metadata={"run": "run-killed"})
    azurite.forget_traffic()
    with leased(blob, "run-2", SECONDS):
        pass
    assert requests_of(azurite) == [
        ("PUT", "", 409),
        ("PUT", "lease", 201),
        ("PUT", "metadata", 200),
        ("DELETE", "", 202),
    ]


def test_a_lock_made_anew_by_another_is_named_after_us(blob: BlobClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another exporter removed our lock and made its own before we leased it, it says our run in the end."""
    take = blob_lease._take

    def later(blob: BlobClient, seconds: int) -> BlobLeaseClient:
        blob.delete_blob()
        blob.upload_blob(b"", metadata={"run": "run-other"})
        return take(blob, seconds)

    monkeypatch.setattr(blob_lease, "_take", later)
    with leased(blob, "run-1", SECONDS):
        assert blob.get_blob_properties().metadata == {"run": "run-1"}
