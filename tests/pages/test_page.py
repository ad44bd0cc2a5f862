"""The coverage page as text. What a browser makes of it is in tests/browser."""

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing, due_days
from exporter.days.erasures import ErasedDay, Erasure
from exporter.days.manifest import DAMAGED, EMPTY, FINAL, PROVISIONAL, Failure
from exporter.pages import page
from exporter.pages.attention import MOST_NOTES
from exporter.pages.calendar import LEVELS, Scale
from exporter.pages.chart import HEIGHT, chart_of
from exporter.pages.frame import Frame
from exporter.pages.freshness import LONGEST_WHY, Freshness, freshness
from exporter.pages.rejections import MOST_BYTES, read_rejections
from exporter.pages.schedule import Schedule
from exporter.pages.shown import showing
from exporter.pages.volume import unusual_days, usual_events
from exporter.settings import Settings
from exporter.store import ANY
from tests.browser.world import (
    NEWEST,
    NIGHTLY,
    NOW,
    SPOILT,
    good_days,
    many_days,
    page_of,
    put_day,
    put_failure,
    put_rejected,
)
from tests.functions_host.cron import Schedule as Cron
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on

TIMING = Timing(timedelta(hours=12))
SHOW = showing(Settings())
EIGHT = ": the median of the eight weeks before."
ONE = timedelta(days=1)


