"""Every deployment that is kept in infra/snapshots/: its environment, and what would be deployed with it.

``python -m tests.infra.snapshots`` writes them anew. A change of infra/ then shows in review as what it changes.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.infra import compiler

FOLDER = compiler.INFRA / "snapshots"
PARAMETERS = {"ci": "ci/main.bicepparam", "dumps-role": "dumps-role.bicepparam", "eraser": "eraser.bicepparam"}
NAMES = sorted(path.stem for path in FOLDER.glob("*.env"))
EXPORTERS = [name for name in NAMES if name not in PARAMETERS]
WRITE = "make infra-snapshots; they are of Bicep 0.49.2"


def environment(name: str) -> dict[str, str]:
    """The variables that this deployment is made with."""
    lines = (FOLDER / f"{name}.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def parameters(name: str) -> str:
    """The parameter file that reads them."""
    return PARAMETERS.get(name, "main.bicepparam")


def stored(name: str) -> Any:
    """The snapshot as it is kept."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def taken(infra: Path, name: str) -> tuple[str, str]:
    """The snapshot of these templates, and what the compiler printed."""
    return compiler.snapshot(infra, parameters(name), environment(name))


def problems(infra: Path) -> list[str]:
    """Where the deployment would differ from what is kept."""
    found = []
    for name in NAMES:
        path = FOLDER / f"{name}.json"
        if not path.is_file():
            found.append(f"infra/snapshots/{name}.json is not there: {WRITE}")
            continue
        _, printed = compiler.snapshot(infra, parameters(name), environment(name), path.read_text(encoding="utf-8"))
        if printed:
            found.append(f"infra/snapshots/{name}.json is not what would be deployed ({WRITE}):\n{printed}")
    return found


def main() -> int:
    """Write every snapshot anew."""
    if compiler.program() is None:
        sys.stderr.write(f"{compiler.WHERE_TO_GET_IT}\n")
        return 1
    for name in NAMES:
        text, printed = taken(compiler.INFRA, name)
        sys.stdout.write(printed + "\n" if printed else "")
        if not text:
            return 1
        snapshot = json.loads(text)
        # The compiler writes the outputs in another order each time; the rest keeps its order.
        snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
        pretty = json.dumps(snapshot, indent=2, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(pretty + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
