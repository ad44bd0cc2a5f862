"""README's commands work as they stand there, and its tables are what the code says."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.settings import Settings
from exporter.simulator import Simulator
from tests.kit import exporting

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DAY = date(2025, 11, 6)


def block(name: str) -> str:
    """The code block behind the comment `<!-- tested: name -->`."""
    found = re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"README has no tested block {name}"
    return found[1]


def environment(simulator: Simulator) -> dict[str, str]:
    """The keys of the simulator, and this checkout to import from."""
    return os.environ | {
        "AMP_BASE_URL": simulator.url,
        "AMP_API_KEY": simulator.api_key,
        "AMP_SECRET_KEY": simulator.secret_key,
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a day in data/."""
    folder = tmp_path_factory.mktemp("loaded")
    with Simulator(events_per_hour=5) as simulator, exporting(simulator, folder / "data") as core:
        from exporter.export import export_day  # noqa: PLC0415 - beside its only use

        assert export_day(DAY, core).manifest.events
    return folder


@pytest.mark.parametrize("name", ["duckdb", "pandas"])
def test_loading_examples_run(name: str, loaded: Path) -> None:
    """The Python examples load a dump and find the events of 6 November, Europe/Berlin."""
    events = json.loads((loaded / "data" / "20251106_0000_ampl_dump.json").read_text())
    moments = (datetime.fromisoformat(event["event_time"]).replace(tzinfo=UTC) for event in events)
    expected = sum(moment.astimezone(ZoneInfo("Europe/Berlin")).date() == DAY for moment in moments)
    assert 0 < expected < len(events)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block(name)], cwd=loaded, check=True, capture_output=True, text=True
    )
    assert re.search(rf"(?<!\d){expected}(?!\d)", done.stdout), done.stdout


def test_json_lines_example_is_the_events(loaded: Path) -> None:
    """The one-liner makes JSON lines: the dump's events, a line each, bytes unchanged."""
    subprocess.run(["bash", "-ec", block("jsonl")], cwd=loaded, check=True)
    dump = (loaded / "data" / "20251106_0000_ampl_dump.json").read_bytes()
    events = (loaded / "events.jsonl").read_bytes()
    assert events == dump.removeprefix(b"[\n").removesuffix(b"\n]\n").replace(b",\n", b"\n") + b"\n"


def test_local_commands_run(tmp_path: Path) -> None:
    """The commands for this machine run in their order, each with exit code 0."""
    shutil.copy(ROOT / ".env.example", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with Simulator(events_per_hour=2) as simulator:
        done = subprocess.run(
            ["bash", "-ec", block("local")],
            cwd=tmp_path,
            env=environment(simulator),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "20251106_0000_ampl_dump.json").exists()
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert re.search(r"result.*\n\S+ +ok ", done.stdout)


@pytest.mark.parametrize("name", ["lambda", "gcf"])
def test_handlers_of_other_clouds_run(name: str, tmp_path: Path) -> None:
    """The handlers export what is due when they are called."""
    call = "handler({}, None)" if name == "lambda" else "handler(None)"
    with Simulator(events_per_hour=2) as simulator:
        done = subprocess.run(
            [sys.executable, "-c", f"{block(name)}\nprint({call})"],
            cwd=tmp_path,
            env=environment(simulator),
            capture_output=True,
            text=True,
            check=True,
        )
    assert ("'done': 1" in done.stdout) or ("('done', 200)" in done.stdout)
    assert list((tmp_path / "data").glob("*_ampl_dump.json"))


def test_settings_table_is_the_settings() -> None:
    """Every setting stands in the table with its default and its meaning, and no other."""
    table = README.split("<!-- settings -->")[1].split("\n\n")[0]
    rows = {
        row[0].strip("`"): row[1:3] for row in (re.split(r"\s*\|\s*", line)[1:-1] for line in table.splitlines()[3:])
    }
    fields = {item.metadata["name"]: item for item in dataclasses.fields(Settings)}
    assert set(rows) == set(fields)
    for name, (default, meaning) in rows.items():
        item = fields[name]
        value = f"{item.default:g}" if isinstance(item.default, float) else str(item.default)
        needed = "required to export" if name in {"AMP_API_KEY", "AMP_SECRET_KEY"} else "none"
        assert default.strip("`") == (value or needed), name
        assert meaning == item.metadata["meaning"], name


def test_every_command_stands_in_the_table() -> None:
    """README names the commands that the command line knows, and no other."""
    helped = subprocess.run(
        [sys.executable, "-m", "exporter", "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    known = set(re.findall(r"^    (\w+) {2,}", helped, re.MULTILINE))
    table = README.split("| command | what it does |")[1].split("\n\n")[0]
    assert known == set(re.findall(r"^\| `(\w+)", table, re.MULTILINE))


def test_links_lead_somewhere() -> None:
    """Every relative link of README and docs/ is a file of this repository."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
