"""Which events of a block are somebody's."""

import json
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.privacy.ids import Ids, ids_in
from exporter.privacy.matching import Matcher, Wanted, needles

USER, NUMBER, DEVICE = "anna-the-first@example.com", 558451453161, "51bd9ed52157"
ANNA = Ids(frozenset({USER}), frozenset({NUMBER}), frozenset({DEVICE}))
OTHER = b'{"amplitude_id":100,"device_id":"d","user_id":"ben"}'


def numbers_of(ids: Ids, *lines: bytes) -> list[int]:
    """Which of the lines are hits; each hit is its line's bytes."""
    block = block_of(*lines)
    hits = Matcher(Wanted(ids)).hits(block)
    starts = list(accumulate((len(line) + 2 for line in lines), initial=1))
    found = [starts.index(hit.start) for hit in hits]
    assert [block[hit.start : hit.end] for hit in hits] == [lines[number] for number in found]
    return found


def block_of(*lines: bytes) -> bytes:
    """A block as `dump.blocks` gives it."""
    return b"[" + b",\n".join(lines) + b"]"


def test_plain_events_are_found() -> None:
    """By each of the three values; null is nobody."""
    lines = [
        OTHER,
        b'{"amplitude_id":558451453161,"device_id":null,"user_id":null}',
        b'{"amplitude_id":1,"device_id":"51bd9ed52157","user_id":null}',
        b'{"amplitude_id":null,"device_id":null,"user_id":null}',
        b'{"amplitude_id":1,"device_id":null,"user_id":"anna-the-first@example.com"}',
    ]
    assert numbers_of(ANNA, *lines) == [1, 2, 4]


@pytest.mark.parametrize(
    "line",
    [
        b'{"amplitude_id":558451.453161e6,"device_id":"d","user_id":"ben"}',
        b'{"amplitude_id":5.58451453161E+11,"device_id":"d","user_id":"ben"}',
        b'{"amplitude_id":"558451453161","device_id":"d","user_id":"ben"}',
        rb'{"amplitude_id":1,"device_id":"d","user_id":"\u0061nna-the-first@example.com"}',
        rb'{"amplitude_id":1,"device_id":"d","\u0075ser_id":"anna-the-first@example.com"}',
        b'{"amplitude_id":1,"device_id":"d","user_id":"anna-the-first@example.com","user_id":"ben"}',
        b'{"amplitude_id":558451453161,"device_id":"d","user_id":"ben","x":{"amplitude_id":1}}',
        rb'{"amplitude_id":558451453161,"device_id":"d","user_id":"ben","x":"\ud83d"}',
        b'{"amplitude_id":558451453161,"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
def test_odd_events_are_found_among_others(line: bytes) -> None:
    """However they are spelled, and whatever stands beside them."""
    assert numbers_of(ANNA, OTHER, line, OTHER) == [1]


@pytest.mark.parametrize(
    "line",
    [
        b'{"amplitude_id":1,"device_id":"d","user_id":"ben","x":{"user_id":"anna-the-first@example.com"}}',
        b'{"amplitude_id":1,"device_id":"d","user_id":"ben","x":558451453161}',
        b'{"amplitude_id":1,"device_id":"d","user_id":"anna-the-first@example.community"}',
        b'{"amplitude_id":5584514531610,"device_id":"51bd9ed521570","user_id":null}',
    ],
)
def test_what_only_speaks_of_them_is_not_theirs(line: bytes) -> None:
    """An event belongs to whom its own ids name."""
    assert numbers_of(ANNA, OTHER, line) == []


def test_what_is_known_otherwise_is_found() -> None:
    """By a question about each id, as hashes answer it."""
    wanted = Wanted(Ids(), lambda spelled: spelled == f"amplitude_id={NUMBER}")
    lines = [OTHER, b'{"amplitude_id":558451453161,"device_id":null,"user_id":null}', OTHER]
    block = block_of(*lines)
    assert [block[hit.start : hit.end] for hit in Matcher(wanted).hits(block)] == [lines[1]]


def test_more_values_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they are asked about again."""
    monkeypatch.setattr("exporter.privacy.matching.MOST_KNOWN", 3)
    lines = [b'{"amplitude_id":%d,"device_id":"d%d","user_id":null}' % (n, n) for n in range(50)]
    assert numbers_of(Ids(frozenset(), frozenset({7, 49}), frozenset({"d3"})), *lines) == [3, 7, 49]


def test_long_values_are_not_remembered() -> None:
    """Memory does not grow with them."""
    matcher = Matcher(Wanted(Ids(frozenset({"a"}), frozenset(), frozenset({"d" * 300}))))
    lines = [b'{"amplitude_id":1,"device_id":"%b","user_id":"%b"}' % (b"d" * n, b"u" * n) for n in range(290, 310)]
    block = block_of(*lines)
    assert [block[hit.start : hit.end] for hit in matcher.hits(block)] == [lines[10]]
    assert sum(len(value) for known in matcher._values for value in known) < 100


def test_short_ids_have_no_needles() -> None:
    """They would stand in every block; what is parsed then is the same."""
    assert needles(Ids(frozenset({"a"}))) is None
    assert needles(Ids(frozenset(), frozenset({17}))) is None
    assert needles(Ids(frozenset({"007"}))) is None
    assert needles(Ids(frozenset(f"somebody-{n}" for n in range(9)))) is None
    assert needles(ANNA) == (b"453161", b"51bd9ed52157", b"558451", USER.encode())


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    ["anna/anna/anna", 'anna"anna', "123456789012345", "1200000000000000", "größe-größe", "d\\anna-d"]
)
numbers = st.integers(1, 2**63) | st.sampled_from([558451453161, 100000000000000, 123456789012])


@given(user=texts, number=numbers, device=texts, spelled=st.integers(0, 5))
def test_no_spelling_hides_an_id(user: str, number: int, device: str, spelled: int) -> None:
    """Whatever JSON allows: what `ids_in` finds alone, the search of a block finds among others."""
    ascii_only = bool(spelled & 1)
    quoted = [json.dumps(text, ensure_ascii=ascii_only) for text in (user, device)]
    if spelled & 2:
        quoted = [text.replace("/", "\\/") for text in quoted]
    digits = f"{str(number)[0]}.{str(number)[1:]}e{len(str(number)) - 1}" if spelled & 4 else str(number)
    for ids in (Ids(frozenset({user})), Ids(frozenset(), frozenset({number})), Ids(devices=frozenset({device}))):
        line = f'{{"user_id":{quoted[0]},"amplitude_id":{digits},"device_id":{quoted[1]}}}'.encode()
        assert ids.meet(ids_in(line))
        assert 1 in numbers_of(ids, OTHER, line, OTHER)


def test_many_backslashes_hide_nothing() -> None:
    """Not behind more of them than are looked at one by one, nor behind one that stands for itself."""
    many = b'{"amplitude_id":1,"device_id":"d","user_id":"ben","x":"' + b"\\\\" * 9_000 + b'"}'
    hidden = rb'{"amplitude_id":1,"device_id":"\\","user_id":"\u0061nna-the-first@example.com"}'
    assert numbers_of(ANNA, many, hidden, many) == [1]
    assert numbers_of(ANNA, rb'{"amplitude_id":1,"device_id":"\\u0061","user_id":"ben"}', hidden) == [1]
