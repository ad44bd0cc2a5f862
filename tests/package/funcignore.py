"""What .funcignore leaves out, by the rules of the programs that read it.

`func` (Core Tools) cannot be run here: its rules are held to what its own parser answered, in verdicts.tsv. azd reads
the file as git would: as pathspec says, and as git itself says where it is installed.
"""

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

Reader = Callable[[Sequence[str], Iterable[str]], list[str]]
"""Takes the lines of the file, and paths relative to the app; gives those of the paths that are uploaded."""

_FOLDERS = {".git", ".vscode"}
_FILES = {".funcignore", ".gitignore", "local.settings.json", "project.lock.json"}


def core_tools(lines: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Core Tools: what its parser leaves, but for a few names that it never uploads."""
    wanted = [path for path in paths if not _FOLDERS.intersection(PurePosixPath(path).parts[:-1])]
    return core_tools_parser(lines, (path for path in wanted if PurePosixPath(path).name not in _FILES))


def core_tools_parser(lines: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Its parser: each line is the start of a path, up to the end of a word; the order of the lines says nothing."""
    said = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    ignored = [_pattern(line) for line in said if not line.startswith("!")]
    brought_back = [_pattern(line[1:]) for line in said if line.startswith("!")]

    def uploaded(path: str) -> bool:
        return any(one.match(path) for one in brought_back) or not any(one.match(path) for one in ignored)

    return [path for path in paths if uploaded(path)]


def _pattern(line: str) -> re.Pattern[str]:
    """`*` is one character or more without a slash, `**` one or more of anything; all else stands for itself."""
    parts = re.split(r"(\*\*|\*)", line.removeprefix("/"))
    wild = {"**": ".+", "*": "[^/]+"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts) + r"\b", re.ASCII)


def git_rules(lines: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Git's rules as pathspec has them: the last line that matches decides."""
    spec = GitIgnoreSpec.from_lines(lines)
    return [path for path in paths if not spec.match_file(path)]


def git_itself(lines: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Git's own answer. It brings no file back from a folder that is left out, which pathspec does."""
    asked = [path for path in paths if not path.startswith(".git/")]  # which is never git's to ignore
    with tempfile.TemporaryDirectory() as root:
        Path(root, "ignore").write_text("\n".join(lines))
        git = ["git", "-C", root, "-c", f"core.excludesFile={root}/ignore"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        command = [*git, "check-ignore", "--no-index", "--stdin"]
        done = subprocess.run(command, input="\n".join(asked), capture_output=True, text=True, check=False)
    left_out = set(done.stdout.splitlines())
    return [path for path in asked if path not in left_out]


def said(root: Path) -> list[str]:
    """The lines of .funcignore in this folder."""
    return (root / ".funcignore").read_text().splitlines()


def deployed_files(root: Path) -> list[Path]:
    """Every file below ``root`` that `func` uploads, relative to it; but no compiled module, since a clone has none."""
    paths = []
    for folder, folders, files in root.walk():
        folders[:] = sorted(name for name in folders if name not in _FOLDERS | {"__pycache__"})
        paths += [(folder.relative_to(root) / name).as_posix() for name in sorted(files)]
    return [Path(path) for path in core_tools(said(root), paths)]
