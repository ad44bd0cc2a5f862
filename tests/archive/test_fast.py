import logging
import sys
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.archive import fast as module
from exporter.archive.careful import examine
from exporter.archive.dates import count_days
from exporter.archive.fast import LARGEST, fast_path, no_fast_path
from exporter.archive.unusual import DEEPEST, checks_for, is_unusual
from tests.kit.odd_lines import BROKEN, LEGAL, UNUSUAL, USUAL, objects, odd_lines

prove = fast_path()
numbers = st.one_of(
    st.sampled_from([2**63, 2**64, 10**18, 10**19, 10**20]).flatmap(lambda n: st.integers(n - 3, n + 3)),
    st.sampled_from([2**63, 10**18, 10**19]).flatmap(lambda n: st.integers(-n - 3, -n + 3)),
    st.integers(),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})([.][0-9]{1,30})?([eE][+-]?0{0,9}[0-9]{1,4})?", fullmatch=True),
    st.from_regex(r"-?[1-9][.][0-9]{0,20}7[eE][+]?30[789]", fullmatch=True),
).map(lambda number: str(number).encode())
fast_only = pytest.mark.skipif(prove is no_fast_path, reason="simdjson is not installed: there is no fast path")


def block_of(lines: Sequence[bytes]) -> bytes:
    """The lines as a block."""
    return b"".join(line + b"\n" for line in lines)


def agree(lines: Sequence[bytes]) -> None:
    """The fast path takes only what the careful one takes, none of it unusual, and counts the same events and dates."""
    found: dict[str, int] = {}
    count = prove(block_of(lines), found)
    if count is None:
        return
    assert count == len(lines)
    examined = [examine(line) for line in lines]
    assert [reason for _, reason in examined] == [""] * len(lines)
    assert not any(is_unusual(line) for line in lines)
    days: dict[str, int] = {}
    count_days(days, found)
    assert days == Counter(date for date, _ in examined)


@pytest.mark.parametrize("line", LEGAL)
def test_unusual_events_are_the_same_on_both_paths(line: bytes) -> None:
    """Alone, and among ordinary ones."""
    agree([line])
    agree([b'{"event_time":"2025-11-06"}', line, b"{}"])


@pytest.mark.parametrize("line", [line for line, _ in BROKEN])
def test_a_broken_line_spoils_its_block(line: bytes) -> None:
    """The fast path refuses the whole of it, wherever the line stands."""
    for lines in ([line], [line, b"{}"], [b"{}", line], [b"{}", line, b"{}"], [line, line]):
        assert prove(block_of(lines), {}) is None


@fast_only
@pytest.mark.parametrize("line", USUAL)
def test_usual_events_go_the_fast_way(line: bytes) -> None:
    """What is refused here and is usual would be looked at twice for nothing."""
    assert prove(block_of([line]), {}) == 1


@pytest.mark.parametrize("line", UNUSUAL)
def test_an_unusual_event_never_goes_the_fast_way(line: bytes) -> None:
    """It is counted, which only the careful path does."""
    assert prove(block_of([line]), {}) is None
    assert prove(block_of([b"{}", line, b"{}"]), {}) is None


@fast_only
@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
@pytest.mark.parametrize("inmost", [b"1", b"[]", b"{ }"])
def test_the_bound_of_depth_is_the_fast_paths(opened: bytes, inmost: bytes) -> None:
    """At the bound, one below and one above: usual is what simdjson takes."""
    closed = b"]" if opened == b"[" else b"}"
    for depth in range(DEEPEST - 3, DEEPEST + 3):  # the event itself is a level, too
        line = b'{"deep":' + opened * depth + inmost + closed * depth + b"}"
        assert is_unusual(line) == (depth + 1 > DEEPEST) == (prove(block_of([line]), {}) is None)
        agree([line])


@fast_only
@settings(deadline=None, max_examples=300)
@given(st.lists(numbers, min_size=1, max_size=3))
def test_a_number_is_usual_where_the_fast_path_takes_it(found: list[bytes]) -> None:
    """Near the bounds of whole numbers and of floats, in every spelling."""
    for number in found:
        line = b'{"a":[%b]}' % number
        taken = prove(block_of([line]), {}) is not None
        assert is_unusual(line) == (not taken), number
        assert any(check(line) for check in checks_for(line)) == (not taken)


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


@fast_only
def test_the_key_of_another_prover_is_a_text_like_any_other() -> None:
    """Even pieces that are torn just so are seen: each prover has a key of its own."""
    keys = {fast_path().__self__._key for _ in range(100)}  # type: ignore[attr-defined]
    assert len(keys) == 100
    for key in keys:
        agree([b'{"a":[{}', b'"%b"' % key.encode(), b'{"b":1},"%b",{"c":2}]}' % key.encode()])
        agree([b'{"a":[{}', b"{}]}", b'{"b":1},"%b",{"c":2}' % key.encode()])


@fast_only
@settings(deadline=None)
@given(st.lists(objects, min_size=1, max_size=5))
def test_whole_objects_go_the_fast_way(lines: list[bytes]) -> None:
    """Ordinary events need no second look."""
    assert prove(block_of(lines), {}) == len(lines)


@pytest.mark.parametrize("block", [b"{}\r\n", b"\n{}\n", b"{}\n\n{}\n", b"{}\n \n{}\n"])
def test_unusual_line_ends_go_the_careful_way(block: bytes) -> None:
    """CR and blank lines are looked at one by one."""
    assert prove(block, {}) is None


@fast_only
def test_dates_are_counted_as_they_come() -> None:
    """The first ten characters of event_time, or none."""
    days: dict[str, int] = {}
    block = b'{"event_time":"2025-11-06 05:00:00.1"}\n{"event_time":"2025-11-05"}\n{"event_time":null}\n{}\n'
    assert prove(block, days) == 4
    assert days == {"2025-11-06": 1, "2025-11-05": 1, "none": 2}


@fast_only
def test_a_large_block_goes_the_careful_way() -> None:
    """The parser's memory is a multiple of the block."""
    line = b'{"a":"' + b"x" * (LARGEST - len('{"a":""}\n')) + b'"}'
    assert prove(line + b"\n", {}) == 1
    assert prove(line + b" \n", {}) is None


def test_without_simdjson_every_line_goes_the_careful_way(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Which is said once."""
    monkeypatch.setitem(sys.modules, "simdjson", None)
    module._simdjson.cache_clear()
    try:
        with caplog.at_level(logging.INFO):
            without, again = fast_path(), fast_path()
    finally:
        module._simdjson.cache_clear()
    (said,) = caplog.messages
    assert "simdjson is not installed" in said
    assert without is again is no_fast_path
    assert without(b"{}\n", {}) is None
