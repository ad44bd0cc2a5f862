"""The commands `tables`, `sql` and, for tables, `status`."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.cli.arguments import parse_arguments
from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.commands import perform
from exporter.errors import SettingsError
from exporter.export import export_day
from exporter.simulator import Simulator
from tests.kit import DAY, Time
from tests.kit.blobs import SECOND_LOOK, asking, exporting, folder_env

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command on two days that have no table."""
    with Simulator(events_per_hour=5) as simulator:
        env = asking(folder_env(tmp_path), simulator) | {"EXPORT_LOG_DIR": ""}
        for day in (DAY, DAY - timedelta(days=1)):
            with exporting(env) as core:
                export_day(day, core)

    def command(*words: str, **more: str) -> int:
        return perform(Call(parse_arguments(list(words)), env | more, Time(SECOND_LOOK).clock()))

    return command


def test_tables_makes_what_is_missing_and_tells(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """First the days that are named, then the rest, then nothing; status says how many are due."""
    assert run("status", EXPORT_TABLES="parquet") == DONE
    assert "Tables due: 2. `tables` makes them." in capsys.readouterr().out
    assert run("tables", "--day", str(DAY), "--json") == DONE
    told = json.loads(capsys.readouterr().out)
    assert [(one["day"], one["table"]) for one in told["tables"]] == [(str(DAY), "made")]
    assert run("tables") == DONE
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["day", "table"],
        ["2025-11-05", "made"],
        ["2025-11-06", "there"],
    ]
    assert run("status", "--json", EXPORT_TABLES="parquet") == DONE
    assert json.loads(capsys.readouterr().out)["tables_due"] == []
    assert run("status", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["tables_due"] is None


def test_a_table_that_cannot_be_made_is_told(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and the reason."""
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    assert run("tables") == FAILED
    out = capsys.readouterr().out
    assert "2025-11-06: DuckDB is not installed" in out
    assert run("tables", "--json") == FAILED
    assert len(json.loads(capsys.readouterr().out)["failed"]) == 2


def test_sql_prints_a_table_csv_or_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The same rows, for a person, a spreadsheet and a program; NaN is no JSON."""
    query = (
        "SELECT 'a, b' AS text, NULL AS nothing, 'NaN'::DOUBLE AS number, DATE '2025-11-06' AS day, "
        "count(*) > 0 AS some FROM events"
    )
    assert run("sql", query) == DONE
    assert capsys.readouterr().out.splitlines()[1].split() == ["a,", "b", "nan", "2025-11-06", "True"]
    assert run("sql", "--csv", query) == DONE
    assert capsys.readouterr().out == 'text,nothing,number,day,some\n"a, b",,nan,2025-11-06,True\n'
    assert run("sql", "--json", query) == DONE
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {"text": "a, b", "nothing": None, "number": None, "day": "2025-11-06", "some": True}


def test_a_table_has_so_many_rows_and_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Its columns are held until the last cell is known; CSV is not."""
    more = "There are more than these 10,000 rows: --csv or --json"
    for query, told in (("SELECT range FROM range(10000)", ""), ("SELECT range FROM range(10001)", more)):
        capsys.readouterr()
        assert run("sql", query) == 0
        out, err = capsys.readouterr()
        assert (len(out.splitlines()), told in err, "There are" in err) == (10_001, True, bool(told))
    assert run("sql", "SELECT range FROM range(10001)", "--csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 10_002


def test_sql_takes_the_days_that_are_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Only their dumps are asked."""
    run("sql", "--csv", "--day", str(DAY), "SELECT DISTINCT upload_date FROM events")
    assert capsys.readouterr().out == "upload_date\n2025-11-06\n"


def test_sql_reads_queries_from_standard_input(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other; a semicolon in a text ends none."""
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT ';' AS a\n  , 1 AS b;\nSELECT 2 AS c"))
    assert run("sql", "--csv") == DONE
    assert capsys.readouterr().out == "a,b\n;,1\nc\n2\n"


def test_sql_at_a_terminal_goes_on_after_a_wrong_query(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each query is answered when it ends; a wrong one is told."""
    typed = iter(["SELECT", "1 AS one;", "wrong;", "SELECT 2 AS two;"])

    def line(_prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", line)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert run("sql") == DONE
    out = capsys.readouterr().out
    assert out.index("one\n  1") < out.index("cannot be answered") < out.index("two\n  2")


def test_sql_without_a_query_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument that is a comment, and a standard input that is empty; two on a line; a name that is none."""
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
    for words in (("sql", "/* */"), ("sql",)):
        with pytest.raises(SettingsError, match="there is no query"):
            run(*words)
    with pytest.raises(SettingsError, match="these are 2"):
        run("sql", "SELECT 1; SELECT 2")
    with pytest.raises(SettingsError, match="SHOW TABLES names what there is") as raised:
        run("sql", "FROM evnts")
    assert "Did you mean" not in str(raised.value)


def test_many_columns_are_a_list_on_a_terminal(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """55 columns side by side would show nothing at all."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    run("sql", "FROM events LIMIT 2")
    out = capsys.readouterr().out
    assert out.startswith("row 1\n  person ")
    assert "\nrow 2\n" in out
    assert "None" not in out


def test_sql_that_would_write_is_wrong_usage(run: Run) -> None:
    """With words."""
    with pytest.raises(SettingsError, match="the archive is only read, and this would be COPY"):
        run("sql", "COPY (SELECT 1) TO 'out.csv'")
