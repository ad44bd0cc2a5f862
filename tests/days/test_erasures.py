"""What is on record of erasures, as it is read back."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from exporter.days.erasures import BEGUN, DONE, ErasedDay, Erasure, Erasures, read_erasure
from exporter.errors import DamagedError, PermanentError
from exporter.foreign import Foreign
from exporter.store import ANY
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, moment

NOON = moment(DAY, 36)
DONE_DAY = ErasedDay(DAY, 3, 1, DONE, "a" * 64, "b" * 64, old_versions=2, until=NOON + timedelta(days=30))
OPEN_DAY = ErasedDay(DAY + timedelta(days=1), 4, 0, why="held")
RECORD = Erasure("e-1", BEGUN, "ticket 1", "me", NOON, {"user_id": 1}, (DONE_DAY, OPEN_DAY))


def changed(**fields: Any) -> bytes:
    """The record with other fields, as somebody may have written it."""
    return json.dumps(json.loads(RECORD.to_json()) | fields).encode()


def test_a_record_is_read_as_it_was_written() -> None:
    """With what is left to do, and what can still be brought back."""
    found = read_erasure(RECORD.to_json(), "e-1.json", "e-1", Foreign())
    assert found == RECORD
    assert (found.open_days, found.events, found.rejected, found.old_versions) == ([OPEN_DAY], 7, 1, 2)
    assert found.until == NOON + timedelta(days=30)


def test_a_date_holds_for_all_that_is_left() -> None:
    """Where one day has none, nobody knows when the last is gone; where nothing is left there is none."""
    unknown = replace(OPEN_DAY, old_versions=1)
    assert RECORD.with_day(unknown).until is None
    assert replace(RECORD, days=(OPEN_DAY,)).until is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        changed(id="e-2"),
        changed(state="anna"),
        changed(days=[{"day": "2025-11-06"}]),
        changed(reason="x" * 301),
        changed(asked_at="0001-01-01T00:00:00Z"),
        changed(asked_at="2025-11-06T00:00:00"),
        changed(ids={"user_id": -1}),
    ],
)
def test_what_does_not_fit_is_damaged_and_not_quoted(text: bytes) -> None:
    """Whoever can write there can have put anything into it."""
    with pytest.raises(DamagedError, match=r"e-1\.json is damaged") as caught:
        read_erasure(text, "e-1.json", "e-1", Foreign())
    assert "anna" not in str(caught.value)


def test_a_newer_record_is_left_to_a_newer_version() -> None:
    """It says so."""
    with pytest.raises(PermanentError, match="Update the exporter"):
        read_erasure(changed(format=2), "e-1.json", "e-1", Foreign())


def test_stored_words_pass_the_door() -> None:
    """In one line, without secrets."""
    text = changed(reason="of\x1b[31m a-secret-key", by="me\nand you")
    found = read_erasure(text, "e-1.json", "e-1", Foreign(("a-secret-key",)))
    assert (found.reason, found.by) == ("of ***", "me and you")


def test_a_record_that_cannot_be_read_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is told; keyed hashes and other names are passed over."""
    store = MemoryStore()
    records = Erasures.of(days_on(store))
    for name in ("e-1", "e-3"):
        records.write(replace(RECORD, id=name), None)
    store.write(LAYOUT.erasure("e-2"), b"{}", seen=ANY, metadata={})
    store.write(LAYOUT.keyed("e-1"), b"{}", seen=ANY, metadata={})
    store.write("erasures/notes.txt", b"", seen=ANY, metadata={})
    assert [one.id for one in records.all()] == ["e-1", "e-3"]
    assert [one.id for one in records.newest(2)] == ["e-3"]
    assert "erasures/e-2.json is damaged" in caplog.text
    assert records.read("e-4") is None
