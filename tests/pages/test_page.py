"""The coverage page as text. What a browser makes of it is in tests/browser."""

import base64
import hashlib
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing
from exporter.days.erasures import ErasedDay, Erasure
from exporter.days.manifest import DAMAGED, EMPTY, FINAL, PROVISIONAL, Failure
from exporter.pages import page
from exporter.pages.freshness import freshness
from exporter.pages.rejections import MOST_BYTES, read_rejections
from exporter.pages.shown import showing
from exporter.settings import Settings
from exporter.store import ANY
from tests.browser.world import (
    NEWEST,
    NOW,
    SPOILT,
    good_days,
    many_days,
    page_of,
    put_day,
    put_failure,
    put_rejected,
)
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on

SETTLE = timedelta(hours=12)
SHOW = showing(Settings())
ONE = timedelta(days=1)


def noon(day: date, hour: int = 2) -> datetime:
    """An hour of a day, UTC."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def failure(day: date = NEWEST, kind: str = "retriable") -> Failure:
    """A failed attempt at a day."""
    return Failure(day, kind, "status 503", 2, 24, "run-1", noon(day + ONE))


@pytest.mark.parametrize(
    ("row", "hour", "level", "headline"),
    [
        (Row(NEWEST, PROVISIONAL, whole=True, events=5), 2, "good", "Yesterday is there, final tonight"),
        (Row(NEWEST, PROVISIONAL, whole=True, events=5), 13, "wait", "Yesterday is there, its second look is due"),
        (Row(NEWEST, FINAL, whole=True, events=5), 13, "good", "Yesterday is there, and final"),
        (Row(NEWEST, running=True), 2, "wait", "Yesterday is being exported"),
        (Row(NEWEST), 2, "bad", "Yesterday is not there"),
        (Row(NEWEST, failure=failure()), 2, "bad", "Yesterday is not there: its export failed"),
        (Row(NEWEST, FINAL, whole=False, events=5), 2, "bad", "Yesterday is not there"),
        (Row(NEWEST, EMPTY, whole=True), 13, "good", "Yesterday is there, and empty"),
        (Row(NEWEST, record_damage="no JSON"), 2, "bad", "Yesterday is not there: it is damaged"),
        (
            Row(NEWEST, FINAL, whole=True, failure=failure(kind=DAMAGED)),
            2,
            "bad",
            "Yesterday is not there: it is damaged",
        ),
    ],
)
def test_the_first_sentence_is_about_yesterday(row: Row, hour: int, level: str, headline: str) -> None:
    """Whether yesterday is there, and what comes next, in a few words."""
    found = freshness(Coverage((row,), NEWEST), noon(NEWEST + ONE, hour), SETTLE)
    assert (found.level, found.headline) == (level, headline)


def test_a_long_settle_delay_is_not_tonight() -> None:
    """A day that settles later than this night is not promised for it."""
    row = Row(NEWEST, PROVISIONAL, whole=True, events=5)
    found = freshness(Coverage((row,), NEWEST), NOW, timedelta(hours=48))
    assert found.headline == "Yesterday is there, not final yet"
    assert "The first run after 9 November 2025, 00:00 UTC" in found.detail


def test_an_empty_store_has_a_page() -> None:
    """Before the first export the page says so, and has no empty tables."""
    document = page_of(MemoryStore())
    assert "No day has been exported yet" in document
    assert "<table" not in document


def test_all_states_are_told_and_counted() -> None:
    """90 days, each state with its number, totals over whole days, and what needs attention with its reason."""
    document = page_of(many_days())
    counts = dict(re.findall(r'<li><span class="badge .">(\w+)</span><b>(\d+)</b>', document))
    assert counts == {
        "final": "81",
        "provisional": "1",
        "empty": "1",
        "running": "1",
        "failed": "2",
        "damaged": "1",
        "newer": "0",
        "missing": "3",
    }
    assert "<dt>Failed, damaged or missing</dt><dd>6</dd>" in document
    assert "<dt>Whole days</dt><dd>83 <small>of 90</small></dd>" in document
    assert "12 October 2025 to 14 October 2025" in document
    assert "one hour (20250924T14) has more than the 250 MB" in document
    assert "A later export found 120,300 events, fewer than the 178,222 that are stored" in document


def test_the_page_shows_the_rows_of_the_json() -> None:
    """Every row of the JSON is a row of the page: the same state, events and rejected lines."""
    store = many_days()
    coverage = days_on(store).coverage(NOW)
    shown = re.findall(
        r"<tr id=d(\S+)>.*?<b class=.>(\w+)</b>.*?<td>([\d,]+|-)<td>.*?<td>([\d,]+|-)", page_of(store), re.DOTALL
    )
    plain = [row.plain() for row in coverage.rows]
    assert sorted((day, state) for day, state, _, _ in shown) == [(str(row["day"]), row["state"]) for row in plain]
    numbers = {day: (events.replace(",", ""), lines) for day, _, events, lines in shown if events != "-"}
    assert numbers == {row["day"]: (str(row["events"]), str(row["rejected"])) for row in plain if row["finished_at"]}


def attention(document: str) -> dict[str, str]:
    """What needs attention: the text under each of its headings."""
    notes = re.search(r'<ul class="notes">(.*?)</ul>', document, re.DOTALL)
    entries = re.findall(r"<h3>(.*?)</h3>(.*?)</li>", notes[1] if notes else "", re.DOTALL)
    return {words(head): words(told) for head, told in entries}


def words(markup: str) -> str:
    """The text of some markup."""
    return " ".join(re.sub(r"<[^>]*>", "", markup).split())


def test_a_damaged_day_says_what_does_not_fit() -> None:
    """The reason and the way out; it is no failure beside that, not whole, and due however old it is."""
    document = page_of(many_days())
    told = attention(document)["20 September 2025 damaged"]
    assert told == f"{SPOILT} The next run tries again."
    assert "20 September 2025 failed" not in attention(document)
    assert re.search(r"<tr id=d2025-09-20>.*?<b class=x>damaged</b><td>[\d,]+<td>", document)


def test_a_damaged_record_is_told_with_its_name() -> None:
    """A manifest that is none: the day stands under "Needs attention" and has no figures."""
    store = good_days(3)
    store.put(LAYOUT.manifest(NEWEST), b"not JSON", ANY, {})
    document = page_of(store)
    told = attention(document)["6 November 2025 damaged"]
    assert told == "manifests/20251106_0000.json is damaged: it is not a JSON object in UTF-8 The next run tries again."
    assert re.search(r"<tr id=d2025-11-06>.*?<b class=x>damaged</b><td>-<td>-<td>-", document)
    assert "Yesterday is not there: it is damaged" in document


@pytest.mark.parametrize(
    ("hours", "state", "told"),
    [
        (
            ("09",),
            PROVISIONAL,
            "No event in the hour 09, which had many the day before. The day is asked for again, for a week.",
        ),
        (
            ("09", "10"),
            FINAL,
            "No event in the hours 09, 10, which had many the day before. If Amplitude was late, export the day again.",
        ),
    ],
)
def test_quiet_hours_are_told(hours: tuple[str, ...], state: str, told: str) -> None:
    """Which hours, and what becomes of the day; its row says so and the calendar leads there."""
    store = good_days(2)
    put_day(store, NEWEST, 100, state, quiet_hours=hours)
    document = page_of(store)
    assert attention(document) == {"6 November 2025 quiet hours": told}
    assert re.search(rf"<tr id=d2025-11-06>.*?<b class=.>{state}</b>, quiet hours<td>100<td>", document)
    assert f"<a href=#d2025-11-06>6<i>{state}</i></a>" in document


def test_fewer_found_are_told() -> None:
    """A later export with fewer events: both numbers and the choice; the row says so."""
    store = good_days(2)
    put_day(store, NEWEST, 100, fewer_found={"events": 0, "run": "run-2", "at": NOW})
    document = page_of(store)
    assert attention(document) == {
        "6 November 2025 fewer found": "A later export found 0 events, fewer than the 100 that are stored. "
        "The stored day was kept; export it with force if fewer is right."
    }
    assert re.search(r"<tr id=d2025-11-06>.*?<b class=f>final</b>, fewer found since<td>100<td>", document)


def test_a_project_without_any_event_is_asked_about() -> None:
    """Days and not one event: these may be a portfolio's keys. One event, or a rejected line, and nothing is said."""
    heading = "No event in any day so far"
    store = MemoryStore()
    for ago in range(3):
        put_day(store, NEWEST - ago * ONE, 0, EMPTY)
    told = attention(page_of(store))
    assert told == {heading: "Are these the keys of the project that receives the events, and not of a portfolio?"}
    put_day(store, NEWEST, 0, FINAL, rejected=1)
    assert heading not in attention(page_of(store))
    put_day(store, NEWEST, 1)
    assert attention(page_of(store)) == {}
    assert heading not in page_of(MemoryStore())


