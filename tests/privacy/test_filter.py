"""The filter against a slow, obvious loop: whatever the lines look like."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.privacy.filter import MOST_KNOWN, Filter
from exporter.privacy.ids import Ids, ids_in
from exporter.privacy.keyed import Keyed
from tests.kit.odd_lines import BROKEN, LEGAL, objects, odd_lines

KEY = "k3y-0f-the-tests-which-nobody-guesses!"
DAY = date(2025, 11, 6)
START = datetime(2025, 11, 6, tzinfo=UTC)
LATER = START + timedelta(days=100)
ERASED = Ids(frozenset({"erased@example.com", "7", "", 'a"b'}), frozenset({7, 2**64 - 1}), frozenset({"dev-1", "7"}))


def filter_of(ids: Ids = ERASED, before: datetime = LATER) -> Filter:
    """A filter of one erasure."""
    return Filter([Keyed.of(ids, "one", before, KEY)], KEY, DAY)


def slowly(block: bytes, ids: Ids) -> tuple[bytes, list[bytes]]:
    """What is left of a block that was uploaded before anybody asked."""
    lines = block[:-1].split(b"\n")
    erased = [line for line in lines if ids_in(line).meet(ids)]
    left = b"".join(b"\n" if ids_in(line).meet(ids) else line + b"\n" for line in lines)
    return left, erased


def spelled(text: str) -> st.SearchStrategy[str]:
    """A text as JSON, with some of its letters escaped."""
    letters = [st.sampled_from([json.dumps(one)[1:-1], f"\\u{ord(one):04x}"]) for one in text]
    return st.tuples(*letters).map(lambda found: '"' + "".join(found) + '"')


names = st.sampled_from(["user_id", "amplitude_id", "device_id", "user_idx", "a"]).flatmap(spelled)
ids = st.sampled_from(["erased@example.com", "7", "dev-1", "other", "", 'a"b', "x" * 300]).flatmap(spelled)
numbers = st.sampled_from(["7", "7.0", "70e-1", "8", "-7", "18446744073709551615", "007", "null", "true", "[7]", "{}"])
nested = st.builds('{{"user_id":{}}}'.format, ids)
pairs = st.builds("{}:{}".format, names, ids | numbers | nested)
members = st.lists(pairs, max_size=5)
events = members.map(lambda found: ("{" + ",".join(found) + "}").encode())
usual = st.tuples(ids, numbers, ids).map(
    lambda found: '{{"user_id":{},"amplitude_id":{},"device_id":{}}}'.format(*found).encode()
)
crowded = st.tuples(usual, members, members).map(
    lambda found: (
        b"{%b}" % b",".join(filter(None, [",".join(found[1]).encode(), found[0][1:-1], ",".join(found[2]).encode()]))
    )
)
torn = st.builds(lambda line, cut: line[: cut % (len(line) + 1)], crowded | usual, st.integers(0, 200))
lines = (
    usual
    | events
    | crowded
    | torn
    | odd_lines
    | objects
    | st.sampled_from(LEGAL[:20] + [line for line, _ in BROKEN[:30]])
)
blocks = st.lists(
    lines.filter(lambda line: b"\n" not in line) | usual | usual.map(lambda line: line + b"\r"), min_size=1, max_size=6
).map(lambda found: b"".join(line + b"\n" for line in found))


@settings(deadline=None)
@given(st.lists(blocks, min_size=1, max_size=3))
def test_it_leaves_out_what_a_slow_loop_leaves_out(found: list[bytes]) -> None:
    """Whatever the spelling of names and values, wherever they stand, in one block after the other."""
    forget = filter_of()
    for block in found:
        assert forget(block, 5) == slowly(block, ERASED)


@pytest.mark.parametrize(
    "line",
    [
        b'{"user_id":"erased@example.com"}',
        b'{"user_id":"x","user_id":"erased@example.com"}',
        b'{"user_id":"erased@example.com","user_id":"x"}',
        b'{"us\\u0065r_id":"erased@\\u0065xample.com"}',
        b'{"user_id":null,"amplitude_id":7,"device_id":null}',
        b'{"user_id":null,"amplitude_id":"7","device_id":null}',
        b'{"user_id":null,"amplitude_id":"7.0","device_id":null}',
        b'{"user_id":null,"amplitude_id":7.0,"device_id":null}',
        b'{"us\\u0065r_id":"erased@example.com","user_id":"a","amplitude_id":1,"device_id":"b"}',
        b'{"us\\u0065r_id":"erased@example.com","user_id":"a"}',
        b'{"user_id":"erased@example.com","user_id":"a","amplitude_id":1,"device_id":"b"}',
        b'{"device_id":"dev-1"',
        b'{"device_id" : "dev-1"}}',
        b'\xef\xbb\xbf{"device_id":"dev-1"}',
    ],
)
def test_a_line_of_an_erased_person(line: bytes) -> None:
    """In a block with others, the numbers of the lines stay."""
    others = b'{"user_id":"a","amplitude_id":1,"device_id":"b"}'
    assert filter_of()(others + b"\n" + line + b"\n" + others + b"\n", 5) == (others + b"\n\n" + others + b"\n", [line])
    for name in (b"user_id", b"amplitude_id", b"device_id"):  # another line without makes up for one with two
        without = others.replace(name, b"x")
        assert filter_of()(line + b"\n" + without + b"\n", 5) == (b"\n" + without + b"\n", [line])


@pytest.mark.parametrize(
    "line",
    [
        b'{"user_id":"7","amplitude_id":8,"device_id":"erased@example.com"}'.replace(b'"7"', b'"8"'),
        b'{"user_id":"Erased@example.com","amplitude_id":8,"device_id":"dev-2"}',
        b'{"user_id":"a","amplitude_id":8,"device_id":"b","event_properties":{"user_id":"erased@example.com"}}',
        b'{"note":"\\"user_id\\":\\"erased@example.com\\""}',
        b"{}",
        b"",
    ],
)
def test_a_line_of_somebody_else(line: bytes) -> None:
    """The kind of an id counts, and its letters, and that it stands at the top of the event."""
    assert filter_of()(line + b"\n", 5) == (line + b"\n", [])


def at(time: str) -> bytes:
    """An event that the erased person sent."""
    return f'{{"user_id":"erased@example.com","server_upload_time":"{time}"}}'.encode()


@pytest.mark.parametrize(
    ("line", "hour", "left_out"),
    [
        (at("2025-11-06 04:59:59.999999"), 4, True),
        (at("2025-11-06 06:00:00.000000"), 6, False),
        (at("2025-11-06 05:29:59.999999"), 5, True),
        (at("2025-11-06T05:29:59"), 5, True),
        (at("2025-11-06 05:30:00"), 5, False),
        (at("2025-11-06 05:30:00.000001"), 5, False),
        (at("2026-01-01 00:00:00"), 4, True),  # the hour knows better
        (at("2026-01-01 00:00:00"), 5, True),  # a time that is none of this hour tells nothing
        (at("some time"), 5, True),
        (b'{"user_id":"erased@example.com","server_upload_time":5}', 5, True),
        (b'{"user_id":"erased@example.com"', 5, True),
        (at("2025-11-06 05:29:59"), None, True),
        (at("2025-11-06 05:30:00"), None, False),
        (at("2025-11-07 05:30:00"), None, True),
    ],
)
def test_what_is_uploaded_after_the_request_stays(line: bytes, hour: int | None, left_out: bool) -> None:
    """Asked at 05:30: the hour tells, and in the hour of the request the line's own time."""
    forget = filter_of(before=START + timedelta(hours=5, minutes=30))
    assert forget(line + b"\n", hour) == ((b"\n", [line]) if left_out else (line + b"\n", []))


def test_the_last_request_counts() -> None:
    """Who asked twice is left out until the second time."""
    early, late = START + timedelta(hours=3), START + timedelta(hours=6)
    for order in ([early, late], [late, early]):
        kept = [Keyed.of(ERASED, f"n-{when.hour}", when, KEY) for when in order]
        assert Filter(kept, KEY, DAY)(at("2025-11-06 05:00:00") + b"\n", 5)[0] == b"\n"


def test_memory_is_bounded() -> None:
    """However many people a day has, and however long their ids are."""
    forget = filter_of()
    for start in range(0, MOST_KNOWN + 5000, 5000):
        forget(
            b"".join(b'{"user_id":"%d","amplitude_id":1,"device_id":null}\n' % n for n in range(start, start + 5000)), 5
        )
    forget(b'{"user_id":"%b","amplitude_id":1,"device_id":null}\n' % (b"x" * 10**6), 5)
    known = forget._known[0]
    assert len(known) <= MOST_KNOWN
    assert max(map(len, known)) < 1000