def noon(day: date, hour: int = 2) -> datetime:
    """An hour of a day, UTC."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def failure(day: date = NEWEST, kind: str = "retriable") -> Failure:
    """A failed attempt at a day."""
    return Failure(day, kind, "status 503", 2, 24, "run-1", noon(day + ONE))


def found(coverage: Coverage, now: datetime, timing: Timing = TIMING, **chosen: Any) -> Freshness:
    """The first sentence of the page that the app serves; ``chosen`` are fields of its frame."""
    frame = replace(Frame("amplitude/", now, SHOW, NIGHTLY), **chosen)
    return freshness(coverage, set(due_days(coverage, now, timing)), timing, frame)


@pytest.mark.parametrize(
    ("row", "hour", "level", "headline", "why"),
    [
        (Row(NEWEST, PROVISIONAL, whole=True, events=5), 2, "good", "Yesterday is there, final tonight", ""),
        (Row(NEWEST, PROVISIONAL, whole=True, events=5), 13, "wait", "Yesterday is there, its second look is due", ""),
        (Row(NEWEST, FINAL, whole=True, events=5), 13, "good", "Yesterday is there, and final", ""),
        (Row(NEWEST, running=True), 2, "wait", "Yesterday is being exported", ""),
        (Row(NEWEST), 1, "wait", "Yesterday comes at 02:00 UTC", ""),
        (Row(NEWEST), 2, "bad", "Yesterday is not there", "no attempt is on record"),
        (Row(NEWEST, failure=failure()), 1, "bad", "Yesterday is not there", "status 503"),
        (Row(NEWEST, FINAL, whole=False, events=5), 2, "bad", "Yesterday is not there", "no attempt is on record"),
        (Row(NEWEST, EMPTY, whole=True), 13, "good", "Yesterday is there, and empty", ""),
        (Row(NEWEST, record_damage="no JSON"), 2, "bad", "Yesterday is not there", "no JSON"),
        (
            Row(NEWEST, FINAL, whole=True, failure=failure(kind=DAMAGED)),
            2,
            "bad",
            "Yesterday is not there",
            "status 503",
        ),
        (
            Row(NEWEST, FINAL, whole=True, failure=failure()),
            2,
            "warn",
            "Yesterday is there, but its last look failed",
            "status 503",
        ),
    ],
)
def test_the_first_sentence_is_about_yesterday(row: Row, hour: int, level: str, headline: str, why: str) -> None:
    """Whether yesterday is there, why it is not, and what comes next, in a few words."""
    said = found(Coverage((row,), NEWEST), noon(NEWEST + ONE, hour))
    assert (said.level, said.headline, said.why) == (level, headline, why)
    document = page.render(
        Coverage((row,), NEWEST), (row,), (), TIMING, Frame("", noon(NEWEST + ONE, hour), SHOW, NIGHTLY)
    )
    heading = re.search(r'<h2 id="fresh">(.*?)</h2>', document)
    assert heading
    assert words(heading[1]) == (f"{headline}: {why}" if why else headline)


@pytest.mark.parametrize(
    ("hour", "run"),
    [
        (2, "The next run, on 8 November at 02:00 UTC (in 24 h),"),
        (2.5, "The next run, on 8 November at 02:00 UTC (in 23 h 30 min),"),
        (0, "The next run, today at 02:00 UTC (in 2 h),"),
    ],
)
def test_what_is_wrong_comes_with_the_next_run(hour: float, run: str) -> None:
    """When it is, and how long that takes. In a file nobody knows; there it is the next run."""
    coverage = Coverage((Row(NEWEST, failure=failure()),), NEWEST)
    now = noon(NEWEST + ONE, 0) + timedelta(hours=hour)
    told = "Attempt 2 ended at 02:00 UTC. {} tries again. No day is whole yet."
    assert found(coverage, now).detail == told.format(run)
    assert found(coverage, now, schedule=None).detail == told.format("The next run")


def test_another_day_that_is_not_well_stands_in_the_headline() -> None:
    """As `status --check` has it: the newest of them with its reason, and how many more there are."""
    good = [Row(NEWEST - ago * ONE, FINAL, whole=True, events=5) for ago in range(20)]
    rows = {row.day: row for row in good}
    assert found(Coverage(tuple(sorted(rows.values(), key=lambda row: row.day)), NEWEST), NOW).level == "good"
    for row in (
        Row(NEWEST - 2 * ONE, failure=failure(NEWEST - 2 * ONE)),
        Row(NEWEST - 3 * ONE),
        Row(NEWEST - 4 * ONE, running=True),
        Row(NEWEST - 12 * ONE),
        Row(
            NEWEST - 15 * ONE,
            FINAL,
            whole=True,
            record_damage=f"SHA-256 {'7' * 64}, and its manifest says otherwise; " + "long " * 90,
        ),
    ):
        rows[row.day] = row
    said = found(Coverage(tuple(sorted(rows.values(), key=lambda row: row.day)), NEWEST), NOW)
    assert (said.level, said.headline) == ("warn", "Yesterday is there, but not all is well")
    assert said.why == "4 November 2025 failed: status 503"
    assert (
        said.detail
        == "The next run, on 8 November at 02:00 UTC (in 23 h 30 min), tries again. 2 more days need attention."
    )
    damaged = tuple(row for row in sorted(rows.values(), key=lambda row: row.day) if row.good or row.damage)
    assert (
        found(Coverage(damaged, NEWEST), NOW).why
        == "22 October 2025 is damaged: SHA-256 77777777…, and its manifest says otherwise"
    )


def test_a_long_reason_is_cut_at_a_word() -> None:
    """The whole of it stands below."""
    coverage = Coverage((Row(NEWEST, failure=replace(failure(), reason="word " * 100)),), NEWEST)
    why = found(coverage, NOW).why
    assert len(why) <= LONGEST_WHY
    assert why.endswith("word word…")


def test_a_long_settle_delay_is_not_tonight() -> None:
    """A day that settles later than this night is not promised for it."""
    row = Row(NEWEST, PROVISIONAL, whole=True, events=5)
    timing = Timing(timedelta(hours=48))
    said = found(Coverage((row,), NEWEST), NOW, timing)
    assert said.headline == "Yesterday is there, not final yet"
    assert "The run on 9 November at 02:00 UTC looks at it once more" in said.detail
    assert (
        "The first run after 9 November 2025, 00:00 UTC"
        in found(Coverage((row,), NEWEST), NOW, timing, schedule=None).detail
    )


@pytest.mark.parametrize(
    "scheme", ["0 0 2 * * *", "0 0 2,14 * * *", "30 */20 1-3 * * *", "0 5/20 0 1,15 * 1-5", "0 0 3 29 2 *"]
)
def test_the_next_run_is_the_platforms(scheme: str) -> None:
    """For a year of moments it is what the test host's own reader of schedules says."""
    ours, theirs = Schedule.parse(scheme), Cron.parse(scheme)
    assert ours
    for hours in range(0, 24 * 365, 31):
        moment = NOW + timedelta(hours=hours, minutes=hours % 60)
        expected = theirs.next_after(moment)
        near = expected - moment < timedelta(days=360)
        assert ours.next_after(moment) == (expected if near else None) or not near


