"""The decisions: each says its status and date, and the index says the same."""

import re
from pathlib import Path

ADR = Path(__file__).parents[2] / "docs/adr"
DECISIONS = sorted(ADR.glob("[0-9]*.md"))


def test_each_decision_has_a_status_a_date_and_a_downside() -> None:
    """A reader sees at the top whether it still holds, and below what it costs."""
    for path in DECISIONS:
        title, empty, status, *rest = path.read_text().splitlines()
        assert title.startswith(f"# {int(path.name[:4])}. ")
        assert empty == ""
        assert re.fullmatch(r"Status: (accepted|superseded by \[.*).* · Date: \d{4}-\d{2}-\d{2}", status), path.name
        assert any(line.startswith("**Bad.**") for line in rest), path.name


def test_the_index_says_what_the_decisions_say() -> None:
    """Each decision is in the index, in order, with its own title, status and date."""
    rows = []
    for path in DECISIONS:
        title, _, status, *_ = path.read_text().splitlines()
        number, words = title.removeprefix("# ").split(". ", 1)
        state, date = status.removeprefix("Status: ").split(" · Date: ")
        rows.append(f"| {number} | [{words}]({path.name}) | {state} | {date} |")
    assert [line for line in (ADR / "README.md").read_text().splitlines() if re.match(r"\| \d", line)] == rows


def test_links_between_decisions_lead_somewhere() -> None:
    """A decision that names another one names a file that is there."""
    for path in [*DECISIONS, ADR / "README.md"]:
        for target in re.findall(r"\]\((\d{4}-[^)]*)\)", path.read_text()):
            assert (ADR / target).is_file(), f"{path.name} names {target}"
