"""DuckDB, when it is needed: how it is opened, and what it says when it is not there."""

import tempfile
from typing import TYPE_CHECKING

from exporter.errors import PermanentError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MISSING = (
    "DuckDB is not installed, and tables and SQL need it. In a checkout of the exporter: pip install '.[tables]' "
    "(with uv: uv tool install --force '.[tables]'; the function app: docs/tables.md, In the app)"
)


def open_duckdb(memory_mb: int | None, threads: int | None = 1) -> "DuckDBPyConnection":
    """A database in memory that loads nothing from anywhere; None leaves a bound to DuckDB.

    Raises:
        PermanentError: DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415 - 70 MB that only tables and SQL need
    except ModuleNotFoundError as error:
        raise PermanentError(MISSING) from error
    bounds = {"threads": threads, "memory_limit": memory_mb and f"{memory_mb}MB"}
    database = duckdb.connect(
        config={
            "temp_directory": tempfile.gettempdir(),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            **{name: bound for name, bound in bounds.items() if bound},
        }
    )
    database.execute("SET TimeZone = 'UTC'")  # times without a zone are UTC, whatever this machine's zone is
    return database
