"""Help, hints, typos, completion."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.cli.arguments import OPTIONS
from exporter.cli.help import HELP
from exporter.settings import SETTING_NAMES
from tests.cli.desk import REPOSITORY, Desk, recent
from tests.package.pythons import python_of

COMMANDS = sorted(OPTIONS)
OLD = """
import runpy, sys
sys.version_info, sys.version = (3, 9, 1), "3.9.1 (default)"
runpy.run_module("exporter", run_name="__main__")
"""
NAMED = """
import sys
from exporter.__main__ import main
sys.argv[0] = "/usr/local/bin/amplitude-exporter"
sys.exit(main())
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_help_has_all_it_needs(desk: Desk, command: str) -> None:
    """What it does, examples, exit codes, and the settings that it reads, each of which there is."""
    said = desk.call(command, "--help")
    assert said.code == 0
    assert len(HELP[command].examples) >= (1 if command == "demo" else 2)
    for part in ("examples:", "exit codes: 0 ", HELP[command].long.split(",")[0][:40]):
        assert part in said.out
    assert set(re.findall(r"\b(?:EXPORT|AMP)_[A-Z_]+\b", said.out)) == set(HELP[command].settings) <= SETTING_NAMES


def test_every_setting_is_read_by_a_command() -> None:
    """But the schedule, which is the app's."""
    assert {name for told in HELP.values() for name in told.settings} == SETTING_NAMES - {"EXPORT_SCHEDULE"}


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in {"simulate", "demo", "doctor"}])
def test_examples_can_be_typed(command: str, desk: Desk) -> None:
    """As they stand there: no option in them is unknown."""
    for words, _ in HELP[command].examples:
        assert desk.call(command, *shlex.split(words), AMP_API_KEY="", EXPORT_MAX_ATTEMPTS="9").code == 2
        said = desk.call(command, *shlex.split(words), EXPORT_MAX_ATTEMPTS="9").err
        assert said.startswith("The settings or the command are wrong"), said


def test_hints_are_as_it_was_called(desk: Desk) -> None:
    """By name where it is installed, as a module elsewhere."""
    desk.call("export", "--day", recent(2))
    hint = rf"\n  (.*) backfill --from {recent(1)} --to {recent(0)}\n"
    named = re.search(hint, desk.call_as(("-c", NAMED), ("status",), {}).out)
    module = re.search(hint, desk.call("status").out)
    assert named
    assert module
    assert named[1] == "amplitude-exporter"
    assert module[1] == f"{sys.executable} -m exporter"


def test_an_older_python_is_told_so(desk: Desk) -> None:
    """One sentence, before anything is imported that it cannot read."""
    said = desk.call_as(("-c", OLD), ("status",), {})
    assert said.code == 1
    assert said.err == "amplitude-exporter needs Python 3.12 or newer, and this is 3.9.1\n"


def test_a_real_older_python_is_told_so() -> None:
    """It can read the door at all."""
    old = python_of("3.11")
    if old is None:
        pytest.skip("no Python 3.11 here")
    done = subprocess.run([old, "-m", "exporter"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"amplitude-exporter needs Python 3\.12 or newer, and this is 3\.11\.\d+\n", done.stderr)


def test_the_door_can_be_read_by_an_older_python() -> None:
    """Nothing above the check needs a newer one."""
    before = (REPOSITORY / "exporter/__main__.py").read_text().partition("import logging")[0]
    compile(before, "__main__", "exec", dont_inherit=True, flags=0)
    assert "sys.version_info < (3, 12)" in before
    assert re.findall(r"^(?:from|import) (\S+)", before, re.MULTILINE) == ["sys"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion(desk: Desk, shell: str) -> None:
    """For the installed command: every command and option is in it."""
    said = desk.call("--print-completion", shell)
    assert said.code == 0
    assert "amplitude-exporter" in said.out
    for word in (*COMMANDS, "--force", "--quiet", "--from"):
        assert word in said.out or word.removeprefix("--") in said.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_takes_the_completion(desk: Desk, tmp_path: Path) -> None:
    """It is read without a word, and completes a command."""
    script = tmp_path / "completion"
    script.write_text(desk.call("--print-completion", "bash").out)
    ask = f"""source {script}
COMP_WORDS=(amplitude-exporter back); COMP_CWORD=1
$(complete -p amplitude-exporter | sed 's/.*-F \\([^ ]*\\).*/\\1/')
echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-ec", ask], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["backfill"], "")


def test_the_demo_twice_at_once_says_why(desk: Desk) -> None:
    """The second one finds the day held."""
    assert desk.call("demo").code == 0
    (manifest,) = (desk.folder / "demo/data/manifests").iterdir()
    lock = desk.folder / "demo/data/locks" / manifest.stem
    holding = "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, 2); print('held'); sys.stdin.read()"
    words = [sys.executable, "-c", holding, str(lock)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        said = desk.call("demo")
        other.communicate()
    assert said.code == 1
    assert "The demo is at work in another terminal: " in said.out
    assert "Traceback" not in said.err
