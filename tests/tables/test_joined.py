import io
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporter.tables.joined import Joined
from exporter.tables.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    I16,
    I32,
    I64,
    LIST,
    NO,
    STRUCT,
    YES,
    ListOf,
    Reader,
    Struct,
    written,
)

OPTIONS = ["", ", ROW_GROUP_SIZE 2048", ", COMPRESSION zstd", ", PARQUET_VERSION v2", ", FIELD_IDS 'auto'"]
COLUMNS = "i AS a, 'text ' || (i % 7) AS b, CASE WHEN i % 3 = 0 THEN TIMESTAMP '2025-11-06' END AS c, i % 2 = 0 AS d"


def parquet(folder: Path, first: int, count: int, options: str = "") -> bytes:
    """A Parquet file of DuckDB's own."""
    path = folder / "one.parquet"
    with duckdb.connect() as database:
        rows = f"SELECT {COLUMNS} FROM range({first}, {first + count}) AS r(i)"  # noqa: S608
        database.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet{options})")
    return path.read_bytes()


def footer(content: bytes) -> bytes:
    """Its footer."""
    length = int.from_bytes(content[-8:-4], "little")
    return content[-8 - length : -8]


@pytest.mark.parametrize("options", OPTIONS)
def test_what_is_read_and_written_again_is_the_same(options: str, tmp_path: Path) -> None:
    """The footers that DuckDB writes, byte for byte."""
    found = footer(parquet(tmp_path, 0, 5_000, options))
    assert written(Reader(found).struct()) == found


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(1, I32, 0), (2, I64, -1), (3, I16, 32_767), (20, I64, 2**62), (4_000, I32, -(2**31))],
        [(1, YES, True), (2, YES, False), (3, BINARY, b""), (4, BINARY, b"x" * 300)],
        [(1, BYTE, b"\x05"), (2, DOUBLE, b"12345678"), (3, STRUCT, Struct([(1, I32, 7)]))],
        [(1, LIST, ListOf(I32, list(range(40)))), (2, LIST, ListOf(YES, [True, False])), (3, LIST, ListOf(STRUCT, []))],
    ],
    ids=lambda fields: str(len(fields)),
)
def test_what_is_written_can_be_read(fields: list[tuple[int, int, Any]]) -> None:
    """Numbers of any size, booleans, texts, lists short and long, structs in structs."""
    expected = [(number, (YES if value else NO) if kind == YES else kind, value) for number, kind, value in fields]
    assert Reader(written(Struct(fields))).struct().fields == expected


def test_what_stands_in_no_footer_is_an_error() -> None:
    """A map, or bytes that end too early."""
    with pytest.raises(ValueError, match="type 11 stands in no Parquet footer"):
        Reader(b"\x1b\x00").struct()
    with pytest.raises(IndexError):
        Reader(b"\x15").struct()


@pytest.mark.parametrize("options", OPTIONS)
def test_the_rows_of_all_files_are_there_and_statistics_hold(options: str, tmp_path: Path) -> None:
    """The same rows as DuckDB reads from the files themselves; a filter that skips row groups finds its rows."""
    file, counts = io.BytesIO(), (5_000, 1, 0, 3_000)
    joined = Joined(file.write)
    for number, count in enumerate(counts):
        joined.add(parquet(tmp_path, number * 10_000, count, options))
    joined.finish({"note": "größer"})
    path = tmp_path / "joined.parquet"
    path.write_bytes(file.getvalue())
    assert (joined.rows, joined.size) == (sum(counts), path.stat().st_size)
    with duckdb.connect() as database:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return database.execute(query.replace("$", f"read_parquet('{path}')")).fetchall()

        parts = " UNION ALL ".join(
            f"SELECT {COLUMNS} FROM range({number * 10_000}, {number * 10_000 + count}) AS r(i)"  # noqa: S608
            for number, count in enumerate(counts)
        )
        assert ask("FROM $ ORDER BY a") == ask(f"{parts} ORDER BY a")
        assert ask("SELECT a FROM $ WHERE a = 32500") == [(32_500,)]
        assert ask("SELECT count(*) FROM $ WHERE b = 'text 3' AND a < 10002") == ask(
            f"SELECT count(*) FROM ({parts}) WHERE b = 'text 3' AND a < 10002"  # noqa: S608
        )
        assert ask(f"SELECT decode(value) FROM parquet_kv_metadata('{path}')") == [("größer",)]  # noqa: S608
