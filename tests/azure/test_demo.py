import os
import subprocess
import sys
from pathlib import Path

from tests.azure.azurite import Azurite

REPOSITORY = Path(__file__).parents[2]


def demo(folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Run the demo as make does, in a folder of its own, with nobody at the terminal."""
    return subprocess.run(
        [sys.executable, "-m", "tests.azure.demo"],
        cwd=folder,
        env={"PATH": path, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_demo_shows_a_day_in_the_container(tmp_path: Path, azurite: Azurite) -> None:
    """The listing has the dump and its manifest; a line of the log tells the day; no other folder is touched."""
    assert azurite.blob_url  # so that this test is skipped where node is missing
    done = demo(tmp_path, os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    assert "_0000_ampl_dump.json" in done.stdout
    assert "manifests/" in done.stdout
    assert "day exported:" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_without_node_the_demo_says_what_to_install(tmp_path: Path) -> None:
    """One sentence, exit code 1, nothing written."""
    done = demo(tmp_path, str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "Azurite needs node: install node 20 or newer, then `make test`\n"
    assert list(tmp_path.iterdir()) == []
