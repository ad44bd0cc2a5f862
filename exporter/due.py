"""Which days are due, and a run over them."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from exporter import report
from exporter.coverage import Coverage, Row, read_coverage
from exporter.errors import ExportError, RefusedError
from exporter.export import DayExported, Exporter, export_day
from exporter.manifest import PROVISIONAL
from exporter.settings import Settings
from exporter.window import day_end

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """What became of the days of a run; ``refused`` when Amplitude refused the keys and the rest was not tried."""

    done: tuple[DayExported, ...]
    failed: tuple[tuple[date, ExportError], ...]
    refused: bool

    @property
    def ok(self) -> bool:
        """Whether no day failed."""
        return not self.failed


def yesterday_of(now: datetime) -> date:
    """The last UTC date that is over."""
    return now.date() - timedelta(days=1)


def due_days(coverage: Coverage, now: datetime, *, settle: timedelta, lookback_days: int) -> list[date]:
    """The days that need work, newest first.

    Yesterday and the ``lookback_days`` before it count, from the oldest record on; yesterday always does. A day is
    due if it is not whole, failed last time, or is provisional and settled by ``now``. A second look stays due when an
    outage was longer than the lookback: nobody else would notice that the first one came too early.
    """
    rows = {row.day: row for row in coverage.rows}
    yesterday = yesterday_of(now)
    oldest = min(rows, default=yesterday)
    days = (yesterday - timedelta(days=n) for n in range(lookback_days + 1))
    near = {day for day in days if (day >= oldest or day == yesterday) and is_due(rows.get(day, Row(day)), now, settle)}
    unseen = {row.day for row in coverage.rows if _wants_second_look(row, now, settle) and row.kept is None}
    return sorted(near | unseen, reverse=True)


def due_days_of(coverage: Coverage, now: datetime, settings: Settings) -> list[date]:
    """The days that need work as the settings have it, newest first."""
    settle = timedelta(hours=settings.settle_hours)
    return due_days(coverage, now, settle=settle, lookback_days=settings.lookback_days)


def is_due(row: Row, now: datetime, settle: timedelta) -> bool:
    """Whether a day needs work at ``now``."""
    return not row.whole or row.failure is not None or _wants_second_look(row, now, settle)


def _wants_second_look(row: Row, now: datetime, settle: timedelta) -> bool:
    return row.whole and row.state == PROVISIONAL and now >= day_end(row.day) + settle


def run(exporter: Exporter) -> RunResult:
    """Export the due days, newest first, and say at the end how the store stands."""
    settings, now = exporter.settings, exporter.clock.now()
    before = read_coverage(exporter.store, settings.layout, yesterday_of(now))
    days = due_days_of(before, now, settings)
    result = export_days(days, exporter)
    after = read_coverage(exporter.store, settings.layout, yesterday_of(now))
    line = report.run_summary(
        after.newest, due=len(days), done=len(result.done), failed=len(result.failed), missing=after.missing
    )
    (log.info if result.ok and not after.missing else log.warning)(line)
    return result


def export_days(days: Iterable[date], exporter: Exporter, *, force: bool = False) -> RunResult:
    """Export ``days`` one by one. A bad day does not stop the others; refused keys do."""
    done: list[DayExported] = []
    failed: list[tuple[date, ExportError]] = []
    drifts = set()
    days = list(days)
    for number, day in enumerate(days, start=1):
        try:
            exported = export_day(day, exporter, force=force)
        except RefusedError as error:
            failed.append((day, error))
            log.error(
                f"the run stops here, {len(days) - number} days were not tried. Call it again with the right keys"
            )
            return RunResult(tuple(done), tuple(failed), refused=True)
        except ExportError as error:
            failed.append((day, error))
            continue
        done.append(exported)
        schema = exported.manifest.schema
        names = tuple(sorted(schema.items()))
        if schema and names not in drifts:
            drifts.add(names)
            log.warning(report.schema_drift(day, schema))
    return RunResult(tuple(done), tuple(failed), refused=False)
