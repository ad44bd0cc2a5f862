"""Many days: the due ones, or those that a person names."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from exporter import report
from exporter.days.coverage import Coverage
from exporter.days.due import due_days
from exporter.errors import ExportError, StopError
from exporter.export import DayExported, Exporter, export_day

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """What became of the days of a run; ``stopped`` when no other day would do better and the rest was not tried."""

    done: tuple[DayExported, ...]
    failed: tuple[tuple[date, ExportError], ...]
    stopped: bool

    @property
    def ok(self) -> bool:
        """Whether no day failed."""
        return not self.failed


def export_due(core: Exporter) -> RunResult:
    """Export the due days, newest first, and say at the end how the store stands."""
    now = core.clock.now()
    before = core.days.coverage(now)
    tell_coverage(before)
    days = due_days(before, now, core.days.timing)
    result = export_days(days, core)
    after = core.days.coverage(now) if days else before
    line = report.run_summary(
        after.newest, due=len(days), done=len(result.done), failed=len(result.failed), missing=after.missing
    )
    if after.never_an_event:
        log.warning(report.NEVER_AN_EVENT)
    (log.info if result.ok and not after.missing else log.warning)(line)
    return result


def export_days(days: Iterable[date], core: Exporter, *, force: bool = False) -> RunResult:
    """Export ``days`` one by one. A bad day does not stop the others; refused keys or another project do."""
    done: list[DayExported] = []
    failed: list[tuple[date, ExportError]] = []
    told: set[str] = set()
    days = list(days)
    for number, day in enumerate(days, start=1):
        try:
            exported = export_day(day, core, force=force)
        except StopError as error:
            failed.append((day, error))
            log.error(f"the run stops here, {len(days) - number} days were not tried. Call it again when that is right")
            return RunResult(tuple(done), tuple(failed), stopped=True)
        except ExportError as error:
            failed.append((day, error))
            continue
        done.append(exported)
        tell_drift(exported, told)
    return RunResult(tuple(done), tuple(failed), stopped=False)


def tell_drift(exported: DayExported, told: set[str]) -> None:
    """Warn of columns that are new or missing, unless that has been ``told`` already."""
    schema = exported.manifest.schema
    if schema and str(schema) not in told:
        told.add(str(schema))
        log.warning(report.schema_drift(exported.manifest.day, schema))


def tell_coverage(coverage: Coverage) -> None:
    """Warn of what is damaged in the store, and of records that cannot be."""
    for row in coverage.rows:
        if row.damage:
            log.warning(report.day_damaged(row.day, row.damage))
    if coverage.ignored:
        log.warning(report.days_ignored(coverage.ignored))
