"""Load a day: ask for its windows one after the other and write their events into the dump.

A window that is too big comes back in halves; what is finished stays.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO

from exporter.amplitude import OWN_DESTINATION, AmplitudeClient, Answer
from exporter.archive import Events, Tally, unzip
from exporter.clock import Deadline, Progress
from exporter.dump import Dump, write_to_local
from exporter.errors import PermanentError, WindowTooBigError
from exporter.window import HOURS_A_DAY, Window

log = logging.getLogger(__name__)


@dataclass
class Plan:
    """The windows of a day that are still to be asked for, none wider than ``hours``."""

    day: date
    hours: int = HOURS_A_DAY
    pending: deque[Window] = field(default_factory=deque)

    def begin(self, hours: int) -> None:
        """Start with the whole day in windows of ``hours``."""
        self.hours = hours
        self.pending = deque(Window.of_day(self.day).cut(hours))

    def halve(self, refused: Window) -> None:
        """Put ``refused`` back in halves, and let no later window be wider than they are."""
        self.hours = min(self.hours, -(-refused.hours // 2))
        self.pending = deque(part for window in (refused, *self.pending) for part in window.cut(self.hours))


@dataclass(frozen=True)
class Loader:
    """What the windows of a day are loaded with, and into."""

    client: AmplitudeClient
    dump: Dump
    tally: Tally
    deadline: Deadline
    progress: Progress


def load(plan: Plan, loader: Loader) -> list[Answer]:
    """Load every window of the plan.

    Raises:
        PermanentError: an hour that is too big, or words of Amplitude's that say no.
        RefusedError, RetriableError, RejectedError: see AmplitudeClient.fetch and unzip.
    """
    answers = []
    while plan.pending:
        window = plan.pending.popleft()
        try:
            answers.append(_load_window(window, loader))
        except WindowTooBigError as error:
            if window.hours == 1:
                raise PermanentError(
                    f"{error}. An hour cannot be halved: raise EXPORT_TMP_LIMIT_MB if the temp folder has room for its "
                    f"archive. {OWN_DESTINATION}"
                ) from error
            plan.halve(window)
            log.warning(f"{error}. Asking for {plan.hours} hours at a time from here on")
    return answers


def _load_window(window: Window, loader: Loader) -> Answer:
    text, rejected = loader.dump.mark(), loader.tally.rejected.mark()
    found = Tally(loader.tally.rejected)

    def begin_again() -> None:
        nonlocal found
        loader.dump.back(text)
        loader.tally.rejected.back(rejected)
        found = Tally(loader.tally.rejected)

    def take(archive: BinaryIO) -> None:
        begin_again()
        blocks = unzip(archive, window, found, loader.progress)
        write_to_local(_in_time(blocks, loader.deadline), loader.dump)

    try:
        answer = loader.client.fetch(window, take, loader.deadline)
    except WindowTooBigError:
        begin_again()
        raise
    if not answer.archive_bytes:
        begin_again()  # an archive that broke may have come before the 404
    loader.tally.add(found)
    return answer


def _in_time(blocks: Iterator[Events], deadline: Deadline) -> Iterator[Events]:
    for events in blocks:
        deadline.check()
        yield events
