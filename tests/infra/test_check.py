import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra import check, compiler


@pytest.mark.parametrize(
    "run", [check.compiled, check.evaluated, check.types, check.queries, check.checkov], ids=lambda run: run.__name__
)
def test_templates_are_clean(run: Callable[[Path], check.Outcome]) -> None:
    """No check has anything to say about infra/ as it is."""
    outcome = run(compiler.INFRA)
    if outcome.clean is None:
        pytest.skip(outcome.text)
    assert outcome.clean, outcome.text


def test_template_that_checkov_cannot_read_is_a_finding() -> None:
    """A file that checkov skips does not count as clean, though checkov itself ends well."""
    report = {"summary": {"parsing_errors": 1, "resource_count": 3}, "results": {"failed_checks": []}}
    assert "badly" in check.judge(report, {})[0]


def test_folder_without_resources_is_a_finding() -> None:
    """Checkov's answer for a folder without templates, which has no results, does not count as clean."""
    report = {"passed": 0, "failed": 0, "parsing_errors": 0, "resource_count": 0}
    assert check.judge(report, {}) == ["checkov found nothing to check"]


def test_failure_outside_the_list_and_outdated_entry_are_findings() -> None:
    """The list of accepted failures names exactly those that there are."""
    failed = [{"check_id": "CKV_AZURE_1", "resource": "A.a", "file_path": "/modules/app.bicep"}]
    report = {"summary": {"parsing_errors": 0, "resource_count": 3}, "results": {"failed_checks": failed}}
    accepted = {"CKV_AZURE_2": {"resources": ["app.bicep: B.b"], "reason": "because"}}
    assert check.judge(report, accepted) == [
        "CKV_AZURE_1 fails for app.bicep: A.a",
        "CKV_AZURE_2 no longer fails for app.bicep: B.b: remove it",
    ]


def test_every_accepted_failure_has_a_reason() -> None:
    """Nothing is accepted without a sentence that says why."""
    accepted = json.loads(check.ACCEPTED.read_text(encoding="utf-8"))
    assert accepted
    assert all(entry["reason"].endswith(".") for entry in accepted.values())


def test_checkov_sees_every_resource_that_it_knows() -> None:
    """It is handed the modules alone, so main.bicep has no resource of its own."""
    assert not re.search(r"(?m)^resource ", (compiler.INFRA / "main.bicep").read_text(encoding="utf-8"))


def test_compiler_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """BICEP comes first, also when it cannot be started: that is a finding, not a skip."""
    monkeypatch.setenv("BICEP", str(tmp_path / "no-compiler"))
    assert compiler.program() == str(tmp_path / "no-compiler")
    outcome = check.compiled(compiler.INFRA)
    assert outcome.clean is False
    assert "cannot be started" in outcome.text


def test_compiler_of_the_azure_cli_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without BICEP and without one on the PATH, what ``az bicep install`` installed is taken; else it is skipped."""
    monkeypatch.delenv("BICEP", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    assert compiler.program() is None
    assert check.compiled(compiler.INFRA).clean is None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bicep").touch()
    assert compiler.program() == str(tmp_path / "bin/bicep")
