"""What a deployment was given is not lost at the next one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra import snapshots
from tests.infra.compiler import INFRA, ROOT

GIVEN = {
    "location": {"type": "String", "value": "westeurope"},
    "tags": {"type": "Object", "value": {"team": "it's us"}},
    "ampApiKey": {"type": "SecureString"},
    "ampSecretKey": {"type": "securestring", "value": "made-up"},
    "exportSchedule": {"type": "String", "value": "0 0 2,14 * * *"},
    "retentionDays": {"type": "Int", "value": 730},
    "readers": {"type": "Array", "value": ["00000000-0000-0000-0000-00000000000a", "user:b"]},
    "protect": {"type": "Bool", "value": True},
    "ledgerLocked": {"type": "Bool", "value": False},
}
OUTPUTS = {"exportAccountName": {"value": "ampexportx"}, "ledgerContainer": {"value": "amplitude-ledger"}}


def _ask(folder: Path, answer: str, code: int = 0, policy: str = "{}") -> subprocess.CompletedProcess[str]:
    """Call the script with an Azure CLI that gives this answer, and this one about the ledger's policy."""
    az = folder / "az"
    (folder / "answer").write_text(answer)
    (folder / "policy").write_text(policy)
    asking = f'echo "$*" >>{folder}/asked\ncase "$*" in *immutability-policy*) cat {folder}/policy; exit;; esac'
    az.write_text(f"#!/bin/sh\n{asking}\ncat {folder}/answer {'>&2' if code else ''}\nexit {code}\n")
    az.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    command = [sys.executable, str(INFRA / "parameters.py"), "GROUP"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_parameters_of_the_last_deployment_come_back_as_variables(tmp_path: Path) -> None:
    """A shell that evaluates the lines has them all, quotes included; no key is among them."""
    done = _ask(tmp_path, json.dumps([GIVEN, OUTPUTS]))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "asked").read_text().startswith("deployment group show --resource-group GROUP --name main")
    show = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    shown = subprocess.run(["bash", "-c", done.stdout + show], capture_output=True, text=True, check=True, env={})
    own = {"_", "PWD", "SHLVL", "LC_CTYPE"}
    assert {name: value for name, value in json.loads(shown.stdout).items() if name not in own} == {
        "AZURE_LOCATION": "westeurope",
        "TAGS": '{"team": "it\'s us"}',
        "EXPORT_SCHEDULE": "0 0 2,14 * * *",
        "RETENTION_DAYS": "730",
        "READERS": "00000000-0000-0000-0000-00000000000a,user:b",
        "PROTECT": "true",
        "LEDGER_LOCKED": "false",
    }


@pytest.mark.parametrize(
    ("outputs", "state", "locked"),
    [(OUTPUTS, "Locked", ["true"]), (OUTPUTS, "Unlocked", ["false"]), ({}, "Locked", ["false"]), (None, "", ["false"])],
)
def test_ledger_that_was_locked_since_is_known(tmp_path: Path, outputs: object, state: str, locked: list[str]) -> None:
    """Azure refuses to write a locked policy; a deployment of a version without a ledger has none to ask about."""
    done = _ask(tmp_path, json.dumps([GIVEN, outputs]), policy=json.dumps({"state": state}))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"LEDGER_LOCKED=(\w+)", done.stdout) == locked
    asked = (tmp_path / "asked").read_text()
    assert ("--account-name ampexportx --container-name amplitude-ledger" in asked) == bool(outputs)


def test_refusal_of_azure_is_passed_on(tmp_path: Path) -> None:
    """A group without a deployment prints no line that could be evaluated."""
    done = _ask(tmp_path, "DeploymentNotFound", code=3)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "DeploymentNotFound")


def test_without_the_azure_cli_it_says_so() -> None:
    """And without a group it says how it is called."""
    command = [sys.executable, str(INFRA / "parameters.py")]
    done = subprocess.run([*command, "GROUP"], capture_output=True, text=True, check=False, env={"PATH": "/nowhere"})
    assert (done.returncode, done.stdout) == (1, "")
    assert "not installed" in done.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("name", ["deploy.yml", "infra.yml"])
def test_workflow_hands_on_every_variable_that_the_parameter_file_reads(name: str, tmp_path: Path) -> None:
    """Each variable of the repository or environment that is one of the file's, no other; an unset one stays unset."""
    workflow = (ROOT / ".github/workflows" / name).read_text(encoding="utf-8")
    (step,) = re.findall(r"- name: Take the variables.+?run: \|\n((?: {10}[^\n]*\n)+)", workflow, re.DOTALL)
    script = re.sub(r"(?m)^ {10}", "", step)
    target = tmp_path / "github-env"
    variables = {**snapshots.environment("everything"), "SOMETHING_ELSE": "x", "PATH": "/nowhere"}
    environment = {"PATH": os.environ["PATH"], "GITHUB_ENV": str(target), "VARIABLES": json.dumps(variables)}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, cwd=ROOT, env=environment)
    written = dict(line.split("=", 1) for line in target.read_text().splitlines())
    assert written == snapshots.environment("everything")
