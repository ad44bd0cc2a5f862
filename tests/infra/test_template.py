"""What the templates, the settings, the log lines and the documents must agree on."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from exporter import errors, report
from exporter.app import chain
from exporter.days.chain import Head
from exporter.settings import SETTING_NAMES
from tests.infra.check import workbook_queries
from tests.infra.compiler import INFRA, ROOT
from tests.infra.promises import COMMAND_LINE_ONLY

TEMPLATES = sorted(INFRA.rglob("*.bicep"))
OPERATIONS = ROOT / "docs/operations.md"
DAY = date(2025, 11, 6)
HEAD = str(Head(12, "0a" * 32))
LINES = [
    report.day_exported(
        DAY,
        report.Figures(
            state="final",
            outcome="written",
            events=1234,
            bytes=56789,
            rejected=0,
            windows=1,
            requests=1,
            retries=0,
            seconds=12.3,
        ),
    ),
    report.day_failed(DAY, "retriable", "the body broke off"),
    report.lines_rejected(DAY, 3, "rejected/20251106_0000.jsonl"),
    report.run_summary(DAY, due=2, done=1, failed=1, missing=[DAY]),
    report.run_queued("r1", 3, DAY, [DAY]),
    report.schema_drift(DAY, {"new": ("new_column",)}),
    report.day_damaged(DAY, "the dump is not the one that the manifest tells of"),
    report.table_written(DAY, 1234, 56789, 0),
    report.table_failed(DAY, "DuckDB is not installed"),
    report.report_failed("DuckDB is not installed"),
    *(report.run_queued("r1", 3, DAY, [], HEAD), report.run_ended("r1", HEAD)),
    report.run_summary(DAY, due=2, done=1, failed=1, missing=[], ledger=HEAD),
    report.ledger_broken("line 12 does not hold the hash of line 11"),
    report.scrub_failed("the store cannot be reached"),
    report.scrubbed(report.Scrubbed(3, 56789, 1, 0), 12),
]


def _text(name: str) -> str:
    return (INFRA / name).read_text(encoding="utf-8")


def _queries() -> Iterator[tuple[str, str]]:
    for number, query in enumerate(re.findall(r"query: '''(.+?)'''", _text("modules/alerts.bicep"), re.DOTALL)):
        yield f"alert {number}", query
    for number, query in enumerate(workbook_queries(INFRA)):
        yield f"workbook {number}", query


def _patterns(query: str) -> Iterator[str]:
    """Every piece of a log line that a query looks for, as a regular expression from the line's start on."""
    yield from (re.escape(text) for text in re.findall(r'startswith "([^"]+)"', query))
    yield from (".*" + pattern for pattern in re.findall(r'extract\("([^"]+)", 1, Message\)', query))
    for parse in re.findall(r"parse Message with (.+)", query):
        pieces = re.findall(r'"([^"]+)"', parse)
        yield "(.+)".join(re.escape(piece) for piece in pieces) + ".+"


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in _queries() if "AppTraces" in query])
def test_queries_look_for_lines_that_are_logged(query: str) -> None:
    """Each piece that a query looks for is in a line that the exporter logs and that the query lets through."""
    starts = re.findall(r'startswith "([^"]+)"', query)
    seen = [line for line in LINES if line.startswith(tuple(starts))]
    assert seen
    for pattern in _patterns(query):
        assert any(re.match(pattern, line) for line in seen), pattern


def test_alerts_watch_every_line_that_means_trouble() -> None:
    """A failed day, an absent day, a hole, rejected lines, an unusual volume, damage, a failed table: an alert each."""
    alerts = [query for name, query in _queries() if name.startswith("alert")]
    assert len(alerts) == 8
    watched = ("day failed: ", "day exported: ", "lines rejected: ", "run queued: ", "run summary: ", "day damaged: ")
    for start in (*watched, "ledger broken: ", "table failed: ", "report failed: ", "scrub failed: "):
        assert any(f'startswith "{start}' in query for query in alerts), start


def test_cost_counts_the_alerts_that_are_deployed() -> None:
    """They are the big item."""
    rules = len([name for name, _ in _queries() if name.startswith("alert")])
    (word, count) = re.findall(r"\| (\w+) alert rules.*?\| (\d+) . about", OPERATIONS.read_text(encoding="utf-8"))[0]
    assert (word, int(count)) == ("eight", rules)
    assert (
        len(re.findall(r"(?m)^\| .+ \| [1-4] \| (?:every 15 min|hourly|daily) \| ", OPERATIONS.read_text("utf-8")))
        == rules
    )


