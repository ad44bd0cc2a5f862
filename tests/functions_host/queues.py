"""The host's queue listener, as the Storage Queues extension 5 behaves on Azurite's queues.

Source: Azure/azure-sdk-for-net, sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Queues/src/Listeners:
QueueListener.cs, QueueListenerFactory.cs, QueueProcessor.cs. Imitated: one poll at a time, when a test asks for it.
"""

import binascii
import contextlib
import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage, QueueServiceClient

from tests.functions_host.function import Function, Invocation
from tests.functions_host.rpc import messages

POISON = "-poison"
Run = Callable[[Function, Mapping[str, Any], Mapping[str, Any]], Invocation]


@dataclass(frozen=True)
class Rules:
    """host.json's `extensions.queues`, and two times that tests shorten.

    Attributes:
        batch_size: Messages taken in one poll.
        max_dequeue_count: A message that was taken more often is not run again.
        retry_seconds: How long a message stays invisible after a failed run (`visibilityTimeout`).
        base64: Whether messages are base64 (`messageEncoding`).
        lock_seconds: How long a taken message is invisible; renewed at half time while its function runs.
    """

    batch_size: int
    max_dequeue_count: int
    retry_seconds: int
    base64: bool
    lock_seconds: int

    @classmethod
    def of(cls, host_json: Mapping[str, Any], lock_seconds: int, retry_seconds: int | None) -> Self:
        """The rules of a host.json; `retry_seconds` overrides its `visibilityTimeout`."""
        told = host_json.get("extensions", {}).get("queues", {})
        hours, minutes, seconds = map(int, told.get("visibilityTimeout", "00:00:00").split(":"))
        return cls(
            batch_size=told.get("batchSize", 16),
            max_dequeue_count=told.get("maxDequeueCount", 5),
            retry_seconds=hours * 3600 + minutes * 60 + seconds if retry_seconds is None else retry_seconds,
            base64=told.get("messageEncoding", "base64").lower() == "base64",
            lock_seconds=lock_seconds,
        )


@dataclass(frozen=True)
class Taken:
    """One message that a poll took, and what became of it.

    Attributes:
        queue: Where it was taken from.
        text: Its decoded text; None if it could not be decoded.
        dequeue_count: How often it has been taken, this time included.
        fate: `deleted`, `released` (comes back after `retry_seconds`), `poisoned` (moved to the poison queue), or
            `left` (comes back when its lock ends).
        invocation: The run; None if the function was not called.
    """

    queue: str
    text: str | None
    dequeue_count: int
    fate: Literal["deleted", "released", "poisoned", "left"]
    invocation: Invocation | None


