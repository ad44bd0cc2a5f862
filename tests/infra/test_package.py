"""What infra/package.sh puts into the ZIP that is deployed."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.infra.compiler import INFRA, ROOT

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("git") and (ROOT / ".git").exists()), reason="needs bash and a checkout"
)


def _package(folder: Path, **settings: str) -> zipfile.ZipFile:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
    command = [str(INFRA / "package.sh"), "app.zip"]
    subprocess.run(command, check=True, cwd=folder, env=environment)
    return zipfile.ZipFile(folder / "app.zip")


@pytest.mark.parametrize(
    "settings", [{}, {"EXPORT_TABLES": "parquet"}, {"EXPORT_REPORT": "on"}, {"EXPORT_TABLES": "", "EXPORT_REPORT": ""}]
)
def test_duckdb_is_asked_for_where_it_is_needed(tmp_path: Path, settings: dict[str, str]) -> None:
    """One line more in requirements.txt, by the settings that the templates read; the rest is as it is committed."""
    with _package(tmp_path, **settings) as archive:
        names = archive.namelist()
        text = archive.read("requirements.txt").decode()
        assert archive.testzip() is None
    assert len(names) == len(set(names))
    committed = subprocess.run(
        ["git", "show", "HEAD:requirements.txt"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    asked = any(settings.values())
    assert text.removeprefix(committed) == ("\n-r requirements-tables.txt\n" if asked else "")
    assert "requirements-tables.txt" in names


def test_package_holds_the_app_and_no_more(tmp_path: Path) -> None:
    """The app's modules, without the command line and the simulator, and nothing else of the repository."""
    with _package(tmp_path) as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
    tops = {name.split("/")[0] for name in files}
    assert tops == {"function_app.py", "host.json", "requirements.txt", "requirements-tables.txt", "exporter"}
    assert {"exporter/app/chain.py", "exporter/tables/derive.py", "exporter/report.py"} <= files
    assert not [name for name in files if name.startswith(("exporter/cli", "exporter/simulator", "exporter/__main__"))]


def test_wrong_usage_ends_with_two(tmp_path: Path) -> None:
    """Without a name that ends with .zip nothing is written."""
    done = subprocess.run([str(INFRA / "package.sh"), "app"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "infra/package.sh FILE.zip" in done.stderr


def test_workflow_packs_by_the_same_script() -> None:
    """With the same two variables, whether or not it deploys the templates."""
    workflow = (ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8")
    step = workflow.partition("- name: Deploy the app")[2].partition("- name:")[0]
    assert "infra/package.sh app.zip" in step
    for name in ("EXPORT_TABLES", "EXPORT_REPORT"):
        assert f"{name}: ${{{{ vars.{name} }}}}" in step
