"""Finding: in which days somebody's events are, and every byte of them, with tables and without."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.days.stored import Days
from exporter.privacy.ids import Ids, read_ids
from exporter.privacy.matching import Wanted
from exporter.privacy.search import Found, Search
from exporter.privacy.tabled import tabled
from exporter.settings import Settings
from exporter.store import ANY, Entry
from exporter.store.folder import LocalStore
from exporter.tables import people
from exporter.wiring import days_in, tables_of
from tests.kit import DAY
from tests.privacy.world import LIMIT, NOW
from tests.tables.hostile import export_lines

DAYS = [DAY - timedelta(days=2), DAY - timedelta(days=1), DAY]
ANNA = "anna@example.com"


def event(user: str | None, number: object, device: str | None, **more: object) -> bytes:
    """An event with the ids that Amplitude gives."""
    usual = {"amplitude_id": number, "device_id": device, "event_time": "2025-11-06 01:00:00.000000", "user_id": user}
    return json.dumps(usual | more, ensure_ascii=False).encode()


BEFORE_LOGIN = event(None, 558451453161, "phone", n=1)
LOGGED_IN = event(ANNA, 558451453161, "phone", n=2)
AT_WORK = event(ANNA, 777000111222, "shared", n=3)
COLLEAGUE = event("ben@example.com", 900000000001, "shared", n=4)
FRIEND = event("ben@example.com", 900000000001, "ben's", event_properties={"user_id": ANNA})
MERGED = event(None, 600000000009, "tablet", n=6)
ODD = [
    rb'{"amplitude_id":1,"device_id":"d","user_id":"\u0061nna@example.com","n":7}',
    b'{"amplitude_id":1,"device_id":"d","user_id":"anna@example.com","user_id":"carl","n":8}',
    b'{"amplitude_id":558451453161.0,"device_id":"d","user_id":null,"n":9}',
    rb'{"amplitude_id":558451453161,"device_id":"\ud83d","user_id":null,"n":10}',
]
CARL = event("carl", 3, "carl's")
ARCHIVE = {
    DAYS[0]: [BEFORE_LOGIN, CARL, MERGED],
    DAYS[1]: [CARL, COLLEAGUE, FRIEND],
    DAYS[2]: [LOGGED_IN, AT_WORK, *ODD],
}
NO_TEXT = b'{"user_id":"anna@example.com","x":"\xff"}'
HERS = [BEFORE_LOGIN, LOGGED_IN, AT_WORK, *ODD]


@pytest.fixture(params=["arrays", "tables", "some tables"])
def days(request: pytest.FixtureRequest, tmp_path: Path) -> Days:
    """The archive, with a table of each day, of none, or of one."""
    export_lines(ARCHIVE, tmp_path)
    found = days_in(LocalStore(tmp_path), Settings())
    made = {"arrays": [], "tables": DAYS, "some tables": DAYS[1:2]}[request.param]
    assert tables_of(found).try_to_derive(made) == []
    return found


def found_in(days: Days, ids: Sequence[str], *, devices: bool = False) -> tuple[Found, list[bytes], list[bytes]]:
    """Who is found, and their lines."""
    events, rejected = list[bytes](), list[bytes]()
    with Search(days, NOW, LIMIT) as search:
        wanted = Wanted(search.expanded(read_ids(ids, "the test"), devices=devices))
        found = search.find(wanted, events.extend, rejected.extend)
        assert search.find(wanted) == found
    return found, events, rejected


def test_a_user_is_found_before_the_login_and_in_every_spelling(days: Days) -> None:
    """By the Amplitude ids that ever stood beside them; byte for byte, in the archive's order."""
    found, events, _ = found_in(days, [f"user_id={ANNA}"])
    assert events == HERS
    assert {one.day: one.events for one in found.days} == {DAYS[0]: 1, DAYS[2]: 6}
    assert found.ids.amplitude == {558451453161, 777000111222, 1}
    assert not found.ids.devices
    assert found.read == 3


def test_devices_are_theirs_only_when_asked_for(days: Days) -> None:
    """A shared one brings a colleague along: the counts tell."""
    found, events, _ = found_in(days, [f"user_id={ANNA}"], devices=True)
    assert found.ids.devices >= {"phone", "shared"}
    assert COLLEAGUE in events
    assert FRIEND not in events


def test_a_device_alone_is_found(days: Days) -> None:
    """Nobody else's events come with it."""
    assert found_in(days, ["device_id=ben's"])[1] == [FRIEND]


def test_whom_amplitude_has_merged_is_one_person(days: Days) -> None:
    """Where its export of merged ids lies beside the days."""
    merge = b'{"amplitude_id":600000000009,"merged_amplitude_id":558451453161,"scope":1}\n'
    days.store.write("merged/1.json", merge, seen=ANY, metadata={})
    assert MERGED in found_in(days, [f"user_id={ANNA}"])[1]
    assert MERGED in found_in(days, ["amplitude_id=558451453161"])[1]


def test_nobody_is_found_where_nobody_is(days: Days) -> None:
    """And every day was looked at."""
    found, events, _ = found_in(days, ["user_id=dora", "amplitude_id=18446744073709551615", r'device_id="\ud83e"'])
    assert (found.days, events, found.read) == ((), [], 3)


