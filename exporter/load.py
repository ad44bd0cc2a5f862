"""Load a day: ask for its windows one after the other and write their events into the dump.

The next window is on its way while one is being written. A window that is too big comes back in halves; what is
finished stays.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO

from exporter.amplitude.answers import OWN_DESTINATION
from exporter.amplitude.client import AmplitudeClient, Answer
from exporter.archive.unzip import Events, Tally, unzip
from exporter.clock import Deadline
from exporter.dump import Dump, write_to_local
from exporter.errors import PermanentError, WindowTooBigError
from exporter.report import Progress
from exporter.window import HOURS_A_DAY, Window

log = logging.getLogger(__name__)


PART = 64 << 20
"""Bytes of an archive from which on a day is asked for in parts, so that one arrives while another is taken in."""


@dataclass
class Plan:
    """The windows of a day that are still to be asked for, none wider than ``hours``."""

    day: date
    hours: int = HOURS_A_DAY
    pending: deque[Window] = field(default_factory=deque)

    def begin(self, hours: int, part_hours: int = HOURS_A_DAY) -> None:
        """Start with the whole day in windows of ``hours``, or of ``part_hours`` if that is less."""
        self.hours = hours
        self.pending = deque(Window.of_day(self.day).cut(min(hours, part_hours)))

    @property
    def next(self) -> Window | None:
        """The window that will be asked for next."""
        return self.pending[0] if self.pending else None

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


def part_hours(archive_bytes: int, archive_limit: int) -> int:
    """How many hours of a day like one of ``archive_bytes`` to ask for at a time: all 24, or equal parts.

    Two parts have room together in ``archive_limit``.
    """
    parts = -(-archive_bytes // min(PART, archive_limit // 2))
    return -(-HOURS_A_DAY // max(1, min(parts, HOURS_A_DAY)))


def load(plan: Plan, loader: Loader) -> list[Answer]:
    """Load every window of the plan.

    Raises:
        PermanentError: an hour that is too big, or words of Amplitude's that say no.
        RefusedError, RetriableError, RejectedError: see AmplitudeClient.fetch and unzip.
    """
    try:
        return list(_answers(plan, loader))
    finally:
        loader.client.call_off()


def _answers(plan: Plan, loader: Loader) -> Iterator[Answer]:
    while plan.pending:
        window = plan.pending.popleft()
        try:
            yield _load_window(window, plan.next, loader)
        except WindowTooBigError as error:
            if window.hours == 1:
                raise PermanentError(
                    f"{error}. An hour cannot be halved: raise EXPORT_TMP_LIMIT_MB if the temp folder has room for its "
                    f"archive. {OWN_DESTINATION}"
                ) from error
            plan.halve(window)
            log.warning(f"{error}. Asking for {plan.hours} hours at a time from here on")


def _load_window(window: Window, then: Window | None, loader: Loader) -> Answer:
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
        answer = loader.client.fetch(window, take, loader.deadline, then=then)
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