def test_names_in_a_schedule_are_read_and_nonsense_is_no_schedule() -> None:
    """`MON-FRI` as the platform has it. Where there is no schedule the page names no time."""
    weekdays = Schedule.parse("0 0 2 * JAN,Nov MON-FRI")
    assert weekdays == Schedule.parse("0 0 2 * 1,11 1-5")
    assert weekdays
    assert weekdays.next_after(noon(date(2025, 11, 7), 3)) == noon(date(2025, 11, 10), 2)
    for nonsense in ("", "* * *", "0 0 25 * * *", "0 0 2 * * */0", "%SCHEDULE%", "0 0 x * * *", "0 0 2 31 2 *"):
        schedule = Schedule.parse(nonsense)
        assert schedule is None or schedule.next_after(NOW) is None
        assert Frame("", NOW, SHOW, schedule).next_run == "The next run"


def test_an_empty_store_has_a_page() -> None:
    """Before the first export the page says so, and has no empty tables."""
    document = page_of(MemoryStore())
    assert "No day has been exported yet" in document
    assert "<table" not in document


def test_all_states_are_told_and_counted() -> None:
    """90 days, each state with its number, totals over whole days, and what needs attention with its reason."""
    document = page_of(many_days())
    assert legend(document) == {
        "final": 80,
        "provisional": 1,
        "empty": 1,
        "running": 1,
        "failed since": 1,
        "failed": 2,
        "damaged": 1,
        "missing": 3,
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


def legend(document: str) -> dict[str, int]:
    """What the calendar's legend counts."""
    told = re.search(r'<ul class="legend">(.*?)</ul>', document, re.DOTALL)
    assert told
    return {name: int(count) for count, name in re.findall(r"<b>(\d+)</b><span>(.*?) <span", told[1])}


def test_counts_agree() -> None:
    """Legend, calendar and "Needs attention" tell the same of each day.

    A stored day whose last attempt failed is not among the final ones, and not among those that are not there.
    """
    document = page_of(many_days())
    looks = re.findall(r"<a href=#d[\d-]+>\d+<i>(.*?)</i></a>", document)
    assert legend(document) == dict(Counter(looks))
    assert len(looks) == 90
    told = Counter(re.findall(r'<span class="badge .">(failed|failed since|damaged)</span>', document))
    assert told == {name: legend(document)[name] for name in ("failed", "failed since", "damaged")}
    lacking = sum(legend(document)[name] for name in ("failed", "damaged", "missing"))
    assert f"<dt>Failed, damaged or missing</dt><dd>{lacking}</dd>" in document
    assert f"<dt>Whole days</dt><dd>{90 - lacking - legend(document)['running']} <small>of 90</small></dd>" in document
    whole = re.search(r"<dt>Events</dt><dd>([\d,]+)</dd>", document)
    assert whole
    assert f"83 of 90 days, {whole[1]} events" in document
    months = re.findall(r'<summary>\w+ \d{4} <span class="quiet">([\d,]+) events', document)
    assert sum(int(month.replace(",", "")) for month in months) == int(whole[1].replace(",", ""))
    assert re.search(r"<tr id=d2025-10-21>.*?<b class=f>final</b>, failed since <a href=#w2025-10-21>why</a>", document)


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
    assert re.search(
        r"<tr id=d2025-09-20>.*?<b class=d>damaged</b> <a href=#w2025-09-20>why</a><td>[\d,]+<td>", document
    )


def test_a_damaged_record_is_told_with_its_name() -> None:
    """A manifest that is none: the day stands under "Needs attention" and has no figures."""
    store = good_days(3)
    store.put(LAYOUT.manifest(NEWEST), b"not JSON", ANY, {})
    document = page_of(store)
    told = attention(document)["6 November 2025 damaged"]
    assert told == "manifests/20251106_0000.json is damaged: it is not a JSON object in UTF-8 The next run tries again."
    assert re.search(
        r"<tr id=d2025-11-06>.*?<b class=d>damaged</b> <a href=#w2025-11-06>why</a><td>-<td>-<td>-", document
    )
    assert (
        '<h2 id="fresh">Yesterday is not there: <span class="why">manifests/20251106_0000.json is damaged' in document
    )


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
    document = page.render(coverage, coverage.rows, rejections, days.timing, Frame(hostile, NOW, SHOW))
    assert "<script" not in document
    assert document.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;{{ 7 * 7 }}") == 7


def test_the_page_is_one_file_without_script() -> None:
    """Nothing is loaded from anywhere, nothing runs, and only the style that the policy names applies."""
    document = page_of(many_days())
    assert not re.search(r"<script|\son\w+=|\sstyle=|javascript:|@import|url\(", document, re.IGNORECASE)
    links = re.findall(r"""(?:src|href)=["']?([^"'\s>]*)""", document)
    assert all(link.startswith(("#", "data:image/svg+xml,")) for link in links)
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
    assert document.count('class="reason"') == MOST_NOTES
    assert "the newest 50 are shown" in document


def test_a_gap_says_what_to_do() -> None:
    """Missing days inside the lookback are the next run's; older ones name the command that asks for them."""
    store = good_days(30)
    for ago in (3, 4, 20, 21):
        store.delete(LAYOUT.dump(NEWEST - ago * ONE))
    document = page_of(store)
    assert "2 November 2025 to 3 November 2025" in document
    assert "The next run exports these days." in document
    assert "amplitude-exporter backfill --from 2025-10-16 --to 2025-10-17" in document


def test_a_range_shows_its_days_and_the_freshness_of_all() -> None:
    """A range leaves out other days; yesterday is told all the same."""
    coverage = days_on(good_days(30)).coverage(NOW)
    document = page.render(coverage, coverage.rows[:3], (), Timing(), Frame("amplitude/", NOW, SHOW))
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


def week(day: date, events: dict[int, int]) -> list[Row]:
    """Whole days before ``day`` and it, by how many days ago they are."""
    return [
        Row(day - ago * ONE, FINAL, whole=True, events=found) for ago, found in sorted(events.items(), reverse=True)
    ]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (99_999, None),
        (
            100_000,
            "more than usual: 100,000 events, where 50,000 are usual on a Thursday",
        ),
        (25_001, None),
        (
            25_000,
            "fewer than usual: 25,000 events, where 50,000 are usual on a Thursday",
        ),
        (0, "fewer than usual: No event, where 50,000 are usual on a Thursday"),
    ],
)
def test_an_unusual_volume_needs_attention(events: int, told: str | None) -> None:
    """Against the median of the same weekday in the last eight weeks: half or less, twice or more."""
    store = MemoryStore()
    for ago in range(1, 70):
        day = NEWEST - ago * ONE
        put_day(store, day, 9_000_000 if ago == 14 else 50_000 if day.weekday() == NEWEST.weekday() else 400_000)
    put_day(store, NEWEST, events, FINAL if events else EMPTY)
    document = page_of(store)
    found = {head: text for head, text in attention(document).items() if head.startswith("6 November")}
    assert found == (
        {} if told is None else {f"6 November 2025 {told.partition(': ')[0]}": told.partition(": ")[2] + EIGHT}
    )
    assert (", unusual volume" in re.findall(r"<tr id=d2025-11-06>.*", document)[0]) is bool(told)


