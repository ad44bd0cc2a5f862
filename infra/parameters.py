#!/usr/bin/env python3
"""Print what the last deployment was given, as lines for a shell: nothing is forgotten at the next one.

    eval "$(infra/parameters.py GROUP)"

Needs the Azure CLI, signed in, and Python 3. Keys are not among them: Azure does not give them back, and the vault
keeps them. A ledger that was locked since is: a deployment has to know. Lines go to standard output; what went wrong
to standard error, exit 1.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("main.bicepparam")
LOCKED = "export LEDGER_LOCKED=true"


def lines(parameters: dict[str, dict[str, object]], file: str) -> list[str]:
    """A line for every parameter that has a value and that the parameter file reads from a variable."""
    variables = dict(re.findall(r"(?m)^param (\w+) = .*?readEnvironmentVariable\('(\w+)'", file))
    return [
        f"export {variable}={shlex.quote(_text(parameters[name]['value']))}"
        for name, variable in variables.items()
        if "value" in parameters.get(name, {}) and parameters[name].get("type", "").lower() != "securestring"
    ]


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def _azure(*arguments: str) -> Any:
    """What Azure answers.

    Raises:
        subprocess.CalledProcessError: it refuses.
    """
    command = ["az", *arguments, "--output", "json"]
    asked = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a fixed program
    return json.loads(asked.stdout)


def _is_locked(group: str, outputs: dict[str, dict[str, str]]) -> bool:
    """Whether the ledger's policy was locked after that deployment; a version without a ledger has none."""
    if "ledgerContainer" not in outputs:
        return False
    container = ("--account-name", outputs["exportAccountName"]["value"])
    container += ("--container-name", outputs["ledgerContainer"]["value"])
    policy = _azure("storage", "container", "immutability-policy", "show", "--resource-group", group, *container)
    return bool(policy) and policy.get("state") == "Locked"


def main(arguments: list[str]) -> int:
    """Ask Azure, and print."""
    if len(arguments) != 1:
        sys.stderr.write(__doc__ or "")
        return 2
    (group,) = arguments
    deployment = ("deployment", "group", "show", "--resource-group", group, "--name", "main")
    try:
        parameters, outputs = _azure(*deployment, "--query", "properties.[parameters, outputs]")
        told = lines(parameters, FILE.read_text(encoding="utf-8"))
        if _is_locked(group, outputs or {}):
            told = [line for line in told if "LEDGER_LOCKED=" not in line] + [LOCKED]
    except FileNotFoundError:
        sys.stderr.write("The Azure CLI (az) is not installed.\n")
        return 1
    except subprocess.CalledProcessError as refused:
        sys.stderr.write(refused.stderr)
        return 1
    sys.stdout.writelines(f"{line}\n" for line in told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
