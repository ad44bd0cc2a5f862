"""Every command of the Azure CLI that the documents, scripts and templates tell, asked of the CLI itself.

It reads a command's name and arguments before it looks for a sign-in, and ends with 2 where it does not know one. It is
called with a configuration of its own, so nobody is signed in, and nothing is asked of Azure. Set AZ to an Azure CLI.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.compiler import INFRA, ROOT

AZ = os.environ.get("AZ")
SOURCES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(INFRA.glob("*.sh")),
    *sorted(INFRA.rglob("*.bicep")),
    *sorted((ROOT / ".github/workflows").glob("*.yml")),
]
# These ask somebody for something before all else.
NOT_ASKED = ("az login", "az bicep")
# Not in the CLI itself: the documents say how they are added.
EXTENSIONS = {"az monitor log-analytics query": "log-analytics"}


def _spans(path: Path) -> Iterator[str]:
    """Pieces of text that may be commands: blocks line by line, inline code, texts of templates."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    if path.suffix == ".md":
        blocks = re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```", text)
        yield from (line for block in blocks for line in block.splitlines())
        yield from re.findall(r"`(az [^`]+)`", re.sub(r"(?ms)^ *```.*?^ *```", "", text).replace("\n", " "))
    elif path.suffix == ".bicep":
        yield from re.findall(r"'(az [^'\n]+)'", text)
    else:
        yield from text.splitlines()


def _commands() -> dict[str, str]:
    """Each command with a word for whatever is filled in, and where it stands."""
    found: dict[str, str] = {}
    for path in SOURCES:
        for span in _spans(path):
            plain = re.sub(r"<[^<>\n]+>|\$\{[^}]*\}|\$\{\{.*?\}\}|\$\w+|\$\(", "X", span)
            for start in re.finditer(r"(?:^|[\s;(`])(az [a-z][a-z-]+ .*)", plain):
                command = re.split(r"\s#|[|;)]\s|\s\||\)$|`|\)\s|\" ;;", start[1])[0]
                if command.startswith(tuple(EXTENSIONS)):
                    continue
                if not re.search(r'…|"\$@"', command) and not command.startswith(NOT_ASKED):
                    found.setdefault(command.strip(), path.name)
    return found


COMMANDS = _commands()


def test_commands_were_found() -> None:
    """A change of the documents' form does not make this empty."""
    assert len(COMMANDS) >= 30
    assert any("immutability-policy extend" not in command and "lock delete" in command for command in COMMANDS)


def test_extensions_are_named_where_they_are_needed() -> None:
    """Else the first question to the log ends with a question to the reader."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    for command, extension in EXTENSIONS.items():
        assert f"az extension add --name {extension}" in text.partition(command)[0]


@pytest.mark.skipif(AZ is None, reason="set AZ to an Azure CLI to have its commands checked")
@pytest.mark.parametrize(("command", "where"), COMMANDS.items())
def test_azure_cli_knows_the_command(command: str, where: str, tmp_path: Path) -> None:
    """Its name, and each argument."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.replace('"', "").replace("'", "").split()
    done = subprocess.run(
        [AZ or "az", *words[1:]],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AZURE_CORE_COLLECT_TELEMETRY": "0"},
    )
    # A command that is only named is not one to be pasted, and a template puts its commands together from pieces.
    whole = "--" in command and not where.endswith(".bicep")
    if whole or "arguments are required" not in done.stderr:
        assert done.returncode != 2, (where, done.stderr)
    assert "misspelled or not recognized" not in done.stderr, (where, done.stderr)
