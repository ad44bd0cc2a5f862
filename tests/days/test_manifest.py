import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.archive.columns import _shown
from exporter.days.facts import Facts
from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL, Failure, Manifest, Source, WindowRecord
from exporter.errors import DamagedError, PermanentError
from exporter.window import Window
from tests.kit import DAY
from tests.kit.rules import manifest_of, moment

FAILURE = Failure(DAY, "retriable", "status 503 — try again", 2, 6, "run-9", moment(DAY, 26))
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - bounds
    lambda found: found.replace(microsecond=0)
)
COUNTS = st.integers(0, 2**60)
LINES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
COLUMNS = st.text(max_size=60).map(_shown)
"""What `columns` makes of any name."""
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
        "rejected_sha256", "unusual", "window_days", "quiet_hours",
    ]  # fmt: skip
    assert document["day"] == "2025-11-06"
    assert document["started_at"] == "2025-11-08T02:00:00Z"
    assert document["bytes"] == 1000
    assert document["source"] == {"url": "https://analytics.eu.amplitude.com", "project": "100011471"}
    assert document["windows"] == [{"start": "20251106T00", "end": "20251106T23", "status": 200, "archive_bytes": 500}]
    assert list(document["hours"]) == [f"{hour:02}" for hour in range(24)]


@given(
    state=st.sampled_from([PROVISIONAL, FINAL, EMPTY]),
    rejected=COUNTS,
    unusual=COUNTS,
    quiet_hours=st.lists(st.sampled_from(["00", "17", "23"]), unique=True).map(tuple),
    rejected_sha256=st.sampled_from(["", "b" * 64]),
    source=st.builds(Source, LINES, LINES),
    windows=st.lists(
        st.builds(WindowRecord, st.just("20251106T00"), st.just("20251106T05"), st.just(200), COUNTS),
        max_size=3,
    ).map(tuple),
    started_at=MOMENTS,
    finished_at=MOMENTS,
    event_days=st.dictionaries(LINES, COUNTS),
    schema=st.dictionaries(st.sampled_from(["new", "missing"]), st.lists(COLUMNS).map(tuple)),
    fewer_found=st.none() | st.fixed_dictionaries({"events": COUNTS, "run": LINES, "at": MOMENTS}),
)
def test_a_manifest_is_read_as_it_was_written(**fields: Any) -> None:
    """Every field survives the store."""
    manifest = manifest_of(**fields)
    assert Manifest.from_json(manifest.to_json(), "here", DAY) == manifest


def test_a_failure_is_read_as_it_was_written() -> None:
    """Every field survives the store."""
    assert Failure.from_json(FAILURE.to_json(), "here", DAY) == FAILURE


def test_a_note_about_fewer_events_is_written_only_if_there_is_one() -> None:
    """It is in the document of a day that was kept, with the time in UTC."""
    noted = manifest_of(fewer_found={"events": 3, "run": "run-2", "at": moment(DAY, 51)})
    assert "fewer_found" not in document_of(manifest_of())
    assert document_of(noted)["fewer_found"] == {"events": 3, "run": "run-2", "at": "2025-11-08T03:00:00Z"}


def test_fields_of_the_future_are_accepted() -> None:
    """A field that this version does not know changes nothing, at the top or further in."""
    document = document_of(manifest_of()) | {"colour": "blue"}
    document["source"]["region"] = "EU"
    document["windows"][0]["seconds"] = 3
    assert Manifest.from_json(json.dumps(document).encode(), "here", DAY) == manifest_of()


def test_older_documents_lack_the_newer_fields() -> None:
    """A manifest without event days, schema and note reads as one that has none."""
    document = document_of(manifest_of())
    del document["event_days"], document["schema"]
    found = Manifest.from_json(json.dumps(document).encode(), "here", DAY)
    assert (found.event_days, found.schema, found.fewer_found) == ({}, {}, None)


@pytest.mark.parametrize("kind", [Manifest, Failure])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "it is not a JSON object in UTF-8"),
        (b'{"format": 1', "it is not a JSON object in UTF-8"),
        (b"\xff\xfe", "it is not a JSON object in UTF-8"),
        (b"[]", "it is not a JSON object in UTF-8"),
        (b'{"format": 1, "run": "\\ud83d"}', "it is not a JSON object in UTF-8"),
        (b'{"format": 1, "hours": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "it is not a JSON object in UTF-8"),
        (b"{}", "it has no format number"),
        (b'{"format": "1"}', "it has no format number"),
        (b'{"format": true}', "it has no format number"),
        (b'{"format": 0}', "it has no format number"),
        (b'{"format": 1}', "it has no field `day`"),
        (b'{"format": 1, "day": 5}', "its field `day` is not a date like 2025-11-06"),
    ],
)
def test_what_is_no_document_is_damaged(kind: type[Manifest | Failure], text: bytes, says: str) -> None:
    """The sentence names the object, and quotes nothing of it."""
    with pytest.raises(DamagedError, match=says) as caught:
        kind.from_json(text, "manifests/20251106_0000.json", DAY)
    assert str(caught.value).startswith("manifests/20251106_0000.json is damaged: ")