def test_rejected_lines_are_told_without_their_content() -> None:
    """How many, in which member, on which line and why; the line itself stays in its file."""
    document = page_of(many_days())
    assert "4 lines rejected" in document
    assert "100011471_2025-11-04_1#0.json.gz, line 22: not UTF-8 at byte 88" in document
    assert "And 1 more." in document
    assert "rejected/20251104_0000.jsonl" in document
    assert "Lovelace" not in document


@pytest.mark.parametrize("content", [b"", b"no JSON\n", b"[]\n", b'{"member": "m"}\n', b" " * (MOST_BYTES + 1)])
def test_a_rejected_file_that_is_odd_costs_no_page(content: bytes) -> None:
    """A file that is empty, broken or too large for a page: the count and the name are still told."""
    store = good_days(1)
    put_day(store, NEWEST, 10, rejected=2)
    store.put(LAYOUT.rejected(NEWEST), content, ANY, {})
    days = days_on(store)
    (found,) = read_rejections(days, days.coverage(NOW).rows)
    assert (found.count, found.first, found.more) == (2, (), 2)
    assert "2 lines rejected" in page_of(store)


def test_what_comes_from_outside_is_escaped() -> None:
    """No text of a failure, a rejected line or a setting becomes markup."""
    hostile = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"
    store = many_days(reason=hostile)
    put_rejected(store, NEWEST - 2 * ONE, [hostile])
    put_failure(store, NEWEST - 3 * ONE, DAMAGED, hostile)
    days = days_on(store)
    coverage = days.coverage(NOW)
    rejections = read_rejections(days, coverage.rows)
    document = page.render(coverage, coverage.rows, rejections, days.timing, page.Frame(hostile, NOW, SHOW))
    assert "<script" not in document
    assert document.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;{{ 7 * 7 }}") == 4


