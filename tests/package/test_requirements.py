"""The requirements: pinned with hashes, one version everywhere, and no older Python takes them."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.package.pythons import python_of

ROOT = Path(__file__).parents[2]
NAMES = ["requirements", "requirements-cli", "requirements-tables", "requirements-dev", "requirements-release"]
ALONE = "requirements-checkov"
"""In an environment of its own, with versions of its own."""
APP_ONLY = {"azure-functions", "azure-monitor-opentelemetry", "azure-storage-queue"}
"""What the function app needs and the command line does not."""


def logical_lines(name: str) -> Iterator[str]:
    """The lines of a requirements file as pip reads them: joined where a backslash says so, without comments."""
    joined = (ROOT / name).read_text().replace("\\\n", " ")
    yield from (line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines()) if line)


def pins(name: str) -> list[tuple[Requirement, list[str]]]:
    """Each requirement of a .txt with its hashes."""
    found = []
    for line in logical_lines(f"{name}.txt"):
        if not line.startswith("-r "):
            requirement, *hashes = line.split(" --hash=")
            found.append((Requirement(requirement), [one.strip() for one in hashes]))
    return found


def direct(name: str) -> dict[NormalizedName, Requirement]:
    """What a .in asks for, by name; of two lines for one name, the last."""
    asked = [Requirement(line) for line in logical_lines(f"{name}.in") if not line.startswith("-")]
    return {canonicalize_name(one.name): one for one in asked}


def version(requirement: Requirement) -> str:
    """The one version that a pin allows."""
    (only,) = requirement.specifier
    assert only.operator == "=="
    return only.version


@pytest.mark.parametrize("name", [*NAMES, ALONE])
def test_every_file_is_known_by_its_hash(name: str) -> None:
    """Each requirement is one version with SHA-256 hashes: pip takes no file that is not among them."""
    assert pins(name)
    for requirement, hashes in pins(name):
        assert version(requirement)
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


@pytest.mark.parametrize("name", [*NAMES, ALONE])
def test_what_is_asked_for_is_pinned(name: str) -> None:
    """Nobody changed a .in, or a .txt by hand, and forgot `make pins`: names, bounds and the words above them agree."""
    versions = {canonicalize_name(pin.name): version(pin) for pin, _ in pins(name)}
    for package, asked in direct(name).items():
        assert versions[package] in asked.specifier
    words = [line for line in (ROOT / f"{name}.in").read_text().splitlines() if line.startswith("#")]
    assert (ROOT / f"{name}.txt").read_text().splitlines()[: len(words)] == words


def test_one_package_has_one_version() -> None:
    """The app, the command line and the tools agree: what was tested and looked at is what is deployed."""
    seen: dict[tuple[str, str], str] = {}
    for name in NAMES:
        for pin, _ in pins(name):
            key = canonicalize_name(pin.name), str(pin.marker) if pin.name == "azure-functions" else ""
            assert seen.setdefault(key, version(pin)) == version(pin)


@pytest.mark.parametrize(
    ("python_version", "major"), [("3.10", "2"), ("3.11", "2"), ("3.12", "1"), ("3.13", "2"), ("3.14", "2")]
)
def test_every_python_is_asked_for_one_azure_functions(python_version: str, major: str) -> None:
    """3.12 gets the last 1.x. All others are asked for 2.x, which wants 3.13: so an older one cannot install it."""
    environment = {"python_version": python_version, "python_full_version": f"{python_version}.1"}
    asked = [
        version(pin)
        for pin, _ in pins("requirements")
        if pin.name == "azure-functions" and pin.marker and pin.marker.evaluate(environment)
    ]
    assert [one.split(".")[0] for one in asked] == [major]


@pytest.mark.parametrize("how", [[], ["--require-hashes"]])
def test_an_older_python_refuses_to_install(how: list[str], tmp_path: Path) -> None:
    """A remote build on 3.11 fails there and then, instead of the app at its first import."""
    old = python_of("3.11")
    if old is None:
        pytest.skip("no Python 3.11 with pip here")
    command: list[str | Path] = [
        old,
        "-m",
        "pip",
        "install",
        *how,
        "--target",
        tmp_path / "site",
        "-r",
        ROOT / "requirements.txt",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "No matching distribution found for azure-functions==2" in done.stderr
    assert "Requires-Python >=3.13" in done.stderr
    assert not (tmp_path / "site").exists()


def test_the_package_asks_for_what_the_command_line_needs() -> None:
    """Whoever installs the package gets what requirements-cli.txt has: the same names, in ranges that hold the pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = {canonicalize_name(one.name): one for one in map(Requirement, project["dependencies"])}
    assert set(ranges) == (set(direct("requirements")) | set(direct("requirements-cli"))) - APP_ONLY
    versions = {canonicalize_name(pin.name): version(pin) for name in NAMES[:2] for pin, _ in pins(name)}
    for package, asked in ranges.items():
        assert versions[package] in asked.specifier
        assert any(one.operator == "<" for one in asked.specifier), f"{package} has no upper bound"
