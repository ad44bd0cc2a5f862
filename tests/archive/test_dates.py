import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive.careful import examine
from exporter.archive.dates import HEAD, MOST_DAYS, add_days, count_days, date_of, first_date, is_date
from tests.kit.odd_lines import odd_lines


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"event_time":"2025-11-06 05:00:00"}', "2025-11-06"),
        (b'{ "event_time" : "2025-11-06" }', "2025-11-06"),
        (b'{"event_time":"2025-11-06 05:00:00","odd":"\\ud83d"}', "2025-11-06"),
        (b'{"event_time":"\\u0032\\u0030\\u0032\\u0035-11-06"}', "2025-11-06"),
        (b'{"event_time":"\\ud83d","odd":1e400}', "none"),
        (b'{"event_time":"2025-11-0"}', "none"),
        (b'{"event_time":"2025:11:06"}', "none"),
        (b'{"event_time":1762405200}', "none"),
        (b'{"event_time":1e400}', "none"),
        (b'{"event_time":' + b"9" * 5_000 + b"}", "none"),
        (b'{"event_time":{"a":1}}', "none"),
        (b'{"event_time":["2025-11-06"]}', "none"),
        (b"{}", "none"),
        (b'{"event_time":"2025-11-06","event_time":"2024-01-01"}', "2025-11-06"),
        (b'{"event\\u005ftime":"2025-11-06","event_time":"2024-01-01"}', "2025-11-06"),
        (b'{"event_time":null,"event_time":"2024-01-01"}', "none"),
        (b'{"a":{"event_time":"2024-01-01"},"event_time":"2025-11-06"}', "2025-11-06"),
        (b'{"a":{"event_time":"2024-01-01"}}', "none"),
        (b'{"event_type":"event_time","x":"event_time"}', "none"),
    ],
)
def test_an_event_has_a_date_or_none(line: bytes, found: str) -> None:
    """Whatever stands in event_time, reading it never fails; of several the first one counts, and no inner one."""
    assert first_date(line) == found
    assert examine(line) == (found, "")


@settings(deadline=None)
@given(odd_lines)
def test_the_date_is_that_of_the_first_event_time(line: bytes) -> None:
    """As the standard library reads it, for every line that counts as an event."""
    date, reason = examine(line)
    if reason:
        return
    pairs: list[tuple[str, object]] = []
    json.loads(line, object_pairs_hook=lambda found: pairs.__setitem__(slice(None), found), parse_int=len)
    time = next((value for name, value in pairs if name == "event_time"), None)
    expected = time[:10] if isinstance(time, str) and is_date(time[:10]) else "none"
    assert date == first_date(line) == expected


@settings(deadline=None)
@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\d.*", fullmatch=True))
def test_the_head_of_a_value_is_enough(text: str) -> None:
    """However it is escaped, and wherever it is cut."""
    expected = text[:10] if is_date(text[:10]) else "none"
    escaped = '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else "?" for c in text) + '"'
    for spelled in (json.dumps(text), json.dumps(text, ensure_ascii=False), escaped):
        value = spelled.encode(errors="surrogatepass")
        assert date_of(value[:HEAD]) == date_of(value) == expected


@pytest.mark.parametrize(
    "text", ["", "2025-11-0x", "2025/11/06", "2025-11-06 ", "٢٠٢٥-11-06", "\ud83d", "none", "other"]
)
def test_what_is_no_date_counts_as_none(text: str) -> None:
    """Nothing odd becomes a name in the manifest."""
    total: dict[str, int] = {}
    count_days(total, {text: 3})
    assert total == {"none": 3}


def test_the_number_of_dates_is_bounded() -> None:
    """What comes beyond the bound counts as other, also when counts are added to counts; no event is lost."""
    total: dict[str, int] = {}
    count_days(total, {f"{year:04}-{month:02}-01": 1 for year in range(1000) for month in range(1, 13)})
    count_days(total, {"0000-01-01": 1})
    assert sum(total.values()) == 12_001
    assert len(total) == MOST_DAYS + 1
    assert total["other"] == 12_000 - MOST_DAYS
    assert total["0000-01-01"] == 2
    again: dict[str, int] = {"2025-11-06": 1}
    add_days(again, total)
    assert again["other"] == 12_000 - MOST_DAYS + 1
    assert "none" not in again
