"""A day's dump becomes one Parquet file, piece by piece. Memory does not grow with the day."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from exporter.dump import blocks
from exporter.errors import PermanentError
from exporter.report import Progress, Step, no_progress
from exporter.tables.columns import literal, rows_from, select
from exporter.tables.duck import open_duckdb
from exporter.tables.joined import Joined
from exporter.tables.rows import Rows, rows_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

READ = 1 << 20
"""Bytes of the dump that are looked at together."""
PIECE = 24 << 20
"""Bytes of rows that become a row group; the working files hold as much, and its Parquet."""
LONGEST_ROW = 2 << 20
"""A longer one is a piece of its own, read with longer buffers."""
MEMORY_MB = 200
WRITER = "amplitude-exporter"
OPEN_FILES = Path("/proc/self/fd")


@dataclass(frozen=True)
class Written:
    """What became of a dump: ``raw`` rows keep their whole line; ``sha256`` is the dump's, as it was read."""

    rows: int
    raw: int
    size: int
    sha256: str


def write_table(pieces: Iterable[bytes], write: Callable[[bytes], object], progress: Progress = no_progress) -> Written:
    """Make a table of the dump that comes in ``pieces``, and ``write`` its bytes, of which none is ever gone back to.

    Raises:
        PermanentError: DuckDB is not installed, or a piece has not the rows that it must have.
    """
    digest = hashlib.sha256()
    rows = raw = 0
    joined = Joined(write)
    with _working_file() as text, _working_file() as parquet, open_duckdb(MEMORY_MB) as database:
        database.execute("SET enable_external_file_cache = false")  # the same file is filled again and again
        for piece in _pieces(rows_of(blocks(_hashed(pieces, digest)), LONGEST_ROW), text):
            if piece.count or not joined.size:
                joined.add(_parquet(piece, parquet, database))
            rows, raw = rows + piece.count, raw + piece.raw
            progress(Step.DERIVING, rows, None)
    joined.finish({"source_sha256": digest.hexdigest(), "events": str(rows), "raw": str(raw), "writer": WRITER})
    return Written(rows, raw, joined.size, digest.hexdigest())


def _hashed(pieces: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        for start in range(0, len(piece), READ):
            yield piece[start : start + READ]


@dataclass
class _Piece:
    """What stands in the ``file`` of rows; ``longest`` bounds a row, in bytes."""

    file: IO[bytes]
    count: int = 0
    raw: int = 0
    size: int = 0
    longest: int = LONGEST_ROW

    def put(self, rows: Rows) -> None:
        """Write rows behind the others."""
        for part in rows.parts:
            self.file.write(part)
        self.count += rows.count
        self.raw += rows.raw
        self.size += rows.size
        self.longest = max(self.longest, rows.size)

    def next(self) -> "_Piece":
        """A piece without rows, in the same file."""
        self.file.seek(0)
        self.file.truncate()
        return _Piece(self.file)


def _pieces(found: Iterator[Rows], file: IO[bytes]) -> Iterator[_Piece]:
    """Fill the ``file`` again and again; each time it is to be read before the next. At least once."""
    piece = _Piece(file)
    for rows in found:
        long = rows.size > LONGEST_ROW
        if piece.count and (long or piece.size + rows.size > PIECE):
            yield piece
            piece = piece.next()
        piece.put(rows)
        if long:
            del rows  # whoever reads it needs the memory
            yield piece
            piece = piece.next()
    yield piece


def _parquet(piece: _Piece, parquet: IO[bytes], database: "DuckDBPyConnection") -> bytes:
    """A Parquet file of the piece's rows, written into the file ``parquet``."""
    rows = select(rows_from(_path(piece.file), piece.longest))
    options = (
        f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {max(2048, piece.count)}, "
        "USE_TMP_FILE false"
    )
    done = database.execute(f"COPY ({rows}) TO {literal(_path(parquet))} ({options})").fetchone()
    if done is None or done[0] != piece.count:
        raise PermanentError(
            f"DuckDB made {done and done[0]} rows of {piece.count} events. That is a mistake in tables/"
        )
    parquet.seek(0)
    return parquet.read()


def _working_file() -> IO[bytes]:
    """A file of the temp folder, where possible without a name: a kill leaves nothing."""
    return tempfile.TemporaryFile(buffering=0) if OPEN_FILES.exists() else tempfile.NamedTemporaryFile(buffering=0)


def _path(file: IO[bytes]) -> str:
    return str(OPEN_FILES / str(file.fileno())) if OPEN_FILES.exists() else str(file.name)
