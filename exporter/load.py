"""Load a day: ask for its windows one after the other, and take each archive in.

A window that is too big comes back in halves; what is finished stays. An archive that is not sound is forgotten, and
its window is asked for again.
"""

import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO

from exporter.amplitude.answers import OWN_DESTINATION
from exporter.amplitude.client import AmplitudeClient
from exporter.amplitude.retries import Tries
from exporter.archive.directory import holds_members
from exporter.archive.unzip import Tally, unzip
from exporter.clock import Deadline
from exporter.days.manifest import Source, WindowRecord
from exporter.days.rules import Neighbours, check_source
from exporter.dump import Dump
from exporter.errors import BadArchiveError, PermanentError, WindowTooBigError
from exporter.forget import Forget
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


@dataclass
class Evidence:
    """What an attempt has seen of its day. It adds up: no later answer takes it back.

    ``members`` stood, by hour, in the directory of an archive that was not sound; ``events`` were in members that were
    read to their end. ``windows`` held something, hours unknown: a body that broke off, or a window that was too big.
    """

    members: Counter[int] = field(default_factory=Counter)
    events: Counter[int] = field(default_factory=Counter)
    windows: list[Window] = field(default_factory=list)

    def add(self, window: Window, found: Tally, *, something: bool) -> None:
        """Remember what an archive that is not sound showed; ``something``: it began like one with members."""
        self.members |= found.members
        self.events |= found.proven
        if something and not found.members:
            self.windows.append(window)

    def check(self, status: int, window: Window, found: Tally) -> None:
        """Hold an answer for ``window`` that held what was ``found`` against what was seen before.

        Raises:
            BadArchiveError: it cannot be all there is.
        """
        asked = range(window.start.hour, window.start.hour + window.hours)
        lost = [h for h in asked if found.members[h] < self.members[h] or found.proven[h] < self.events[h]]
        if lost:
            hours = ", ".join(f"{hour:02}" for hour in lost)
            raise BadArchiveError(f"status {status}: less in the hours {hours} now, and there was more before")
        if not found.members and any(seen.overlaps(window) for seen in self.windows):
            raise BadArchiveError(f"status {status}: nothing in it now, and there was before, or it was too big")


@dataclass(frozen=True)
class Loader:
    """What the windows of a day are loaded with, and into."""

    client: AmplitudeClient
    dump: Dump
    tally: Tally
    deadline: Deadline
    progress: Progress
    near: Neighbours
    forget: Forget | None = None
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True)
class Loaded:
    """How the windows of a day were answered, and what that took; ``retries`` asked for the same window again.

    ``window_hours``: none was wider at the end. ``refused``: a wider one was.
    """

    windows: tuple[WindowRecord, ...]
    window_hours: int
    refused: bool
    requests: int
    retries: int


def load(plan: Plan, loader: Loader) -> Loaded:
    """Load every window of the plan.

    Raises:
        PermanentError: an hour that is too big, or words of Amplitude's that say no.
        RefusedError, RetriableError: see AmplitudeClient.ask and Tries.again.
        RejectedError: see unzip.
    """
    windows, requests, retries, asked = [], 0, 0, plan.hours
    while plan.pending:
        tries = loader.client.tries(plan.pending.popleft(), loader.deadline)
        try:
            windows.append(_load_window(tries, loader))
        except WindowTooBigError as error:
            loader.evidence.windows.append(tries.window)
            _halve(plan, tries.window, error)
        requests, retries = requests + tries.made, retries + tries.made - 1
    return Loaded(tuple(windows), plan.hours, plan.hours < asked, requests, retries)


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
        answer, found = loader.client.ask(tries), Tally(loader.tally.rejected)
        try:
            if answer.archive:
                _take_in(answer.archive, window, found, loader)
            if tries.gateway_timeouts or tries.broken_off:  # the first is usually too much data
                loader.evidence.windows.append(window)
            loader.evidence.check(answer.status, window, found)
        except BadArchiveError as error:
            loader.dump.back(text)
            loader.tally.rejected.back(rejected)
            tries.again(loader.client.foreign.line(str(error)), error)  # it quotes names that others gave
            continue
        loader.tally.add(found)
        if answer.archive:
            log.info(
                f"Data fetched successfully (status {answer.status}): window {window}, {answer.size} bytes, "
                "all of them verified"
            )
        if window.hours == 1 and 2 * answer.size > loader.client.archive_limit:
            log.warning(
                f"hour {window.first}: its archive has {answer.size} bytes, more than half of the "
                f"{loader.client.archive_limit} that one may have. Raise EXPORT_TMP_LIMIT_MB before it has too many"
            )
        return WindowRecord(window.first, window.last, answer.status, answer.size)


def _take_in(archive: BinaryIO, window: Window, found: Tally, loader: Loader) -> None:
    with archive:
        try:
            for events in unzip(archive, window, found, loader.progress, forget=loader.forget):
                loader.deadline.check()
                _check_project(found, loader)
                loader.dump.add(events)
        except BadArchiveError:
            loader.evidence.add(window, found, something=holds_members(archive))
            raise
        _check_project(found, loader)


def _check_project(found: Tally, loader: Loader) -> None:
    """Before anything is written: whose events are these? All windows of a day are of one project.

    Raises:
        OtherSourceError: the store's days are another project's.
        BadArchiveError: the windows before were.
    """
    if len(found.projects | loader.tally.projects) > 1:
        raise BadArchiveError(f"the archive is of another project than the windows before it ({loader.tally.projects})")
    for project in found.projects:
        check_source(loader.near.source, Source(loader.client.base_url, project), loader.near.dump)
