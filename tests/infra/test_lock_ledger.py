"""The one step that cannot be undone, with an Azure CLI that plays the policy."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.compiler import INFRA, ROOT

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

AZ = r"""#!/bin/bash
echo "$*" >>asked
case "$*" in
  "deployment group show"*) [[ -s outputs ]] && cat outputs ;;
  *"immutability-policy show"*) [[ -s policy ]] && cat policy ;;
  *"immutability-policy lock"*) [[ -e stubborn ]] || sed -i 1s/.*/Locked/ policy ;;
esac
"""
OUTPUTS = "ampexportx\namplitude-ledger\n"


def _lock(folder: Path, *arguments: str, policy: str, typed: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    (folder / "az").write_text(AZ)
    (folder / "az").chmod(0o755)
    (folder / "policy").write_text(policy)
    if not (folder / "outputs").exists():
        (folder / "outputs").write_text(OUTPUTS)
    return subprocess.run(
        [str(INFRA / "lock-ledger.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        input=typed,
        cwd=folder,
        env={"PATH": f"{folder}:{os.environ['PATH']}", **more},
    )


def _asked_to_lock(folder: Path) -> list[str]:
    asked = (folder / "asked").read_text() if (folder / "asked").exists() else ""
    return [line for line in asked.splitlines() if "immutability-policy lock" in line]


UNLOCKED, LOCKED = 'Unlocked\n365\nTrue\n"8d1"\n', 'Locked\n365\nTrue\n"8d1"\n'


@pytest.mark.parametrize("answer", [{"typed": "amplitude-ledger\n"}, {"LOCK": "amplitude-ledger"}])
def test_policy_is_locked_when_its_container_is_named(tmp_path: Path, answer: dict[str, str]) -> None:
    """By the ETag that was seen; what cannot be undone is said before, and what is needed from then on behind."""
    done = _lock(tmp_path, "GROUP", policy=UNLOCKED, **answer)
    assert (done.returncode, done.stderr) == (0, "")
    assert "never be shortened or taken off" in done.stdout.partition("LOCKED")[0]
    assert done.stdout.endswith("LOCKED for 365 days. At this and every later deployment: export LEDGER_LOCKED=true\n")
    (asked,) = _asked_to_lock(tmp_path)
    for part in ("--resource-group GROUP", "--account-name ampexportx", "--container-name amplitude-ledger"):
        assert part in asked
    assert '--if-match "8d1"' in asked


@pytest.mark.parametrize("typed", ["", "\n", "yes\n", "amplitude\n"])
def test_nothing_is_locked_without_its_name(tmp_path: Path, typed: str) -> None:
    """Return, yes, another container, or nobody there: nothing was changed."""
    done = _lock(tmp_path, "GROUP", policy=UNLOCKED, typed=typed)
    assert (done.returncode, _asked_to_lock(tmp_path)) == (1, [])
    assert "Nothing was changed" in done.stderr


def test_policy_that_forbids_appending_is_not_locked(tmp_path: Path) -> None:
    """It would end the export for good."""
    done = _lock(tmp_path, "GROUP", policy=UNLOCKED.replace("True", "False"), LOCK="amplitude-ledger")
    assert (done.returncode, _asked_to_lock(tmp_path)) == (1, [])
    assert "does not allow appending" in done.stderr


def test_locked_policy_is_left_alone(tmp_path: Path) -> None:
    """Called again, it says what holds, and ends well."""
    done = _lock(tmp_path, "GROUP", policy=LOCKED)
    assert (done.returncode, _asked_to_lock(tmp_path)) == (0, [])
    assert "is locked already, for 365 days" in done.stdout


def test_without_a_policy_or_a_deployment_it_says_so(tmp_path: Path) -> None:
    """And when Azure did not lock after all, it does not say that it is locked."""
    assert "has no policy" in _lock(tmp_path, "GROUP", policy="").stderr
    (tmp_path / "stubborn").touch()
    done = _lock(tmp_path, "GROUP", policy=UNLOCKED, LOCK="amplitude-ledger")
    assert (done.returncode, done.stderr) == (1, "NOT LOCKED: Azure says that the policy is Unlocked.\n")
    (tmp_path / "outputs").write_text("")
    (tmp_path / "outputs").touch()
    assert "no deployment named main" in _lock(tmp_path, "GROUP", policy=UNLOCKED).stderr


def test_wrong_usage_ends_with_two(tmp_path: Path) -> None:
    """Without a group it says how it is called, and that it cannot be undone."""
    done = _lock(tmp_path, policy=UNLOCKED)
    assert done.returncode == 2
    assert "THIS CANNOT BE UNDONE" in done.stderr


def test_whoever_decides_reads_that_it_cannot_be_undone() -> None:
    """At the parameter, in operations.md and in security.md."""
    operations = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    lock = operations.partition("### Lock the ledger")[2].partition("\n### ")[0]
    assert "infra/lock-ledger.sh GROUP" in lock
    for text in (lock, (ROOT / "docs/security.md").read_text(encoding="utf-8")):
        assert "never be shortened" in text
    assert "never be shortened or taken off" in (INFRA / "main.bicep").read_text(encoding="utf-8")
