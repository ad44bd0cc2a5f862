"""Other Pythons than the one that runs the tests, where this machine has them."""

import subprocess
from pathlib import Path


def python_of(version: str) -> str | None:
    """A Python of this version that has pip, if there is one; a pyenv shim that selects another does not count."""
    pyenv = sorted(str(path) for path in (Path.home() / ".pyenv/versions").glob(f"{version}*/bin/python3"))
    for candidate in (f"python{version}", *pyenv):
        try:
            found = subprocess.run([candidate, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        if found.returncode == 0 and f"(python {version})" in found.stdout:
            return candidate
    return None
