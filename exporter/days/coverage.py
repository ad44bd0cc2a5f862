"""What the store holds, day by day: the rows of the table, of the JSON and of the page. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self

from exporter.days.facts import Facts
from exporter.days.manifest import DAMAGED, SETTLED, Failure

MISSING = "missing"
FAILED = "failed"
RUNNING = "running"
NEWER = "newer"


@dataclass(frozen=True)
class Row:
    """One day as the store has it.

    ``state`` is that of the manifest, None without one. ``whole``: the manifest proves the dump that is there.
    ``fewer_found`` is the number of events that a later export found, when it was fewer. ``quiet_hours`` had many
    events the day before and have none. ``unusual`` events are legal JSON that loaders stumble over. ``running``: an
    exporter is at work on the day. ``interrupted``: one was killed at it. ``damage`` says what does not fit, ``newer``
    that a newer exporter wrote the record: such a day is left alone.
    """

    day: date
    state: str | None = None
    whole: bool = False
    events: int = 0
    size: int = 0
    rejected: int = 0
    finished_at: datetime | None = None
    fewer_found: int | None = None
    quiet_hours: tuple[str, ...] = ()
    unusual: int = 0
    failure: Failure | None = None
    running: bool = False
    interrupted: bool = False
    sha256: str = ""
    record_damage: str = ""
    newer: str = ""

    def told(self, facts: Facts | None, *, whole: bool, damage: str) -> Self:
        """The row with what the day's manifest tells."""
        if facts is None:
            return replace(self, record_damage=damage)
        return replace(
            self,
            state=facts.state,
            whole=whole,
            events=facts.events,
            size=facts.bytes,
            rejected=facts.rejected,
            finished_at=facts.finished,
            fewer_found=facts.fewer_found,
            quiet_hours=tuple(facts.quiet_hours.split()),
            unusual=facts.unusual,
            sha256=facts.sha256,
        )

    @property
    def damage(self) -> str:
        """What does not fit, on record or in a record; "" if nothing is known of any."""
        on_record = self.failure.reason if self.failure and self.failure.kind == DAMAGED else ""
        return self.record_damage or on_record

    @property
    def good(self) -> bool:
        """Whether the day is whole, and nothing is known to be damaged."""
        return bool(self.newer) or (self.whole and not self.damage)

    @property
    def settled(self) -> bool:
        """Whether nothing more is expected: whole, final or empty, and not failed since."""
        return bool(self.newer) or (self.whole and self.state in SETTLED and not self.failure and not self.interrupted)

    @property
    def shown(self) -> str:
        """The state in one word: running, newer, damaged, final, provisional, empty, failed or missing."""
        if self.running:
            return RUNNING
        if self.newer:
            return NEWER
        if self.damage:
            return DAMAGED
        if not self.whole or self.state is None:
            return FAILED if self.failure else MISSING
        return self.state

    def plain(self) -> dict[str, object]:
        """The row for JSON: names as in the manifest."""
        return {
            "day": str(self.day),
            "state": self.shown,
            "events": self.events,
            "bytes": self.size,
            "rejected": self.rejected,
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "fewer_found": self.fewer_found,
            "quiet_hours": self.quiet_hours,
            "unusual": self.unusual,
            "damage": self.damage or self.newer or None,
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
    """Every day from the oldest record (a manifest or a failure) to ``yesterday``, oldest first.

    ``ignored`` are days with a record that cannot be: not over yet, or older than Amplitude.
    """

    rows: tuple[Row, ...]
    yesterday: date
    ignored: tuple[date, ...] = ()

    @property
    def newest(self) -> date | None:
        """The newest whole day."""
        return max((row.day for row in self.rows if row.good), default=None)

    @property
    def missing(self) -> list[date]:
        """Days since the first record that are not whole, oldest first."""
        return [row.day for row in self.rows if not row.good]

    @property
    def never_an_event(self) -> bool:
        """Whether there are days, and not one of them has an event: these may be the wrong project's keys."""
        good = [row for row in self.rows if row.good]
        return bool(good) and not any(row.events or row.rejected for row in good)

    def open_days(self, days: Sequence[date]) -> list[date]:
        """Those of ``days`` that a backfill asks for: all that are not settled."""
        settled = {row.day for row in self.rows if row.settled}
        return [day for day in days if day not in settled]

    def row(self, day: date) -> Row:
        """The row of ``day``; an empty one where nothing is known."""
        return next((row for row in self.rows if row.day == day), Row(day))

    def plain(
        self, rows: Sequence[Row], due: Sequence[date], tables_due: Sequence[date] | None = None
    ) -> dict[str, object]:
        """The coverage for JSON: ``rows`` of it, and the days that are due; None where no tables are asked for."""
        told = {"newest": self.newest, "missing": self.missing, "due": due, "tables_due": tables_due}
        return told | {"days": [row.plain() for row in rows]}
