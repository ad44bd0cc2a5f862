import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive.rejected import RejectedLines
from exporter.errors import RejectedError


def content_of(record: str) -> bytes:
    """The line's bytes, as a person gets them back from its record."""
    kept = json.loads(record)
    return kept["text"].encode() if "text" in kept else base64.b64decode(kept["base64"], validate=True)


def records(rejected: RejectedLines) -> list[str]:
    """What the file holds, cut at line feeds only."""
    return rejected.open().read().decode().split("\n")[:-1]


@settings(deadline=None)
@given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
def test_every_byte_of_a_line_comes_back(line: bytes) -> None:
    """Also of what is no UTF-8, and the record stays one line."""
    with RejectedLines(10**6) as rejected:
        rejected.add("100/x#0.json.gz", 3, "not JSON", line)
        (record,) = records(rejected)
    assert content_of(record) == line
    assert {name: json.loads(record)[name] for name in ("member", "line", "reason")} == {
        "member": "100/x#0.json.gz",
        "line": 3,
        "reason": "not JSON",
    }


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=8))
def test_every_byte_of_a_line_in_pieces_comes_back(pieces: list[bytes]) -> None:
    """However it is cut: base64 goes over the cuts."""
    with RejectedLines(10**6) as rejected:
        rejected.begin_long("m", 1, "longer than 5 bytes")
        for piece in pieces:
            rejected.add_long(piece)
        rejected.end_long()
        rejected.add("m", 2, "not JSON", b"next")
        first, second = records(rejected)
    assert content_of(first) == b"".join(pieces)
    assert content_of(second) == b"next"
    assert rejected.count == 2


def test_text_stays_readable() -> None:
    """UTF-8 is kept as text, umlauts and all."""
    with RejectedLines(10**6) as rejected:
        rejected.add("m", 1, "not JSON", '{"city":"Köln'.encode())
        assert records(rejected) == ['{"member": "m", "line": 1, "reason": "not JSON", "text": "{\\"city\\":\\"Köln"}']


def test_the_room_is_bounded() -> None:
    """A full file is an error that says what to do; of the content it says nothing."""
    with RejectedLines(1_000) as rejected:
        with pytest.raises(RejectedError, match="EXPORT_TMP_LIMIT_MB") as raised:
            rejected.add("m", 1, "not JSON", b"private" * 200)
        assert "private" not in str(raised.value)
        assert rejected.open().read() == b""


def test_a_long_line_counts_against_the_room_too() -> None:
    """As it is kept: four characters for three bytes."""
    with RejectedLines(1_000) as rejected:
        rejected.begin_long("m", 1, "too long")
        rejected.add_long(b"x" * 600)
        with pytest.raises(RejectedError):
            rejected.add_long(b"x" * 150)


def test_exactly_the_room_is_enough() -> None:
    """The bound itself is allowed, a byte less is not."""
    with RejectedLines(10**6) as rejected:
        rejected.add("m", 1, "r", b"line")
        size = len(rejected.open().read())
    with RejectedLines(size) as rejected:
        rejected.add("m", 1, "r", b"line")
    with RejectedLines(size - 1) as rejected, pytest.raises(RejectedError):
        rejected.add("m", 1, "r", b"line")


def test_going_back_forgets_what_came_after() -> None:
    """Also in the midst of a long line, and also after the file was read."""
    with RejectedLines(10**6) as rejected:
        rejected.add("m", 1, "r", b"one")
        mark = rejected.mark()
        rejected.add("m", 2, "r", b"two")
        rejected.begin_long("m", 3, "long")
        rejected.add_long(b"x")
        rejected.back(mark)
        assert rejected.count == 1
        rejected.begin_long("m", 2, "long")
        rejected.add_long(b"again")
        rejected.end_long()
        assert [content_of(record) for record in records(rejected)] == [b"one", b"again"]


def test_the_room_that_was_given_back_can_be_used_again() -> None:
    """Going back also lowers what counts against the limit."""
    with RejectedLines(200) as rejected:
        mark = rejected.mark()
        for _ in range(50):
            rejected.add("m", 1, "r", b"x" * 100)
            rejected.back(mark)
        assert rejected.open().read() == b""
