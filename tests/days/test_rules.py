from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL, Failure, Manifest, Source
from exporter.days.rules import (
    BUSY_EVENTS,
    QUIET_DAYS,
    Neighbours,
    Outcome,
    StoredDay,
    check_source,
    decide,
    quiet_hours,
    state_at,
)
from exporter.days.windows import REFUSED_DAYS, first_hours, window_days
from exporter.errors import OtherSourceError, RetriableError
from exporter.store import Entry
from exporter.window import day_end
from tests.kit import DAY
from tests.kit.rules import manifest_of, moment

STORED = manifest_of()
NOTHING = StoredDay(DAY)
DUMP = Entry(STORED.dump, STORED.size, STORED.etag)
FAILURE = Failure(DAY, "retriable", "status 503", 3, 6, "run-1", moment(DAY, 26))


def whole(manifest: Manifest = STORED, **chosen: Any) -> StoredDay:
    """A day as its manifest says."""
    return StoredDay(DAY, Entry(manifest.dump, manifest.size, manifest.etag), manifest, '"1"', **chosen)


def unproven(hours: Mapping[str, int]) -> StoredDay:
    """A dump with so many events an hour, and no manifest."""
    return StoredDay(DAY, DUMP, unproven=hours)


def new(events: int, **chosen: Any) -> Manifest:
    """What an export found; its content is told by its number of events."""
    return replace(manifest_of(events=events, sha256=f"{events:064}", **chosen), etag="")


def outcome(stored: StoredDay, found: Manifest, *, force: bool = False) -> Outcome:
    """What is done with the day."""
    return decide(stored, found, force=force).outcome


def test_a_new_day_is_written() -> None:
    """With events it is written, without it is empty."""
    assert outcome(NOTHING, new(5)) is Outcome.WRITTEN
    assert outcome(NOTHING, new(0)) is Outcome.EMPTY
    assert decide(NOTHING, new(5), force=False).writes_dump


@pytest.mark.parametrize("force", [False, True])
def test_more_events_replace_the_day(force: bool) -> None:
    """A day that grew is replaced, and so is one of as many other events."""
    assert outcome(whole(), new(11), force=force) is Outcome.REPLACED
    assert outcome(whole(), new(10), force=force) is Outcome.REPLACED


@pytest.mark.parametrize("force", [False, True])
def test_the_same_content_is_not_written_again(force: bool) -> None:
    """The SHA-256 tells, for a file and for a blob; the manifest gets the dump's ETag."""
    blob = replace(whole(), dump=replace(DUMP, etag='"other"', metadata={"sha256": STORED.sha256}))
    for stored in (whole(), blob):
        decision = decide(stored, replace(STORED, run="run-2", etag=""), force=force)
        assert decision.outcome is Outcome.UNCHANGED
        assert not decision.writes_dump
        assert stored.dump is not None
        assert decision.manifest == replace(STORED, run="run-2", etag=stored.dump.etag)


@pytest.mark.parametrize("state", [FINAL, EMPTY])
def test_a_settled_day_stays_settled(state: Any) -> None:
    """The same content under a longer settle delay does not make it provisional again; a provisional one may settle."""
    events = 10 if state == FINAL else 0
    settled = manifest_of(state=state, events=events)
    assert decide(whole(settled), replace(settled, state=PROVISIONAL), force=False).manifest.state == state
    early = replace(settled, state=PROVISIONAL)
    assert decide(whole(early), settled, force=False).manifest.state == state


def test_fewer_events_replace_only_if_forced() -> None:
    """Without force the stored day is kept."""
    assert outcome(whole(), new(9)) is Outcome.KEPT
    assert outcome(whole(), new(9), force=True) is Outcome.REPLACED


@pytest.mark.parametrize("force", [False, True])
def test_nothing_never_replaces_events(force: bool) -> None:
    """A stray 404 costs no stored day, not even a forced one."""
    assert outcome(whole(), new(0), force=force) is Outcome.KEPT


def test_an_hour_that_shrank_is_named() -> None:
    """Another hour's growth does not make up for it."""
    hours = {f"{hour:02}": {"members": 1, "events": {3: 8, 4: 30}.get(hour, 0)} for hour in range(24)}
    decision = decide(whole(), new(38, hours=hours), force=False)
    assert (decision.outcome, decision.fewer) == (Outcome.KEPT, ("03",))


def test_a_day_whose_dump_is_gone_is_written() -> None:
    """A manifest alone holds nothing that could be lost; but nothing at all does not settle it."""
    assert outcome(replace(whole(), dump=None), new(9)) is Outcome.WRITTEN
    with pytest.raises(RetriableError, match="is gone; its manifest tells of 10 events, and Amplitude has nothing now"):
        decide(replace(whole(), dump=None), new(0), force=False)


