"""The package as people install it: a wheel, into a fresh environment, called from any folder."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from exporter import __version__
from tests.package.pythons import python_of

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody would who has no settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AMP_", "EXPORT_"))}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from a copy of what it is made of."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "exporter", tree / "exporter", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    done = run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tree / "dist", ".", cwd=tree
    )
    assert done.returncode == 0, done.stderr
    (made,) = (tree / "dist").iterdir()
    return made


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("fresh")
    assert run(sys.executable, "-m", "venv", folder, cwd=folder).returncode == 0
    done = run(folder / "bin/python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def test_the_wheel_holds_the_whole_package(wheel: Path) -> None:
    """Every file of exporter/ is in it, those that are no Python included, and nothing else but its own records."""
    there = [path for path in (ROOT / "exporter").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == {str(path.relative_to(ROOT)) for path in there}
    assert wheel.name == f"amplitude_exporter-{__version__}-py3-none-any.whl"


def test_the_command_tells_its_version_and_help(scripts: Path, tmp_path: Path) -> None:
    """`amplitude-exporter` is there, with everything it needs to speak."""
    told = run(scripts / "amplitude-exporter", "--version", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert __version__ in told.stdout
    helped = run(scripts / "amplitude-exporter", "--help", cwd=tmp_path)
    assert helped.returncode == 0
    assert "backfill" in helped.stdout


def test_it_works_in_any_folder(scripts: Path, tmp_path: Path) -> None:
    """The demo writes into the folder where it is called, and `status` reads what is there, tables included."""
    assert run(scripts / "amplitude-exporter", "demo", cwd=tmp_path).returncode == 0
    assert list((tmp_path / "demo/data").glob("*_ampl_dump.json"))
    (tmp_path / ".env").write_text("AMP_API_KEY=a\nAMP_SECRET_KEY=b\nEXPORT_DATA_DIR=demo/data\n")
    for command in ([scripts / "amplitude-exporter"], [scripts / "python", "-m", "exporter"]):
        assert run(*command, "status", cwd=tmp_path).returncode == 0
        told = run(*command, "status", "--json", cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout)


def test_the_exit_code_is_the_commands(scripts: Path, tmp_path: Path) -> None:
    """A script hears of wrong usage: the command ends with 2, not with 0."""
    assert run(scripts / "amplitude-exporter", "status", "--days", "many", cwd=tmp_path).returncode == 2


def test_an_older_python_is_told_so(wheel: Path, tmp_path: Path) -> None:
    """Pip on 3.11 refuses in one sentence that names the Python it wants."""
    old = python_of("3.11")
    if old is None:
        pytest.skip("no Python 3.11 with pip here")
    done = run(old, "-m", "pip", "install", "--no-deps", "--target", tmp_path / "site", wheel, cwd=tmp_path)
    assert done.returncode != 0
    assert "requires a different Python" in done.stderr
    assert ">=3.12" in done.stderr
