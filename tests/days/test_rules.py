from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.layout import Layout
from exporter.days.manifest import FINAL, PROVISIONAL, Failure, Manifest, Source
from exporter.days.rules import Known, Outcome, check_source, decide, kept, look, proves, says_the_same
from exporter.errors import OtherSourceError, PermanentError, RetriableError
from exporter.store import ANY, Entry
from exporter.store.folder import LocalStore
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import manifest_of, moment

LAYOUT = Layout()
STORED = manifest_of()
NOTHING = Known(None, None, None, None)
DUMP = Entry(STORED.dump, STORED.size, STORED.etag)


def whole(manifest: Manifest = STORED) -> Known:
    """A day as its manifest says."""
    return Known(Entry(manifest.dump, manifest.size, manifest.etag), manifest, '"1"', None)


def new(events: int, **chosen: Any) -> Manifest:
    """What an export found; its content is told by its number of events."""
    return replace(manifest_of(events=events, sha256=f"{events:064}", **chosen), etag="")


def test_a_new_day_is_written() -> None:
    """With events it is written, without it is empty."""
    assert decide(NOTHING, new(5), force=False) is Outcome.WRITTEN
    assert decide(NOTHING, new(0), force=False) is Outcome.EMPTY


@pytest.mark.parametrize("force", [False, True])
def test_more_events_replace_the_day(force: bool) -> None:
    """A day that grew is replaced, and so is one of as many other events."""
    assert decide(whole(), new(11), force=force) is Outcome.REPLACED
    assert decide(whole(), new(10), force=force) is Outcome.REPLACED


@pytest.mark.parametrize("force", [False, True])
def test_the_same_content_is_not_written_again(force: bool) -> None:
    """The SHA-256 tells, for a file and for a blob."""
    blob = replace(whole(), dump=replace(DUMP, etag='"other"', metadata={"sha256": STORED.sha256}))
    for known in (whole(), blob):
        assert decide(known, replace(STORED, run="run-2"), force=force) is Outcome.UNCHANGED


def test_fewer_events_replace_only_if_forced() -> None:
    """Without force the stored day is kept."""
    assert decide(whole(), new(9), force=False) is Outcome.KEPT
    assert decide(whole(), new(9), force=True) is Outcome.REPLACED


@pytest.mark.parametrize("force", [False, True])
def test_nothing_never_replaces_events(force: bool) -> None:
    """A stray 404 costs no stored day, not even a forced one."""
    assert decide(whole(), new(0), force=force) is Outcome.KEPT


def test_an_unproven_dump_is_replaced() -> None:
    """A dump without its manifest, or with one of another content, is what a killed exporter left."""
    unproven = Known(DUMP, None, None, None)
    outdated = Known(replace(DUMP, etag="2000-2"), STORED, '"1"', None)
    assert decide(unproven, new(12), force=False) is Outcome.WRITTEN
    assert decide(outdated, new(12), force=False) is Outcome.WRITTEN
    assert not outdated.whole


def test_an_unproven_dump_with_more_events_waits() -> None:
    """What a killed exporter committed is not shrunk either."""
    known = Known(DUMP, None, None, None, unproven=20)
    with pytest.raises(RetriableError, match="20 events; Amplitude gives 12 now"):
        decide(known, new(12), force=False)
    assert decide(known, new(12), force=True) is Outcome.WRITTEN


def test_an_unproven_dump_is_counted(tmp_path: Path) -> None:
    """Without a manifest a file's events are counted, a blob's are in its metadata; brackets do not count."""
    layout, store = Layout(), LocalStore(tmp_path)
    name = layout.dump(STORED.day)
    store.write(name, b'[\n{"a":1},\n{"a":2}\n]\n', seen=None, metadata={})
    assert look(store, layout, STORED.day).unproven == 2
    store.write(name, b"[]\n", seen=ANY, metadata={})
    assert look(store, layout, STORED.day).unproven == 0


