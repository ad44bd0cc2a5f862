#!/usr/bin/env python3
"""Print what the last deployment was given, as lines for a shell: nothing is forgotten at the next one.

    eval "$(infra/parameters.py GROUP)"

Needs the Azure CLI, signed in, and Python 3. Keys are not among them: Azure does not give them back, and the vault
keeps them. Lines go to standard output; what went wrong to standard error, exit 1.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).with_name("main.bicepparam")


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


def main(arguments: list[str]) -> int:
    """Ask Azure, and print."""
    if len(arguments) != 1:
        sys.stderr.write(__doc__ or "")
        return 2
    command = ["az", "deployment", "group", "show", "--resource-group", arguments[0], "--name", "main"]
    try:
        asked = subprocess.run(  # noqa: S603 - a fixed program; the group is one argument
            [*command, "--query", "properties.parameters", "--output", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        sys.stderr.write("The Azure CLI (az) is not installed.\n")
        return 1
    if asked.returncode:
        sys.stderr.write(asked.stderr)
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines(json.loads(asked.stdout), FILE.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
