import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.manifest import FINAL, PROVISIONAL, Failure, Manifest, Source, WindowRecord, state_at
from exporter.errors import PermanentError
from exporter.window import Window, day_end
from tests.kit import DAY
from tests.kit.rules import manifest_of, moment

FAILURE = Failure(DAY, "retriable", "status 503 — try again", 2, 6, "run-9", moment(DAY, 26))
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - bounds
    lambda found: found.replace(microsecond=0)
)
COUNTS = st.integers(0, 2**60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def document_of(manifest: Manifest) -> dict[str, Any]:
    """The stored document, read as JSON."""
    found: dict[str, Any] = json.loads(manifest.to_json())
    return found


def test_the_document_is_the_promised_one() -> None:
    """Its names, their order and the spelling of days and times are what downstream readers rely on."""
    document = document_of(manifest_of())
    assert list(document) == [
        "format", "day", "state", "dump", "events", "rejected", "bytes", "sha256", "hours", "windows", "window_hours",
        "attempts", "retries", "source", "etag", "run", "started_at", "finished_at", "version", "event_days", "schema",
    ]  # fmt: skip
    assert document["day"] == "2025-11-06"
    assert document["started_at"] == "2025-11-08T02:00:00Z"
    assert document["bytes"] == 1000
    assert document["source"] == {"url": "https://analytics.eu.amplitude.com", "project": "100011471"}
    assert document["windows"] == [{"start": "20251106T00", "end": "20251106T23", "status": 200, "archive_bytes": 500}]
    assert list(document["hours"]) == [f"{hour:02}" for hour in range(24)]


@given(
    day=st.dates(date(2000, 1, 1), date(2099, 1, 1)),
    state=st.sampled_from([PROVISIONAL, FINAL]),
    events=COUNTS,
    source=st.builds(Source, st.text(max_size=40), st.text(max_size=12)),
    windows=st.lists(
        st.builds(WindowRecord, st.just("20251106T00"), st.just("20251106T05"), st.just(200), COUNTS),
        max_size=3,
    ).map(tuple),
    started_at=MOMENTS,
    finished_at=MOMENTS,
    event_days=st.dictionaries(st.text(max_size=10), COUNTS),
    schema=st.dictionaries(st.sampled_from(["new", "missing"]), st.lists(st.text(max_size=9)).map(tuple)),
    kept=st.none() | st.fixed_dictionaries({"events": COUNTS, "run": st.text(max_size=9), "at": MOMENTS}),
)
def test_a_manifest_is_read_as_it_was_written(**fields: Any) -> None:
    """Every field survives the store."""
    manifest = manifest_of(**fields)
    assert Manifest.from_json(manifest.to_json(), "here") == manifest


def test_a_failure_is_read_as_it_was_written() -> None:
    """Every field survives the store."""
    assert Failure.from_json(FAILURE.to_json(), "here") == FAILURE


def test_a_note_about_fewer_events_is_written_only_if_there_is_one() -> None:
    """`kept` is in the document of a day that was kept, with the time in UTC."""
    kept = manifest_of(kept={"events": 3, "run": "run-2", "at": moment(DAY, 51)})
    assert "kept" not in document_of(manifest_of())
    assert document_of(kept)["kept"] == {"events": 3, "run": "run-2", "at": "2025-11-08T03:00:00Z"}


def test_fields_of_the_future_are_accepted() -> None:
    """A field that this version does not know changes nothing, at the top or further in."""
    document = document_of(manifest_of()) | {"colour": "blue"}
    document["source"]["region"] = "EU"
    document["windows"][0]["seconds"] = 3
    assert Manifest.from_json(json.dumps(document).encode(), "here") == manifest_of()


def test_older_documents_lack_the_newer_fields() -> None:
    """A manifest without event days, schema and note reads as one that has none."""
    document = document_of(manifest_of())
    del document["event_days"], document["schema"]
    found = Manifest.from_json(json.dumps(document).encode(), "here")
    assert (found.event_days, found.schema, found.kept) == ({}, {}, None)


@pytest.mark.parametrize("kind", [Manifest, Failure])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "is not JSON"),
        (b'{"format": 1', "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "has no format number"),
        (b"{}", "has no format number"),
        (b'{"format": "1"}', "has no format number"),
        (b'{"format": 2}', "has format 2, this version knows 1. Update the exporter"),
        (b'{"format": 1}', "is not a"),
        (b'{"format": 1, "day": 5}', "is not a"),
    ],
)
def test_what_is_no_document_is_refused(kind: type[Manifest | Failure], text: bytes, says: str) -> None:
    """The sentence names the object and says what to do."""
    with pytest.raises(PermanentError, match=says) as caught:
        kind.from_json(text, "manifests/20251106_0000.json")
    assert str(caught.value).startswith("manifests/20251106_0000.json ")


@given(st.sampled_from(sorted(json.loads(manifest_of().to_json()))), JSON)
def test_a_damaged_manifest_is_refused_or_can_be_used(name: str, value: object) -> None:
    """Whatever stands in a field, reading gives a manifest whose facts can be used, or PermanentError."""
    text = json.dumps(document_of(manifest_of(kept={"events": 1})) | {name: value}).encode()
    try:
        manifest = Manifest.from_json(text, "here")
    except PermanentError as error:
        assert "here" in str(error)  # noqa: PT017 - both ways are right, this one needs a sentence
    else:
        facts = manifest.metadata()
        assert min(int(facts[name]) for name in ("events", "bytes", "rejected", "kept") if facts[name]) >= 0
        assert list(Window.of_day(DAY).cut(manifest.window_hours))
        assert Manifest.from_json(manifest.to_json(), "again") == manifest


@given(st.sampled_from(sorted(json.loads(FAILURE.to_json()))), JSON)
def test_a_damaged_failure_record_is_refused_or_can_be_used(name: str, value: object) -> None:
    """Whatever stands in a field, reading gives a record that can be counted on, or PermanentError."""
    text = json.dumps(json.loads(FAILURE.to_json()) | {name: value}).encode()
    try:
        failure = Failure.from_json(text, "here")
    except PermanentError as error:
        assert "here" in str(error)  # noqa: PT017 - both ways are right, this one needs a sentence
    else:
        assert failure.attempts + 1 > 0
        assert list(Window.of_day(DAY).cut(failure.window_hours))
        assert Failure.from_json(failure.to_json(), "again") == failure


def test_metadata_is_what_coverage_needs() -> None:
    """The facts of a listing are text in ASCII, with the ETag bare."""
    manifest = manifest_of(etag='"0x8DD"', state=PROVISIONAL, rejected=2)
    assert manifest.metadata() == {
        "state": "provisional",
        "events": "10",
        "bytes": "1000",
        "rejected": "2",
        "sha256": "a" * 64,
        "etag": "0x8DD",
        "finished": "2025-11-08T02:30:00+00:00",
        "kept": "",
    }
    assert replace(manifest, kept={"events": 0}).metadata()["kept"] == "0"
    assert "".join(manifest.metadata().values()).isascii()


@given(day=st.dates(date(2000, 1, 1), date(2099, 1, 1)), hours=st.integers(0, 168), late=st.integers(-(10**6), 10**6))
def test_a_day_is_final_from_the_settle_delay_on(day: date, hours: int, late: int) -> None:
    """To the second: before it is provisional, from then on final."""
    settle = timedelta(hours=hours)
    started = day_end(day) + settle + timedelta(seconds=late)
    assert state_at(day, started, settle) == (FINAL if late >= 0 else PROVISIONAL)
