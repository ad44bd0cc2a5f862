import json
from bisect import bisect_left
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.events import MOST_DAYS, add_days, event_date, fault, keys, lines_of, prove

LEGAL = [
    b"{}",
    b' {"a" : 1} ',
    b'\t{"a":1}\t',
    b'{"a":1,"a":2}',
    b'{"":null,"b":[true,false,{}]}',
    b'{"big":123456789012345678901234567890}',
    b'{"huge":' + b"9" * 5_000 + b"}",
    b'{"far":1e400,"near":-1E-400}',
    b'{"event_time":1e400}',
    b'{"half":"\\ud83d"}',
    b'{"\\ud83d":1}',
    b'{"nul":"\\u0000"}',
    b'{"del":"\x7f"}',
    '{"lines":"\u2028\u2029\u0085"}'.encode(),
    '{"text":"Köln 株式会社 \U0001f600"}'.encode(),
    b'{"deep":' + b"[" * 300 + b"]" * 300 + b"}",
]
BROKEN = [
    (b"[]", "not a JSON object"),
    (b'"text"', "not a JSON object"),
    (b"1", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b'[{"a":1}]', "not a JSON object"),
    (b"{", "not JSON at character 2"),
    (b'{"a":1}}', "not JSON at character 8: Extra data"),
    (b'{"a":1},', "not JSON at character 8: Extra data"),
    (b'{"a":1}{"b":2}', "not JSON at character 8: Extra data"),
    (b'{"a":1},{"b":2}', "not JSON at character 8: Extra data"),
    (b'{"a":1,}', "not JSON at character"),
    (b"{'a':1}", "not JSON at character 2"),
    (b'{"a":NaN}', "NaN is no JSON value"),
    (b'{"a":Infinity}', "Infinity is no JSON value"),
    (b'{"a":-Infinity}', "-Infinity is no JSON value"),
    (b'{"event_time":NaN}', "NaN is no JSON value"),
    (b'{"a":01}', "not JSON at character"),
    (b'{"a":1.}', "not JSON at character"),
    (b'{"a":.5}', "not JSON at character"),
    (b'{"a":+1}', "not JSON at character"),
    (b'{"a":0x1}', "not JSON at character"),
    (b'{"a":"\t"}', "not JSON at character 7: Invalid control character"),
    (b'{"a":"\x00"}', "not JSON at character"),
    (b'{"a":"\\q"}', "not JSON at character"),
    (b'{"a":"\\u12"}', "not JSON at character"),
    (b'{"a":1}//', "not JSON at character"),
    (b'{"a":1}\x0c', "not JSON at character"),
    (b"\xef\xbb\xbf{}", "not JSON at character 1"),
    (b'{"a":"\xff"}', "not UTF-8 at byte 7"),
    (b'{"a":"\xed\xa0\x80"}', "not UTF-8 at byte 7"),
    (b'{"a":"\xc0\xaf"}', "not UTF-8 at byte 7"),
    (b"\x00{}", "not JSON at character 1"),
    ("{}".encode("utf-16-le"), "not JSON at character"),
    (b'{"deep":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
]
WORDS = (
    b'{ } [ ] " \\ \\u d83d 0 1 - . e E + , : 1e400 NaN Infinity true null false "a" "event_time" "\\q" "\\u12" // 01'
)
ODD = [b"\x00", b"\x1f", b"\x7f", "é".encode(), b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b" ", b"\t", b"\x0b", b"\r"]
PIECES = [*WORDS.split(), *ODD]
FRAMES = [b"%b", b'{"a":%b}', b'{"event_time":%b}', b'{"a":"%b"}', b'{"%b":1}', b'{"a":[%b]}', b"{}%b", b"%b{}"]

odd_lines = st.builds(
    lambda frame, pieces: frame.replace(b"%b", b"".join(pieces)),
    st.sampled_from(FRAMES),
    st.lists(st.sampled_from(PIECES), max_size=6),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=4).map(
    lambda value: json.dumps(value, ensure_ascii=False).encode()
)


def nested(depth: int) -> bytes:
    """An event with so many arrays in one another."""
    return b'{"deep":' + b"[" * depth + b"]" * depth + b"}"


def agree(lines: Sequence[bytes]) -> None:
    """The fast path never takes what the careful one refuses, and counts as it does."""
    count = prove(b"".join(line + b"\n" for line in lines), {})
    if count is not None:
        assert [fault(line) for line in lines] == [None] * len(lines)
        assert count == len(lines)


@pytest.mark.parametrize("line", LEGAL)
def test_a_json_object_is_an_event(line: bytes) -> None:
    """However unusual, if JSON allows it."""
    assert fault(line) is None
    agree([line])


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_what_is_no_json_object_has_a_reason(line: bytes, reason: str) -> None:
    """The reason says where, and both paths refuse."""
    said = fault(line)
    assert said is not None
    assert said.startswith(reason)
    assert prove(line + b"\n", {}) is None


def test_a_reason_quotes_nothing_of_the_line() -> None:
    """Rejected lines hold personal data."""
    for line in (
        b'{"email":"someone@example.com"',
        b'{"someone@example.com":NaN}',
        b"someone@example.com",
        b"\xffsomeone",
    ):
        assert "someone" not in str(fault(line))


def test_deep_nesting_is_judged_without_a_crash() -> None:
    """At every depth the two paths agree, and an event has a date."""
    for depth in (10, 500, 990, 1_000, 1_010, 2_000, 5_000, 20_000, 100_000):
        line = b'{"event_time":"2025-11-06 05:00:00","deep":' + b'{"a":[' * depth + b"]}" * depth + b"}"
        agree([line])
        if fault(line) is None:
            assert event_date(line) == "2025-11-06"
    deepest = bisect_left(range(200_000), True, key=lambda depth: fault(nested(depth)) is not None)
    for depth in range(deepest - 5, deepest + 5):  # the bounds of the two parsers are near each other, and not the same
        agree([nested(depth)])


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=4))
def test_fast_and_careful_agree_on_any_bytes(lines: list[bytes]) -> None:
    """Random bytes, several lines a block."""
    agree([line for line in lines if line] or [b"x"])


