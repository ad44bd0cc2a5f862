"""SQL over the archive: every day's table, or one that is made for the moment, behind a database that cannot write.

DuckDB sees the named objects only, through a file system of ours that reads. Then its door to files is closed, and its
settings are locked.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.days.coverage import Row
from exporter.days.stored import Days
from exporter.errors import PermanentError, SettingsError
from exporter.tables.columns import lists, literal
from exporter.tables.derive import Tables, due_tables
from exporter.tables.duck import MISSING, open_duckdb
from exporter.tables.merged import merged_in
from exporter.tables.views import DUMPS, EVENTS, VIEWS
from exporter.tables.write import write_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ALLOWED = ("SELECT", "EXPLAIN", "MULTI")
"""What a query may be; MULTI is a PIVOT."""
NO_DAY = date(1970, 1, 1)


@dataclass(frozen=True)
class Answer:
    """The columns' names, and the rows as they come."""

    names: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@dataclass
class Archive:
    """The opened archive. The manifests are read when a query names `dumps`, since that takes a request for each."""

    database: "DuckDBPyConnection"
    read_dumps: Callable[[], Iterable[tuple[date, str, int]]]
    _dumps_read: bool = False

    def ask(self, query: str) -> Answer:
        """Ask one query.

        Raises:
            SettingsError: it is none, or would write.
        """
        with _explained():
            found = self.database.extract_statements(query)
            for statement in found:
                kind = statement.type.name
                if kind not in ALLOWED:
                    raise SettingsError(
                        f"the archive is only read, and this would be {kind}: SELECT is what is allowed"
                    )
            if not found:
                raise SettingsError("there is no query. Try: SELECT event_type, count(*) FROM events GROUP BY ALL")
            if len(found) > 1:
                raise SettingsError(
                    f"one query at a time, please: these are {len(found)}. On standard input each ends its line with ;"
                )
            if "dumps" in query.lower() and not self._dumps_read:
                self._put_dumps()
            asked = self.database.execute(found[0])
            return Answer(tuple(column[0] for column in asked.description or ()), _rows(asked))

    def _put_dumps(self) -> None:
        found = list(self.read_dumps())
        if found:
            self.database.executemany("INSERT INTO dumps VALUES (?, try_cast(? AS DATE), ?)", found)
        self._dumps_read = True


@contextmanager
def open_archive(
    tables: Tables, rows: Sequence[Row], temp_limit: int, note: Callable[[str], None], memory_mb: int | None = None
) -> Iterator[Archive]:
    """The whole days of ``rows``. Those without their table get one in the temp folder, at most ``temp_limit`` bytes.

    ``note`` is told what takes long; ``memory_mb`` bounds DuckDB.

    Raises:
        PermanentError: DuckDB is not installed, or too much would have to be made for the moment.
        StoreError: the store cannot be read.
    """
    try:
        from exporter.tables.reading import PROTOCOL, StoreFiles  # noqa: PLC0415 - fsspec, for SQL only
    except ModuleNotFoundError as error:
        raise PermanentError(MISSING) from error

    entries = tables.entries(rows)
    with tempfile.TemporaryDirectory(prefix="sql-") as place, open_duckdb(memory_mb, None) as database:
        due = due_tables(rows, tables.sources_of(entries))
        stored = [entry for day, entry in entries.items() if day not in due]
        made = list(_made(due, tables.days, Path(place), temp_limit, note))
        database.register_filesystem(StoreFiles(tables.days.store, {entry.name: entry.size for entry in stored}))
        try:
            files = [f"{PROTOCOL}://{entry.name}" for entry in stored] + made or [_empty(Path(place))]
            _prepare(database, files, tables.days)
            _lock(database, files, place)
            yield Archive(database, lambda: _dumps(rows, tables.days))
        finally:
            database.unregister_filesystem(PROTOCOL)


def _made(days: Sequence[date], archive: Days, place: Path, limit: int, note: Callable[[str], None]) -> Iterator[str]:
    """Tables of days that have none: files of the temp folder, gone with it."""
    if days:
        note(f"{len(days)} days have no table yet and are read from their arrays; `tables` makes them once for all")
    used = 0
    for day in days:
        path = place / f"upload_date={day}" / "events.parquet"
        path.parent.mkdir()
        with path.open("wb") as file:
            used += write_table(archive.store.stream(archive.layout.dump(day)), file.write).size
        if used > limit:
            raise PermanentError(
                f"the tables that this query needs take more than {limit} bytes in the temp folder "
                "(EXPORT_TMP_LIMIT_MB). Make them once with `tables`, or ask for fewer days with --from and --to"
            )
        yield str(path)


def _empty(place: Path) -> str:
    """A table without rows, so that the columns are there."""
    path = place / f"upload_date={NO_DAY}" / "events.parquet"
    path.parent.mkdir()
    with path.open("wb") as file:
        write_table([b"[]\n"], file.write)
    return str(path)


def _prepare(database: "DuckDBPyConnection", files: Sequence[str], days: Days) -> None:
    database.execute("SET parquet_metadata_cache = true")  # no file changes while it is open
    database.execute(
        f"CREATE VIEW deliveries AS SELECT * FROM read_parquet({lists(files)}, hive_partitioning = true, "
        "hive_types = {'upload_date': DATE})"
    )
    merged_in(days, database)
    for view in (DUMPS, EVENTS, *VIEWS):
        database.execute(view)


def _dumps(rows: Sequence[Row], days: Days) -> Iterator[tuple[date, str, int]]:
    """The dates of events in each dump, and how many; "none" is no date."""
    for row in rows:
        manifest = days.manifest(row.day).manifest if row.good else None
        if manifest:
            yield from ((row.day, event_date, count) for event_date, count in manifest.event_days.items())


def _lock(database: "DuckDBPyConnection", files: Sequence[str], place: str) -> None:
    spill = Path(place, "spill")
    spill.mkdir()
    database.execute(f"SET temp_directory = {literal(str(spill))}")
    database.execute(f"SET allowed_paths = {lists(files)}")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


def _rows(asked: "DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    while True:
        with _explained():
            found = asked.fetchmany(1_000)
        if not found:
            return
        yield from found


@contextmanager
def _explained() -> Iterator[None]:
    import duckdb  # noqa: PLC0415 - it is there, else nothing was opened

    try:
        yield
    except duckdb.CatalogException as error:  # what DuckDB thinks is near is a table of its own
        told = "\n".join(line for line in str(error).splitlines() if not line.startswith("Did you mean"))
        raise SettingsError(
            f"the query cannot be answered: {told}\nSHOW TABLES names what there is, DESCRIBE events its columns"
        ) from error
    except duckdb.Error as error:
        raise SettingsError(f"the query cannot be answered: {error}") from error
