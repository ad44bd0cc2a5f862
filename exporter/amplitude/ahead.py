"""A window asked for ahead: its body arrives on a thread of its own while the one before it is taken in.

Both archives have the room of one: the later one pauses where none is left, until the earlier one is gone.
"""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import BinaryIO

from exporter.amplitude.retries import Tries
from exporter.clock import Deadline
from exporter.window import Window

LOOK_SECONDS = 1.0
"""How often a download that pauses looks at its deadline."""


@dataclass(frozen=True)
class Body:
    """What came for a window: a whole body of ``size`` bytes in a temp file, or None: Amplitude has nothing in it."""

    archive: BinaryIO | None
    size: int


class Share:
    """How many bytes an archive may take beside another one."""

    def __init__(self, free: float = math.inf) -> None:
        self._free = free
        self._alone = threading.Event()

    def wait_for(self, size: int, deadline: Deadline) -> None:
        """Return when an archive of ``size`` bytes has room.

        Raises:
            DeadlineError: before that.
        """
        while size > self._free and not self._alone.wait(LOOK_SECONDS):
            deadline.check()

    def open(self) -> None:
        """The other archive is gone."""
        self._alone.set()


class Ahead:
    """Starts to ask at once. What comes of it, an exception too, waits for `body`."""

    def __init__(self, tries: Tries, arrive: Callable[[Tries, Share], Body], free: int) -> None:
        self._called_off = threading.Event()
        self.tries = replace(tries, deadline=replace(tries.deadline, called_off=self._called_off.is_set))
        self.share = Share(free)
        self._body: Future[Body] = Future()
        # A daemon: a program that ends need not wait ten minutes for a first byte that nobody wants any more.
        threading.Thread(target=copy_context().run, args=(self._run, arrive), name="ahead", daemon=True).start()

    @property
    def window(self) -> Window:
        """What is asked for."""
        return self.tries.window

    def body(self) -> Body:
        """Wait for the body; raises what asking for it raised."""
        return self._body.result()

    def call_off(self) -> None:
        """Nobody wants it: no further request is sent, no further byte is read, the archive goes."""
        self._called_off.set()
        self._body.add_done_callback(_close)

    def _run(self, arrive: Callable[[Tries, Share], Body]) -> None:
        try:
            body = arrive(self.tries, self.share)
        except BaseException as error:  # noqa: BLE001 - raised again by body()
            self._body.set_exception(error)
        else:
            self._body.set_result(body)


def _close(done: Future[Body]) -> None:
    if done.exception() is None and (archive := done.result().archive):
        archive.close()
