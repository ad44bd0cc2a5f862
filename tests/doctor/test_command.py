"""`python -m exporter doctor`, as a child process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.simulator import Simulator
from tests.kit import KEYS, files_in

REPOSITORY = Path(__file__).parents[2]


def call(folder: Path, url: str, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Call the doctor in a folder."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error"}
    keys = {"AMP_BASE_URL": url, "AMP_API_KEY": KEYS[0], "AMP_SECRET_KEY": KEYS[1], "EXPORT_TMP_LIMIT_MB": "100"}
    return subprocess.run(
        [sys.executable, "-m", "exporter", "doctor", *words],
        cwd=folder,
        env=own | keys | changed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_healthy_place_is_a_table_and_exit_zero(tmp_path: Path) -> None:
    """A line for each check, and nothing is written, not even a log."""
    with Simulator() as simulator:
        done = call(tmp_path, simulator.url)
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["check", "result", "what", "was", "found"]
    assert len(lines) == 11
    assert all("  ok  " in line for line in lines)
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize(
    "changed", [{"AMP_SECRET_KEY": "wrong-secret"}, {"EXPORT_MAX_ATTEMPTS": "99"}, {"AMP_API_KEY": ""}]
)
def test_a_failure_is_exit_one(tmp_path: Path, changed: dict[str, str]) -> None:
    """Wrong keys and wrong settings alike: the doctor says what is wrong, so it ends with 1 and not with 2."""
    with Simulator() as simulator:
        done = call(tmp_path, simulator.url, "--json", **changed)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert [check["name"] for check in found["checks"] if check["result"] == "failed"]
    assert "wrong-secret" not in done.stdout + done.stderr


def test_json_is_the_same_for_programs(tmp_path: Path) -> None:
    """A program reads ok, and each check's name, result and sentence."""
    with Simulator() as simulator:
        done = call(tmp_path, simulator.url, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"]) == (0, True)
    assert {tuple(check) for check in found["checks"]} == {("name", "result", "sentence")}
