"""Every night a share of the final days is read back, oldest check first, so that each is proven about once a month.

What was read and found right stands in the file of checks, a chain of its own, so that the ledger stays short. The
ledger itself is read from its first line on.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from exporter import report
from exporter.clock import Clock, Deadline
from exporter.days.audit import Audit
from exporter.days.chain import Change, Content
from exporter.days.coverage import Row
from exporter.days.ledger import Ledger
from exporter.days.repair import AT_WORK, note_verified
from exporter.days.stored import Days
from exporter.days.verify import verify_day
from exporter.errors import ExportError
from exporter.report import Scrubbed
from exporter.store import ARCHIVED

SECONDS = 20 * 60
"""No day is begun later; the rest of the night's share comes first in the next one."""
NOTED_EVERY = 60.0
"""Seconds of reading that a kill can lose, and one day; an append blob takes 50,000 appends."""
MOST_UNREADABLE = 10
"""Days that may be passed over in a night, until it is the store that cannot be read."""

log = logging.getLogger(__name__)


def try_to_scrub(days: Days, every: int, run_id: str, clock: Clock) -> None:
    """Read one final day in ``every`` back (0: none). What is wrong is logged and on record; nothing is raised."""
    if not every:
        return
    try:
        scrub(days, every, run_id, clock)
    except (ExportError, OSError) as error:
        log.error(report.scrub_failed(str(error)))


def scrub(days: Days, every: int, run_id: str, clock: Clock) -> Scrubbed:
    """Read this night's share of the final days back, and note which of them are what their manifests say.

    A day that cannot be read does not keep the others from their turn. What was read stays noted if it ends early.

    Raises:
        ExportError, OSError: the store cannot be read, or the checks not be written.
    """
    now, deadline = clock.now(), Deadline(clock, clock.monotonic() + SECONDS)
    checks = Ledger(days.ledger.store, days.layout.checks)
    rows = _readable(days.coverage(now).rows, days)
    asked = share(rows, _last_checks(checks, now.year - 1 - every // 365), every, now)
    audit = Audit(days.ledger, now.year)
    for sentence in audit.problems:
        log.error(report.ledger_broken(sentence))
    read = _Read(days, checks, audit, run_id, clock)
    try:
        for day in asked.order:
            if read.days >= asked.most or deadline.left() < 0:
                break
            read.back(day)
    finally:
        read.note()
    done = Scrubbed(read.days, read.size, read.wrong, asked.most - read.days)
    log.info(report.scrubbed(done, audit.chain.head.number))
    return done


@dataclass
class _Read:
    """What was read back so far; of what is right, ``right`` is not noted yet."""

    of: Days
    checks: Ledger
    audit: Audit
    run_id: str
    clock: Clock
    days: int = 0
    size: int = 0
    wrong: int = 0
    unreadable: int = 0
    noted_at: float = 0
    right: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.noted_at = self.clock.monotonic()

    def back(self, day: date) -> None:
        """Read a day back, and tell what is wrong with it.

        Raises:
            ExportError, OSError: the store cannot be read, as too many days in this night could not.
        """
        now = self.clock.now()
        try:
            found = note_verified(verify_day(day, self.of, self.audit), self.of, self.run_id, now, self.audit)
        except (ExportError, OSError) as error:
            self.unreadable += 1
            if self.unreadable > MOST_UNREADABLE:
                raise
            log.warning(report.day_damaged(day, f"it cannot be read back: {error}"))
            return
        if found.problem == AT_WORK:  # nothing is wrong: it comes first in the next night
            return
        self.days += 1
        self.size += found.size
        if found.problem:
            self.wrong += 1
            log.warning(report.day_damaged(day, found.problem))
        if found.manifest and not found.damaged:  # its bytes are right; what the ledger misses has been told
            self.right.append(Change(day, "checked", Content.of(found.manifest), self.run_id, now))
        if self.clock.monotonic() - self.noted_at > NOTED_EVERY:
            self.note()

    def note(self) -> None:
        """Write the checks, so that the next night begins behind them even if this one is killed."""
        if self.right:
            self.checks.append(self.right)
        self.right, self.noted_at = [], self.clock.monotonic()


def _readable(rows: Iterable[Row], days: Days) -> list[Row]:
    """Without the days whose dumps lie in the archive tier: bringing them back takes hours, and costs."""
    archived = {entry.name for entry in days.store.list(days.layout.dumps) if entry.tier == ARCHIVED}
    return [row for row in rows if days.layout.dump(row.day) not in archived]


class Share(NamedTuple):
    """The final days, those first whose check is the oldest, and how ``most`` of them are to be read back now."""

    order: Sequence[date]
    most: int


def share(rows: Iterable[Row], checked: Mapping[date, datetime], every: int, now: datetime) -> Share:
    """What to read back now; no day twice a day. A check of a day to come, which a wrong clock left, is none. Pure."""
    final = [row.day for row in rows if row.settled and not row.newer]
    known = {day: at for day, at in checked.items() if at.date() <= now.date()}
    today = {day for day in final if day in known and known[day].date() == now.date()}
    never = datetime.min.replace(tzinfo=now.tzinfo)
    oldest = sorted(set(final) - today, key=lambda day: (known.get(day, never), day))
    return Share(oldest, min(len(oldest), max(0, -(-len(final) // every) - len(today))))


def _last_checks(checks: Ledger, since: int) -> dict[date, datetime]:
    return {entry.day: entry.at for entry in checks.entries(since)}
