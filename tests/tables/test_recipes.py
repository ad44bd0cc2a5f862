"""README's recipes on an archive that is legal and hard to load, beside a slow, obvious loop."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.tables.hostile import ARCHIVE, EMPTY, ODD, Figures, export_lines, figures
from tests.test_readme import block

IN_DUCKDB = """
def one(query): return duckdb.sql(query).fetchall()[0][0]
types = duckdb.sql("SELECT coalesce(event_type, 'none'), count(*) FROM events GROUP BY ALL").fetchall()
print("FIGURES", repr(dict(
    events=one("SELECT count(*) FROM events"), uuids=one("SELECT count(DISTINCT uuid) FROM events"), types=dict(types),
    berlin=one("SELECT count(*) FROM events "
        "WHERE timezone('Europe/Berlin', timezone('UTC', event_time))::DATE = DATE '2025-11-06'"),
    price=one("SELECT coalesce(round(sum(try_cast(nullif(event_properties ->> 'price', 'true') AS DOUBLE)), 6), 0.0) "
        "FROM events"),
    coupons=one("SELECT count(event_properties ->> 'coupon') FROM events"),
    users=one("SELECT count(DISTINCT user_id) FROM events"))))
"""
IN_PANDAS = """
properties = frame["event_properties"].map(lambda value: value if isinstance(value, dict) else {})
prices = properties.map(lambda value: None if isinstance(value.get("price"), bool) else value.get("price"))
print("FIGURES", repr(dict(
    events=len(frame), uuids=frame["uuid"].nunique(), berlin=int(berlin.sum()),
    types={name or "none": int(count) for name, count in frame["event_type"].fillna("none").value_counts().items()},
    price=round(float(pandas.to_numeric(prices, errors="coerce").sum()), 6),
    coupons=int(properties.map(lambda value: "coupon" in value).sum()),
    users=frame["user_id"].dropna().map(str).nunique())))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole archive, in data/."""
    folder = tmp_path_factory.mktemp("hostile")
    export_lines(ARCHIVE, folder / "data")
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the only day is empty."""
    folder = tmp_path_factory.mktemp("empty")
    export_lines({EMPTY: []}, folder / "data")
    return folder


def found(recipe: str, more: str, folder: Path) -> Figures:
    """What README's recipe and these lines behind it find."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block(recipe) + more],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = re.search("^FIGURES (.*)$", done.stdout, re.MULTILINE)
    assert told
    values: dict[str, Any] = eval(told[1], {"__builtins__": {"dict": dict}})  # noqa: S307 - what we have just printed
    return Figures(**values)


@pytest.mark.parametrize(("recipe", "more"), [("duckdb", IN_DUCKDB), ("pandas", IN_PANDAS)], ids=["duckdb", "pandas"])
def test_a_recipe_finds_what_a_loop_finds(recipe: str, more: str, hostile: Path) -> None:
    """Every event, type, price, late key and user; the calendar day of a time that is one."""
    by_loop = figures(hostile / "data", first=recipe == "duckdb")
    by_recipe = found(recipe, more, hostile)
    print(f"loop   {by_loop.printed()}\n{recipe} {by_recipe.printed()}")  # noqa: T201 - shown with -s and on failure
    assert by_recipe == by_loop
    assert by_loop.events == sum(map(len, ARCHIVE.values()))
    assert by_loop.uuids < by_loop.events
    assert by_loop.coupons == 2


@pytest.mark.parametrize(("recipe", "more"), [("duckdb", IN_DUCKDB), ("pandas", IN_PANDAS)], ids=["duckdb", "pandas"])
def test_a_recipe_takes_an_archive_that_has_only_an_empty_day(recipe: str, more: str, empty: Path) -> None:
    """No events, no error."""
    assert found(recipe, more, empty) == Figures(0, 0, {}, 0, 0.0, 0, 0)


def test_json_lines_of_odd_events_are_the_events(hostile: Path) -> None:
    """The one-liner changes no byte of any, and makes nothing of an empty day."""
    for day, name in ((ODD, "20251106"), (EMPTY, "20251104")):
        command = block("jsonl").replace("20251106", name)
        subprocess.run(["bash", "-ec", command], cwd=hostile, check=True)
        lines = (hostile / "events.jsonl").read_bytes().split(b"\n")[:-1]
        assert Counter(lines) == Counter(ARCHIVE[day])
        assert lines == list(ARCHIVE[day])
