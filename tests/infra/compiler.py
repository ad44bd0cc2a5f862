"""The Bicep compiler, where it is at hand: BICEP, else ``bicep`` on the PATH, else what ``az bicep install`` installed.

Its exit code is a trap: a property that does not exist is a warning, exit 0, and deployed without it. So what counts
is what it prints: any line is a finding.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
WHERE_TO_GET_IT = "set BICEP to the Bicep compiler, or install it (az bicep install), to compile the templates"
# Made-up ids: a snapshot is the same on every machine. The group is the one that infra/snapshots/ci.env names.
DEPLOYMENT = {
    "subscription-id": "00000000-0000-0000-0000-000000000002",
    "tenant-id": "00000000-0000-0000-0000-000000000001",
    "resource-group": "exporter",
    "location": "germanywestcentral",
    "deployment-name": "main",
}


def program() -> str | None:
    """The compiler, or None when there is none."""
    if named := os.environ.get("BICEP"):
        return str(Path(named).resolve()) if "/" in named else named
    installed = Path(os.environ.get("AZURE_CONFIG_DIR", Path.home() / ".azure"), "bin/bicep")
    return shutil.which("bicep") or (str(installed) if installed.is_file() else None)


def kept_environment() -> dict[str, str]:
    """What the compiler needs of this environment; a parameter file must see none of the rest."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def said(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Everything that the compiler prints for these arguments; its own words when it cannot be started."""
    try:
        done = subprocess.run(
            [program() or "bicep", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**kept_environment(), **(environment or {})},
        )
    except OSError as error:
        return f"the compiler cannot be started: {error}"
    # The folder is a copy of infra/ that is gone when this is read.
    printed = (done.stdout + done.stderr).replace(f"{folder}/", "").strip()
    return printed or ("" if done.returncode == 0 else f"bicep {arguments[0]} ended with {done.returncode}")


@contextmanager
def copied(infra: Path) -> Iterator[Path]:
    """A copy of the templates, for commands that write beside what they read."""
    with tempfile.TemporaryDirectory() as temp:
        tree = Path(temp).resolve() / "infra"
        shutil.copytree(infra, tree)
        yield tree


def findings(infra: Path) -> list[str]:
    """What build, lint and format have to say about every template under ``infra``."""
    with copied(infra) as tree:
        problems = [line for command in ("build", "lint") for line in _every(command, "bicep", tree)]
        problems += [line for kind in ("bicep", "bicepparam") for line in _every("format", kind, tree)]
        written = sorted([*tree.rglob("*.bicep"), *tree.rglob("*.bicepparam")])
        names = [str(path.relative_to(tree)) for path in written]
        unlike = [name for name in names if (tree / name).read_bytes() != (infra / name).read_bytes()]
    return list(dict.fromkeys(problems)) + [f"{name} is not formatted: bicep format infra/{name}" for name in unlike]


def _every(command: str, kind: str, tree: Path) -> list[str]:
    return said(command, "--pattern", f"**/*.{kind}", folder=tree).splitlines()


def snapshot(
    infra: Path, parameters: str, environment: Mapping[str, str], stored: str | None = None
) -> tuple[str, str]:
    """What would be deployed, and what the compiler printed; with ``stored``, compared with that snapshot."""
    with copied(infra) as tree:
        path = (tree / parameters).with_suffix(".snapshot.json")
        if stored is not None:
            path.write_text(stored, encoding="utf-8")
        mode = "overwrite" if stored is None else "validate"
        options = [word for name, value in DEPLOYMENT.items() for word in (f"--{name}", value)]
        printed = said("snapshot", parameters, "--mode", mode, *options, folder=tree, environment=environment)
        return path.read_text(encoding="utf-8") if path.is_file() else "", printed
