"""The workflows: every action is pinned, no job may more than it needs, and the Pythons are those that are promised."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")


def jobs(workflow: Path) -> dict[str, Any]:
    """Its jobs, by name."""
    found: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return found


def steps(workflow: Path) -> list[dict[str, Any]]:
    """The steps of all its jobs."""
    return [step for job in jobs(workflow).values() for step in job.get("steps", [])]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit(workflow: Path) -> None:
    """A tag can be moved to other code, a commit cannot; the version behind it is for people and Dependabot."""
    used = re.findall(r"uses: (.*)", workflow.read_text())
    assert len(used) == sum("uses" in one for one in [*steps(workflow), *jobs(workflow).values()])
    assert [one for one in used if not one.startswith("./") and not PINNED.fullmatch(one)] == []


def test_one_action_has_one_commit() -> None:
    """Whoever raises an action raises it everywhere."""
    found: dict[str, set[str]] = {}
    for workflow in WORKFLOWS:
        for action, commit in re.findall(r"uses: ([\w./-]+)@(\S+)", workflow.read_text()):
            found.setdefault(action, set()).add(commit)
    assert {action: commits for action, commits in found.items() if len(commits) > 1} == {}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_no_workflow_may_more_than_read(workflow: Path) -> None:
    """What else a job needs stands at the job; the token does not stay in the checkout; no job runs for ever."""
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert all("timeout-minutes" in job for job in jobs(workflow).values() if "steps" in job)


def test_the_tests_run_on_every_promised_python() -> None:
    """The matrix of the tests, and that of the app alone, are the versions that the package says it is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = [
        one.split()[-1] for one in project["classifiers"] if one.startswith("Programming Language :: Python ::")
    ]
    assert project["requires-python"] == f">={promised[0]}"
    ci = jobs(ROOT / ".github/workflows/ci.yml")
    for job in ("test", "deployed-requirements-only"):
        assert ci[job]["strategy"]["matrix"]["python"] == promised


def test_every_place_of_pins_is_watched() -> None:
    """Dependabot looks at Python, npm and the actions, and waits some days before it trusts a version."""
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert [one["package-ecosystem"] for one in updates] == ["pip", "npm", "github-actions"]
    assert all(one["cooldown"]["default-days"] >= 7 for one in updates)
    assert all((ROOT / one["directory"].strip("/")).is_dir() for one in updates)


def test_a_commit_is_asked_what_make_check_asks() -> None:
    """The hooks are `make check`'s own programs, each of them."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    checks = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert checks
    asked = [line.split("/bin/")[1].removesuffix(" .").replace(" --check", "") for line in checks[1].splitlines()]
    assert [hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in hooks] == asked
