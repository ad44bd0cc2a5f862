import json
from collections.abc import Sequence

import pytest

from exporter.simulator import Content, Missing, OddKind, OddLine, Resized, Simulator
from exporter.simulator.contents import HUGE_LINE_BYTES, LONG_LINE_BYTES
from tests.simulator.client import DAY, ask, bodies, lines

FIVE = ("20251106T05", "20251106T05")


def plain() -> list[bytes]:
    """The lines of hour 5 without a script."""
    with Simulator() as simulator:
        return lines(ask(simulator, *FIVE).content)


def changed(kind: OddKind) -> tuple[list[bytes], bytes]:
    """The lines of hour 5, and its members' text, when its event at line 2 is odd."""
    with Simulator(contents=[OddLine(kind, "05", line=2)], oddities=False) as simulator:
        content = ask(simulator, *FIVE).content
        found = lines(content)
        told = simulator.lines(DAY)
        assert told[told.index(found[0]) :][: len(found)] == found
        return found, b"".join(bodies(content).values())


def is_object(line: bytes) -> bool:
    """Whether a strict reader takes the line for a JSON object."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return isinstance(json.loads(line.decode(), parse_constant=refuse), dict)
    except ValueError:
        return False


@pytest.mark.parametrize("kind", ["torn-line", "torn-at-comma"])
def test_a_torn_event_stands_on_two_lines(kind: OddKind) -> None:
    """Neither half is an object, and every other line is as it was."""
    found, _ = changed(kind)
    assert [is_object(line) for line in found].count(False) == 2
    assert found[:2] + found[4:] == plain()[:2] + plain()[3:]
    between = b"," if kind == "torn-at-comma" else b""
    assert found[2] + between + found[3] == plain()[2]


@pytest.mark.parametrize(
    ("kind", "there"),
    [
        ("nan", b":NaN,"),
        ("invalid-utf8", b"\xfc\xff"),
        ("array-line", b"[{"),
        ("two-objects", b"},{"),
        ("bom", b"\xef\xbb\xbf{"),
    ],
)
def test_a_line_can_be_no_json_object(kind: OddKind, there: bytes) -> None:
    """One line is refused by a strict reader; the others are as they were."""
    found, _ = changed(kind)
    assert there in found[2]
    assert not is_object(found[2])
    assert found[:2] + found[3:] == plain()[:2] + plain()[3:]


@pytest.mark.parametrize(
    ("kind", "there"),
    [
        ("separators", "\u2028paragraph\u2029next\u0085".encode()),
        ("lone-surrogate", rb"\ud83d"),
        ("big-integer", b":123456789012345678901234567890,"),
        ("huge-float", b":1e400,"),
    ],
)
def test_a_line_can_be_legal_and_hard_to_read(kind: OddKind, there: bytes) -> None:
    """The line is still a JSON object, and still one line."""
    found, _ = changed(kind)
    assert there in found[2]
    assert is_object(found[2])
    assert len(found) == len(plain())


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        ("long-line", LONG_LINE_BYTES),
        ("huge-line", HUGE_LINE_BYTES - 5),
        ("huge-integer", 5_000),
        ("deep-nesting", 10_000),
    ],
)
def test_a_line_can_be_legal_and_large(kind: OddKind, length: int) -> None:
    """A value that stretches limits, in one line among ordinary ones."""
    found, _ = changed(kind)
    assert len(found[2]) > length
    assert found[:2] + found[3:] == plain()[:2] + plain()[3:]


def test_blank_lines_and_crlf_change_no_event() -> None:
    """Every event is there, between blank lines or with another line end."""
    (blank_lines, blank_text), (crlf_lines, crlf_text) = changed("blank-lines"), changed("crlf")
    assert blank_lines == crlf_lines == plain()
    assert blank_text.count(b"\n") == 3 * len(plain())
    assert crlf_text.count(b"\r\n") == len(plain())


@pytest.mark.parametrize(
    ("contents", "counts"),
    [
        ([Missing("20251106T05", answers=2)], [None, None, 0]),
        ([Missing("05")], [None, None, None]),
        ([Resized("05", by=10, after=1)], [0, 10, 10]),
        ([Resized("05", by=-3, after=2)], [0, 0, -3]),
        ([Resized("05", by=-1_000_000)], [None, None, None]),
        ([OddLine("two-objects", "06", after=1)], [0, 0, 0]),
    ],
)
def test_an_hour_changes_between_answers(contents: Sequence[Content], counts: list[int | None]) -> None:
    """Hours appear late, stay empty, grow or shrink after so many answers (None: no data at all)."""
    with Simulator(contents=contents) as simulator:
        for count in counts:
            uploaded = b'"server_upload_time":"2025-11-06 05:'
            expected = [line for line in simulator.lines(DAY) if uploaded in line]
            answer = ask(simulator, *FIVE)
            assert answer.status_code == (404 if count is None else 200)
            if count is not None:
                assert lines(answer.content) == expected
                assert len(expected) == len(plain()) + count


def test_an_empty_hour_has_no_member_and_an_empty_day_no_archive() -> None:
    """The other hours stay as they are; the next day too."""
    with Simulator(contents=[Missing("20251106T05")]) as simulator:
        names = bodies(ask(simulator).content)
        assert not any("_5#" in name for name in names)
        assert any("_6#" in name for name in names)
        simulator.add(Missing("20251106"))
        assert ask(simulator).status_code == 404
        assert ask(simulator, "20251107T00", "20251107T23").status_code == 200
        assert simulator.lines(DAY) == []


def test_a_refused_request_is_no_answer() -> None:
    """Hours count only requests for which an archive was made, and only for the hours in their window."""
    with Simulator(contents=[Resized("05", by=10, after=1)]) as simulator:
        before = simulator.lines(DAY)
        ask(simulator, "20251106T06", "20251106T06")
        ask(simulator, "malformed", "malformed")
        assert simulator.lines(DAY) == before
        ask(simulator, *FIVE)
        assert len(simulator.lines(DAY)) == len(before) + 10


def test_an_odd_line_can_show_later_and_stay() -> None:
    """With `after`, the first answers are sound and all later ones are not."""
    with Simulator(contents=[OddLine("array-line", "05", after=1)]) as simulator:
        seen = [all(map(is_object, lines(ask(simulator, *FIVE).content))) for _ in range(3)]
        assert seen == [True, False, False]
