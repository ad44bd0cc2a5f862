"""Load a day: ask for its windows one after the other, and take each archive in.

A window that is too big comes back in halves; what is finished stays. An archive that is not sound is forgotten, and
its window is asked for again.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from typing import BinaryIO

from exporter.amplitude.answers import OWN_DESTINATION
from exporter.amplitude.client import AmplitudeClient
from exporter.amplitude.retries import Tries
from exporter.archive.unzip import Events, Tally, unzip
from exporter.clock import Deadline
from exporter.days.manifest import WindowRecord
from exporter.dump import Dump
from exporter.errors import BadArchiveError, PermanentError, WindowTooBigError
from exporter.report import Progress
from exporter.window import HOURS_A_DAY, Window

log = logging.getLogger(__name__)


@dataclass
class Plan:
    """The windows of ``day`` that are still to be asked for, none wider than ``hours`` (1 to 24)."""

    day: date
    hours: int = HOURS_A_DAY
    pending: deque[Window] = field(init=False)

    def __post_init__(self) -> None:
        self.pending = deque(Window.of_day(self.day).cut(self.hours))

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


@dataclass(frozen=True)
class Loaded:
    """How the windows of a day were answered, and what that took; ``retries`` asked for the same window again."""

    windows: tuple[WindowRecord, ...]
    requests: int
    retries: int


def load(plan: Plan, loader: Loader) -> Loaded:
    """Load every window of the plan.

    Raises:
        PermanentError: an hour that is too big, or words of Amplitude's that say no.
        RefusedError, RetriableError: see AmplitudeClient.ask and Tries.again.
        RejectedError: see unzip.
    """
    windows, requests, retries = [], 0, 0
    while plan.pending:
        tries = loader.client.tries(plan.pending.popleft(), loader.deadline)
        try:
            windows.append(_load_window(tries, loader))
        except WindowTooBigError as error:
            _halve(plan, tries.window, error)
        requests, retries = requests + tries.made, retries + tries.made - 1
    return Loaded(tuple(windows), requests, retries)


def _halve(plan: Plan, refused: Window, error: WindowTooBigError) -> None:
    if refused.hours == 1:
        raise PermanentError(
            f"{error}. An hour cannot be halved: raise EXPORT_TMP_LIMIT_MB if the temp folder has room for its "
            f"archive. {OWN_DESTINATION}"
        ) from error
    plan.halve(refused)
    log.warning(f"{error}. Asking for {plan.hours} hours at a time from here on")


def _load_window(tries: Tries, loader: Loader) -> WindowRecord:
    window, text, rejected = tries.window, loader.dump.mark(), loader.tally.rejected.mark()
    while True:
        answer = loader.client.ask(tries)
        if answer.archive is None:
            return WindowRecord(window.first, window.last, answer.status, 0)
        try:
            _take_in(answer.archive, window, loader)
        except BadArchiveError as error:
            loader.dump.back(text)
            loader.tally.rejected.back(rejected)
            tries.again(str(error), error)
        else:
            log.info(
                f"Data fetched successfully (status {HTTPStatus.OK}): window {window}, {answer.size} bytes, "
                "all of them verified"
            )
            return WindowRecord(window.first, window.last, answer.status, answer.size)


def _take_in(archive: BinaryIO, window: Window, loader: Loader) -> None:
    found = Tally(loader.tally.rejected)
    with archive:
        for events in _in_time(unzip(archive, window, found, loader.progress), loader.deadline):
            loader.dump.add(events)
    loader.tally.add(found)


def _in_time(blocks: Iterator[Events], deadline: Deadline) -> Iterator[Events]:
    for events in blocks:
        deadline.check()
        yield events
