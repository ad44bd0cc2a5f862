"""A run: one pass over days, the due ones or those that a person names."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from exporter import report
from exporter.days.coverage import read_coverage
from exporter.days.due import due_days_of, yesterday_of
from exporter.errors import ExportError, RefusedError
from exporter.export import DayExported, Exporter, export_day

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
