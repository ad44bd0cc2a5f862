import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporter.days.coverage import Coverage
from exporter.days.stored import Days
from exporter.errors import DamagedError, LostRaceError
from exporter.report import Progress, no_progress
from exporter.settings import Settings
from exporter.simulator import Resized, Simulator
from exporter.store import ANY
from exporter.tables.derive import MOST_AT_NIGHT, Tables
from exporter.wiring import open_days, tables_of
from tests.kit import DAY, files_in
from tests.kit.blobs import (
    LAYOUT,
    MANIFEST,
    SECOND_LOOK,
    asking,
    contents,
    env_of,
    exporting,
    folder_env,
    manifest_in,
)
from tests.kit.rules import FEW_HOURS
from tests.kit.stopped import killed

TABLE = LAYOUT.table(DAY)
ON = {"EXPORT_TABLES": "parquet"}
STEPS = [("deriving", 1), ("deriving", 2), ("committing", 2), ("committed", 2), ("derived", 1)]
"""The first commit is the dump's. In a folder the second one is the manifest's, and the table's the third."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A small project."""
    with Simulator(events_per_hour=20, contents=FEW_HOURS) as running:
        yield running


@pytest.fixture(params=["folder", "container"])
def env(
    request: pytest.FixtureRequest, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of an exporter that makes tables, into a folder or a container."""
    return env_of(request, simulator, tmp_path, monkeypatch) | ON


def export(env: dict[str, str], day: date = DAY, **chosen: Any) -> None:
    """Export a day in this process."""
    from exporter.export import export_day  # noqa: PLC0415 - beside its only use

    with exporting(env, **chosen) as core:
        export_day(day, core)


def opened(env: dict[str, str], progress: Progress = no_progress) -> Any:
    """The days of the store."""
    return open_days(Settings.from_mapping(env, keys_needed=False), progress)


def due(days: Days) -> list[date]:
    """The days whose tables are due."""
    return Tables(days).due(coverage(days))


def coverage(days: Days) -> Coverage:
    """What is there at the second look."""
    return days.coverage(SECOND_LOOK)


def rows_in(days: Days, folder: Path, day: date = DAY) -> int:
    """The rows of the day's table, as DuckDB counts them."""
    path = folder / "read.parquet"
    path.write_bytes(b"".join(days.store.stream(days.layout.table(day))))
    with duckdb.connect() as database:
        (found,) = database.execute("SELECT count(uuid) FROM read_parquet(?)", [str(path)]).fetchall()
        return int(found[0])


def test_an_export_makes_the_table(env: dict[str, str], tmp_path: Path) -> None:
    """Behind the day its table stands, with the manifest's events, and nothing is due."""
    export(env)
    with opened(env) as days:
        assert rows_in(days, tmp_path) == manifest_in(days.store)["events"] > 0
        assert due(days) == []
        assert Tables(days).sources(coverage(days).rows) == {DAY: manifest_in(days.store)["sha256"]}


def test_no_table_is_made_unless_asked(env: dict[str, str]) -> None:
    """The setting is off where nothing is said, and then the day is whole and without a table."""
    export({name: text for name, text in env.items() if name != "EXPORT_TABLES"})
    with opened(env) as days:
        assert days.store.stat(TABLE) is None
        assert due(days) == [DAY]
        assert [row.good for row in coverage(days).rows] == [True, False]


def test_a_table_is_made_once(env: dict[str, str]) -> None:
    """A table of the same dump stays as it is."""
    export(env)
    with opened(env) as days:
        before = days.store.stat(TABLE)
        assert tables_of(days).derive(DAY) is None
        assert days.store.stat(TABLE) == before


def test_a_day_that_changed_gets_a_new_table(env: dict[str, str], tmp_path: Path) -> None:
    """A table of another dump is due, and made anew behind the export that changed the day."""
    export(env)
    with opened(env) as days:
        before = manifest_in(days.store)
    with Simulator(events_per_hour=20, contents=[*FEW_HOURS, Resized("17", 5)]) as grown:
        export({name: text for name, text in asking(env, grown).items() if name != "EXPORT_TABLES"})
        with opened(env) as days:
            assert manifest_in(days.store)["sha256"] != before["sha256"]
            assert due(days) == [DAY]
        export(asking(env, grown))
    with opened(env) as days:
        assert due(days) == []
        assert rows_in(days, tmp_path) == manifest_in(days.store)["events"] > before["events"]


@pytest.mark.parametrize("at", STEPS, ids=lambda at: f"{at[0]}-{at[1]}")
def test_killed_at_any_step_the_day_is_whole_and_the_table_there_or_due(
    at: tuple[str, int], env: dict[str, str], tmp_path: Path
) -> None:
    """Kill -9: nothing partial stands under the table's name, nothing is left over, and the next try makes it."""
    nth = at[1] + 2 * (at[0].startswith("commit") and "EXPORT_DATA_DIR" in env)  # the ledger's first line, the manifest
    temp = tmp_path / "temp"
    temp.mkdir()
    killed(env | {"TMPDIR": str(temp)}, DAY, SECOND_LOOK, (at[0], nth))
    assert list(temp.iterdir()) == []
    with opened(env) as days:
        (row, _) = coverage(days).rows
        assert (row.good, row.state) == (True, "final")
        there = days.store.stat(TABLE) is not None
        assert due(days) == ([] if there else [DAY])
        assert there == (at in {("committed", 2), ("derived", 1)})
        assert tables_of(days).try_to_derive(due(days)) == []
        assert due(days) == []
        assert rows_in(days, tmp_path) == row.events
    if "EXPORT_DATA_DIR" in env:
        names = set(files_in(tmp_path / "data"))
        ledger = LAYOUT.ledger.name(SECOND_LOOK.year)
        assert names - {LAYOUT.lock(DAY)} == set(contents(env)) - {LAYOUT.lock(DAY)} | {TABLE, ledger}


def test_every_step_is_swept(env: dict[str, str]) -> None:
    """The kills name each step behind the manifest's."""
    seen: list[str] = []
    export(env, progress=lambda step, _done, _total: seen.append(step))
    behind = seen[seen.index("proven") + 1 :]
    assert set(behind) - {"staging", "staged"} == {step for step, _ in STEPS}


def test_what_goes_wrong_with_a_table_is_a_warning(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The day is exported and whole; the log has one line, and the table is due."""
    monkeypatch.setattr("exporter.tables.write.MEMORY_MB", "no number of ")
    with caplog.at_level(logging.WARNING, "exporter.tables"):
        export(env)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "exporter.tables.derive"]
    assert line.startswith(f"table failed: day={DAY} reason=")
    assert "Exception(" in line
    with opened(env) as days:
        assert coverage(days).rows[0].good
        assert coverage(days).rows[0].failure is None
        assert due(days) == [DAY]


def test_without_duckdb_the_day_is_whole(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning says how to install it."""
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    export(asking(folder_env(tmp_path), simulator) | ON)
    assert "DuckDB is not installed" in caplog.text
    assert "'.[tables]'" in caplog.text
    assert (tmp_path / "data" / MANIFEST).exists()


def test_no_table_is_made_of_a_dump_that_is_not_what_its_manifest_says(env: dict[str, str]) -> None:
    """The bytes are hashed as they are read; what does not fit is never committed."""
    export({name: text for name, text in env.items() if name != "EXPORT_TABLES"})
    with opened(env) as days:
        dump = LAYOUT.dump(DAY)
        content = b"".join(days.store.stream(dump))
        days.store.write(dump, content.replace(b"Produkt", b"produkt"), seen=ANY, metadata={})
        with pytest.raises(DamagedError, match="No table is made of it"):
            tables_of(days).derive(DAY)
        assert days.store.stat(TABLE) is None


def test_two_at_once_make_one_table(env: dict[str, str]) -> None:
    """Who comes second loses the race, or finds the same blocks committed: the table is the same either way."""
    export({name: text for name, text in env.items() if name != "EXPORT_TABLES"})
    with opened(env) as days:

        def meanwhile(step: str, done: int, _total: int | None) -> None:
            if step == "deriving" and done:
                Tables(days).derive(DAY)

        with suppress(LostRaceError):
            Tables(days, meanwhile).derive(DAY)
        assert due(days) == []


def test_a_night_makes_some_of_the_tables_that_are_due(simulator: Simulator, tmp_path: Path) -> None:
    """Behind yesterday's the newest few of the lookback are made, so that a failed one comes by itself."""
    env = asking(folder_env(tmp_path), simulator)
    yesterday = DAY + timedelta(days=1)
    earlier = [yesterday - timedelta(days=n) for n in range(1, 6)]
    for day in earlier:
        export(env, day)
    export(env | ON, yesterday)
    with opened(env) as days:
        assert due(days) == sorted(earlier)[: len(earlier) - MOST_AT_NIGHT]


def test_a_day_without_events_has_a_table_too(tmp_path: Path) -> None:
    """So that whoever reads the folder finds every day."""
    with Simulator(events_per_hour=0) as simulator:
        env = asking(folder_env(tmp_path), simulator) | ON
        export(env)
    with opened(env) as days:
        assert rows_in(days, tmp_path) == 0
        assert due(days) == []


@pytest.mark.parametrize(
    ("name", "day"),
    [
        (TABLE, DAY),
        ("parquet/upload_date=2025-11-06/other.parquet", None),
        ("parquet/upload_date=2025-13-06/events.parquet", None),
        ("parquet/events.parquet", None),
    ],
)
def test_a_tables_name_tells_its_day(name: str, day: date | None) -> None:
    """Nothing else is taken for a table."""
    assert LAYOUT.table_day(name) == day


def test_a_table_of_a_day_that_was_written_anew_meanwhile_goes_again(env: dict[str, str]) -> None:
    """Somebody may have been erased from the day while its table was made; the table is due."""
    export({name: text for name, text in env.items() if name != "EXPORT_TABLES"})

    def erased(step: str, _done: int, _total: int | None) -> None:
        if step == "committed":
            with opened(env) as other:
                stored = other.store.read(MANIFEST)
                text = stored[0].replace(manifest_in(other.store)["sha256"].encode(), b"a" * 64)
                other.store.write(MANIFEST, text, seen=ANY, metadata={})

    with opened(env, erased) as days, pytest.raises(LostRaceError, match="written anew while its table was made"):
        Tables(days).derive(DAY)
    with opened(env) as days:
        assert days.store.stat(TABLE) is None
