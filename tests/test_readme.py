"""The commands of README and docs/ work as they stand there, and README's tables are what the code says."""

import ast
import dataclasses
import errno
import json
import os
import re
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
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DAY = date(2025, 11, 6)


def block(name: str, page: str = "README.md") -> str:
    """The code block behind the comment `<!-- tested: name -->`."""
    found = re.search(
        rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL
    )
    assert found, f"{page} has no tested block {name}"
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
    """The commands for this machine run in their order with exit code 0, and a new store has no gap after them."""
    command = tmp_path / "bin/amplitude-exporter"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m exporter "$@"\n')
    command.chmod(0o755)
    with Simulator(events_per_hour=2) as simulator:
        done = subprocess.run(
            ["bash", "-ec", block("local")],
            cwd=tmp_path,
            env=environment(simulator) | {"PATH": f"{command.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "data").glob("*_ampl_dump.json"))) == 7
    assert "Missing" not in done.stdout
    assert (tmp_path / "coverage.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert re.search(r"result.*\n\S+ +ok ", done.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_example_exports_a_day_of_long_ago(page: Path) -> None:
    """Whoever types a command as it stands has no gap of a year afterwards: days are relative, or left open."""
    code = re.findall(r"^ *```\w*\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    asked = re.compile(r"(?:\b(?:export|backfill) .*|-X POST .*|-d '.*)\b20\d\d-\d\d-\d\d")
    assert [line for part in code for line in part.splitlines() if asked.search(line)] == []


@pytest.mark.parametrize("name", ["lambda", "gcf"])
def test_handlers_of_other_clouds_run(name: str, tmp_path: Path) -> None:
    """The handlers export what is due when they are called."""
    call = "handler({}, None)" if name == "lambda" else "handler(None)"
    with Simulator(events_per_hour=2) as simulator:
        done = subprocess.run(
            [sys.executable, "-c", f"{block(name, 'docs/schedulers.md')}\nprint({call})"],
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
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        targets = re.findall(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]+))?\)", text)
        targets += [(target, "") for target in re.findall(r'(?:src|srcset)="([^"]+)"', text)]
        for target, heading in targets:
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name}: {target}"
            assert not heading or heading in headings(there), f"{page.name}: {target}#{heading}"


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    told = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in told}


def said() -> str:
    """Every text in the exporter's code, its gaps as `…`."""
    texts = []
    for path in (ROOT / "exporter").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join([*texts, os.strerror(errno.ENOSPC)])


def test_the_complaints_are_what_is_said() -> None:
    """What Troubleshooting quotes is what the exporter says, word for word."""
    chapter = README.split("## Troubleshooting, by symptom")[1].split("\n## ")[0]
    quoted = [one for bold in re.findall(r"\*\*(.*?)\*\*", chapter, re.DOTALL) for one in re.findall(r'"(.*?)"', bold)]
    assert len(quoted) >= 8
    code = said()
    for quotation in quoted:
        for words in re.split(r"…|\b[AB]\b|status \d{3}", quotation):
            assert words.strip(" ,.)(:") in code, quotation


def test_the_first_versions_names_stand_beside_todays() -> None:
    """Whoever comes from there finds each of its settings."""
    table = README.split("<!-- settings -->")[1].split("\n\n")[0]
    old = {row[3]: row[0] for row in (re.split(r"\s*\|\s*", line)[1:-1] for line in table.splitlines()[3:]) if row[3]}
    told = (ROOT / "docs/first-version.md").read_text(encoding="utf-8")
    assert len(old) >= 8
    for then, now in old.items():
        assert f"| {then} | {now} |" in told
