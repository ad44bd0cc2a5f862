import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive import lines as module
from exporter.archive.lines import LongLineError, whole_lines


@settings(deadline=None)
@given(
    st.lists(st.text("ab\n", max_size=6).map(str.encode), max_size=8),
    st.integers(6, 20),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_the_blocks_are_the_pieces(pieces: list[bytes], longest: int, alone: int, large: int) -> None:
    """Cut at line ends; where a line is too long, everything before it has come."""
    text = b"".join(pieces)
    blocks: list[bytes] = []
    too_long = [line for line in text.split(b"\n") if len(line) > longest]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "ALONE", alone)
        patched.setattr(module, "LARGE", large)
        try:
            blocks.extend(whole_lines(iter(pieces), longest))
        except LongLineError:
            assert too_long
    found = b"".join(blocks)
    assert all(not block or block.endswith(b"\n") for block in blocks)
    if too_long:
        assert found == text[: text.index(too_long[0])] or found == text[: text.index(b"\n" + too_long[0]) + 1]
    else:
        assert found == text + (b"\n" if text and not text.endswith(b"\n") else b"")


def test_a_piece_that_ends_no_line_is_heard_of() -> None:
    """Also an empty one: so a deadline is looked at while a line comes in."""
    assert list(whole_lines(iter([b"a", b"", b"b\nc", b"", b"d"]), 10)) == [b"", b"", b"ab\n", b"", b"", b"cd\n"]


def test_a_long_line_is_a_block_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows it in the same piece comes after it."""
    monkeypatch.setattr(module, "ALONE", 4)
    assert [block for block in whole_lines(iter([b"a\nbbb", b"bbb", b"b\nc\nd"]), 10) if block] == [
        b"a\n",
        b"bbbbbbb\n",
        b"c\n",
        b"d\n",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10])
def test_a_line_of_the_bound_is_taken_and_a_longer_one_is_not(size: int) -> None:
    """However it comes, and wherever it ends."""
    for text, fits in ((b"x" * 10, True), (b"x" * 10 + b"\ny", True), (b"x" * 11, False), (b"x" * 11 + b"\ny", False)):
        pieces = [text[place : place + size] for place in range(0, len(text), size)]
        if fits:
            assert b"".join(whole_lines(iter(pieces), 10)) == text + b"\n"
        else:
            with pytest.raises(LongLineError):
                list(whole_lines(iter(pieces), 10))
