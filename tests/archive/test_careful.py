import json
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.archive import careful
from exporter.archive.careful import Checked, check_lines, examine, lines_of
from tests.kit.odd_lines import BROKEN, LEGAL, objects, odd_lines

DATED = b'{"event_time":"2025-11-06 05:00:00"}'


def reason_of(line: bytes) -> str:
    """Why it is no event; empty if it is one."""
    return examine(line)[1]


def is_event(line: bytes) -> bool:
    """What the standard library says, with as much room as it wants."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return isinstance(json.loads(line.decode(), parse_constant=refuse, parse_int=len, parse_float=len), dict)
    except ValueError:
        return False


@pytest.mark.parametrize("line", LEGAL)
def test_a_json_object_is_an_event(line: bytes) -> None:
    """However unusual, if JSON allows it; whatever Python runs it."""
    assert reason_of(line) == ""


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_what_is_no_json_object_has_a_reason(line: bytes, reason: str) -> None:
    """The reason says where."""
    assert reason_of(line).startswith(reason)


def test_a_reason_quotes_nothing_of_the_line() -> None:
    """Rejected lines hold personal data."""
    for line in (
        b'{"email":"someone@example.com"',
        b'{"someone@example.com":NaN}',
        b"someone@example.com",
        b"\xffsomeone",
    ):
        assert reason_of(line)
        assert "someone" not in reason_of(line)


@settings(deadline=None, max_examples=500)
@given(odd_lines)
@example(b'{"a":"\\ud83d\\u0000"}')
def test_an_event_is_what_the_standard_library_takes(line: bytes) -> None:
    """Near the edge of JSON; and a line feed at its end changes nothing."""
    assert (reason_of(line) == "") == is_event(line)
    if not line.endswith(b"\r"):
        assert examine(line + b"\n") == examine(line + b"\r\n") == examine(line)


@settings(deadline=None)
@given(odd_lines | st.binary(max_size=30))
def test_the_second_opinion_agrees_with_the_first(line: bytes) -> None:
    """Whatever msgspec takes, the grammar takes."""
    if reason_of(line) == "":
        assert careful._second_opinion(line) == ""


def test_a_line_that_is_refused_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second opinion takes time: beyond 4 MiB such a line is kept aside, an ordinary one is not."""
    assert careful.LONGEST_REFUSED == 4 << 20
    monkeypatch.setattr(careful, "LONGEST_REFUSED", 5_000)
    half, deep = (b'{"a":"\\ud83d","b":"%b"}' % (b"x" * 4_979), b'{"a":' + b"[" * 2_497 + b"]" * 2_497 + b"}")
    for line in (half, deep):
        assert len(line) == 5_000
        assert reason_of(line) == reason_of(line + b"\n") == reason_of(line + b"\r\n") == ""
        assert reason_of(line + b" ").startswith("longer than 4194304 bytes and unusual")
    assert reason_of(b'{"a":"%b"}' % (b"x" * 9_000)) == ""
    assert reason_of(b'{"big":%b}' % (b"9" * 9_000)) == ""


def test_utf8_is_checked_across_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A character may be cut by them, and the place of a fault counts from the line's first byte."""
    monkeypatch.setattr(careful, "_PIECE", 7)
    good = '{"a":"Köln 株式会社 \U0001f600"}'.encode()
    for shift in range(8):
        assert reason_of(b" " * shift + good) == ""
        assert reason_of(b" " * shift + b'{"a":"Koeln, Bonn\xff"}') == f"not UTF-8 at byte {shift + 18}"
        assert reason_of(b" " * shift + b'{"a":"\xf0\x9f\x98') == f"not UTF-8 at byte {shift + 7}"


def test_the_recursion_of_python_is_no_bound() -> None:
    """A deep line is an event, with its date, wherever msgspec gives up."""
    for depth in (10, 990, 1_030, 9_990, 10_010, 100_000):
        line = b'{"deep":' + b'{"a":[' * depth + b"]}" * depth + b',"event_time":"2025-11-06 05:00:00"}'
        assert examine(line) == ("2025-11-06", "")
    assert sys.getrecursionlimit() < 10_000


@settings(deadline=None)
@given(st.lists(odd_lines | objects | st.sampled_from([b"", b" ", b"\t", DATED, DATED + b"\r"]), max_size=5))
@example([b'{"a"\r\r', b'{"a":"\\ud83d"\r', b'"\xf0\x9f\r', b"{}\r\r"])
def test_a_block_is_its_lines(lines: list[bytes]) -> None:
    """Each is good, blank or rejected by itself; nothing of another line changes that, nor that it stands alone."""
    block = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    days: dict[str, int] = {}
    told: list[tuple[int, str, bytes]] = []
    if not lines:
        return
    whole = check_lines(block, days, lambda number, reason, line: told.append((number, reason, bytes(line))))
    parts: list[Checked] = []
    found: dict[str, int] = {}
    aside: list[tuple[int, str, bytes]] = []
    for place, line in enumerate(block.split(b"\n")[:-1]):
        parts.append(
            check_lines(
                line + b"\n",
                found,
                lambda number, reason, line, place=place: aside.append((place + number, reason, bytes(line))),  # type: ignore[misc]
            )
        )
    assert (found, aside) == (days, told)
    assert whole == Checked(
        b"".join(part.text for part in parts),
        sum(part.events for part in parts),
        sum(part.unusual for part in parts),
        len(lines),
    )


def test_a_line_that_stands_alone_is_not_copied() -> None:
    """It may be large: what goes on is the block itself."""
    block = DATED + b"\n"
    assert check_lines(block, {}, lambda *_: None).text is block
    assert check_lines(DATED + b"\r\n", {}, lambda *_: None).text == block


def test_lines_lose_their_ends_and_nothing_else() -> None:
    """One CR belongs to the end; a second one, and every other kind of line end, to the line."""
    found = list(lines_of("a\r\nb\r\r\nc\u2028\u0085\x0b\x0c\x1cd\n\ne".encode()))
    assert found == [b"a", b"b\r", "c\u2028\u0085\x0b\x0c\x1cd".encode(), b"", b"e"]