def test_the_page_is_one_file_without_script() -> None:
    """Nothing is loaded from anywhere, nothing runs, and only the style that the policy names applies."""
    document = page_of(many_days())
    assert not re.search(r"<script|\son\w+=|\sstyle=|javascript:|@import|url\(", document, re.IGNORECASE)
    links = re.findall(r"""(?:src|href)=["']?([^"'\s>]*)""", document)
    assert all(link.startswith(("#d", "data:image/svg+xml,")) for link in links)
    style = re.search(r"<style>(.*?)</style>", document, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = page.headers()["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy


def test_every_link_leads_somewhere() -> None:
    """Each link of the page is to an id that is there, once."""
    document = page_of(many_days())
    ids = re.findall(r'\sid="?([\w-]+)', document)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="?#([\w-]+)', document)) <= set(ids)


def test_ten_years_of_days_stay_small() -> None:
    """3,650 days: every one is told, in under a megabyte."""
    document = page_of(many_days(3_650))
    assert len(document.encode()) < 1_000_000
    assert document.count("<tr id=d") == 3_650


def test_ten_years_of_failures_stay_small() -> None:
    """However much went wrong, the newest of it are told and the page stays under a megabyte."""
    store = good_days(1)
    for ago in range(1, 3_650):
        put_failure(store, NEWEST - ago * ONE, "retriable", "long " * 2_000)
    document = page_of(store)
    assert len(document.encode()) < 1_000_000
    assert document.count('class="reason"') == page.MOST_NOTES
    assert "the newest 50 are shown" in document


def test_a_gap_says_what_to_do() -> None:
    """Missing days inside the lookback are the next run's; older ones name the command that asks for them."""
    store = good_days(30)
    for ago in (3, 4, 20, 21):
        store.delete(LAYOUT.dump(NEWEST - ago * ONE))
    document = page_of(store)
    assert "2 November 2025 to 3 November 2025" in document
    assert "The next run exports these days." in document
    assert "python -m exporter backfill --from 2025-10-16 --to 2025-10-17" in document


def test_a_range_shows_its_days_and_the_freshness_of_all() -> None:
    """A range leaves out other days; yesterday is told all the same."""
    coverage = days_on(good_days(30)).coverage(NOW)
    document = page.render(coverage, coverage.rows[:3], (), Timing(), page.Frame("amplitude/", NOW, SHOW))
    assert document.count("<tr id=d") == 3
    assert "Yesterday is there, and final" in document


def test_a_held_lock_makes_a_day_running() -> None:
    """A leased blob or a lock file counts; a blob whose lease has ended does not. The JSON says the same."""
    store = good_days(3)
    for ago, lease in enumerate(({"lease": "leased"}, {"run": "killed"})):
        store.put(LAYOUT.lock(NEWEST - ago * ONE), b"", ANY, lease)
    rows = days_on(store).coverage(NOW).rows
    assert [row.plain()["state"] for row in rows] == ["final", "final", "running"]
    assert json.loads(json.dumps(rows[-1].plain()))["events"] == 123_456


@pytest.mark.parametrize("held", [NEWEST, NEWEST - 400 * ONE])
def test_a_lock_alone_makes_no_days_missing(held: date) -> None:
    """A day at work before the oldest record is not the beginning of the coverage; in an empty store it is."""
    store = good_days(3)
    store.put(LAYOUT.lock(held), b"", ANY, {"lease": "leased"})
    assert len(days_on(store).coverage(NOW).rows) == 3
    alone = MemoryStore()
    alone.put(LAYOUT.lock(NEWEST), b"", ANY, {"lease": "leased"})
    assert [row.shown for row in days_on(alone).coverage(NOW).rows] == ["running"]


@pytest.mark.parametrize(
    ("accept", "page_wanted"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("TEXT/HTML; q=1", True),
        ("application/json", False),
        ("application/json, text/html", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_browser_gets_the_page(accept: str, page_wanted: bool) -> None:
    """Who names HTML first gets the page; curl and programs get JSON."""
    assert page.wanted(accept) is page_wanted


def test_erasures_are_listed_and_name_nobody() -> None:
    """Why, how much, and what is left; whatever stands in a record is escaped."""
    day = ErasedDay(NEWEST, 3, 1, "done", "a" * 64, "b" * 64, old_versions=2, until=noon(NEWEST, 3))
    left = ErasedDay(NEWEST - ONE, 4, 0)
    done = Erasure("e-1", "done", "ticket <b>1</b>", "the desk", noon(NEWEST), {"user_id": 1}, (day,))
    begun = Erasure("e-2", "begun", "ticket 2", "the desk", noon(NEWEST), {"user_id": 1}, (day, left))
    frame = page.Frame("here", NOW, SHOW, "none", (begun, done))
    text = page.render(Coverage((), NEWEST), (), (), Timing(), frame)
    assert "ticket &lt;b&gt;1&lt;/b&gt;" in text
    assert "3 events and 1 rejected lines of 1 day." in text
    assert "7 events and 1 rejected lines of 2 days; 1 left: call the same command again." in text
    assert "2 old versions can still be brought back, until" in text
    assert "the desk" not in text
    assert "Erasures" not in page.render(Coverage((), NEWEST), (), (), Timing(), page.Frame("here", NOW, SHOW))