@pytest.mark.parametrize("kind", [Manifest, Failure])
def test_a_newer_format_is_not_damage(kind: type[Manifest | Failure]) -> None:
    """A newer exporter wrote it: this one must not write over it."""
    with pytest.raises(PermanentError, match="format 3, this version knows 2") as caught:
        kind.from_json(b'{"format": 3}', "here", DAY)
    assert not isinstance(caught.value, DamagedError)


@pytest.mark.parametrize("record", [manifest_of(), FAILURE])
def test_a_record_of_another_day_is_damaged(record: Manifest | Failure) -> None:
    """Copied under another name, it proves nothing."""
    with pytest.raises(DamagedError, match="it speaks of 2025-11-06, and its name of 2025-11-07"):
        type(record).from_json(record.to_json(), "here", DAY + timedelta(days=1))


@pytest.mark.parametrize(
    "odd",
    [
        {"state": "done"},
        {"events": "many"},
        {"events": -1},
        {"events": 11},
        {"sha256": "A" * 64},
        {"sha256": "../../etc/passwd"},
        {"rejected_sha256": "x"},
        {"hours": {"24": {"events": 10}}},
        {"hours": {"3": {"events": 10}}},
        {"quiet_hours": ["99"]},
        {"window_hours": 0},
        {"finished_at": "2025-11-08T02:30:00"},
    ],
    ids=str,
)
def test_an_odd_field_is_damage(odd: dict[str, object]) -> None:
    """Everything in a record is checked by type, and its sums."""
    text = json.dumps(document_of(manifest_of()) | odd).encode()
    with pytest.raises(DamagedError, match="here is damaged"):
        Manifest.from_json(text, "here", DAY)


def test_the_first_format_is_read() -> None:
    """`kept` is the note about fewer events; a final day without any is an empty one."""
    document = document_of(manifest_of(window_hours=6)) | {"format": 1, "kept": {"events": 3}}
    found = Manifest.from_json(json.dumps(document).encode(), "here", DAY)
    assert (found.state, found.fewer_found) == (FINAL, {"events": 3})
    hours = {hour: {"members": 0, "events": 0} for hour in document["hours"]}
    document |= {"events": 0, "hours": hours}
    assert Manifest.from_json(json.dumps(document).encode(), "here", DAY).state == EMPTY
    document |= {"rejected": 5}
    assert Manifest.from_json(json.dumps(document).encode(), "here", DAY).state == FINAL
    assert json.loads(found.to_json())["format"] == 2


@given(st.sampled_from(sorted(json.loads(manifest_of().to_json()))), JSON)
def test_a_damaged_manifest_is_refused_or_can_be_used(name: str, value: object) -> None:
    """Whatever stands in a field, reading gives a manifest whose facts can be used, or PermanentError."""
    text = json.dumps(document_of(manifest_of(fewer_found={"events": 1})) | {name: value}).encode()
    try:
        manifest = Manifest.from_json(text, "here", DAY)
    except PermanentError as error:
        assert "here" in str(error)  # noqa: PT017 - both ways are right, this one needs a sentence
    else:
        assert Facts.from_metadata(Facts.of(manifest).metadata()) is not None
        assert list(Window.of_day(DAY).cut(manifest.window_hours))
        assert Manifest.from_json(manifest.to_json(), "again", DAY) == manifest


@given(st.sampled_from(sorted(json.loads(FAILURE.to_json()))), JSON)
def test_a_damaged_failure_record_is_refused_or_can_be_used(name: str, value: object) -> None:
    """Whatever stands in a field, reading gives a record that can be counted on, or PermanentError."""
    text = json.dumps(json.loads(FAILURE.to_json()) | {name: value}).encode()
    try:
        failure = Failure.from_json(text, "here", DAY)
    except PermanentError as error:
        assert "here" in str(error)  # noqa: PT017 - both ways are right, this one needs a sentence
    else:
        assert failure.attempts + 1 > 0
        assert list(Window.of_day(DAY).cut(failure.window_hours))
        assert Failure.from_json(failure.to_json(), "again", DAY) == failure
