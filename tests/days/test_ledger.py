import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from exporter.days.chain import START, Cause, Chain, Change, Content, Head, linked, read_entry, sha256_of
from exporter.days.ledger import Ledger
from exporter.days.manifest import FINAL
from exporter.days.tail import Tail
from exporter.errors import LedgerError, SettingsError
from exporter.settings import Settings
from exporter.store import Store
from exporter.store.folder import LocalStore
from exporter.wiring import open_stores
from tests.azure.azurite import Azurite
from tests.kit import DAY
from tests.kit.blobs import blob_env, set_env
from tests.kit.rules import LAYOUT

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, SECOND = LAYOUT.ledger.name(2025), LAYOUT.ledger.name(2026)


def change(day: date = DAY, at: datetime = NEW_YEAR - timedelta(days=9), cause: Cause = "written") -> Change:
    """A day that was written."""
    return Change(day, cause, Content(FINAL, 10, 1000, "a" * 64), "run-1", at)


@pytest.fixture(params=["folder", "container"])
def places(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Store]]:
    """Two views of the place of a ledger, as two exporters have them: a folder, or a container that is not there."""
    if request.param == "folder":
        yield [LocalStore(tmp_path), LocalStore(tmp_path)]
        return
    needed = ("azurite", "container", "azure_env")
    azurite, container, azure_env = (request.getfixturevalue(name) for name in needed)
    set_env(monkeypatch, env := blob_env(azurite, container, azure_env))
    settings = Settings.from_mapping(env, keys_needed=False)
    with open_stores(settings) as (_, one), open_stores(settings) as (_, other):
        yield [one, other]


