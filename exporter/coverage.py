"""What the store holds, day by day: the rows of the table, of the JSON and of the page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from exporter.known import proves
from exporter.layout import Layout
from exporter.manifest import FINAL, Failure, Manifest
from exporter.store import Store
from exporter.window import days_of

MISSING = "missing"
FAILED = "failed"
EMPTY = "empty"


@dataclass(frozen=True)
class Row:
    """One day as the store has it.

    ``state`` is that of the manifest, None without one. ``whole``: the manifest proves the dump that is there.
    ``kept`` is the number of events that a later export found, when it was fewer.
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

    @property
    def shown(self) -> str:
        """The state in one word: final, provisional, empty, failed or missing."""
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

    def row(self, day: date) -> Row:
        """The row of ``day``; an empty one where nothing is known."""
        return next((row for row in self.rows if row.day == day), Row(day))


def read_coverage(store: Store, layout: Layout, yesterday: date) -> Coverage:
    """List what the store has; the rows have no gaps up to ``yesterday``."""
    dumps = {layout.day_of(entry.name): entry for entry in store.list(layout.dumps)}
    found: dict[date, Row] = {}
    for day, facts in _manifests(store, layout):
        found[day] = _row(day, facts, whole=proves(dumps.get(day), facts["sha256"], facts["etag"]))
    for failure in _failures(store, layout):
        found[failure.day] = Row(**vars(found.get(failure.day, Row(failure.day))) | {"failure": failure})
    if not found:
        return Coverage((), yesterday)
    first, last = min(found), max(yesterday, *found)
    return Coverage(tuple(found.get(day, Row(day)) for day in days_of(first, last)), yesterday)


def _manifests(store: Store, layout: Layout) -> Iterator[tuple[date, Mapping[str, str]]]:
    for entry in store.list(layout.manifests):
        day = layout.day_of(entry.name)
        if day is None:
            continue
        if entry.metadata and "sha256" in entry.metadata:
            yield day, entry.metadata
        elif stored := store.read(entry.name):
            yield day, Manifest.from_json(stored[0], entry.name).metadata()


def _failures(store: Store, layout: Layout) -> Iterator[Failure]:
    for entry in store.list(layout.failures):
        if layout.day_of(entry.name) and (stored := store.read(entry.name)):
            yield Failure.from_json(stored[0], entry.name)


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