def test_rejected_lines_are_searched(days: Days) -> None:
    """Those that name them; those that name nobody are counted. So is a day that has nothing else."""
    other = DAYS[0] - timedelta(days=1)
    lines: list[dict[str, Any]] = [
        {"member": "m", "line": 1, "reason": "not JSON", "text": '{"user_id":"anna@example.com","torn":"he'},
        {"member": "m", "line": 2, "reason": "not JSON", "text": '"anna@example.com","x":1}'},
        {"member": "m", "line": 3, "reason": "not JSON", "text": 'llo"}'},
        {
            "member": "m",
            "line": 4,
            "reason": "not UTF-8",
            "base64": "eyJ1c2VyX2lkIjoiYW5uYUBleGFtcGxlLmNvbSIsIngiOiL/In0=",
        },
        {"member": "m", "line": 5, "reason": "not JSON", "text": '{"user_id":"ben@example.com"'},
    ]
    text = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
    days.store.write(days.layout.rejected(other), text, seen=ANY, metadata={})
    found, events, rejected = found_in(days, [f"user_id={ANNA}"])
    assert [json.loads(one)["line"] for one in rejected] == [1, 2, 4]
    assert (found.days[0].day, found.days[0].events, found.days[0].rejected) == (other, 0, 3)
    assert found.silent == 1
    assert events == HERS


@pytest.mark.parametrize(
    "line",
    [
        b'{"user_id":"ben@example.com","amplitude_id":900000000001,"event_properties":{"friend":"anna@example.com"},"x":NaN}',
        b'{"amplitude_id":900000000001,"event_properties":{"user_id":"anna@example.com"},"x":NaN}',
        b'{"amplitude_id":900000000001,"event_properties":{"user_id":"anna@example.com"},"to',
        b'{"user_id":"ben@example.com","anna@example.com":NaN}',
    ],
)
def test_a_rejected_line_makes_nobody_somebody_else(days: Days, line: bytes) -> None:
    """Who only mentions a person stays who they are: none of their events is found with that person."""
    text = json.dumps({"member": "m", "line": 1, "reason": "not JSON", "text": line.decode()}).encode() + b"\n"
    days.store.write(days.layout.rejected(DAYS[1]), text, seen=ANY, metadata={})
    found, events, rejected = found_in(days, [f"user_id={ANNA}"])
    assert (events, 900000000001 in found.ids.amplitude) == (HERS, False)
    assert bool(rejected) == line.endswith(b"to")  # nobody can tell: it is torn


def test_days_that_are_not_whole_are_searched_too(tmp_path: Path) -> None:
    """What is there is there, whatever its manifest says."""
    export_lines(ARCHIVE, tmp_path)
    days = days_in(LocalStore(tmp_path), Settings())
    days.store.delete(days.layout.manifest(DAYS[0]))
    assert found_in(days, [f"user_id={ANNA}"])[1] == HERS


def test_a_table_of_another_dump_is_not_asked(tmp_path: Path) -> None:
    """It tells of events that may be gone, and not of those that came."""
    export_lines(ARCHIVE, tmp_path)
    days = days_in(LocalStore(tmp_path), Settings())
    tables_of(days).try_to_derive(DAYS)
    export_lines({DAYS[1]: [*ARCHIVE[DAYS[1]], LOGGED_IN]}, tmp_path)
    assert {one.day for one in found_in(days, [f"user_id={ANNA}"])[0].days} == set(DAYS)


def test_tables_that_cannot_be_asked_are_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The arrays are read; what DuckDB says is not told, since it may quote an id."""
    export_lines(ARCHIVE, tmp_path)
    days = days_in(LocalStore(tmp_path), Settings())
    tables_of(days).try_to_derive(DAYS)
    monkeypatch.setattr(people, "_BY_DAY", "SELECT nothing FROM nowhere WHERE 'anna@example.com' = ?")
    with caplog.at_level("DEBUG"):
        assert found_in(days, [f"user_id={ANNA}"])[1] == HERS
    assert "the arrays are read in their place" in caplog.text
    assert ANNA not in caplog.text


class Archived(LocalStore):
    """A folder in which a day's dump lies in the archive tier."""

    def list(self, prefix: str, most: int | None = None) -> Any:
        """See Store."""
        for entry in super().list(prefix, most):
            tier = "Archive" if entry.name == f"{DAYS[2]:%Y%m%d}_0000_ampl_dump.json" else "Cool"
            yield Entry(entry.name, entry.size, entry.etag, entry.metadata, tier)


def test_a_day_in_the_archive_tier_is_told(tmp_path: Path) -> None:
    """It cannot be read before somebody brings it back; with a table it can be told."""
    export_lines(ARCHIVE, tmp_path)
    days = days_in(Archived(tmp_path), Settings())
    found = Search(days, NOW, LIMIT).find(Wanted(Ids(frozenset({ANNA}), frozenset({558451453161}))))
    assert (found.archived, found.read) == ((DAYS[2],), 2)
    assert [(one.day, one.tier) for one in found.days] == [(DAYS[0], "Cool")]


def test_days_are_told_as_they_are_read(tmp_path: Path) -> None:
    """For who sits at the terminal: which, and of how many."""
    export_lines(ARCHIVE, tmp_path)
    told: list[tuple[date, int]] = []
    search = Search(days_in(LocalStore(tmp_path), Settings()), NOW, LIMIT, begins=lambda day, n: told.append((day, n)))
    search.find(Wanted(Ids(frozenset({ANNA}))))
    assert told == [(day, 3) for day in DAYS]


def test_tables_tell_only_what_is_certain(tmp_path: Path) -> None:
    """A day with a row that keeps its line, or an id in `other`, is read."""
    export_lines(ARCHIVE, tmp_path)
    days = days_in(LocalStore(tmp_path), Settings())
    tables_of(days).try_to_derive(DAYS)
    with tabled(days, NOW, LIMIT) as tables:
        assert tables.counts(Ids(frozenset({ANNA}))) == {DAYS[0]: 0, DAYS[1]: 0}
        assert tables.certain == set(DAYS[:2])
        assert tables.ids_of(frozenset({"carl"})) == Ids(frozenset(), frozenset({3, 1}), frozenset({"carl's", "d"}))
