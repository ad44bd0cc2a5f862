"""Windows is played in a child process: what Python lacks there is hidden before anything is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from exporter.simulator import Simulator
from tests.azure.azurite import Azurite
from tests.kit import DAY
from tests.kit.blobs import DUMP, MANIFEST, asking, blob_env
from tests.kit.rules import FEW_HOURS

REPOSITORY = Path(__file__).parents[2]
HIDING = """
import os, sys

sys.modules["fcntl"] = None
for name in ("pread", "pwrite", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "O_TMPFILE", "fchmod"):
    delattr(os, name)
"""


def run(folder: Path, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """The command line without what Windows lacks."""
    (folder / "sitecustomize.py").write_text(HIDING)
    return subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "EXPORT_LOG_DIR": str(folder / "logs"), "PYTHONPATH": str(folder), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_day_goes_to_blob_storage(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], tmp_path: Path
) -> None:
    """With Blob Storage as the destination an export works."""
    with Simulator(events_per_hour=40, contents=FEW_HOURS) as simulator:
        env = asking(blob_env(azurite, container, azure_env), simulator)
        done = run(tmp_path, env, "export", "--day", str(DAY))
    assert done.returncode == 0, done.stderr
    assert [found.name for found in container.list_blobs()] == [DUMP, MANIFEST]


@pytest.mark.parametrize("words", [("status",), ("export", "--day", str(DAY))])
def test_a_folder_says_what_it_needs(tmp_path: Path, words: tuple[str, ...]) -> None:
    """With a folder as the destination there is one sentence, and no folder."""
    keys = {"AMP_API_KEY": "a-key", "AMP_SECRET_KEY": "a-secret", "AMP_BASE_URL": "http://127.0.0.1:9"}
    done = run(tmp_path, {**keys, "EXPORT_DATA_DIR": str(tmp_path / "data")}, *words)
    assert done.returncode == 1
    (line,) = [line for line in (done.stdout or done.stderr).splitlines() if " - INFO - program: " not in line]
    assert "needs Linux, macOS or WSL" in line
    assert not (tmp_path / "data").exists()
