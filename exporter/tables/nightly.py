"""The report behind the nightly export, into the store."""

import logging
from datetime import date, datetime, timedelta

from exporter import report as words
from exporter.errors import ExportError
from exporter.store import ANY
from exporter.tables.derive import Tables
from exporter.tables.page import LOOK_BACK, report
from exporter.tables.query import open_archive
from exporter.window import yesterday_of

MEMORY_MB = 500
"""The app has 2 GB, and an export beside this; what does not fit goes to the temp folder."""

log = logging.getLogger(__name__)


def page_of(tables: Tables, now: datetime, temp_limit: int, memory_mb: int | None = None) -> str:
    """The report about the days before ``now``.

    Raises:
        PermanentError: DuckDB is not installed, or tables for the moment take more than ``temp_limit`` bytes.
        StoreError: the store cannot be read.
    """
    days = tables.days
    oldest = yesterday_of(now) - timedelta(days=LOOK_BACK - 1)
    rows = [row for row in days.coverage(now).rows if row.day >= oldest]
    with open_archive(tables, rows, temp_limit, log.info, memory_mb) as archive:
        return report(archive, str(days.store), now)


def try_to_report(day: date, tables: Tables, now: datetime, temp_limit: int) -> None:
    """Write the report into the store behind the export of yesterday; what goes wrong is a warning."""
    if day != yesterday_of(now):
        return
    try:
        page = page_of(tables, now, temp_limit, MEMORY_MB)
        tables.days.store.write(tables.days.layout.report, page.encode(), seen=ANY, metadata={})
    except Exception as error:  # noqa: BLE001 - DuckDB's are many, and a day is never failed by a page about it
        log.warning(words.report_failed(str(error) if isinstance(error, ExportError | OSError) else repr(error)))
