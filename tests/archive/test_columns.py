import json

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive.columns import KNOWN, LONGEST_LINE, MOST_NAMES, Columns, drift


def line_of(names: frozenset[str] | set[str]) -> bytes:
    """An event with these columns."""
    return json.dumps(dict.fromkeys(sorted(names))).encode()


def looked_at(*lines: bytes) -> Columns:
    """What is found in these lines."""
    columns = Columns()
    for line in lines:
        columns.note(line)
    return columns


def test_the_known_columns_are_no_drift() -> None:
    """All 55 of them."""
    assert len(KNOWN) == 55
    assert drift(looked_at(line_of(KNOWN), line_of(KNOWN))) == {}


def test_no_names_are_no_drift() -> None:
    """Neither an empty day nor a first line that is no object, or a broken one, or one without a name."""
    for line in (b"", b"[]", b"{", b'{"a\xff":1}', b"\xff", b"{}", b'{"a":' * 100_000):
        assert drift(looked_at(line)) == {}
        assert drift(looked_at(line, line_of(KNOWN))) == {}


def test_new_and_missing_columns_are_named_in_order() -> None:
    """A column is new if any line has it, missing if any line lacks it; inner names are no columns."""
    lines = line_of(KNOWN | {"zeta"}), line_of(KNOWN | {"alpha"}), line_of(KNOWN - {"uuid"})
    inner = line_of(KNOWN).replace(b'"uuid": null', b'"uuid": {"inner": 1}')
    assert drift(looked_at(*lines, inner)) == {"new": ("alpha", "zeta"), "missing": ("uuid",)}


def test_names_from_outside_are_bounded_and_harmless() -> None:
    """At most 20 names of 60 characters, without what would break a log line apart; the others are a number."""
    hostile = {"a,b\n\u2028c\x1b[31m", "b" * 5_000} | {f"column-{number:03}" for number in range(100)}
    new = drift(looked_at(line_of(KNOWN | hostile)))["new"]
    assert len(new) == 21
    assert new[0] == "a?b??c?[31m"
    assert new[20] == "and 82 more"
    assert all(len(name) <= 60 and name.isprintable() and "," not in name for name in new)


def test_a_long_line_is_not_looked_at() -> None:
    """It may hold names by the million; the bound itself is looked at."""
    line = line_of(KNOWN | {"new"})
    exact = line + b" " * (LONGEST_LINE - len(line))
    assert looked_at(exact).new == {"new"}
    assert looked_at(exact + b" ") == Columns()
    assert looked_at(b'{"a":1}').missing == KNOWN


@settings(deadline=None)
@given(
    st.lists(st.frozensets(st.text(max_size=2) | st.sampled_from(sorted(KNOWN)), max_size=40), max_size=6), st.data()
)
def test_lines_can_be_looked_at_in_any_order_and_in_parts(names: list[frozenset[str]], data: st.DataObject) -> None:
    """Windows change nothing."""
    lines = [line_of(each) for each in names]
    cut = data.draw(st.integers(0, len(lines)))
    first, second = looked_at(*lines[:cut]), looked_at(*lines[cut:])
    first.add(second)
    assert first == looked_at(*lines) == looked_at(*reversed(lines))
    assert len(first.new) <= MOST_NAMES
