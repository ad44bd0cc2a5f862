"""Many days, one by one: the due ones, or those that a person names."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import date

from exporter import report
from exporter.clock import Clock
from exporter.days.coverage import Coverage
from exporter.days.due import due_days
from exporter.days.stored import Days
from exporter.errors import StopError
from exporter.export import Exporter
from exporter.run.book import Book, RunResult, Watch, exported

log = logging.getLogger(__name__)


def export_due(core: Exporter) -> RunResult:
    """Export the due days one by one, newest first, and say at the end how the store stands."""
    return due_exported(core.days, core.clock, lambda due: export_days(due, core))


def due_exported(days: Days, clock: Clock, export: Callable[[Sequence[date]], RunResult]) -> RunResult:
    """Have the due days exported, newest first, and say at the end how the store stands."""
    now = clock.now()
    before = days.coverage(now)
    tell_coverage(before)
    due = due_days(before, now, days.timing)
    result = export(due)
    after = days.coverage(now) if due else before
    line = report.run_summary(
        after.newest,
        due=len(due),
        done=len(result.done),
        failed=len(result.failed),
        missing=after.missing,
        ledger=days.ledger.shown(now.year),
    )
    if after.never_an_event:
        log.warning(report.NEVER_AN_EVENT)
    (log.info if result.ok and not after.missing else log.warning)(line)
    return result


def export_days(days: Iterable[date], core: Exporter, *, force: bool = False, watch: Watch | None = None) -> RunResult:
    """Export ``days`` one by one. A bad day does not stop the others; refused keys or another project do."""
    book = Book(list(days), watch or Watch())
    for number, day in enumerate(book.days):
        ended = exported(0, day, core, book.watch, force=force)
        book.note(number, ended)
        if isinstance(ended, StopError):
            break
    return book.closed()


def tell_coverage(coverage: Coverage) -> None:
    """Warn of what is damaged in the store, and of records that cannot be."""
    for row in coverage.rows:
        if row.damage:
            log.warning(report.day_damaged(row.day, row.damage))
    if coverage.ignored:
        log.warning(report.days_ignored(coverage.ignored))
