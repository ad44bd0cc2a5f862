import json
from datetime import UTC, datetime, timedelta

import pytest

from exporter.simulator.events import Events
from exporter.simulator.people import KEYS

HOUR = datetime(2025, 11, 6, 5, tzinfo=UTC)
DOCUMENTED_KEYS = (
    "$insert_id $insert_key $schema adid amplitude_attribution_ids amplitude_event_type amplitude_id "
    "app city client_event_time client_upload_time country data data_type device_brand device_carrier "
    "device_family device_id device_manufacturer device_model device_type dma event_id event_properties "
    "event_time event_type global_user_properties group_properties groups idfa ip_address "
    "is_attribution_event language library location_lat location_lng os_name os_version partner_id "
    "paying plan platform processed_time region sample_rate server_received_time server_upload_time "
    "session_id source_id start_version user_creation_time user_id user_properties uuid version_name"
)


@pytest.fixture(scope="module")
def raw() -> list[bytes]:
    """Enough lines of one hour to see shares and rare values."""
    return list(Events(seed=1, project=100011471, per_hour=50).lines(HOUR, 4_000))


@pytest.fixture(scope="module")
def events(raw: list[bytes]) -> list[dict[str, object]]:
    """The same lines, parsed."""
    return [json.loads(line) for line in raw]


def test_every_event_has_the_documented_keys_in_their_order(events: list[dict[str, object]]) -> None:
    """All 55 keys are on every row, as documented, null rather than absent."""
    assert " ".join(KEYS) == DOCUMENTED_KEYS
    assert len(KEYS) == 55
    assert {tuple(event) for event in events} == {KEYS}


def test_lines_are_compact_json_with_raw_unicode(raw: list[bytes], events: list[dict[str, object]]) -> None:
    """A line is what a compact JSON writer that leaves other alphabets alone would write."""
    for line, event in zip(raw, events, strict=True):
        assert json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() == line


@pytest.mark.parametrize("text", ["ü", "東", "🎁", "\u2028"])
def test_text_of_many_alphabets_is_there_raw(raw: list[bytes], text: str) -> None:
    """Umlauts, CJK, emoji and the separator that breaks splitlines() stand in lines as they are."""
    assert any(text.encode() in line for line in raw)


def test_values_that_trip_readers_are_there(events: list[dict[str, object]]) -> None:
    """Integers beyond a float, sessions of -1, arrays in groups, times without fraction, null or empty."""
    times = [str(event["event_time"]) for event in events]
    assert all(int(str(event["amplitude_id"])) > 2**53 for event in events)
    assert {-1} < {event["session_id"] for event in events}
    assert any(isinstance(event["groups"], dict) and event["groups"].get("org") for event in events)
    assert {len(time) for time in times} == {len("2025-11-06 05:00:00"), len("2025-11-06 05:00:00.000000")}
    assert {None, ""} < {event["processed_time"] for event in events}


def test_events_belong_to_the_hour_of_their_upload(events: list[dict[str, object]]) -> None:
    """The server's upload time, not the time of the event, lies within the hour."""
    assert {str(event["server_upload_time"])[:13] for event in events} == {"2025-11-06 05"}


def test_five_to_ten_percent_are_late(events: list[dict[str, object]]) -> None:
    """Some events happened at least an hour before their upload, some of these days before; none after it."""
    uploads = [datetime.fromisoformat(str(event["server_upload_time"])) for event in events]
    starts = [datetime.fromisoformat(str(event["event_time"])) for event in events]
    waits = [upload - start for upload, start in zip(uploads, starts, strict=True)]
    assert 0.05 < sum(wait >= timedelta(hours=1) for wait in waits) / len(waits) < 0.10
    assert max(waits) > timedelta(days=2)
    assert min(waits) >= timedelta(0)


def test_an_event_takes_about_two_kilobytes(raw: list[bytes]) -> None:
    """The mean line is as long as a real one."""
    assert 1_800 < sum(map(len, raw)) / len(raw) < 2_600


def test_uuids_are_unique_across_hours() -> None:
    """No two events of a day share the key of a row."""
    events = Events(seed=1, project=1, per_hour=50)
    hours = [HOUR.replace(hour=number) for number in range(24)]
    uuids = [json.loads(line)["uuid"] for hour in hours for line in events.lines(hour, events.count(hour))]
    assert len(set(uuids)) == len(uuids) > 1_000


def test_counts_follow_a_daily_curve() -> None:
    """Nights are quieter than evenings, and the mean of many days is the asked number."""
    events = Events(seed=1, project=1, per_hour=1_000)
    counts = [events.count(HOUR + timedelta(hours=number)) for number in range(24 * 30)]
    assert 980 < sum(counts) / len(counts) < 1_020
    assert events.count(HOUR.replace(hour=4)) * 3 < events.count(HOUR.replace(hour=16))
    assert len(set(counts)) > 300


def test_a_larger_count_begins_with_the_same_events() -> None:
    """An hour that grows keeps the events it had."""
    events = Events(seed=1, project=1, per_hour=50)
    assert list(events.lines(HOUR, 12))[:10] == list(events.lines(HOUR, 10))
