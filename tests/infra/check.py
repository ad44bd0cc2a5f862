"""The offline checks of infra/. ``python -m tests.infra.check`` runs them all: exit 0 clean, 1 findings.

The Bicep compiler says whether the templates are right, and what they would deploy; tests/infra/compiler.py tells where
it is looked for. Three other programs add what it does not say, or stand in for it where it is not at hand: a check of
names and types, Microsoft's own Kusto parser for the queries, and checkov. The first two come in a folder of offline
checks: BICEPCHECK_DIR, or a folder ``*/*/bicepcheck`` beside this repository. checkov is found on the PATH or
through CHECKOV. What is not at hand is skipped with a sentence; the public workflow compiles the templates.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.infra import compiler, snapshots
from tests.infra.compiler import INFRA, ROOT

ACCEPTED = INFRA / "checkov-accepted.json"
NEWER_THAN_THE_TYPES = "Microsoft.Insights/scheduledQueryRules@2026-03-01"


@dataclass(frozen=True)
class Outcome:
    """What one check said. ``clean`` is None when the check could not be run; ``text`` then says why."""

    clean: bool | None
    text: str


def offline_checks() -> Path | None:
    """The folder of offline checks, or None when there is none."""
    named = os.environ.get("BICEPCHECK_DIR")
    found = [Path(named)] if named else sorted(ROOT.parent.glob("*/*/bicepcheck"))
    return found[0] if found else None


def compiled(infra: Path) -> Outcome:
    """Build, lint and format, in every template: whatever the compiler prints is a finding."""
    if compiler.program() is None:
        return Outcome(None, compiler.WHERE_TO_GET_IT)
    found = compiler.findings(infra)
    return Outcome(not found, "\n".join(found))


def evaluated(infra: Path) -> Outcome:
    """What would be deployed is what infra/snapshots/ says."""
    if compiler.program() is None:
        return Outcome(None, compiler.WHERE_TO_GET_IT)
    found = snapshots.problems(infra)
    return Outcome(not found, "\n".join(found) or f"{len(snapshots.NAMES)} deployments")


def types(infra: Path) -> Outcome:
    """Syntax, names and resource types, in every template under ``infra``."""
    folder = offline_checks()
    if folder is None:
        return Outcome(None, "set BICEPCHECK_DIR to the offline checks folder to check names and types")
    if importlib.util.find_spec("tree_sitter_bicep") is None:
        return Outcome(None, "install tree-sitter-bicep to check names and types")
    said = _run([sys.executable, str(folder / "bicepcheck.py"), str(infra), str(folder / "types.json"), "--no-policy"])
    # Its types are older than the alert rules' API version: those it leaves to the compiler.
    *found, counted = said.text.splitlines()
    found = [line for line in found if not (NEWER_THAN_THE_TYPES in line and "not in the type file" in line)]
    read = re.match(r"[1-9]\d* files, [1-9]\d* resources", counted)
    return Outcome(not found and read is not None, "\n".join([*found, read[0] if read else counted]))


def queries(infra: Path) -> Outcome:
    """The alerts' and the workbook's queries, parsed and bound to the workspace's tables."""
    folder, node = offline_checks(), shutil.which("node")
    modules = os.environ.get("NODE_PATH", str(ROOT / "tests/node/node_modules"))
    if folder is None or node is None:
        return Outcome(None, "set BICEPCHECK_DIR to the offline checks folder, and install node, to check the queries")
    if not Path(modules, "@kusto/language-service-next").is_dir():
        return Outcome(None, "install @kusto/language-service-next (npm) to check the queries")
    with tempfile.TemporaryDirectory() as temp:
        tree = Path(temp, "infra")
        shutil.copytree(infra, tree)
        # The checker reads Bicep only: the workbook's queries are handed to it as if they were in one.
        as_bicep = "".join(f"query: '''{query}'''\n" for query in workbook_queries(infra))
        (tree / "workbook.bicep").write_text(as_bicep, encoding="utf-8")
        return _run([node, str(folder / "kqlcheck.js"), str(tree)], {"NODE_PATH": modules})


def checkov(infra: Path) -> Outcome:
    """Checkov's Azure rules. A failure is accepted only with a reason, and an accepted one must still be there."""
    program = os.environ.get("CHECKOV") or shutil.which("checkov")
    if program is None:
        return Outcome(
            None, "install checkov 3.3.30 in an environment of its own, and set CHECKOV to it, for its rules"
        )
    options = ["--skip-download", "--framework", "bicep", "--output", "json", "--directory"]
    with tempfile.TemporaryDirectory() as temp:
        tree = Path(temp, "modules")
        shutil.copytree(infra / "modules", tree)
        # Its parser knows plain types only. main.bicep holds no resource of its own, and is not handed to it.
        for template in tree.glob("*.bicep"):
            text = template.read_text(encoding="utf-8")
            plain = re.sub(r"(?m)^(param \w+) .*\[\]$", r"\1 array", text)
            template.write_text(re.sub(r"(?m)^(param \w+) \{.*\}$", r"\1 object", plain), encoding="utf-8")
        done = subprocess.run([program, *options, str(tree)], capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        return Outcome(clean=False, text=f"checkov did not answer with a report:\n{done.stdout}{done.stderr}")
    report = json.loads(done.stdout)
    problems = judge(report, json.loads(ACCEPTED.read_text(encoding="utf-8")))
    counts = ", ".join(f"{name} {report['summary'][name]}" for name in ("passed", "failed") if "summary" in report)
    return Outcome(not problems, "\n".join([*problems, f"checkov: {counts}, {len(problems)} not accepted"]))


def judge(report: Mapping[str, object], accepted: Mapping[str, Mapping[str, object]]) -> list[str]:
    """What is wrong with a checkov report, against the accepted failures.

    checkov skips a file that it cannot parse and ends well: no resource and a parsing error are findings here.
    """
    summary, results = report.get("summary"), report.get("results")
    if not isinstance(summary, dict) or not isinstance(results, dict):
        return ["checkov found nothing to check"]
    problems = []
    if summary["parsing_errors"] or not summary["resource_count"]:
        problems.append(f"checkov read the templates badly: {summary}")
    failed = {
        (item["check_id"], f"{Path(item['file_path']).name}: {item['resource']}") for item in results["failed_checks"]
    }
    expected = {
        (rule, resource)
        for rule, entry in accepted.items()
        if isinstance(entry["resources"], list)
        for resource in entry["resources"]
    }
    problems += [f"{rule} fails for {resource}" for rule, resource in sorted(failed - expected)]
    problems += [f"{rule} no longer fails for {resource}: remove it" for rule, resource in sorted(expected - failed)]
    return problems


def workbook_queries(infra: Path) -> list[str]:
    """The queries of the workbook, in order."""
    workbook = json.loads((infra / "modules/workbook.json").read_text(encoding="utf-8"))
    return [item["content"]["query"] for item in workbook["items"] if "query" in item["content"]]


def _run(command: list[str], environment: dict[str, str] | None = None) -> Outcome:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    return Outcome(done.returncode == 0, (done.stdout + done.stderr).strip())


def main() -> int:
    """Run every check and say what it said."""
    found = False
    for check in (compiled, evaluated, types, queries, checkov):
        outcome = check(INFRA)
        found = found or outcome.clean is False
        state = {True: "clean", False: "FINDINGS", None: "skipped"}[outcome.clean]
        sys.stdout.write(f"{check.__name__}: {state}\n")
        sys.stdout.write(f"  {outcome.text.replace('\n', '\n  ')}\n" if outcome.text else "")
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
