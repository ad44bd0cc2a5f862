"""Stored text on its way to a page or an answer, whoever wrote it and whenever."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from exporter.app.api import answer_coverage, answer_day
from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing
from exporter.days.manifest import Failure
from exporter.days.rules import StoredDay
from exporter.pages import page
from exporter.pages.frame import Frame
from exporter.pages.rejections import Rejections
from exporter.pages.shown import LONGEST, show_record, showing
from exporter.settings import Settings
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import days_on, manifest_of

KEY, SECRET = "0123456789abcdef0123456789abcdef", "fedcba9876543210/+&<fedcba98765432"
PAIR = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
SPELLINGS = (KEY, SECRET, PAIR, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1])
SHOW = showing(Settings(api_key=KEY, secret_key=SECRET))
ODD = f"\x1b[31mred\x07 \u202eevil\u2066 {' '.join(SPELLINGS)} [/nope] <script>\n\tend"
NOW = datetime(2025, 11, 8, 2, tzinfo=UTC)


def check_harmless(text: str) -> None:
    """Assert that no secret and no sign that moves a terminal or turns a line is in the text."""
    for secret in SPELLINGS:
        assert secret not in text
    for sign in ("\x1b", "\x07", "\u202e", "\u2066"):
        assert sign not in text


def test_a_stored_text_is_one_harmless_line() -> None:
    """Printable characters, no secret in any spelling, and the rest as it was."""
    shown = SHOW(ODD)
    check_harmless(shown)
    assert "\n" not in shown
    assert shown.startswith("[31mred evil ***")
    assert shown.endswith("[/nope] <script> end")


def test_a_stored_text_is_cut() -> None:
    """A record of megabytes makes no page of megabytes; a secret at the cut is no half secret."""
    assert len(SHOW("x" * 10_000_000)) == LONGEST
    assert SHOW("word") == "word"
    check_harmless(SHOW("x" * (LONGEST - 20) + KEY))
    assert KEY[:10] not in SHOW("x" * (LONGEST - 20) + KEY)


def test_records_are_shown_however_deep() -> None:
    """Names, lists and what is in them; numbers and dates stay what they are."""
    record = {"a": [ODD, {"b": {ODD: ODD}}], "n": 5, "none": None, "day": DAY, "yes": True}
    shown = show_record(record, SHOW)
    check_harmless(str(shown))
    assert (shown["n"], shown["none"], shown["day"], shown["yes"]) == (5, None, DAY, True)


@pytest.mark.parametrize("damaged", [False, True])
def test_page_and_answers_show_stored_text_harmlessly(damaged: bool) -> None:
    """Failure, kind, damage, quiet hours and the places of rejected lines: on the page and in both JSON answers."""
    failure = Failure(DAY, ODD, ODD, 2, 24, "run-1", NOW)
    rows = (
        Row(DAY - timedelta(days=1), "final", whole=True, quiet_hours=(ODD,)),
        Row(DAY, failure=failure, record_damage=ODD if damaged else ""),
    )
    coverage = Coverage(rows, DAY)
    rejections = (Rejections(DAY, 1, "rejected/20251106_0000.jsonl", (ODD,)),)
    document = page.render(coverage, rows, rejections, Timing(), Frame("amplitude/", NOW, SHOW))
    stored = StoredDay(DAY, None, replace(manifest_of(), schema={"new": (ODD,)}), failure=failure, damage=ODD)
    settings = Settings(api_key=KEY, secret_key=SECRET)
    covered = answer_coverage(coverage, DAY, DAY, days_on(MemoryStore()), settings, NOW)
    answers = covered.text, answer_day(stored, SHOW).text
    for text in (document, *(json.dumps(json.loads(answer), ensure_ascii=False) for answer in answers)):
        check_harmless(text)
        assert "red evil ***" in text
    assert "<script>" not in document