def test_failures_for_good_are_those_that_the_exporter_names() -> None:
    """The alert on a failed day knows each kind of failure that is not tried again, and the words of giving up."""
    query = next(query for _, query in _queries() if "ForGood" in query)
    named = set(re.findall(r'"(\w+)"', query.partition("Kind in (")[2].partition(")")[0]))
    assert named == {errors.PermanentError.kind, errors.RefusedError.kind, errors.CrashedError.kind}
    gave_up = re.findall(r'Reason has "([^"]+)"', query)
    assert gave_up
    assert gave_up[0] in Path(chain.__file__).read_text(encoding="utf-8")


def test_example_file_names_every_setting_of_the_app() -> None:
    """``local.settings.json.example`` has them all but the address, in whose place it has the emulator."""
    example = json.loads((ROOT / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
    names = {name for name in example if name.startswith(("AMP_", "EXPORT_"))}
    emulator = {"EXPORT_STORAGE_CONNECTION_STRING"}
    assert names == (SETTING_NAMES - COMMAND_LINE_ONLY - {"EXPORT_STORAGE_URL"}) | emulator


def test_readme_names_every_setting() -> None:
    """README's table has a row for each setting, and none besides."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in readme.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`((?:AMP|EXPORT)_\w+)`", row)} == SETTING_NAMES


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_parameter_and_output_is_described(template: Path) -> None:
    """Nobody has to guess what a parameter means."""
    text = template.read_text(encoding="utf-8")
    declared = re.findall(r"^(?:param|output) (\w+)", text, re.MULTILINE)
    described = re.findall(r"^@description\('.+'\)\n(?:@\w+\([^@]*?\)\n)*(?:param|output) (\w+)", text, re.MULTILINE)
    assert declared == described


def test_alerts_point_to_what_there_is_to_read() -> None:
    """Each alert and lock names a section of docs/operations.md that exists."""
    named = re.findall(r'docs/operations\.md[:,] "([^"]+)"', "".join(path.read_text("utf-8") for path in TEMPLATES))
    named += re.findall(r'docs/operations\.md, \\"([^"\\]+)\\"', _text("smoke.sh"))
    sections = re.findall(r"^#+ (.+)$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) >= 7
    assert set(named) <= set(sections)


@pytest.mark.parametrize("name", ["infra.yml", "deploy.yml"])
def test_workflows_pin_what_they_run_and_hold_no_secret(name: str) -> None:
    """Foreign actions are pinned to a commit, and sign-in is by federation: no stored secret is read."""
    text = (ROOT / ".github/workflows" / name).read_text(encoding="utf-8")
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", used) for used in re.findall(r"uses: (\S+)", text))
    assert "secrets." not in text
    assert "id-token: write" in text


def test_pull_request_gets_the_identity_that_can_only_ask() -> None:
    """infra.yml, which pull requests reach, knows one environment, and asks without the right to write."""
    text = (ROOT / ".github/workflows/infra.yml").read_text(encoding="utf-8")
    assert re.findall(r"environment: (\S+)", text) == ["what-if"]
    assert re.findall(r"az deployment group (\S+)", text) == ["what-if"]
    assert "--validation-level ProviderNoRbac" in text


def test_deploying_is_bound_to_main_and_its_environment() -> None:
    """deploy.yml is started by hand, from main, in the environment that has reviewers."""
    text = (ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8")
    assert re.findall(r"environment: (\S+)", text) == ["production"]
    assert "if: github.ref == 'refs/heads/main'" in text
    assert "pull_request" not in text


def test_operations_names_every_right_that_a_deployment_needs() -> None:
    """Locks, roles of one's own, purging and what-if need more, or less, than deploying: said where it is done."""
    text = OPERATIONS.read_text(encoding="utf-8")
    for needed in ("Owner or User Access Administrator", "ProviderNoRbac", "the **subscription**", "`READERS`"):
        assert needed in text.partition("### First deployment")[0].partition("### What you need")[2], needed
    assert "needs Contributor on the subscription" in text.partition("## Tear down")[2]


@pytest.mark.parametrize("document", ["README.md", "docs/operations.md"])
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_keys_are_asked_for_by_name_and_survive_pasting(document: str, shell: str) -> None:
    """The line stands in a block of its own: a line pasted with it would be read as a key. It works in both shells."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    text = (ROOT / document).read_text(encoding="utf-8")
    (line,) = re.findall(r"```\w*\n *(printf 'Amplitude API key.+)\n *```", text)
    shown = f"{line}; env | grep ^AMP_"
    keys = {"AMP_API_KEY": "a\\b", "AMP_SECRET_KEY": "c d"}
    typed = "".join(f"{key}\n" for key in keys.values())
    done = subprocess.run([shell, "-c", shown], input=typed, capture_output=True, text=True, check=True, env={})
    assert "Amplitude API key: " in done.stdout
    assert "Amplitude secret key: " in done.stdout
    assert dict(re.findall(r"(AMP_\w+)=(.*)", done.stdout)) == keys
