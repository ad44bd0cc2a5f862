"""What the store holds, day by day: the rows of the table, of the JSON and of the page."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from exporter.days.layout import Layout
from exporter.days.manifest import FINAL, Failure, Manifest
from exporter.days.rules import proves
from exporter.errors import PermanentError
from exporter.store import Store
from exporter.window import days_of

MISSING = "missing"
FAILED = "failed"
EMPTY = "empty"
RUNNING = "running"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One day as the store has it.

    ``state`` is that of the manifest, None without one. ``whole``: the manifest proves the dump that is there.
    ``kept`` is the number of events that a later export found, when it was fewer. ``running``: an exporter is at
    work on the day.
    """

    day: date
    state: str | None = None
    whole: bool = False
    events: int = 0
    size: int = 0
    rejected: int = 0
    finished_at: datetime | None = None
    kept: int | None = None
    failure: Failure | None = None
    running: bool = False

    @property
    def shown(self) -> str:
        """The state in one word: running, final, provisional, empty, failed or missing."""
        if self.running:
            return RUNNING
        if not self.whole or self.state is None:
            return FAILED if self.failure else MISSING
        return EMPTY if self.state == FINAL and not self.events else self.state

    def plain(self) -> dict[str, object]:
        """The row for JSON: names as in the manifest."""
        return {
            "day": str(self.day),
            "state": self.shown,
            "events": self.events,
            "bytes": self.size,
            "rejected": self.rejected,
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "kept": self.kept,
            "failure": self.failure
            and {
                "kind": self.failure.kind,
                "reason": self.failure.reason,
                "attempts": self.failure.attempts,
                "failed_at": self.failure.failed_at.isoformat(),
            },
        }


@dataclass(frozen=True)
class Coverage:
    """Every day from the oldest record (a manifest or a failure) to ``yesterday``, oldest first."""

    rows: tuple[Row, ...]
    yesterday: date

    @property
    def newest(self) -> date | None:
        """The newest whole day."""
        return max((row.day for row in self.rows if row.whole), default=None)

    @property
    def missing(self) -> list[date]:
        """Days since the first record that are not whole, oldest first."""
        return [row.day for row in self.rows if not row.whole]

    @property
    def final(self) -> frozenset[date]:
        """Days that a backfill leaves out: whole, final, and not failed since."""
        return frozenset(row.day for row in self.rows if row.whole and row.state == FINAL and not row.failure)

    def row(self, day: date) -> Row:
        """The row of ``day``; an empty one where nothing is known."""
        return next((row for row in self.rows if row.day == day), Row(day))


def spans(days: Iterable[date]) -> list[tuple[date, date]]:
    """The first and last of each stretch of consecutive ``days``, which come oldest first."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def read_coverage(store: Store, layout: Layout, yesterday: date) -> Coverage:
    """List what the store has; the rows have no gaps up to ``yesterday``.

    A manifest that cannot be read proves nothing: its day is not whole. It stops no other day.
    """
    dumps = {layout.day_of(entry.name): entry for entry in store.list(layout.dumps)}
    found: dict[date, Row] = {}
    for day, facts in _manifests(store, layout):
        whole = facts is not None and proves(dumps.get(day), facts["sha256"], facts["etag"])
        found[day] = _row(day, facts, whole=whole) if facts else Row(day)
    for failure in _failures(store, layout):
        found[failure.day] = replace(found.get(failure.day, Row(failure.day)), failure=failure)
    running = set(_running(store, layout))
    if not found:
        return Coverage((Row(yesterday, running=True),) if yesterday in running else (), yesterday)
    rows = (found.get(day, Row(day)) for day in days_of(min(found), max([yesterday, *found])))
    return Coverage(tuple(replace(row, running=True) if row.day in running else row for row in rows), yesterday)


def _manifests(store: Store, layout: Layout) -> Iterator[tuple[date, Mapping[str, str] | None]]:
    for entry in store.list(layout.manifests):
        day = layout.day_of(entry.name)
        if day is None:
            continue
        if entry.metadata and "sha256" in entry.metadata:
            yield day, entry.metadata
        elif stored := store.read(entry.name):
            try:
                yield day, Manifest.from_json(stored[0], entry.name).metadata()
            except PermanentError as error:
                log.error(str(error))
                yield day, None


def _failures(store: Store, layout: Layout) -> Iterator[Failure]:
    for entry in store.list(layout.failures):
        if layout.day_of(entry.name) and (stored := store.read(entry.name)):
            try:
                yield Failure.from_json(stored[0], entry.name)
            except PermanentError as error:
                log.error(str(error))


def _running(store: Store, layout: Layout) -> Iterator[date]:
    """The days whose lock is held, by what the store says of it: a killed exporter leaves a lock that nobody holds."""
    for entry in store.list(layout.locks):
        day = layout.day_of(entry.name)
        if day and (entry.metadata or {}).get("lease") == "leased":
            yield day


def _row(day: date, facts: Mapping[str, str], *, whole: bool) -> Row:
    return Row(
        day=day,
        state=facts["state"],
        whole=whole,
        events=int(facts["events"]),
        size=int(facts["bytes"]),
        rejected=int(facts["rejected"]),
        finished_at=datetime.fromisoformat(facts["finished"]),
        kept=int(facts["kept"]) if facts.get("kept") else None,
    )
