"""Breaks the templates on purpose, one way a test: a check that misses a breakage is no check."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import pytest

from tests.infra import check, compiler, snapshots
from tests.infra.breakages import COMPILED, DEPLOYED, DUMPS, QUERIES, TYPES, Breakage
from tests.infra.deployed import Deployment
from tests.infra.promises import broken
from tests.infra.warm import Compiler

needs_compiler = pytest.mark.skipif(compiler.program() is None, reason=compiler.WHERE_TO_GET_IT)


def _broken(breakage: Breakage, tree: Path) -> Path:
    shutil.copytree(compiler.INFRA, tree)
    file = tree / breakage.file
    text = file.read_text(encoding="utf-8")
    assert breakage.old in text, "the breakage no longer fits the template"
    file.write_text(text.replace(breakage.old, breakage.new), encoding="utf-8")
    return tree


def _caught(run: Callable[[Path], check.Outcome], breakage: Breakage, tree: Path) -> None:
    outcome = run(_broken(breakage, tree))
    if outcome.clean is None:
        pytest.skip(outcome.text)
    assert not outcome.clean
    assert breakage.caught in outcome.text


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[str], Compiler]]:
    """The compiler in the environment of a deployment; one for each that is asked for."""
    with ExitStack() as stack:

        @cache
        def started(name: str) -> Compiler:
            return stack.enter_context(closing(Compiler(snapshots.environment(name))))

        yield started


@needs_compiler
@pytest.mark.parametrize("breakage", DEPLOYED, ids=lambda breakage: breakage.name)
def test_broken_promise_is_caught(breakage: Breakage, tmp_path: Path, ask: Callable[[str], Compiler]) -> None:
    """What would be deployed says which promise is broken."""
    tree = _broken(breakage, tmp_path / "infra")
    (tree / "bicepconfig.json").unlink()  # without the linter's help, which refuses some of them
    snapshot, refused = ask(breakage.snapshot).snapshot(tree / "main.bicepparam")
    assert not refused
    assert breakage.caught in "\n".join(broken(Deployment.of(snapshot), snapshots.environment(breakage.snapshot)))


@needs_compiler
@pytest.mark.parametrize("breakage", COMPILED, ids=lambda breakage: breakage.name)
def test_broken_template_makes_the_compiler_speak(
    breakage: Breakage, tmp_path: Path, ask: Callable[[str], Compiler]
) -> None:
    """An error, a warning, and what a rule of the linter finds."""
    assert breakage.caught in ask("default").says(_broken(breakage, tmp_path / "infra") / "main.bicep")


@needs_compiler
def test_whatever_the_compiler_prints_is_a_finding(tmp_path: Path) -> None:
    """A warning, with which the compiler itself ends well, and a file that the formatter writes otherwise."""
    warned = Breakage("warning", DUMPS, "allowBlobPublicAccess:", "allowBlobPublicAcces:", "BCP089")
    tree = _broken(warned, tmp_path / "infra")
    unformatted = tree / "ci/roles.bicep"
    unformatted.write_text(unformatted.read_text().replace("param deployerId", "param  deployerId"))
    outcome = check.compiled(tree)
    assert not outcome.clean
    assert warned.caught in outcome.text
    assert "ci/roles.bicep is not formatted" in outcome.text


@needs_compiler
def test_change_of_what_would_be_deployed_is_caught(tmp_path: Path) -> None:
    """A deployment that differs from what is kept is a finding, also where no promise is broken."""
    breakage = Breakage("another tier", DUMPS, "accessTier: 'Hot'", "accessTier: 'Cool'", "default.json is not what")
    _caught(check.evaluated, breakage, tmp_path / "infra")


@pytest.mark.parametrize("breakage", TYPES, ids=lambda breakage: breakage.name)
def test_broken_template_is_caught(breakage: Breakage, tmp_path: Path) -> None:
    """The check of names and types names what is wrong."""
    _caught(check.types, breakage, tmp_path / "infra")


@pytest.mark.parametrize("breakage", QUERIES, ids=lambda breakage: breakage.name)
def test_broken_query_is_caught(breakage: Breakage, tmp_path: Path) -> None:
    """The query check names what is wrong."""
    _caught(check.queries, breakage, tmp_path / "infra")


def test_what_checkov_finds_is_caught(tmp_path: Path) -> None:
    """A failure that is not on the list of accepted ones is a finding, with its rule and its resource."""
    caught = "CKV_AZURE_3 fails for export-storage.bicep"
    breakage = Breakage("plain http", DUMPS, "TrafficOnly: true", "TrafficOnly: false", caught)
    _caught(check.checkov, breakage, tmp_path / "infra")
