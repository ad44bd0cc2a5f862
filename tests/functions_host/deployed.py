"""Makes what a deployment puts into Azure: the files that .funcignore leaves, and requirements.txt installed.

Installing takes seconds; its result is kept under build/, named by the Python and the requirements it is for.
"""

import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
SITE = ".python_packages/lib/site-packages"
WORKER = re.compile(r"^(azure-functions-runtime|grpcio|protobuf)==", re.MULTILINE)
"""What the worker has beside the app: Microsoft's runtime, and the link to the host."""


def deployed_files(root: Path) -> Iterator[Path]:
    """Every file below ``root`` that .funcignore leaves, relative to it."""
    patterns = [line.strip() for line in (root / ".funcignore").read_text().splitlines() if line.strip()]
    for folder, folders, files in root.walk():
        here = folder.relative_to(root)
        folders[:] = [name for name in folders if not _ignored(here / name, patterns)]
        yield from (here / name for name in sorted(files) if not _ignored(here / name, patterns))


def _ignored(path: Path, patterns: Sequence[str]) -> bool:
    """Gitignore's rules, as far as the file uses them: with a slash from the root, else a name anywhere."""
    whole = PurePosixPath(path)
    return any(fnmatchcase(str(whole) if "/" in pattern else whole.name, pattern) for pattern in patterns)


def packages(python: str) -> Path:
    """A folder with requirements.txt installed for ``python``, and nothing else."""
    requirements = (ROOT / "requirements.txt").read_text()
    folder = _named("packages", python, requirements)
    if not folder.exists():
        making = folder.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        _run(python, "-m", "pip", "install", "--target", str(making), "-r", str(ROOT / "requirements.txt"))
        making.rename(folder)
    return folder


def worker(python: str) -> str:
    """The Python of an environment that has a worker's own packages, and nothing else."""
    pins = [line for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if WORKER.match(line)]
    folder = _named("worker", python, "".join(pins))
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(python, "-m", "venv", str(folder))
        _run(str(folder / "bin/python"), "-m", "pip", "install", *pins)
        (folder / "made").touch()
    return str(folder / "bin/python")


def deploy(folder: Path, python: str, *, without: str = "") -> Path:
    """Make the tree in ``folder``, as the remote build does; ``without`` is a module to leave out, e.g. azure.core."""
    for path in deployed_files(ROOT):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    shutil.copytree(packages(python), folder / SITE, copy_function=os.symlink)
    if without:
        shutil.rmtree(folder / SITE / without.replace(".", "/"))
    return folder


def _named(what: str, python: str, content: str) -> Path:
    version = _run(python, "-c", "import sys; print(sys.version.split()[0])").strip()
    return BUILD / f"{what}-{version}-{zlib.crc32(content.encode()):08x}"


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"[-4000:])
    return done.stdout