def test_little_is_no_evidence() -> None:
    """Two weeks tell nothing, nor do handfuls of events; days that are not whole are neither usual nor unusual."""
    assert usual_events(week(NEWEST, {0: 5, 7: 100, 14: 100})) == {}
    assert usual_events(week(NEWEST, {0: 5, 7: 100, 14: 300, 21: 200})) == {NEWEST: 200}
    eight = {42: 100, 49: 100, 56: 300, 63: 300, 70: 300}
    assert usual_events(week(NEWEST, {0: 5} | eight))[NEWEST] == 100
    few = week(NEWEST, {0: 9, 7: 99, 14: 99, 21: 99})
    assert unusual_days(few, usual_events(few), NEWEST) == []
    broken = [*week(NEWEST, {7: 100, 14: 100, 21: 100}), Row(NEWEST, FINAL, whole=False, events=9_000)]
    assert unusual_days(broken, usual_events(broken), NEWEST) == []
    assert NEWEST not in usual_events(week(NEWEST, {0: 100, 63: 5, 70: 5, 77: 5}))


def test_unusual_days_in_a_row_are_one_entry() -> None:
    """A release that doubles the events is told once; days that go the other way are another entry."""
    store = MemoryStore()
    for ago in range(70):
        put_day(store, NEWEST - ago * ONE, {0: 10_000, 1: 300_000, 2: 250_000, 3: 260_000}.get(ago, 100_000))
    assert attention(page_of(store)) == {
        "6 November 2025 fewer than usual": f"10,000 events, where 100,000 are usual on a Thursday{EIGHT}",
        "3 November 2025 to 5 November 2025 more than usual": "250,000 to 300,000 events a day, where "
        f"100,000 are usual on these weekdays{EIGHT}",
    }


