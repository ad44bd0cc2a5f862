import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.tables.columns import COLUMNS, NESTED, NUMBERS, OTHER, RAW, TIMES
from exporter.tables.write import LONGEST_ROW, Written, write_table
from tests.kit import dump_of
from tests.kit.odd_lines import values
from tests.tables.hostile import DEEP, early_lines, event, odd_lines


def table_of(lines: list[bytes], folder: Path, piece: int = 1 << 20) -> tuple[Written, list[dict[str, Any]]]:
    """The table of these events, and its rows as DuckDB reads them."""
    dump, path = dump_of(lines), folder / "events.parquet"
    with path.open("wb") as file:
        written = write_table((dump[at : at + piece] for at in range(0, len(dump), piece)), file.write)
    with duckdb.connect() as database:
        found = database.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in found.description]
        return written, [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def check_row(row: dict[str, Any], line: bytes) -> None:
    """The row gives back the event, value by value, by its own bytes where they may differ from the value's."""
    if row[RAW] is not None:
        assert row[RAW].encode() == line
        return
    tokens = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    others = msgspec.json.decode(row[OTHER] or "{}", type=dict[str, msgspec.Raw])
    assert set(tokens) - set(COLUMNS) == set(others) - set(COLUMNS)
    for name in COLUMNS:
        token, value = bytes(tokens.get(name, msgspec.Raw(b"null"))), row[name]
        if name in others:
            assert bytes(others[name]) == token, name
        elif value is None:
            assert token == b"null", name
        elif name in NESTED:
            assert value.encode() == token, name
        elif name in TIMES:
            assert value.replace(tzinfo=UTC) == datetime.fromisoformat(json.loads(token)).replace(tzinfo=UTC), name
        elif name in NUMBERS:
            assert repr(value) == repr(float(json.loads(token))), name
        else:
            assert (type(value), value) == (type(json.loads(token)), json.loads(token)), name
    for name in set(others) - set(COLUMNS):
        assert bytes(others[name]) == bytes(tokens[name]), name


def test_rows_give_back_each_event_of_the_odd_lines(tmp_path: Path) -> None:
    """Every value of the odd lines is in its column, in `other`, or in `_raw`; nested columns hold the own bytes."""
    lines = odd_lines()
    written, rows = table_of(lines, tmp_path)
    assert written.rows == len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        check_row(row, line)
    assert written.raw == sum(row[RAW] is not None for row in rows)


def test_however_deep_an_event_is_its_own_bytes_are_there(tmp_path: Path) -> None:
    """Deeper than most readers go."""
    written, rows = table_of(DEEP, tmp_path)
    assert written.rows == len(rows) == len(DEEP) > 3
    assert [row[OTHER].encode() for row in rows] == DEEP


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_where_a_piece_ends_does_not_matter(piece: int, tmp_path: Path) -> None:
    """A dump that comes in small pieces gives the same rows."""
    lines = [line for line in odd_lines()[300:] if len(line) < 10_000]
    assert table_of(lines, tmp_path, piece) == table_of(lines, tmp_path)


def test_only_what_cannot_be_held_keeps_its_line(tmp_path: Path) -> None:
    """Half a surrogate pair and a name that stands twice do; whitespace, escapes, new columns and odd types do not."""
    raw = {
        line: row[RAW] is not None
        for line, row in zip(odd_lines(), table_of(odd_lines(), tmp_path)[1], strict=True)
        if len(line) < 10_000
    }
    for line, kept in raw.items():
        names = [name for name, _ in json.loads(line, object_pairs_hook=list, parse_int=str)]
        half = any(
            "\ud800" <= letter <= "\udfff" for letter in json.dumps(json.loads(line, parse_int=str), ensure_ascii=False)
        )
        assert kept == (half or b"\r" in line or len(set(names)) < len(names)), line[:200]


def test_what_cannot_be_held_can_still_be_queried(tmp_path: Path) -> None:
    """Half a surrogate pair is a replacement character in the columns, so that JSON functions take them."""
    _, rows = table_of([event(15).replace(b'"price":1', b'"half":"\\ud83d","price":1')], tmp_path)
    assert json.loads(rows[0]["event_properties"])["half"] == "\ufffd"


def test_an_ordinary_event_needs_neither_other_nor_raw(tmp_path: Path) -> None:
    """The columns alone hold it, and its times and numbers have their types."""
    (row,) = table_of([event(5)], tmp_path)[1]
    assert (row[OTHER], row[RAW]) == (None, None)
    assert row["event_time"] == datetime.fromisoformat(json.loads(event(5))["event_time"])
    assert row["amplitude_id"] == 900_719_925_474_099_305
    assert row["session_id"] == 1_762_405_200_005


def test_a_time_with_a_zone_is_a_time(tmp_path: Path) -> None:
    """It is the moment in UTC; its own spelling stands in `other`. What is no time is NULL there."""
    lines = [event(1, event_time="2025-11-06T05:00:00+02:00"), event(2, event_time="epoch"), event(3, event_time="1e4")]
    _, rows = table_of(lines, tmp_path)
    assert [row["event_time"] for row in rows] == [datetime(2025, 11, 6, 3), None, None]  # noqa: DTZ001
    assert json.loads(rows[0][OTHER]) == {"event_time": "2025-11-06T05:00:00+02:00"}


def test_a_day_without_events_is_a_table_without_rows(tmp_path: Path) -> None:
    """Its columns are there, so that a query over it runs."""
    written, rows = table_of([], tmp_path)
    assert (written.rows, rows) == (0, [])


def test_long_lines_between_short_ones_keep_their_order(tmp_path: Path) -> None:
    """A line that is longer than a piece's rows may be stands in a piece of its own."""
    long = event(2, event_properties={"text": "y" * (LONGEST_ROW + 5)})
    lines = [event(1), long, long, event(3), event(4)]
    assert [row["event_id"] for row in table_of(lines, tmp_path)[1]] == [1, 2, 2, 3, 4]


def test_working_files_may_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a platform where an open file has no path of its own the rows are the same, and the files are gone."""
    lines = [event(1), event(2)]
    expected = table_of(lines, tmp_path)
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temp))
    monkeypatch.setattr("exporter.tables.write.OPEN_FILES", tmp_path / "nowhere")
    assert table_of(lines, tmp_path) == expected
    assert list(temp.iterdir()) == []


def test_many_pieces_are_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of all pieces are there, in order, and each piece is a row group whose statistics can be used."""
    monkeypatch.setattr("exporter.tables.write.PIECE", 1 << 20)
    lines = early_lines()
    written, rows = table_of(lines, tmp_path)
    assert [row["uuid"] for row in rows] == [json.loads(line)["uuid"] for line in lines]
    with duckdb.connect() as database:
        path = str(tmp_path / "events.parquet")
        groups = database.execute("SELECT count(DISTINCT row_group_id) FROM parquet_metadata(?)", [path]).fetchall()
        assert groups[0][0] > 5
        query = "SELECT count(*) FROM read_parquet(?) WHERE uuid = 'uuid-20000'"
        assert database.execute(query, [path]).fetchall() == [(1,)]
        notes = dict(
            database.execute("SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)", [path]).fetchall()
        )
    assert (notes["source_sha256"], notes["events"]) == (written.sha256, str(len(lines)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*COLUMNS, "other", "_raw", "Uuid"]) | st.text(max_size=3), values, max_size=12
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_events_can_be_given_back(tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]) -> None:
    """Whatever stands in whichever column."""
    lines = [json.dumps(one, ensure_ascii=True, separators=(",", ":")).encode() for one in events]
    _, rows = table_of(lines, tmp_path_factory.mktemp("any"))
    for row, line in zip(rows, lines, strict=True):
        check_row(row, line)
