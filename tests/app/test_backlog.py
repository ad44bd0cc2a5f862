"""The queue of the chains on Azurite: counted, added to, and what cannot be counted. By identity: functions_host/."""

import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.storage.queue import QueueClient

from exporter.app.backlog import open_backlog
from exporter.app.chain import Chain
from exporter.errors import SettingsError, StoreError
from tests.azure.azurite import Azurite
from tests.kit import DAY

CHAINS = [Chain("run-1", (DAY,)), Chain("run-1", (DAY,), force=True)]


@pytest.fixture
def queue(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[QueueClient]:
    """A queue that is not there yet, gone after the test."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.ca_file))
    with QueueClient.from_connection_string(azurite.connection_string, f"q-{uuid.uuid4().hex}") as client:
        yield client


def values(azurite: Azurite) -> dict[str, str]:
    """The host's setting."""
    return {"AzureWebJobsStorage": azurite.connection_string}


def test_chains_are_counted_at_work_or_not(azurite: Azurite, queue: QueueClient) -> None:
    """A queue that was never used holds none; it is made with the first message, which the host can read."""
    with open_backlog(values(azurite), queue.queue_name) as backlog:
        assert backlog.count() == 0
        backlog.send(CHAINS)
        assert backlog.count() == 2
        taken = next(queue.receive_messages(visibility_timeout=600))
        assert backlog.count() == 2
        assert Chain.from_json(b64decode(taken.content)) in CHAINS
        queue.delete_message(taken)
        assert backlog.count() == 1
    queue.delete_queue()


@pytest.mark.parametrize(
    "settings", [{}, {"AzureWebJobsStorage": ""}, {"AzureWebJobsStorage": "AccountKey=secret"}, {"Azure": "x"}]
)
def test_without_a_storage_there_is_a_sentence(settings: dict[str, str]) -> None:
    """What the host's setting lacks is told, and no part of it."""
    with pytest.raises(SettingsError, match="AzureWebJobsStorage") as caught, open_backlog(settings, "q"):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("act", [lambda b: b.count(), lambda b: b.send(CHAINS)], ids=["count", "send"])
def test_a_queue_that_cannot_be_reached_is_told(act: Callable[[object], object]) -> None:
    """An error of ours with what to look at, and none of the other side's words."""
    nobody = {"AzureWebJobsStorage": "AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/a"}
    with pytest.raises(StoreError, match="queue q cannot be reached") as caught:  # noqa: SIM117
        with open_backlog(nobody, "q") as backlog:
            act(backlog)
    assert "a2V5" not in str(caught.value)


def test_what_is_queued_already_is_told(azurite: Azurite, queue: QueueClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first chain went out and the second could not: whoever asked hears that a part is under way."""
    sent: list[object] = []
    send = QueueClient.send_message

    def once(self: QueueClient, text: str) -> None:
        if sent:
            raise ServiceRequestError("gone")
        sent.append(send(self, text))

    queue.create_queue()
    monkeypatch.setattr(QueueClient, "send_message", once)
    with (
        pytest.raises(
            StoreError, match=r"run run-1: 1 of 2 chains are queued, the rest is not \(ServiceRequestError\)"
        ),
        open_backlog(values(azurite), queue.queue_name) as backlog,
    ):
        backlog.send(CHAINS)
    queue.delete_queue()