@pytest.mark.parametrize("force", [False, True])
def test_an_empty_answer_takes_no_rejected_lines(force: bool) -> None:
    """They may be all that was ever received of the day."""
    stored = whole(manifest_of(events=0, rejected=3))
    nothing = replace(manifest_of(events=0, rejected=0), etag="")
    assert outcome(stored, nothing, force=force) is Outcome.KEPT


def test_a_cut_dump_beside_its_manifest_counts_as_the_manifest_says() -> None:
    """Whether somebody verified it or not, fewer events do not replace it."""
    cut = StoredDay(DAY, replace(DUMP, size=10), STORED, '"1"', unproven={"03": 2})
    with pytest.raises(RetriableError, match="tell of 10 events; Amplitude gives 9 now"):
        decide(cut, new(9), force=False)
    assert outcome(cut, new(10)) is Outcome.WRITTEN
    assert outcome(cut, new(9), force=True) is Outcome.WRITTEN


def test_an_unproven_dump_is_replaced() -> None:
    """A dump without its manifest, or with one of another content, is what a killed exporter left."""
    assert outcome(unproven({"03": 10}), new(12)) is Outcome.WRITTEN
    outdated = StoredDay(DAY, replace(DUMP, size=2000), STORED, '"1"', unproven={"03": 12})
    assert not outdated.whole
    assert outcome(outdated, new(12)) is Outcome.WRITTEN
    with pytest.raises(RetriableError):
        decide(outdated, new(11), force=False)


@pytest.mark.parametrize("hours", [{"03": 20}, {"all": 20}, {"03": 5, "04": 1}])
def test_an_unproven_dump_with_more_events_waits(hours: dict[str, int]) -> None:
    """What a killed exporter committed is not shrunk either, in all or in one hour; nothing never replaces it."""
    stored = unproven(hours)
    with pytest.raises(RetriableError, match=f"tell of {sum(hours.values())} events; Amplitude gives 12 now"):
        decide(stored, new(12), force=False)
    assert outcome(stored, new(12), force=True) is Outcome.WRITTEN
    with pytest.raises(RetriableError):
        decide(stored, new(0), force=True)


def test_a_killed_export_is_taken_up_where_it_stopped() -> None:
    """A blob that holds the same content already needs its manifest only."""
    dump = replace(DUMP, metadata={"sha256": new(12).sha256})
    assert outcome(StoredDay(DAY, dump, unproven={"03": 12}), new(12)) is Outcome.UNCHANGED


def test_a_damaged_day_is_written_anew() -> None:
    """Whatever its metadata says of the content; but not with fewer events than its manifest tells."""
    dump = replace(DUMP, metadata={"sha256": STORED.sha256})
    damaged = replace(whole(), dump=dump, damage="its bytes have another SHA-256")
    assert not damaged.whole
    decision = decide(damaged, replace(STORED, etag=""), force=False)
    assert (decision.outcome, decision.writes_dump) == (Outcome.REPLACED, True)
    assert outcome(damaged, new(9)) is Outcome.KEPT
    assert outcome(damaged, new(9), force=True) is Outcome.REPLACED


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Source("https://amplitude.com", "100011471"), "this store holds host analytics.eu.amplitude.com"),
        (
            Source("https://analytics.eu.amplitude.com", "2"),
            "this store holds project 100011471 .*, and the keys are for project 2",
        ),
    ],
)
def test_another_source_is_refused(source: Source, words: str) -> None:
    """The sentence says what to set."""
    with pytest.raises(OtherSourceError, match=words) as caught:
        check_source(STORED.source, source, STORED.dump)
    assert "Set EXPORT_PREFIX or EXPORT_CONTAINER" in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        Source("https://analytics.eu.amplitude.com", ""),
        Source("https://analytics.eu.amplitude.com:443", "100011471"),
        Source("", ""),
    ],
)
def test_an_unknown_source_is_no_other_source(source: Source) -> None:
    """An empty day tells no project; a port does not make another host."""
    check_source(STORED.source, source, "")
    check_source(source, STORED.source, "")
    check_source(None, source, "")


