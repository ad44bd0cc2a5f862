"""A day's dump becomes one Parquet file, piece by piece. Memory does not grow with the day."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
    with tempfile.TemporaryDirectory(prefix="tables-") as place, open_duckdb(MEMORY_MB) as database:
        for piece in _pieces(rows_of(blocks(_hashed(pieces, digest)), LONGEST_ROW), Path(place, "rows")):
            joined.add(_parquet(piece, database))
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
    """Rows in a file."""

    path: Path
    count: int = 0
    raw: int = 0
    size: int = 0
    longest: int = LONGEST_ROW

    def takes(self, rows: Rows) -> bool:
        """Whether these rows may stand in the same file; a long one stands alone."""
        return self.count == 0 or (
            self.size + len(rows.text) <= PIECE and self.longest <= LONGEST_ROW >= len(rows.text)
        )


def _pieces(found: Iterator[Rows], path: Path) -> Iterator[_Piece]:
    """Fill the file at ``path`` again and again; each time it is to be read before the next. At least once."""
    with path.open("wb", 0) as file:
        piece = _Piece(path)
        for rows in found:
            if not piece.takes(rows):
                yield piece
                file.seek(0)
                file.truncate()
                piece = _Piece(path)
            file.write(rows.text)
            piece.count += rows.count
            piece.raw += rows.raw
            piece.size += len(rows.text)
            piece.longest = max(piece.longest, len(rows.text))
        yield piece


def _parquet(piece: _Piece, database: "DuckDBPyConnection") -> bytes:
    """A Parquet file of the piece's rows."""
    path = piece.path.with_suffix(".parquet")
    rows = select(rows_from(str(piece.path), piece.longest))
    options = f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {max(2048, piece.count)}"
    done = database.execute(f"COPY ({rows}) TO {literal(str(path))} ({options})").fetchone()
    if done is None or done[0] != piece.count:
        raise PermanentError(
            f"DuckDB made {done and done[0]} rows of {piece.count} events. That is a mistake in tables/"
        )
    return path.read_bytes()
