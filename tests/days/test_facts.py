from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.facts import Facts, proves
from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL
from exporter.store import Entry
from tests.kit import DAY
from tests.kit.rules import manifest_of, moment

MANIFEST = manifest_of(etag='"0x8DD"', state=PROVISIONAL, rejected=2, unusual=3, quiet_hours=("05", "17"))
METADATA = {
    "state": "provisional",
    "events": "10",
    "bytes": "1000",
    "rejected": "2",
    "sha256": "a" * 64,
    "finished": "2025-11-08T02:30:00+00:00",
    "dump": "20251106_0000_ampl_dump.json",
    "etag": "0x8DD",
    "project": "100011471",
    "unusual": "3",
    "quiet_hours": "05 17",
}


def test_metadata_is_what_a_listing_needs() -> None:
    """The facts of a listing are text in ASCII, with the ETag bare; what there is none of is left out."""
    assert Facts.of(MANIFEST).metadata() == METADATA
    assert Facts.from_metadata(METADATA) == Facts.of(MANIFEST)
    assert "".join(METADATA.values()).isascii()


def test_a_note_about_no_events_at_all_is_a_note() -> None:
    """Nothing found is not the same as nothing noted."""
    found = Facts.of(manifest_of(fewer_found={"events": 0}))
    assert found.metadata()["fewer_found"] == "0"
    assert Facts.from_metadata(found.metadata()) == found


def test_the_first_form_is_read() -> None:
    """Its names and its empty values, and a final day without anything as an empty one."""
    first = {
        "state": "final",
        "events": "0",
        "bytes": "3",
        "rejected": "0",
        "sha256": "a" * 64,
        "etag": "3-1",
        "finished": "2025-11-08T02:30:00+00:00",
        "kept": "",
    }
    found = Facts.from_metadata(first)
    assert found is not None
    assert (found.state, found.fewer_found) == (EMPTY, None)
    noted = Facts.from_metadata(first | {"events": "7", "kept": "3"})
    assert noted is not None
    assert (noted.state, noted.fewer_found) == (FINAL, 3)


@pytest.mark.parametrize(
    "odd",
    [
        {"state": "done"},
        {"state": ""},
        {"events": "many"},
        {"events": "-1"},
        {"sha256": "x"},
        {"finished": "yesterday"},
        {"finished": "2025-11-08T02:30:00"},
        {"quiet_hours": "5"},
        {"fewer_found": "few"},
    ],
    ids=str,
)
def test_odd_metadata_tells_nothing(odd: dict[str, str]) -> None:
    """Then the manifest itself has to be read."""
    assert Facts.from_metadata(METADATA | odd) is None
    assert Facts.from_metadata({"sha256": "a" * 64}) is None
    assert Facts.from_metadata({}) is None
    assert Facts.from_metadata(None) is None


@given(st.dictionaries(st.sampled_from([*METADATA, "kept", "more"]), st.text(max_size=30)))
def test_no_metadata_is_too_odd(metadata: dict[str, str]) -> None:
    """Whatever stands there, it is facts or none."""
    found = Facts.from_metadata(METADATA | metadata)
    assert found is None or found.events >= 0


@pytest.mark.parametrize(
    ("dump", "whole"),
    [
        (None, False),
        (Entry("d", 1000, "1000-1"), True),
        (Entry("d", 1000, "1000-2"), True),
        (Entry("d", 1001, "1000-1"), False),
        (Entry("d", 1000, "0x8DD", {}), True),
        (Entry("d", 1000, '"0x8DD"', {}), True),
        (Entry("d", 1000, "0x8DE", {}), False),
        (Entry("d", 9, "0x8DE", {"sha256": "a" * 64}), True),
        (Entry("d", 1000, "0x8DD", {"sha256": "b" * 64}), False),
    ],
)
def test_what_proves_a_dump(dump: Entry | None, whole: bool) -> None:
    """A file's size, whatever its time; a blob's SHA-256, which survives a copy; else its ETag, quoted or not."""
    assert proves(dump, Facts.of(MANIFEST)) is whole


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    """Times in metadata are UTC."""
    assert Facts.of(manifest_of(finished_at=moment(DAY, 51))).metadata()["finished"] == "2025-11-08T03:00:00+00:00"
    assert moment(DAY, 51) - moment(DAY, 50) == timedelta(hours=1)