def test_a_killed_export_is_taken_up_where_it_stopped() -> None:
    """A blob that holds the same content already needs its manifest only."""
    dump = replace(DUMP, metadata={"sha256": new(12).sha256, "events": "12"})
    assert decide(Known(dump, None, None, None), new(12), force=False) is Outcome.UNCHANGED


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
@pytest.mark.parametrize("force", [False, True])
def test_another_source_is_refused(source: Source, words: str, force: bool) -> None:
    """Not even force replaces the day of another host or project; the sentence says what to set."""
    with pytest.raises(OtherSourceError, match=words) as caught:
        decide(whole(), new(99, source=source), force=force)
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
    check_source(STORED, source)
    check_source(replace(STORED, source=source), STORED.source)


@given(st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_events_never_become_fewer_in_silence(stored: int, found: int, force: bool) -> None:
    """Whatever is stored and found: fewer events win only by force, and other content is never called unchanged."""
    outcome = decide(whole(manifest_of(events=stored, sha256=f"{stored:064}")), new(found), force=force)
    assert (outcome is Outcome.UNCHANGED) == (stored == found)
    if found < stored:
        assert outcome is (Outcome.REPLACED if force and found else Outcome.KEPT)


@pytest.mark.parametrize(
    ("dump", "whole"),
    [
        (None, False),
        (Entry("d", 1, "1-1"), True),
        (Entry("d", 1, '"1-1"'), True),
        (Entry("d", 1, "1-2"), False),
        (Entry("d", 1, "1-2", {}), False),
        (Entry("d", 1, "1-2", {"sha256": "a"}), True),
        (Entry("d", 1, "1-1", {"sha256": "b"}), False),
    ],
)
def test_what_proves_a_dump(dump: Entry | None, whole: bool) -> None:
    """The SHA-256 where the store keeps it, which survives a copy; else the ETag, quoted or not."""
    assert proves(dump, "a", "1-1") is whole


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"run": "run-2", "finished_at": moment(DAY, 60)}, True),
        ({"state": PROVISIONAL}, False),
        ({"rejected": 3}, False),
        ({"window_hours": 6}, False),
    ],
)
def test_when_the_same_content_needs_a_new_manifest(changed: dict[str, object], same: bool) -> None:
    """State, rejected lines and window size are worth one; another run is not."""
    assert says_the_same(whole(), replace(STORED, **changed)) is same  # type: ignore[arg-type]  # any field


def test_a_note_about_fewer_events_goes_with_the_next_whole_look() -> None:
    """A manifest with a note is written anew when the events are back."""
    assert not says_the_same(whole(replace(STORED, kept={"events": 3})), STORED)


def test_a_kept_day_stays_as_it_was() -> None:
    """Only the note is added; a provisional day stays provisional."""
    found = replace(new(3), state=FINAL, run="run-2")
    provisional = replace(STORED, state=PROVISIONAL)
    noted = kept(provisional, found)
    assert noted.kept == {"events": 3, "run": "run-2", "at": found.finished_at}
    assert replace(noted, kept=None) == provisional


def test_look_finds_what_is_there() -> None:
    """Dump, manifest with its ETag, and failure; each None where it is not there."""
    store = MemoryStore()
    assert look(store, LAYOUT, DAY) == NOTHING
    failure = Failure(DAY, "retriable", "status 503", 3, 6, "run-1", moment(DAY, 26))
    store.write(LAYOUT.dump(DAY), b"[]\n", seen=None, metadata={"sha256": STORED.sha256})
    etag = store.write(LAYOUT.manifest(DAY), STORED.to_json(), seen=None, metadata={})
    store.write(LAYOUT.failure(DAY), failure.to_json(), seen=None, metadata={})
    known = look(store, LAYOUT, DAY)
    assert known == Known(store.stat(LAYOUT.dump(DAY)), STORED, etag, failure)
    assert known.whole
    assert (known.attempts, NOTHING.attempts) == (3, 0)


def test_look_names_what_it_cannot_read() -> None:
    """A damaged manifest is an error with its name."""
    store = MemoryStore()
    store.write(LAYOUT.manifest(DAY), b"{", seen=None, metadata={})
    with pytest.raises(PermanentError, match=r"manifests/20251106_0000\.json is not JSON"):
        look(store, LAYOUT, DAY)