def test_containers_of_one_account_share_no_ledger(
    azurite: Azurite, container: ContainerClient, azure_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second project has EXPORT_CONTAINER of its own, as the README tells, and no other setting."""
    env = blob_env(azurite, container, azure_env) | {"EXPORT_LEDGER_CONTAINER": ""}
    set_env(monkeypatch, env)
    settings = Settings.from_mapping(env, keys_needed=False)
    other = ContainerClient.from_connection_string(
        azurite.connection_string, f"{settings.container}-2", connection_verify=str(azurite.ca_file)
    )
    other.create_container()
    for named in (settings, replace(settings, container=f"{settings.container}-2")):
        with open_stores(named) as (_, place):
            assert Ledger(place, LAYOUT.ledger).append([change()]).number == 1


def test_a_line_is_spelled_in_one_way_only() -> None:
    """The order of the keys is the contract's, and another spelling of the same is no line."""
    line, head = linked([change()], START)
    assert line == (
        b'{"n":1,"day":"2025-11-06","cause":"written","state":"final","events":10,"bytes":1000,"sha256":"'
        + b"a" * 64
        + b'","rejected_sha256":"","run":"run-1","at":"2025-12-23T00:00:00Z","previous":"'
        + b"0" * 64
        + b'"}\n'
    )
    assert head == Head(1, hashlib.sha256(line).hexdigest())
    assert read_entry(line)
    assert read_entry(line.replace(b'"n":1', b'"n": 1')) is None
    assert read_entry(line[:-1]) is None
    assert read_entry(json.dumps(json.loads(line) | {"more": 1}).encode() + b"\n") is None


@pytest.mark.parametrize(
    "text", ["", "57", "57:abc", "0:" + "a" * 64, "-1:" + "a" * 64, "x:" + "a" * 64, "5:" + "g" * 64]
)
def test_a_head_is_read_as_it_is_shown(text: str) -> None:
    """With the word before it or without; anything else is told to be none."""
    head = Head(57, "ab" * 32)
    assert Head.read(f"ledger={head}") == Head.read(str(head)) == Head.read(f"57:{'AB' * 32}") == head
    with pytest.raises(SettingsError, match="NUMBER:HASH"):
        Head.read(text)


def test_lines_follow_each_other(places: list[Store]) -> None:
    """Whoever adds one has read the one before; nothing is there at first, not even a container."""
    one, other = (Ledger(place, LAYOUT.ledger) for place in places)
    assert (one.head(2025), one.years(), one.read().head, one.shown(2025)) == (None, [], START, "none")
    assert one.append([change()]).number == 1
    assert other.append([change(), change()]).number == 3
    assert one.append([change()]).number == 4
    chain = other.read()
    assert (chain.breaks, chain.head) == ([], one.head(2025))
    assert one.shown(2025) == str(chain.head)
    assert Ledger(places[0], LAYOUT.ledger).head(2025) == chain.head


def test_two_exporters_never_fork_it(places: list[Store]) -> None:
    """Many at once: every line is there, and the chain is one."""

    def add(place: Store, name: int) -> None:
        ledger = Ledger(place, LAYOUT.ledger)
        for number in range(4):
            ledger.append([change(DAY + timedelta(days=10 * name + number))])

    threads = [threading.Thread(target=add, args=(places[name % 2], name)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = Ledger(places[0], LAYOUT.ledger).read()
    assert (chain.breaks, chain.head.number, len(chain.newest)) == ([], 20, 20)


def test_a_year_ends_with_its_closing_line(places: list[Store]) -> None:
    """The first line of a new year closes the old file, so that an old clock meets the new file, too."""
    one, other = (Ledger(place, LAYOUT.ledger) for place in places)
    one.append([change()])
    assert other.look(2025)  # and then its clock stands still
    one.append([change(at=NEW_YEAR)])
    one.append([change(at=NEW_YEAR)])
    assert other.append([change(cause="found")]).number == 4
    assert [[e.n for e in Ledger(p, LAYOUT.ledger).entries(2026)] for p in places] == [[3, 4]] * 2
    assert one.years() == [2025, 2026]
    for now in (2024, 2025, 2026, 2027):
        assert Ledger(places[0], LAYOUT.ledger).head(now) == other.head(2025)
    assert one.append([change(at=NEW_YEAR)]).number == 5
    assert one.read().breaks == []


def test_a_ledger_that_begins_at_new_year_begins_once(places: list[Store]) -> None:
    """Two have seen that there is none, one of them ends its day in the old year, one in the new."""
    one, other = (Ledger(place, LAYOUT.ledger) for place in places)
    assert one.look(2025) is other.look(2025) is None
    assert one.append([change()]).number == 1
    assert other.append([change(at=NEW_YEAR)]).number == 2
    assert one.read().breaks == []


def test_a_new_file_that_was_only_made_goes_on(places: list[Store]) -> None:
    """Killed between making a file and its first line."""
    ledger = Ledger(places[0], LAYOUT.ledger)
    ledger.append([change()])
    ledger.append([change(at=NEW_YEAR)])
    places[0].write(SECOND, b"", seen=None, metadata={}) if isinstance(places[0], LocalStore) else None
    assert Ledger(places[1], LAYOUT.ledger).append([change(at=NEW_YEAR)]).number == 3
    assert Ledger(places[1], LAYOUT.ledger).read().breaks == []


def test_a_torn_line_is_no_line(tmp_path: Path) -> None:
    """A crash left it: it is not read, and cut off by the next one."""
    one, other = Ledger(LocalStore(tmp_path), LAYOUT.ledger), Ledger(LocalStore(tmp_path), LAYOUT.ledger)
    one.append([change()])
    with (tmp_path / FIRST).open("ab") as file:
        file.write(b'{"n":2,"day"')
    assert one.append([change()]).number == 2
    assert other.append([change()]).number == 3
    assert other.read().breaks == []
    assert (tmp_path / FIRST).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before", [0, 1])
def test_a_line_that_nobody_ended_stops_nobody(places: list[Store], before: int) -> None:
    """Whoever may append can leave one, and in a container nobody may be able to take it away: there it is told."""
    one, other = (Ledger(place, LAYOUT.ledger) for place in places)
    for _ in range(before):
        one.append([change()])
    length = sum(len(line) for line, _ in other.lines())
    places[1].append(FIRST, b"no line", at=length)
    one.append([change()])
    assert other.append([change()]).number == Ledger(places[1], LAYOUT.ledger).append([change()]).number - 1
    chain = other.read()
    kept = isinstance(places[0], LocalStore)
    assert chain.head.number == before + (3 if kept else 4)
    assert chain.breaks == (
        [] if kept else [f"line {before + 1} in ledger/2025.jsonl is no line of the ledger, as an exporter writes it"]
    )


def test_garbage_is_gone_on_behind(tmp_path: Path) -> None:
    """A line that is none counts as one: no day is lost over it, and nothing heals it."""
    store = LocalStore(tmp_path)
    ledger = Ledger(store, LAYOUT.ledger)
    ledger.append([change()])
    store.append(FIRST, b"garbage\n", at=(tmp_path / FIRST).stat().st_size)
    assert Ledger(store, LAYOUT.ledger).append([change()]).number == 3
    assert ledger.append([change()]).number == 4
    told = ["line 2 in ledger/2025.jsonl is no line of the ledger, as an exporter writes it"]
    assert ledger.read().breaks == told == ledger.breaks


def test_a_ledger_that_goes_is_missed(places: list[Store]) -> None:
    """Between two appends of a run."""
    ledger = Ledger(places[0], LAYOUT.ledger)
    ledger.append([change()])
    places[1].delete(FIRST)
    with pytest.raises(LedgerError, match="the ledger is gone"):
        ledger.append([change()])
    assert ledger.shown(2025) == "unknown"


def test_the_end_is_read_once_and_then_its_new_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most two looks at the store for a line: what is new at the end, and the line."""
    calls: list[tuple[Any, ...]] = []
    store = LocalStore(tmp_path)
    Ledger(store, LAYOUT.ledger).append([change()] * 50)
    for name in ("stream", "part", "append", "stat", "list"):
        real = getattr(LocalStore, name)

        def counted(self: LocalStore, *args: Any, real: Any = real, name: str = name, **options: Any) -> Any:
            calls.append((name, *args))
            return real(self, *args, **options)

        monkeypatch.setattr(LocalStore, name, counted)
    ledger = Ledger(store, LAYOUT.ledger)
    ledger.look(2025)
    ledger.append([change()])
    assert [name for name, *_ in calls] == ["stream", "append"]
    calls.clear()
    ledger.append([change()])
    assert [name for name, *_ in calls] == ["part", "append"]
    assert Ledger(store, LAYOUT.ledger).read().breaks == []


def test_a_baseline_is_written_once(places: list[Store]) -> None:
    """Of two exporters one is the first; the other finds its lines."""
    one, other = (Ledger(place, LAYOUT.ledger) for place in places)
    assert one.look(2025) is other.look(2025) is None
    assert one.begin([change(), change()])
    assert not other.begin([change()])
    assert other.append([change()]).number == 3


def test_a_chain_tells_of_each_break() -> None:
    """Edited, taken out, put in twice: the number of the line is told."""
    lines = [linked([change()], START)]
    for _ in range(5):
        lines.append(linked([change()], lines[-1][1]))
    whole = [line for line, _ in lines]
    edited = whole[2].replace(b'"events":10', b'"events":99')
    cases = {
        "line 4 in x does not hold the hash of line 3": [*whole[:2], edited, *whole[3:]],
        "line 3 in x has the number 4: lines before it were taken out": [*whole[:2], *whole[3:]],
        "line 4 in x has the number 3, which stands there already: the chain was forked": [*whole[:3], *whole[2:]],
        "line 1 in x has the number 2": whole[1:],
    }
    for told, shown in cases.items():
        chain = Chain()
        for line in shown:
            chain.read(line, "x")
        assert chain.breaks[0].startswith(told)
    chain = Chain()
    for line in whole:
        chain.read(line, "x")
    assert chain.breaks == []
    assert chain.misses(lines[3][1], "a mail") == ""
    assert "its end was cut off" in chain.misses(Head(7, "a" * 64), "a mail")
    assert "line 3 is not the one that a mail names" in chain.misses(Head(3, "a" * 64), "a mail")
    assert sha256_of(whole[-1]) == chain.head.sha256


def test_a_break_is_told_once() -> None:
    """The numbers go on as the lines have them; one that jumps beyond all bounds is counted."""
    lines = [linked([change()], START)]
    for _ in range(5):
        lines.append(linked([change()], lines[-1][1]))
    whole = [line for line, _ in lines]
    joke = linked([change()], Head(10**8, "a" * 64))[0]
    for shown, number in (([*whole[:2], *whole[3:]], 6), ([*whole[:3], *whole[2:]], 6), ([*whole[:3], joke], 4)):
        chain = Chain()
        for line in shown:
            chain.read(line, "x")
        assert (len(chain.breaks), chain.head.number) == (1, number)


def test_a_number_that_cannot_be_begins_no_file(tmp_path: Path) -> None:
    """A manifest that named a line behind it would be damaged, and its day never be whole."""
    store = LocalStore(tmp_path)
    store.append(FIRST, linked([change()], Head(2**53 - 1, "a" * 64))[0], at=0)
    assert Ledger(store, LAYOUT.ledger).append([change()]) == Ledger(store, LAYOUT.ledger).read().head
    assert Ledger(store, LAYOUT.ledger).read().head.number == 2


def test_a_ledger_that_is_cut_in_a_run_is_told(tmp_path: Path) -> None:
    """And gone on with."""
    ledger = Ledger(LocalStore(tmp_path), LAYOUT.ledger)
    ledger.append([change(), change(), change()])
    path = tmp_path / FIRST
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert ledger.append([change()]).number == 2
    assert ledger.breaks == ["it ended with line 3, and now with 1: it was cut off"]


def test_a_tail_knows_whether_its_file_is_closed() -> None:
    """By the year of its last line."""
    line, head = linked([change(at=NEW_YEAR)], START)
    assert Tail(2025, len(line), line, head).closed == 2026
    assert Tail(2026, len(line), line, head).closed is None
    assert Tail(2025, 8, b"garbage\n", head).closed is None
