"""Every night a share of the final days is read back, oldest check first, so that each is proven about once a month.

What was read and found right stands in the file of checks, a chain of its own, so that the ledger stays short. The
ledger itself is read from its first line on.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from exporter import report
from exporter.clock import Clock, Deadline
from exporter.days.audit import Audit
from exporter.days.chain import Change, Content
from exporter.days.coverage import Row
from exporter.days.ledger import Ledger
from exporter.days.repair import note_verified
from exporter.days.stored import Days
from exporter.days.verify import verify_day
from exporter.errors import ExportError
from exporter.report import Scrubbed

SECONDS = 20 * 60
"""No day is begun later; the rest of the night's share comes first in the next one."""

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
    """Read this night's share of the final days back, and note which of them are right.

    Raises:
        ExportError, OSError: the store cannot be read, or the checks not be written.
    """
    now, deadline = clock.now(), Deadline(clock, clock.monotonic() + SECONDS)
    checks = Ledger(days.ledger.store, days.layout.checks)
    asked = share(days.coverage(now).rows, _last_checks(checks, now.year - 1 - every // 365), every, now)
    audit = Audit(days.ledger, now.year)
    for sentence in audit.problems:
        log.error(report.ledger_broken(sentence))
    right, wrong, size = [], 0, 0
    for day in asked:
        if deadline.left() < 0:
            break
        found = note_verified(verify_day(day, days, audit), days, run_id, now, audit)
        size += found.size
        if found.problem:
            wrong += 1
            log.warning(report.day_damaged(day, found.problem))
        elif found.manifest:
            right.append(Change(day, "checked", Content.of(found.manifest), run_id, now))
    if right:
        checks.append(right)
    done = Scrubbed(len(right) + wrong, size, wrong, len(asked) - len(right) - wrong)
    log.info(report.scrubbed(done, audit.chain.head.number))
    return done


def share(rows: Iterable[Row], checked: dict[date, datetime], every: int, now: datetime) -> Sequence[date]:
    """The days to read back now, those first whose check is the oldest; none twice a day. Pure."""
    final = [row.day for row in rows if row.settled and not row.newer]
    today = sum(checked[day].date() == now.date() for day in final if day in checked)
    never = datetime.min.replace(tzinfo=now.tzinfo)
    oldest = sorted(final, key=lambda day: (checked.get(day, never), day))
    return oldest[: max(0, -(-len(final) // every) - today)]


def _last_checks(checks: Ledger, since: int) -> dict[date, datetime]:
    return {entry.day: entry.at for entry in checks.entries(since)}
