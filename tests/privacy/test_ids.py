"""Ids as somebody names them, and as they stand in lines."""

import json

import pytest

from exporter.errors import SettingsError
from exporter.privacy.ids import Ids, ids_in, read_ids

ANNA = Ids(frozenset({"anna"}), frozenset({17}), frozenset({"d-1"}))


def test_a_list_of_ids_is_read() -> None:
    """Blank lines and comments are passed over; a byte order mark, spaces and Windows' line ends do not matter."""
    lines = ["\ufeff# ticket 12\n", "\n", "user_id=anna\r\n", " amplitude_id = 17 \n", "device_id=d-1"]
    assert read_ids(lines, "ids.txt") == ANNA


def test_any_id_can_be_named() -> None:
    """In double quotes an id is JSON text: spaces at its ends, an equals sign, half an emoji."""
    found = read_ids(['user_id=" a=b "', r'user_id="\ud83d"', "user_id=a=b#c"], "ids.txt")
    assert found.users == {" a=b ", "\ud83d", "a=b#c"}


@pytest.mark.parametrize(
    "line",
    [
        "anna@example.com",
        "user_id=",
        'user_id=""',
        'user_id="anna',
        "user_id=an\udcffna",
        "amplitude_id=anna@example.com",
        "amplitude_id=0",
        "amplitude_id=-5",
        "amplitude_id=" + "9" * 5000,
        "amplitude_id=" + "0" * 39 + "1" * 5000,
        "amplitude_id=²",
        "mail=anna@example.com",
        "user_id=" + "anna" * 300,
    ],
)
def test_a_wrong_line_is_named_by_its_number_only(line: str) -> None:
    """Whatever stands in it may be a person."""
    with pytest.raises(SettingsError, match=r"ids.txt: line 3 names no id") as caught:
        read_ids(["user_id=a", "# mail", line, "user_id=b"], "ids.txt")
    assert "anna" not in str(caught.value)


def test_no_id_is_an_error() -> None:
    """An empty list would mean nobody, or everybody."""
    with pytest.raises(SettingsError, match="names no id"):
        read_ids(["# nothing"], "ids.txt")


def test_many_wrong_lines_are_told_in_short() -> None:
    """Ten numbers, and how many more."""
    with pytest.raises(SettingsError, match=r"line 1, 2, .*, 10 and 15 more names"):
        read_ids(["x"] * 25, "ids.txt")


def test_ids_are_shown_nowhere() -> None:
    """Not where somebody logs the object, nor in a traceback that prints it."""
    assert repr(ANNA) == "Ids()"


@pytest.mark.parametrize(
    "line",
    [
        b'{"user_id":"anna","amplitude_id":17,"device_id":"d-1"}',
        b'{ "device_id" : "d-1" , "user_id"\t:"anna","amplitude_id": 17 }',
        rb'{"user_id":"\u0061nna","amplitude_id":17,"device_id":"d\u002d1"}',
        rb'{"\u0075ser_id":"anna","amplitude\u005fid":17,"device_i\u0064":"d-1"}',
        b'{"user_id":"anna","amplitude_id":17.0,"device_id":"d-1"}',
        b'{"user_id":"anna","amplitude_id":1.7e1,"device_id":"d-1"}',
        b'{"user_id":"anna","amplitude_id":170E-1,"device_id":"d-1"}',
        b'{"user_id":"anna","amplitude_id":"17","device_id":"d-1"}',
        rb'{"x":"\ud83d","user_id":"anna","amplitude_id":17,"device_id":"d-1"}',
        rb'{"x":"\ud83d","\u0075ser_id":"anna","amplitude_id":17,"device_id":"d-1","y":{"user_id":"ben"}}',
        b'{"user_id":"anna","amplitude_id":17,"device_id":"d-1","event_properties":{"user_id":"ben"}}',
        b'{"event_properties":[{"user_id":"ben"},{"device_id":"d-2"}],"user_id":"anna","amplitude_id":17,"device_id":"d-1"}',
        b'{"x":"\\"user_id\\":\\"ben\\"","user_id":"anna","amplitude_id":17,"device_id":"d-1"}',
        b'{"x":' + b"[" * 3000 + b"]" * 3000 + b',"user_id":"anna","amplitude_id":17,"device_id":"d-1"}',
        b'{"x":1e999999999,"user_id":"anna","amplitude_id":17,"device_id":"d-1"}',
    ],
)
def test_an_events_ids_are_found_however_they_are_spelled(line: bytes) -> None:
    """Those at its top: what an event says about others is not whose event it is."""
    assert ids_in(line) == ANNA


