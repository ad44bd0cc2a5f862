import pytest
from hypothesis import given, settings

from exporter.archive.careful import MOST_DAYS, add_days, event_date, fault, keys, lines_of, plain_date
from tests.kit.odd_lines import BROKEN, LEGAL, odd_lines


@pytest.mark.parametrize("line", LEGAL)
def test_a_json_object_is_an_event(line: bytes) -> None:
    """However unusual, if JSON allows it."""
    assert fault(line) is None


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_what_is_no_json_object_has_a_reason(line: bytes, reason: str) -> None:
    """The reason says where."""
    said = fault(line)
    assert said is not None
    assert said.startswith(reason)
    assert plain_date(line) is None


def test_a_reason_quotes_nothing_of_the_line() -> None:
    """Rejected lines hold personal data."""
    for line in (
        b'{"email":"someone@example.com"',
        b'{"someone@example.com":NaN}',
        b"someone@example.com",
        b"\xffsomeone",
    ):
        assert "someone" not in str(fault(line))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"event_time":"2025-11-06 05:00:00"}', "2025-11-06"),
        (b'{"event_time":"2025-11-06 05:00:00","odd":"\\ud83d"}', "2025-11-06"),
        (b'{"event_time":"\\ud83d","odd":1e400}', "\ud83d"),
        (b'{"event_time":1762405200}', "none"),
        (b'{"event_time":1e400}', "none"),
        (b'{"event_time":' + b"9" * 5_000 + b"}", "none"),
        (b'{"event_time":{"a":1}}', "none"),
        (b"{}", "none"),
        (b'{"event_time":"2025-11-06","event_time":"2024-01-01"}', "2025-11-06"),
        (b'{"event\\u005ftime":"2025-11-06","event_time":"2024-01-01"}', "2025-11-06"),
        (b'{"event_time":null,"event_time":"2024-01-01"}', "none"),
        (b'{"a":{"event_time":"2024-01-01"},"event_time":"2025-11-06"}', "2025-11-06"),
        (b'{"a":{"event_time":"2024-01-01"}}', "none"),
    ],
)
def test_an_event_has_a_date_or_none(line: bytes, found: str) -> None:
    """Whatever stands in event_time, reading it never fails; of several the first one counts, and no inner one."""
    assert event_date(line) == found
    assert plain_date(line) in (found, None)


@settings(deadline=None)
@given(odd_lines)
def test_reading_the_date_of_an_event_never_fails(line: bytes) -> None:
    """For every line that counts as an event."""
    if fault(line) is None:
        assert isinstance(event_date(line), str)


@pytest.mark.parametrize("text", ["", "2025-11-0x", "2025/11/06", "2025-11-06 ", "٢٠٢٥-11-06", "\ud83d", "none"])
def test_what_is_no_date_counts_as_none(text: str) -> None:
    """Nothing odd becomes a name in the manifest."""
    total: dict[str, int] = {}
    add_days(total, {text: 3})
    assert total == {"none": 3}


def test_the_number_of_dates_is_bounded() -> None:
    """What comes beyond the bound counts as other; no event is lost."""
    total: dict[str, int] = {}
    add_days(total, {f"{year:04}-{month:02}-01": 1 for year in range(1000) for month in range(1, 13)})
    add_days(total, {"0000-01-01": 1})
    assert sum(total.values()) == 12_001
    assert len(total) == MOST_DAYS + 1
    assert total["other"] == 12_000 - MOST_DAYS
    assert total["0000-01-01"] == 2


def test_keys_are_the_names_of_the_columns() -> None:
    """Of a line that is no object there are none."""
    assert keys(b'{"a":1,"b":{"c":2}}') == {"a", "b"}
    assert [keys(line) for line in (b"", b"[]", b"{", b'{"a\xff":1}', b"\xff")] == [frozenset()] * 5


def test_lines_lose_their_ends_and_nothing_else() -> None:
    """One CR belongs to the end; a second one, and every other kind of line end, to the line."""
    found = list(lines_of("a\r\nb\r\r\nc\u2028\u0085\x0b\x0c\x1cd\n\ne".encode()))
    assert found == [b"a", b"b\r", "c\u2028\u0085\x0b\x0c\x1cd".encode(), b"", b"e"]
