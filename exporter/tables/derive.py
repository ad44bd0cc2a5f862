"""Which days have their table, and making those that are due.

A table belongs to a dump by the dump's SHA-256. One of another dump is due, as one that is not there. Whatever goes
wrong here is a warning: the day is whole without its table.
"""

import logging
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from exporter import report
from exporter.days.coverage import Coverage, Row
from exporter.days.erased import still_there
from exporter.days.manifest import Manifest
from exporter.days.stored import Days
from exporter.dump import watched
from exporter.errors import DamagedError, ExportError, LostRaceError, StoreError, UnexpectedError
from exporter.report import Progress, Step, no_progress
from exporter.store import Entry
from exporter.tables.write import Written, write_table
from exporter.window import yesterday_of

TAIL = 4_096
"""Bytes at a table's end in which its footer names the dump."""
SOURCE = "source_sha256"
MOST_AT_NIGHT = 3
"""Tables that a run makes beside those of its own days, so that it ends."""

log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()
"""Days side by side make their tables in turn: memory is for one."""


@dataclass(frozen=True)
class Tables:
    """The tables of ``days``."""

    days: Days
    progress: Progress = no_progress

    def sources(self, rows: Iterable[Row]) -> dict[date, str]:
        """The SHA-256 of the dump that each table was made of, for the days of ``rows`` that have one."""
        return self.sources_of(self.entries(rows))

    def sources_of(self, entries: Mapping[date, Entry]) -> dict[date, str]:
        """The same of tables that have been listed."""
        return {day: source for day, entry in entries.items() if (source := self._source(entry))}

    def entries(self, rows: Iterable[Row]) -> dict[date, Entry]:
        """The tables that are there, for the days of ``rows``."""
        rows = list(rows)
        wanted = {row.day for row in rows}
        store, layout = self.days.store, self.days.layout
        listed = {day: entry for entry in store.list(layout.tables) if (day := layout.table_day(entry.name))}
        if not listed and not self._keeps_metadata(rows):  # a folder lists no folders
            found = ((row.day, store.stat(layout.table(row.day))) for row in rows)
            listed = {day: entry for day, entry in found if entry}
        return {day: entry for day, entry in sorted(listed.items()) if day in wanted}

    def stale(self, rows: Iterable[Row]) -> list[str]:
        """The names of tables that are not of the dump that is on record, and hold what may be gone from it."""
        rows = list(rows)
        entries, proven = self.entries(rows), {row.day: row.sha256 for row in rows if row.sha256}
        sources = self.sources_of(entries)
        return [entry.name for day, entry in entries.items() if day not in proven or sources.get(day) != proven[day]]

    def due(self, coverage: Coverage) -> list[date]:
        """Whole days without their table, oldest first."""
        return due_tables(coverage.rows, self.sources(coverage.rows))

    def derive(self, day: date) -> Written | None:
        """Make the table of ``day``; None where it is there.

        Raises:
            DamagedError: the day is not whole, its dump is not what its manifest says, or holds erased people's events.
            LostRaceError: somebody else made it meanwhile.
            PermanentError: DuckDB is not there, or made a mistake; or it cannot be told who was erased.
            StoreError: the store cannot be reached.
        """
        manifest = self.days.manifest(day).manifest
        if manifest is None:
            raise DamagedError(f"{day} has no manifest: a table is made of a whole day only. Export it first")
        name = self.days.layout.table(day)
        there = self.days.store.stat(name)
        if there and self._source(there) == manifest.sha256:
            return None
        forget, erased = self.days.forget_on(day), list[int]()
        self.progress(Step.DERIVING, 0, None)
        draft = self.days.store.draft(name, there.etag if there else None)
        try:
            dump = self.days.store.stream(manifest.dump)
            if forget:
                dump = watched(dump, forget, lambda _line: erased.append(1))
            made = write_table(dump, lambda content: draft.write(0, content), self.progress)
            _check(made, manifest)
            if erased:
                raise DamagedError(f"{still_there(manifest.dump, len(erased))}. No table is made of it")
            draft.commit({SOURCE: made.sha256, "events": str(made.rows), "raw": str(made.raw)})
            self._check_still(day, made)
        finally:
            draft.discard()
        self.progress(Step.DERIVED, made.rows, None)
        return made

    def _check_still(self, day: date, made: Written) -> None:
        """See that the day is still the one that the table is of: somebody may have been erased from it meanwhile.

        Raises:
            LostRaceError: it is not, and the table is gone again.
        """
        stands = self.days.manifest(day).manifest
        if stands is None or stands.sha256 != made.sha256:
            self.days.store.delete(self.days.layout.table(day))
            raise LostRaceError(f"{day} was written anew while its table was made, so that went again. It is due")

    def try_to_derive(self, days: Iterable[date]) -> list[tuple[date, str]]:
        """Make the tables of ``days`` that are not there. What goes wrong is a warning, and handed back."""
        failed = []
        for day in days:
            try:
                with _one_at_a_time:
                    made = self.derive(day)
            except Exception as error:  # noqa: BLE001 - DuckDB's are many, and a day is never failed by its table
                reason = str(error if isinstance(error, ExportError | OSError) else UnexpectedError(repr(error)))
                log.warning(report.table_failed(day, reason))
                failed.append((day, reason))
            else:
                if made:
                    log.info(report.table_written(day, made.rows, made.size, made.raw))
        return failed

    def follow(self, day: date, now: datetime) -> None:
        """What a run does for tables behind the export of ``day``; never raises.

        Behind yesterday's it makes some that are due from the nights before, too.
        """
        self.try_to_derive([day])
        yesterday = yesterday_of(now)
        if day != yesterday:
            return
        try:
            due = self.due(self.days.coverage(now))
        except (ExportError, OSError) as error:
            log.warning(f"which tables are due cannot be told now: {error}. The next run looks again")
            return
        oldest = yesterday - timedelta(days=self.days.timing.lookback_days)
        self.try_to_derive(newest([one for one in due if one != day], oldest))

    def _keeps_metadata(self, rows: Iterable[Row]) -> bool:
        good = next((row.day for row in rows if row.good), None)
        dump = self.days.store.stat(self.days.layout.dump(good)) if good else None
        return dump is not None and dump.metadata is not None

    def _source(self, entry: Entry) -> str:
        """Of a blob its metadata tells, of a file the footer; "" where neither does."""
        if entry.metadata is not None:
            return entry.metadata.get(SOURCE, "")
        try:
            tail = self.days.store.part(entry.name, max(0, entry.size - TAIL), TAIL)
        except (OSError, StoreError):
            return ""
        _, found, behind = tail.rpartition(SOURCE.encode())
        return behind[2:66].decode("ascii", "replace") if found else ""  # behind a field's head and the text's length


def due_tables(rows: Iterable[Row], sources: dict[date, str]) -> list[date]:
    """The whole days of ``rows`` whose table is not there, or of another dump."""
    return [row.day for row in rows if row.good and sources.get(row.day) != row.sha256]


def newest(days: Collection[date], oldest: date) -> list[date]:
    """Those that a night makes: the newest few, none before ``oldest``."""
    return sorted((day for day in days if day >= oldest), reverse=True)[:MOST_AT_NIGHT]


def _check(made: Written, manifest: Manifest) -> None:
    if (made.sha256, made.rows) != (manifest.sha256, manifest.events):
        raise DamagedError(
            f"{manifest.dump} has {made.rows} events and SHA-256 {made.sha256}; its manifest says {manifest.events} "
            f"and {manifest.sha256}. No table is made of it: verify --day {manifest.day}"
        )