class Queues:
    """The queues of one host."""

    def __init__(self, service: QueueServiceClient, rules: Rules) -> None:
        self._service = service
        self._rules = rules

    def send(self, queue: str, text: str) -> None:
        """Puts a message on a queue as an output binding does; the queue is created if need be."""
        self._put(queue, b64encode(text.encode()).decode() if self._rules.base64 else text)

    def count(self, queue: str) -> int:
        """How many messages a queue holds, invisible ones included; 0 without the queue."""
        try:
            return self._client(queue).get_queue_properties().approximate_message_count or 0
        except ResourceNotFoundError:
            return 0

    def texts(self, queue: str) -> list[str]:
        """The visible messages' texts, at most 32; they stay where they are. None without the queue."""
        try:
            return [self._text(message.content) for message in self._client(queue).peek_messages(32)]
        except ResourceNotFoundError:
            return []

    def step(self, function: Function, run: Run, *, die_before_delete: bool = False) -> list[Taken]:
        """Polls the function's queue once and runs the function on each message taken.

        Args:
            function: One with a queue trigger.
            run: Runs it; carries out its outputs if it succeeds.
            die_before_delete: The host dies between the outputs and the delete, so the message is delivered again.
        """
        name = function.trigger["queueName"]
        size = self._rules.batch_size
        pages = self._client(name).receive_messages(messages_per_page=size, visibility_timeout=self._rules.lock_seconds)
        try:
            batch = list(next(pages.by_page(), ()))
        except ResourceNotFoundError:
            return []  # nothing was ever sent
        return [self._one(function, run, message, die_before_delete) for message in batch]

    def _one(self, function: Function, run: Run, message: QueueMessage, die_before_delete: bool) -> Taken:
        name: str = function.trigger["queueName"]
        count = message.dequeue_count or 1
        try:
            text = self._text(message.content)
        except ValueError:
            return Taken(name, None, count, self._give_up(name, message), None)
        if count > self._rules.max_dequeue_count:
            return Taken(name, text, count, self._give_up(name, message), None)
        with self._locked(name, message) as lock:
            inputs = {function.trigger["name"]: messages.TypedData(string=text)}
            invocation = run(function, inputs, _trigger_metadata(message, text))
        if die_before_delete:
            return Taken(name, text, count, "left", invocation)
        return Taken(name, text, count, self._finish(name, lock.message, invocation), invocation)

    def _finish(
        self, name: str, message: QueueMessage, invocation: Invocation
    ) -> Literal["deleted", "released", "poisoned", "left"]:
        if invocation.ok:
            self._client(name).delete_message(message)
            return "deleted"
        if name.endswith(POISON):
            return "left"  # a poison queue has none of its own: the host lets the lock run out
        if (message.dequeue_count or 1) >= self._rules.max_dequeue_count:
            return self._give_up(name, message)
        self._client(name).update_message(message, visibility_timeout=self._rules.retry_seconds)
        return "released"

    def _give_up(self, name: str, message: QueueMessage) -> Literal["poisoned", "left"]:
        """Moves a message to the poison queue, its content unchanged; one on a poison queue is left alone."""
        if name.endswith(POISON):
            return "left"
        self._put(name + POISON, message.content)
        self._client(name).delete_message(message)
        return "poisoned"

    @contextlib.contextmanager
    def _locked(self, name: str, message: QueueMessage) -> Iterator["_Lock"]:
        """Renews a message's lock while its function runs; if the host dies instead, the lock runs out."""
        lock = _Lock(message)
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self._rules.lock_seconds / 2):
                seconds = self._rules.lock_seconds
                renewed = self._client(name).update_message(lock.message, visibility_timeout=seconds)
                lock.message.pop_receipt = renewed.pop_receipt

        thread = threading.Thread(target=renew)
        thread.start()
        try:
            yield lock
        finally:
            done.set()
            thread.join()

    def _put(self, queue: str, content: str) -> None:
        client = self._client(queue)
        try:
            client.send_message(content)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another host may create it at the same time
                client.create_queue()
            client.send_message(content)

    def _client(self, queue: str) -> QueueClient:
        return self._service.get_queue_client(queue)

    def _text(self, content: str) -> str:
        """A message's text.

        Raises:
            ValueError: It is no base64, or no UTF-8.
        """
        if not self._rules.base64:
            return content
        try:
            return b64decode(content, validate=True).decode()
        except binascii.Error as error:
            raise ValueError(f"no base64: {content}") from error


@dataclass
class _Lock:
    """A taken message; renewing the lock gives it a new pop receipt."""

    message: QueueMessage


def _trigger_metadata(message: QueueMessage, text: str) -> dict[str, Any]:
    """What the host tells a queue function of its message, beside the text."""

    def as_json(value: int | datetime | None) -> Any:
        return messages.TypedData(json=json.dumps(value.isoformat() if isinstance(value, datetime) else value))

    return {
        "QueueTrigger": messages.TypedData(string=text),
        "Id": messages.TypedData(string=message.id),
        "PopReceipt": messages.TypedData(string=message.pop_receipt),
        "DequeueCount": as_json(message.dequeue_count),
        "ExpirationTime": as_json(message.expires_on),
        "InsertionTime": as_json(message.inserted_on),
        "NextVisibleTime": as_json(message.next_visible_on),
    }
