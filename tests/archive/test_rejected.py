import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive.rejected import LONGEST_TEXT, RejectedLine, RejectedLines, read_rejected
from exporter.errors import RejectedError
from exporter.foreign import Foreign


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


@pytest.mark.parametrize("size", [LONGEST_TEXT, LONGEST_TEXT + 1, LONGEST_TEXT + 2, 3 * LONGEST_TEXT])
@pytest.mark.parametrize("start", ["", "\xff"])
def test_every_byte_of_a_long_line_comes_back(size: int, start: str) -> None:
    """As text up to a bound, beyond it as base64 that is written in pieces; a view of a line is as good."""
    line = (start.encode("latin-1") + bytes(32 + number % 95 for number in range(size)))[:size]
    with RejectedLines(10**6) as rejected:
        rejected.add("m", 1, "not JSON", memoryview(line))
        rejected.add("m", 2, "not JSON", b"next")
        first, second = records(rejected)
    assert content_of(first) == line
    assert ("text" in json.loads(first)) == (size <= LONGEST_TEXT and not start)
    assert content_of(second) == b"next"
    assert rejected.count == 2


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(), st.integers(1, 2**53), st.text(), st.binary(max_size=9)), max_size=5))
def test_what_is_written_is_read(lines: list[tuple[str, int, str, bytes]]) -> None:
    """Place and reason of each line, in their order; a text that others could have put there passes the door."""
    kept = [
        (member.encode(errors="replace").decode(), line, reason.encode(errors="replace").decode(), text)
        for member, line, reason, text in lines
    ]
    with RejectedLines(10**6) as rejected:
        for member, line, reason, text in kept:
            rejected.add(member, line, reason, text)
        found = list(read_rejected(rejected.open().read()))
    door = Foreign()
    assert found == [RejectedLine(door(member), line, door(reason)) for member, line, reason, _ in kept]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"null",
        b'{"member":1,"line":1,"reason":"r"}',
        b'{"member":"m","line":"1","reason":"r"}',
        b'{"member":"m","line":1}',
        b'{"member":"\xff","line":1,"reason":"r"}',
        b"[" * 200_000,
    ],
)
def test_a_damaged_record_hides_no_other(damage: bytes) -> None:
    """What could be read is given, also of a file that breaks off."""
    good = b'{"member": "m", "line": %d, "reason": "r", "text": "x"}\n'
    text = good % 1 + damage + b"\n" + good % 3
    assert list(read_rejected(text)) == [RejectedLine("m", 1, "r"), RejectedLine("m", 3, "r")]
    assert list(read_rejected(good % 1 + damage)) == [RejectedLine("m", 1, "r")]
    assert list(read_rejected((good % 1)[:-1])) == [RejectedLine("m", 1, "r")]
    assert list(read_rejected((good % 1)[:-2])) == []


@settings(deadline=None)
@given(st.binary())
def test_reading_never_fails(text: bytes) -> None:
    """Whatever stands in the file."""
    assert len(list(read_rejected(text))) <= text.count(b"\n") + 1


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
    """As it is kept: four characters for three bytes; nothing of it is written if it does not fit."""
    line = b"x" * (LONGEST_TEXT + 1)
    with RejectedLines(10**6) as rejected:
        rejected.add("m", 1, "r", line)
        size = len(rejected.open().read())
    assert size > len(line) * 4 / 3
    with RejectedLines(size - 1) as rejected:
        with pytest.raises(RejectedError):
            rejected.add("m", 1, "r", line)
        assert rejected.open().read() == b""
    with RejectedLines(size) as rejected:
        rejected.add("m", 1, "r", line)


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
    """Also a long line, and also after the file was read."""
    with RejectedLines(10**6) as rejected:
        rejected.add("m", 1, "r", b"one")
        mark = rejected.mark()
        rejected.add("m", 2, "r", b"two")
        rejected.add("m", 3, "r", b"x" * (LONGEST_TEXT + 1))
        assert len(records(rejected)) == 3
        rejected.back(mark)
        assert rejected.count == 1
        rejected.add("m", 2, "r", b"again")
        assert [content_of(record) for record in records(rejected)] == [b"one", b"again"]


def test_the_room_that_was_given_back_can_be_used_again() -> None:
    """Going back also lowers what counts against the limit."""
    with RejectedLines(200) as rejected:
        mark = rejected.mark()
        for _ in range(50):
            rejected.add("m", 1, "r", b"x" * 100)
            rejected.back(mark)
        assert rejected.open().read() == b""
