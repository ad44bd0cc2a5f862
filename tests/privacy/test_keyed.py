"""What is kept of erased people: hashes that need the key, and say whether a key is theirs."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.days.layout import Layout
from exporter.errors import PermanentError
from exporter.privacy.ids import Ids
from exporter.privacy.keyed import Kept, Keyed
from exporter.store import ANY, Store
from exporter.store.folder import LocalStore
from tests.kit.memory import MemoryStore

KEY, OTHER = "the key of the tests, 32 or more 0123", "another key of the tests, 32 or more 4"
ANNA = Ids(frozenset({"anna@example.com"}), frozenset({17}), frozenset({"d-1", "17"}))
NOW = datetime(2025, 11, 8, 9, 30, 15, 1, tzinfo=UTC)
LAYOUT = Layout(prefix="web/")
NAME = "web/erasures/keyed/first.json"


@pytest.fixture(params=["folder", "container"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store without metadata, and one that keeps them."""
    return LocalStore(tmp_path / "data") if request.param == "folder" else MemoryStore()


def kept(store: Store, key: str = KEY) -> Kept:
    """What is kept, as a program sees it that has just begun."""
    return Kept(store, LAYOUT, key)


def refused(store: Store, key: str = KEY) -> str:
    """Why what is kept cannot be used."""
    with pytest.raises(PermanentError) as caught:
        kept(store, key).check()
    with pytest.raises(PermanentError, match="erasures/keyed/") as again:
        kept(store, key).after(NOW - timedelta(days=9), kept(store, key).listed())
    assert str(again.value) == str(caught.value)
    return str(caught.value)


def test_the_record_is_what_the_document_says(store: Store) -> None:
    """Others can check it with ten lines of their own: an HMAC for each id, its kind before it."""
    kept(store).remember(ANNA, "first", NOW)
    found = store.read(NAME)
    assert found is not None
    texts = ["user_id=anna@example.com", "amplitude_id=17", "device_id=d-1", "device_id=17"]
    assert json.loads(found[0]) == {
        "erasure": "first",
        "before": "2025-11-08T09:30:16Z",
        "check": hmac.new(
            KEY.encode(), b"amplitude exporter: is this the key of the erased ids?", "sha256"
        ).hexdigest(),
        "hashes": sorted(hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest() for text in texts),
        "format": 1,
    }


def test_no_id_and_no_key_can_be_seen(store: Store) -> None:
    """Not in the record, nor where a program shows what it has at hand."""
    held = kept(store)
    found = held.remember(ANNA, "first", NOW)
    record = store.read(NAME)
    assert record
    for shown in (record[0].decode(), repr(held), repr(found)):
        for secret in ("anna", "d-1", KEY):
            assert secret not in shown
    assert not any(one in repr(held) + repr(found) for one in found.hashes)


def test_to_remember_again_changes_nothing(store: Store) -> None:
    """Whoever goes on after a kill gets the first moment; another person's record is not overwritten."""
    first = kept(store).remember(ANNA, "first", NOW)
    assert kept(store).remember(ANNA, "first", NOW + timedelta(days=1)) == first
    with pytest.raises(PermanentError, match="is there already, and of other ids"):
        kept(store).remember(Ids(frozenset({"bert"})), "first", NOW)
    assert kept(store).check() == 1


def test_another_key_is_told(store: Store) -> None:
    """It would filter nothing. So does none, and nobody is remembered with either."""
    kept(store).remember(ANNA, "first", NOW)
    assert f"EXPORT_ERASURE_KEY is not the key that {NAME} was made with" in refused(store, OTHER)
    assert f"EXPORT_ERASURE_KEY is missing, and {NAME} needs it" in refused(store, "")
    for key in (OTHER, ""):
        with pytest.raises(PermanentError, match="EXPORT_ERASURE_KEY is"):
            kept(store, key).remember(ANNA, "second", NOW)
    assert [entry.name for entry in kept(store).listed()] == [NAME]


def test_the_first_person_needs_a_key() -> None:
    """The sentence says how one is made, and that it has to be kept."""
    with pytest.raises(PermanentError, match=r"EXPORT_ERASURE_KEY is missing: .*openssl rand -base64 32.*Keep it"):
        kept(MemoryStore(), "").remember(ANNA, "first", NOW)


def test_only_requests_after_a_moment_matter(store: Store) -> None:
    """A day that began after the last request needs no key: nobody's events of it are left out."""
    kept(store).remember(ANNA, "first", NOW)
    kept(store).remember(ANNA, "second", NOW + timedelta(days=2))
    held = kept(store)
    assert [one.erasure for one in held.after(NOW, held.listed())] == ["first", "second"]
    assert [one.erasure for one in held.after(NOW + timedelta(days=1), held.listed())] == ["second"]
    without = kept(store, "")
    assert without.after(NOW + timedelta(days=2, seconds=1), without.listed()) == ()


def test_a_listing_is_enough_for_old_requests() -> None:
    """A container tells the moment in the record's metadata; where somebody took them away, the record is read."""
    store = MemoryStore()
    kept(store).remember(ANNA, "first", NOW)
    assert store.stat(NAME).metadata == {"before": "2025-11-08T09:30:16Z"}  # type: ignore[union-attr]
    record = store.read(NAME)
    assert record
    for metadata in ({}, {"before": "soon"}, {"before": "2020-01-01"}):
        store.write(NAME, record[0], seen=ANY, metadata=metadata)
        assert len(kept(store).after(NOW, kept(store).listed())) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hashes": ["anna@example.com"]}, "is damaged: it is no record of erased ids"),
        ({"check": "1"}, "is damaged: it is no record of erased ids"),
        ({"before": "2025-11-08"}, "is damaged: it is no record of erased ids"),
        ({"erasure": "../first"}, "is damaged: it is no record of erased ids"),
        ({"erasure": "second"}, "it speaks of another erasure"),
        ({"format": 2}, "has format 2, this version knows 1. Update the exporter"),
        (None, "is damaged: it is no record of erased ids"),
    ],
)
def test_a_record_that_is_none_stops_whoever_needs_it(
    store: Store, change: dict[str, object] | None, sentence: str
) -> None:
    """A person might come back. Nothing of the record is quoted."""
    keyed = Keyed.of(ANNA, "first", NOW, KEY)
    text = json.dumps(json.loads(keyed.to_json()) | change).encode() if change else b'["anna@example.com"]'
    store.write(NAME, text, seen=None, metadata={})
    told = refused(store)
    assert told.startswith(NAME)
    assert sentence in told
    assert "anna" not in told
