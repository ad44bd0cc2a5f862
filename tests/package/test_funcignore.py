"""What a deployment uploads: the app's files and no other, whichever of the two programs reads .funcignore."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.package.funcignore import Reader, core_tools, core_tools_parser, deployed_files, git_itself, git_rules, said

ROOT = Path(__file__).parents[2]
LINES = [line for line in said(ROOT) if line and not line.startswith("#")]
READERS: Mapping[str, Reader] = {"func": core_tools, "azd": git_rules} | (
    {"git": git_itself} if shutil.which("git") else {}
)

PRIVATE = [
    ".azure/prod/.env",
    ".env",
    ".env.local",
    ".env.production",
    ".envrc",
    ".git/config",
    ".github/workflows/ci.yml",
    ".gitignore",
    ".venv/bin/python",
    ".venv-3.12/pyvenv.cfg",
    ".vscode/settings.json",
    "20251106_0000_ampl_dump.json",
    "README.md",
    "amplitude_exporter.egg-info/PKG-INFO",
    "build/packages/function_app.py",
    "data/20251106_0000_ampl_dump.json",
    "demo/data/manifests/20251106_0000.json",
    "dist/amplitude_exporter-0.1.0-py3-none-any.whl",
    "exporter.egg-info/PKG-INFO",
    "function_app_old/.env",
    "infra/main.bicepparam",
    "local.settings.json",
    "logs/log_20251107_020000.log",
    "my dumps/web/20251106_0000_ampl_dump.json",
    "requirements-dev.txt",
    "requirements.in",
    "tests/exporter/x.py",
    "tests/requirements.txt",
    "venv/bin/python",
]


def app_files() -> list[str]:
    """Every file of the app, as it lies in this folder."""
    here = [path for path in (ROOT / "exporter").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = ["function_app.py", "host.json", "requirements-tables.txt", "requirements.txt"]
    return [*files, *sorted(str(path.relative_to(ROOT)) for path in here)]


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> Reader:
    """Each of the programs."""
    return READERS[request.param]


def test_the_rules_are_those_of_the_real_parser() -> None:
    """Core Tools' own parser answered what stands in verdicts.tsv; our reading answers the same, all of it."""
    verdicts = Path(__file__).with_name("verdicts.tsv").read_text().splitlines()
    assert len(verdicts) == 116
    wrong = []
    for line in verdicts:
        patterns, path, verdict = line.split("\t")
        if core_tools_parser(patterns.split(" ; "), [path]) != ([path] if verdict == "uploaded" else []):
            wrong.append(line)
    assert wrong == []


def test_every_file_of_the_app_is_uploaded(reader: Reader) -> None:
    """Nothing that the app needs is left out, and no module of a folder that will be made tomorrow."""
    files = [*app_files(), "exporter/tomorrow/templates/page.html"]
    assert reader(LINES, files) == files


def test_nothing_else_is_uploaded(reader: Reader) -> None:
    """Keys, environments, dumps in a folder of any name and whatever else lies about: it stays where it is."""
    assert reader(LINES, PRIVATE) == []


def test_nothing_of_this_checkout_is_uploaded_but_the_app() -> None:
    """The files of the deployment that the tests run are the app's, in a checkout with all that development leaves."""
    assert sorted(map(str, deployed_files(ROOT))) == sorted(app_files())


def test_the_apps_folder_goes_up_whole(reader: Reader) -> None:
    """The limit that the file's comment names: whatever lies in exporter/ is uploaded, your own files as well."""
    assert reader(LINES, ["exporter/notes.txt"]) == ["exporter/notes.txt"]


@pytest.mark.skipif("git" not in READERS, reason="git is not installed: only it needs the folder's own line")
@pytest.mark.parametrize("without", LINES)
def test_every_line_is_needed(without: str) -> None:
    """Without any one of its lines, one of the programs uploads too much or too little."""
    left = [line for line in LINES if line != without]
    files = app_files()
    assert any(reader(left, files) != files or reader(left, PRIVATE) for reader in READERS.values())
