"""Makes what a deployment puts into Azure: the files that .funcignore leaves, and requirements.txt installed.

Installing takes seconds; its result is kept under build/, named by the Python and the requirements it is for.
"""

import os
import re
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.package.funcignore import deployed_files

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
SITE = ".python_packages/lib/site-packages"
WORKER = re.compile(r"^((?:azure-functions-runtime|grpcio|protobuf)==[^\\\n]+)", re.MULTILINE)
"""What the worker has beside the app: Microsoft's runtime, and the link to the host."""


def packages(python: str) -> Path:
    """A folder with requirements.txt installed for ``python``, and nothing else."""
    requirements = ROOT / "requirements.txt"

    def install(folder: Path) -> None:
        _run(python, "-m", "pip", "install", "--require-hashes", "--target", str(folder), "-r", str(requirements))

    return _made("packages", python, requirements.read_text(), install)


def worker(python: str) -> str:
    """The Python of an environment that has a worker's own packages, and nothing else."""
    pins = WORKER.findall((ROOT / "requirements-dev.txt").read_text())

    def install(folder: Path) -> None:
        _run(python, "-m", "venv", str(folder))
        _run(str(folder / "bin/python"), "-m", "pip", "install", *pins)

    return str(_made("worker", python, "".join(pins), install) / "bin/python")


def deploy(folder: Path, python: str, *, without: str = "") -> Path:
    """Make the tree in ``folder``, as the remote build does; ``without`` is a module to leave out, e.g. azure.core."""
    for path in deployed_files(ROOT):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    shutil.copytree(packages(python), folder / SITE, copy_function=os.symlink)
    if without:
        shutil.rmtree(folder / SITE / without.replace(".", "/"))
    return folder


def _made(what: str, python: str, content: str, install: Callable[[Path], None]) -> Path:
    """The folder for this Python and content; installed beside it and moved, so that it is whole if it is there."""
    version = _run(python, "-c", "import sys; print(sys.version.split()[0])").strip()
    folder = BUILD / f"{what}-{version}-{zlib.crc32(content.encode()):08x}"
    if not folder.exists():
        BUILD.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD, ignore_cleanup_errors=True) as making:
            install(Path(making) / what)
            try:
                (Path(making) / what).rename(folder)
            except OSError:
                if not folder.exists():  # else another run of the tests was quicker
                    raise
    return folder


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"[-4000:])
    return done.stdout