def test_the_calendars_colour_is_the_volume() -> None:
    """Quarters of what nineteen days of twenty stay below: one outlier makes no other day pale."""
    rows = week(NEWEST, dict.fromkeys(range(40), 1000) | {40: 250, 41: 251, 42: 750, 43: 751, 44: 0, 45: 999_999})
    scale = Scale.of(rows)
    levels = {(NEWEST - row.day).days: scale.level(row) for row in rows}
    assert (scale.full, scale.steps) == (1_000, (250, 500, 750))
    assert [levels[ago] for ago in (0, 40, 41, 42, 43, 44, 45)] == [4, 1, 2, 3, 4, 0, LEVELS]
    assert scale.level(replace(rows[0], whole=False)) == 0
    assert Scale.of([]).level(rows[-1]) == LEVELS


def test_outliers_of_the_chart_are_cut_off_and_marked() -> None:
    """The other bars keep their height; each that is cut is marked and told with its figure."""
    rows = week(NEWEST, {ago: 1_000 + ago for ago in range(60)} | {5: 50_000, 6: 90_000})
    chart = chart_of(rows, {NEWEST: 500.0, NEWEST - ONE: 9e9})
    assert [row.events for row in chart.clipped] == [50_000, 90_000]
    assert chart.top < 1_400
    assert [bar.height for bar in chart.bars if bar.clipped] == [HEIGHT, HEIGHT]
    assert all(HEIGHT * 0.7 < bar.height < HEIGHT for bar in chart.bars if not bar.clipped)
    assert [bar.usual for bar in chart.bars[-2:]] == [None, round(HEIGHT * 500 / chart.top)]
    document = page_of(many_days())
    assert document.count("<path class=cut ") == 1
    assert 'Cut off: <a href="#d2025-10-19">19 October 2025</a>, 1,512,007 events.' in document
    assert "Cut off" not in page_of(good_days(30))


def test_the_browsers_tab_shows_the_state() -> None:
    """An icon for each level, and the reason in the title."""
    icons = set()
    for row in (
        Row(NEWEST, FINAL, whole=True),
        Row(NEWEST),
        Row(NEWEST, running=True),
        Row(NEWEST, FINAL, whole=True, failure=failure()),
    ):
        coverage = Coverage((row,), NEWEST)
        document = page.render(coverage, (row,), (), TIMING, Frame("", NOW, SHOW, NIGHTLY))
        icons.add(re.findall(r'<link rel="icon" href="(data:image/svg[^"]+)"', document)[0])
    assert len(icons) == 4
    assert "<title>Yesterday is there, but its last look failed: status 503 - Amplitude exports</title>" in document


def test_the_page_is_asked_for_again() -> None:
    """Every five minutes where it is served; a file is what it was."""
    assert page.headers()["Refresh"] == "300"
    assert "http-equiv" not in page_of(many_days())
    assert "every five minutes" not in page_of(many_days(), served=False)


def test_a_file_names_the_command_as_it_was_called() -> None:
    """It leads to no address, since it has none."""
    document = page_of(many_days(), served=False, schedule=None, program="python -m exporter")
    assert "<code>python -m exporter export --day 2025-10-27</code>" in document
    assert "POST" not in document
    assert "POST /api/exports/2025-10-27" in page_of(many_days())


def test_erasures_are_listed_and_name_nobody() -> None:
    """Why, how much, and what is left; whatever stands in a record is escaped."""
    day = ErasedDay(NEWEST, 3, 1, "done", "a" * 64, "b" * 64, old_versions=2, until=noon(NEWEST, 3))
    left = ErasedDay(NEWEST - ONE, 4, 0)
    done = Erasure("e-1", "done", "ticket <b>1</b>", "the desk", noon(NEWEST), {"user_id": 1}, (day,))
    begun = Erasure("e-2", "begun", "ticket 2", "the desk", noon(NEWEST), {"user_id": 1}, (day, left))
    frame = Frame("here", NOW, SHOW, erasures=(begun, done))
    text = page.render(Coverage((), NEWEST), (), (), Timing(), frame)
    assert "ticket &lt;b&gt;1&lt;/b&gt;" in text
    assert "3 events and 1 rejected lines of 1 day." in text
    assert "7 events and 1 rejected lines of 2 days; 1 left: call the same command again." in text
    assert "2 old versions can still be brought back, until" in text
    assert "the desk" not in text
    assert "Erasures" not in page.render(Coverage((), NEWEST), (), (), Timing(), Frame("here", NOW, SHOW))
