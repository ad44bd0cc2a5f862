"""What is drawn: foreign text stays text, numbers stand on the right, the run is told as it stands."""

import io
import json
import sys
from datetime import timedelta

import pytest
from rich.console import Console

from exporter.cli.display import Display, duration, pace
from exporter.cli.show import print_status, print_table
from exporter.days.coverage import Coverage, Row
from exporter.days.manifest import Failure
from exporter.errors import PermanentError
from exporter.report import Step
from tests.cli.desk import Desk
from tests.kit import DAY
from tests.kit.rules import LAYOUT, moment

EVIL = ("[/nope]", "[link=https://evil.example]here[/link]", "[bold", "\x1b]0;title\x07", "\x1b[2J")


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It does."""
        return True


@pytest.mark.parametrize("reason", EVIL)
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_stored_text_is_text(reason: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason like markup is shown as it stands; one with control characters does nothing to the terminal."""
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "200")
    failure = Failure(DAY, "odd", reason, 1, 24, "run-1", moment(DAY, 26))
    rows = (Row(DAY, failure=failure, quiet_hours=(reason,)), Row(DAY + timedelta(days=1), "final", whole=True))
    print_status(Coverage(rows, DAY + timedelta(days=1)), rows, "amplitude-exporter", "data/")
    print_table(("what",), [(reason,)])
    shown = out.getvalue()
    assert shown.count("".join(c if c.isprintable() else " " for c in reason).strip()) >= 2
    for sent in ("\x1b]0", "\x1b]8", "\x07", "\x1b[2J"):
        assert sent not in shown


@pytest.mark.parametrize("width", [80, 120])
def test_an_id_can_be_copied_whole(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal the borders go, and the record, its state and its day are whole."""
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", str(width))
    head = ("erasure", "state", "asked", "days", "events", "rejected", "old versions", "reason")
    row = ("20261125T133533Z-e5bd13b4", "done", "2026-11-25", 7, 157, 0, "none", "ticket-1")
    print_table(head, [row])
    shown = out.getvalue()
    assert all(str(cell) in shown for cell in row[:-1])
    assert ("│" in shown) == (width == 120)


def test_a_failure_record_with_markup_crashes_nothing(desk: Desk) -> None:
    """However it came into the store."""
    desk.call("export", "--day", str(DAY))
    name = desk.data / LAYOUT.failure(DAY)
    name.parent.mkdir(exist_ok=True)
    told = {"format": 2, "day": str(DAY), "kind": "odd", "reason": "[/nope]", "attempts": 1}
    name.write_text(json.dumps(told | {"window_hours": 24, "run": "r", "failed_at": "2025-11-07T02:00:00Z"}))
    said = desk.call("status", "--from", str(DAY))
    assert (said.code, "failed last time: [/nope]" in said.out) == (0, True)


def test_numbers_stand_on_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    """Their heads, too; words on the left."""
    print_table(("day", "events"), [("2025-11-06", 12), ("2025-11-07", 1_234_567)])
    assert capsys.readouterr().out == "day            events\n2025-11-06         12\n2025-11-07  1,234,567\n"


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """The heads alone."""
    print_table(("day", "events"), [])
    assert capsys.readouterr().out == "day  events\n"


def drawn(display: Display, now: list[float]) -> str:
    """What stands on the terminal at a moment."""
    assert now
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(display._shown())
    out = console.file
    assert isinstance(out, io.StringIO)
    return out.getvalue()


def test_a_run_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """How far, how many failed, how fast, how long from here; and who is at work on what."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    now = [100.0]
    display = Display(lambda: now[0])
    display.planned(730)
    for number in range(12):
        display.begins(0, DAY + timedelta(days=number))
        display.ends(0)
    display.became(DAY, PermanentError("no"))
    now[0] += 60
    for hand in (0, 1):
        display.begins(hand, DAY + timedelta(days=20 + hand))
    display.progress(0)(Step.DOWNLOADING, 10_000_000, 40_000_000)
    now[0] += 4
    display.progress(0)(Step.DOWNLOADING, 20_000_000, 40_000_000)
    display.progress(1)(Step.ASKING, 0, None)
    shown = drawn(display, now)
    assert shown.splitlines()[0] == "day 13 of 730, 1 failed, 11.2 a minute, 1 h 4 min left"
    assert "2025-11-26 download" in shown
    assert "20.0 MB of 40.0 MB, 5.0 MB/s" in shown
    assert "2025-11-27 asks" in shown


def test_time_left_is_told_once_it_can_be() -> None:
    """Not before a day has ended."""
    assert pace(0, 10, 5) == ""
    assert pace(5, 10, 60) == ", 5.0 a minute, 1 min left"
    assert [duration(seconds) for seconds in (5, 60, 3599, 3600, 9000)] == [
        "5 s",
        "1 min",
        "60 min",
        "1 h 0 min",
        "2 h 30 min",
    ]