@given(st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_events_never_become_fewer_in_silence(stored: int, found: int, force: bool) -> None:
    """Whatever is stored and found: fewer events win only by force, and other content is never called unchanged."""
    done = outcome(whole(manifest_of(events=stored, sha256=f"{stored:064}")), new(found), force=force)
    assert (done is Outcome.UNCHANGED) == (stored == found)
    if found < stored:
        assert done is (Outcome.REPLACED if force and found else Outcome.KEPT)


def test_a_kept_day_stays_as_it_was() -> None:
    """Only the note is added; a provisional day stays provisional."""
    found = replace(new(3), state=FINAL, run="run-2")
    provisional = replace(STORED, state=PROVISIONAL)
    noted = decide(whole(provisional), found, force=False).manifest
    assert noted.fewer_found == {"events": 3, "run": "run-2", "at": found.finished_at}
    assert replace(noted, fewer_found=None) == provisional


@given(day=st.dates(date(2000, 1, 1), date(2099, 1, 1)), hours=st.integers(0, 168), late=st.integers(-(10**6), 10**6))
def test_a_day_is_settled_from_the_settle_delay_on(day: date, hours: int, late: int) -> None:
    """To the second: before it is provisional, from then on final, or empty."""
    settle = timedelta(hours=hours)
    started = day_end(day) + settle + timedelta(seconds=late)
    assert state_at(day, started, settle, empty=False, held=False) == (FINAL if late >= 0 else PROVISIONAL)
    assert state_at(day, started, settle, empty=True, held=False) == (EMPTY if late >= 0 else PROVISIONAL)


def test_a_day_with_quiet_hours_waits_for_a_week() -> None:
    """To the second."""
    settle, end = timedelta(hours=12), day_end(DAY) + QUIET_DAYS
    assert state_at(DAY, end - timedelta(seconds=1), settle, empty=False, held=True) == PROVISIONAL
    assert state_at(DAY, end, settle, empty=False, held=True) == FINAL
    assert state_at(DAY, end, settle, empty=True, held=True) == EMPTY


def busy(events: Mapping[int, int], **chosen: Any) -> Manifest:
    """The day before, with so many events in these hours."""
    hours = {f"{hour:02}": {"members": 1, "events": events.get(hour, 0)} for hour in range(24)}
    return manifest_of(DAY - timedelta(days=1), events=sum(events.values()), hours=hours, **chosen)


def test_hours_that_fall_silent_are_found() -> None:
    """Those that had enough events the day before and have none; one event is not silence."""
    before = busy({3: BUSY_EVENTS, 4: BUSY_EVENTS - 1, 5: 1000, 6: 1000})
    assert quiet_hours(before, {"05": 1}, BUSY_EVENTS) == ("03", "06")
    assert quiet_hours(None, {}, BUSY_EVENTS) == ()


def test_a_second_silent_day_is_found_too() -> None:
    """As long as the day before waits for its own quiet hours, they count as busy."""
    waiting = busy({3: 1000}, quiet_hours=("17",), state=PROVISIONAL)
    assert quiet_hours(waiting, {"03": 5}, BUSY_EVENTS) == ("17",)
    assert quiet_hours(replace(waiting, state=FINAL), {"03": 5}, BUSY_EVENTS) == ()


@pytest.mark.parametrize(
    ("stored", "near", "hours"),
    [
        (NOTHING, Neighbours(), 24),
        (replace(NOTHING, failure=FAILURE), Neighbours(before=manifest_of(window_hours=3)), 6),
        (whole(manifest_of(window_hours=12)), Neighbours(before=manifest_of(window_hours=3)), 12),
        (whole(manifest_of(window_hours=12), failure=FAILURE), Neighbours(), 6),
        (NOTHING, Neighbours(before=manifest_of(window_hours=3)), 3),
        (NOTHING, Neighbours(after=manifest_of(window_hours=3)), 3),
        (NOTHING, Neighbours(before=manifest_of(window_hours=3, window_days=2)), 3),
        (NOTHING, Neighbours(before=manifest_of(window_hours=3, window_days=3)), 6),
        (NOTHING, Neighbours(before=manifest_of(window_hours=18, window_days=9)), 24),
        (whole(manifest_of(window_hours=12, window_days=9)), Neighbours(), 12),
    ],
)
def test_the_window_size_that_worked_is_used_first(stored: StoredDay, near: Neighbours, hours: int) -> None:
    """For this day, else for the day before or after it; it doubles after three good days."""
    assert first_hours(stored, near) == hours


@pytest.mark.parametrize(
    ("hours", "stored", "near", "days"),
    [
        (6, NOTHING, Neighbours(), 1),
        (6, NOTHING, Neighbours(before=manifest_of(window_hours=6, window_days=2)), 3),
        (6, NOTHING, Neighbours(after=manifest_of(window_hours=6, window_days=2)), 3),
        (6, NOTHING, Neighbours(before=manifest_of(window_hours=12, window_days=2)), 1),
        (6, whole(manifest_of(window_hours=6, window_days=2)), Neighbours(before=manifest_of(window_hours=6)), 2),
    ],
)
def test_days_with_one_window_size_are_counted(hours: int, stored: StoredDay, near: Neighbours, days: int) -> None:
    """In a row; another look at a day counts once."""
    assert window_days(hours, stored, near, refused=False) == days


def test_a_refused_size_is_not_tried_again_soon() -> None:
    """Where a doubled size was refused, a month has to pass; a first refusal begins to count."""
    grown = Neighbours(before=manifest_of(window_hours=6, window_days=3))
    assert first_hours(NOTHING, grown) == 12
    assert window_days(6, NOTHING, grown, refused=True) == 1 - REFUSED_DAYS
    assert window_days(6, NOTHING, Neighbours(), refused=True) == 1
    waiting = Neighbours(before=manifest_of(window_hours=6, window_days=1 - REFUSED_DAYS))
    assert window_days(6, NOTHING, waiting, refused=False) == 2 - REFUSED_DAYS