def test_a_name_that_stands_twice_counts_twice() -> None:
    """Readers differ in which they take, so the event is both people's."""
    assert ids_in(b'{"user_id":"anna","amplitude_id":1,"user_id":"ben","amplitude_id":2}') == Ids(
        frozenset({"anna", "ben"}), frozenset({1, 2})
    )


@pytest.mark.parametrize("value", [b"null", b'""', b"true", b"{}", b"[]", b"-1", b"1e999999999", b"0.5"])
def test_what_is_no_id_is_nobodys(value: bytes) -> None:
    """An event without a user belongs to no user."""
    found = ids_in(b'{"user_id":%b,"amplitude_id":%b,"device_id":%b}' % (value, value, value))
    assert not found.amplitude
    assert found.users <= {"-1"}


def test_a_number_as_a_user_is_its_digits() -> None:
    """Some send their users' numbers as numbers."""
    assert ids_in(b'{"user_id":12345}').users == {"12345"}
    assert "12345" in ids_in(b'{"user_id":12345.0}').users


@pytest.mark.parametrize(
    "line",
    [
        b'{"user_id":"anna","amplitude_id":17,"device_id":"d-1","torn":"he',
        b'"user_id":"anna","amplitude_id":17,"device_id":"d-1"}',
        b'[{"user_id":"anna","amplitude_id":17},{"device_id":"d-1"}]',
        b'{"x":NaN,"user_id":"anna","amplitude_id":17,"device_id":"d-1"}',
        b'{"x":"\xff","user_id":"anna","amplitude_id":17,"y":{"device_id":"d-1"}}}',
        json.dumps('{"user_id":"anna","amplitude_id":17,"device_id":"d-1"}').encode(),
        b'{"user_id":"anna","amplitude_id":17} {"device_id":"d-1"}',
        rb'oops {"\u0075ser_id":"anna","amplitude_id":17,"device_id":"d-1"}',
    ],
)
def test_ids_are_found_in_lines_that_are_no_events(line: bytes) -> None:
    """As good as it can be done: a name and a value beside it."""
    assert ids_in(line) == ANNA


@pytest.mark.parametrize(
    ("line", "user", "number", "device"),
    [
        (b'"anna","x":1}', "anna", None, "anna"),
        (b'er_id":"anna","x":1}', "anna", None, None),
        (b'd":"anna","amplitude_id":17}', "anna", 17, "anna"),
        (b': 17,"city":"Bonn"', "17", 17, "17"),
        (b'tude_id":17,"user_id":"ben"', "ben", 17, None),
        (b'y":"anna","x":1}', None, None, None),
        (b'"anna":1,"x":1}', None, None, None),
        (b'"x":"anna"}', None, None, None),
        (b'"anna","user_id":"ben","amplitude_id":17,"device_id":"d"}', "ben", 17, "d"),
    ],
)
def test_half_of_a_torn_line_may_have_lost_the_name(
    line: bytes, user: str | None, number: int | None, device: str | None
) -> None:
    """Then its first value is an id of each kind that it could be, and no other value is."""
    found = ids_in(line)
    told = [list(one) for one in (found.users, found.amplitude, found.devices)]
    assert told == [[one] if one else [] for one in (user, number, device)]


@pytest.mark.parametrize("constant", [b"NaN", b"-Infinity", b"Infinity"])
def test_what_another_persons_rejected_line_mentions_is_nobodys(constant: bytes) -> None:
    """As in an event: those at the top count."""
    line = b'{"user_id":"ben","event_properties":{"user_id":"anna","x":%b},"y":"anna","amplitude_id":2}' % constant
    assert ids_in(line) == Ids(frozenset({"ben"}), frozenset({2}))


@pytest.mark.parametrize("line", [b"", b"\x00\xff", b'"', b'{"user_id"', b'{"user_id":', b'\\"', b"{}", b"[" * 100_000])
def test_nothing_is_found_where_nothing_is(line: bytes) -> None:
    """And nothing breaks."""
    assert not ids_in(line)


def test_ids_are_spelled_for_their_hash() -> None:
    """One text each, in an order that does not change."""
    assert list(ANNA.spelled()) == ["user_id=anna", "amplitude_id=17", "device_id=d-1"]