@settings(deadline=None, max_examples=400)
@given(st.lists(odd_lines, min_size=1, max_size=3))
@example([b'{"a":"\\ud83d\\u0000"}'])
def test_fast_and_careful_agree_near_the_edge_of_json(lines: list[bytes]) -> None:
    """Lines that are nearly JSON: odd numbers, escapes, control characters, marks, in every place."""
    agree([line for line in lines if line] or [b"x"])


@st.composite
def torn(draw: st.DrawFn) -> list[bytes]:
    """Several objects, at times on one line, cut at random places; or each cut where pieces look like objects."""
    glue = draw(st.sampled_from([b"\n", b",", b"", b" "]))
    text = glue.join(draw(st.lists(objects, min_size=1, max_size=4)))
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=4))
    for place in sorted(cuts, reverse=True):
        text = text[:place] + b"\n" + text[place:]
    return [line for line in text.split(b"\n") if line]


@settings(deadline=None, max_examples=200)
@given(torn())
@example([b'{"a":[{"b":1}', b'{"c":2},{"d":3}]}'])
@example([b'{"a":1', b'"b":2}', b'{"c":3},{"d":4}'])
@example([b'{"a":[{}', b"{}", b"{}]}"])
@example([b'{"a":[[{"b":{}}', b'{"c":[{}]}', b'{"d":{}}]]}'])
def test_fast_and_careful_agree_on_torn_objects(lines: list[bytes]) -> None:
    """An object over several lines, several on one line, pieces that begin with { and end with }."""
    agree(lines)


@settings(deadline=None)
@given(st.lists(objects, min_size=1, max_size=5))
def test_whole_objects_go_the_fast_way(lines: list[bytes]) -> None:
    """Ordinary events need no second look."""
    assert prove(b"".join(line + b"\n" for line in lines), {}) == len(lines)


@pytest.mark.parametrize("block", [b"{}\r\n", b"\n{}\n", b"{}\n\n{}\n", b"{}\n \n{}\n"])
def test_unusual_line_ends_go_the_careful_way(block: bytes) -> None:
    """CR and blank lines are looked at one by one."""
    assert prove(block, {}) is None


def test_dates_are_counted_as_they_come() -> None:
    """The first ten characters of event_time, or none."""
    days: dict[str, int] = {}
    block = b'{"event_time":"2025-11-06 05:00:00.1"}\n{"event_time":"2025-11-05"}\n{"event_time":null}\n{}\n'
    assert prove(block, days) == 4
    assert days == {"2025-11-06": 1, "2025-11-05": 1, "none": 2}


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
    ],
)
def test_an_event_has_a_date_or_none(line: bytes, found: str) -> None:
    """Whatever stands in event_time, reading it never fails."""
    assert event_date(line) == found


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
