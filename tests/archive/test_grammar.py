import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.archive.grammar import stops_at
from tests.kit.odd_lines import BROKEN, LEGAL, PIECES, objects, odd_lines


def takes(text: bytes) -> bool:
    """Whether the standard library takes it for one JSON value."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text.decode("latin-1"), parse_constant=refuse, parse_int=len, parse_float=len)
    except ValueError:
        return False
    return True


@settings(deadline=None, max_examples=1_000)
@given(odd_lines | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join) | st.binary(max_size=12))
@example(b"")
@example(b"[1,]")
@example(b"[,1]")
@example(b'{"a":1,}')
@example(b"[1 2]")
@example(b"[[],[]")
@example(b"[[}]")
@example(b'{"a":[1,{"b":[]}],"c":{}}')
@example(b'{"a"1}')
@example(b'{"a":}')
@example(b" [ 1 , { } ] ")
def test_the_grammar_is_that_of_the_standard_library(text: bytes) -> None:
    """Whatever stands there; of bytes beyond ASCII both say the same."""
    assert (stops_at(text) is None) == takes(text)


@settings(deadline=None)
@given(objects, st.data())
def test_the_place_is_where_it_goes_wrong(text: bytes, data: st.DataObject) -> None:
    """What stands before it can still become JSON; a text that is cut off goes wrong in its last value."""
    assert stops_at(text) is None
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    place = stops_at(cut)
    assert place is not None
    assert place <= len(cut)
    assert stops_at(text + b"x") == len(text)


@pytest.mark.parametrize("line", LEGAL)
def test_legal_lines_are_taken(line: bytes) -> None:
    """At any depth: nothing here calls itself."""
    assert stops_at(line) is None


@pytest.mark.parametrize("line", [line for line, reason in BROKEN if reason.startswith("not JSON at byte")])
def test_broken_lines_are_not(line: bytes) -> None:
    """Each stops somewhere within."""
    place = stops_at(line)
    assert place is not None
    assert 0 <= place <= len(line)
