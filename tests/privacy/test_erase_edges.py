"""Erasures that meet others at work, days that are not whole, old versions, and each other."""

import gzip
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from exporter.days.erasures import BEGUN, DONE, OPEN, Erasures
from exporter.days.manifest import EMPTY
from exporter.days.verify import verify_day
from exporter.errors import DamagedError, ExportError, PermanentError, SettingsError, StoreError
from exporter.export import export_day
from exporter.privacy import erasing
from exporter.privacy.ids import Ids, ids_in
from exporter.privacy.request import Request
from exporter.report import no_progress
from exporter.settings import Settings
from exporter.simulator import Simulator
from exporter.store import ANY, Entry, Remaining
from exporter.store.folder import LocalStore
from exporter.wiring import open_days
from tests.kit import DAY, RawServer, http, member, zipped
from tests.kit.blobs import LAYOUT, asking, exporting, folder_env
from tests.privacy.test_find import ANNA, ARCHIVE, CARL, DAYS, HERS
from tests.privacy.world import (
    CONTENTS,
    KEY,
    NOW,
    days_from,
    erase,
    events_in,
    fill,
    killed,
    make_tables,
    opened,
    rejected_in,
    state_of,
)
from tests.tables.hostile import export_lines

FEW = days_from(date(2025, 10, 1), 3)
HER = [f"user_id={ANNA}"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A small project with odd lines."""
    with Simulator(events_per_hour=60, contents=CONTENTS) as running:
        yield running


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Three days that were made by hand, in a folder."""
    export_lines(ARCHIVE, tmp_path / "data")
    return folder_env(tmp_path) | {"EXPORT_ERASURE_KEY": KEY}


@pytest.fixture
def simulated(simulator: Simulator, tmp_path: Path) -> dict[str, str]:
    """Three simulated days in a folder."""
    env = asking(folder_env(tmp_path), simulator) | {"EXPORT_ERASURE_KEY": KEY}
    fill(env, FEW)
    return env


def left_of(env: dict[str, str]) -> list[bytes]:
    """Her events that are still there."""
    with opened(env) as store:
        return [line for day in DAYS for line in events_in(store, day) if line in HERS]


def test_every_spelling_goes(env: dict[str, str]) -> None:
    """And whoever shares a line with her by a name that stands twice loses that line only."""
    done = erase(env, HER)
    assert left_of(env) == []
    with opened(env) as store:
        assert events_in(store, DAYS[0])[0] == CARL
        assert events_in(store, DAYS[2]) == []
    assert done.events == len(HERS)
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        manifest = days.manifest(DAYS[2]).manifest
        assert manifest is not None
        assert (manifest.state, manifest.events, manifest.erased) == (EMPTY, 0, 6)
        assert all(verify_day(day, days).problem is None for day in DAYS)


def test_a_day_that_is_not_whole_keeps_the_erasure_open(env: dict[str, str]) -> None:
    """The others are done; it says why; when it is whole the same call ends it, and knows ids that are gone already."""
    with opened(env) as store:
        manifest = store.read(LAYOUT.manifest(DAYS[0]))
        store.delete(LAYOUT.manifest(DAYS[0]))
    first = erase(env, HER)
    assert (first.state, [one.day for one in first.open_days]) == (BEGUN, [DAYS[0]])
    assert "is not whole" in first.open_days[0].why
    assert left_of(env) == HERS[:1]  # of before the login: only an Amplitude id, which stands beside her nowhere now
    with opened(env) as store:
        store.write(LAYOUT.manifest(DAYS[0]), manifest[0], seen=None, metadata={})
    second = erase(env, HER, run="run-again")
    assert (second.id, second.state, second.open_days) == (first.id, DONE, [])
    assert left_of(env) == []


def test_a_damaged_day_is_left_alone(env: dict[str, str]) -> None:
    """Damage gets no new proof."""
    path = Path(env["EXPORT_DATA_DIR"]) / LAYOUT.dump(DAYS[2])
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"n": 2', b'"n": 3'))
    done = erase(env, HER)
    assert [one.day for one in done.open_days] == [DAYS[2]]
    assert path.read_bytes() != text


@pytest.mark.parametrize("patience", [0, 30])
def test_a_held_day_is_waited_for(env: dict[str, str], patience: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as somebody works on it, up to a bound; then it is told, and the same call ends it later."""
    monkeypatch.setattr(erasing, "TURN", 0.05)
    release = threading.Event()
    held = threading.Event()

    def hold() -> None:
        with LocalStore(Path(env["EXPORT_DATA_DIR"])).lock(LAYOUT.lock(DAYS[0]), "run-other"):
            held.set()
            release.wait(0.5 if patience else None)

    worker = threading.Thread(target=hold)
    worker.start()
    held.wait()
    first = erase(env, HER, patience=patience)
    release.set()
    worker.join()
    if patience:
        assert first.state == DONE
        return
    assert [one.day for one in first.open_days] == [DAYS[0]]
    assert "is held by run run-other" in first.open_days[0].why
    assert erase(env, HER, run="run-again").state == DONE
    assert left_of(env) == []


def export_with_rejected(day: date, lines: Sequence[bytes], env: dict[str, str]) -> None:
    """Export a day in which some lines are no events."""
    text = gzip.compress(b"".join(line + b"\n" for line in lines), 1, mtime=0)
    keys = {"AMP_API_KEY": "k" * 9, "AMP_SECRET_KEY": "s" * 9}
    with (
        RawServer(http(200, zipped([(member(day=day), text)]))) as server,
        exporting(env | keys | {"AMP_BASE_URL": server.url}) as core,
    ):
        export_day(day, core)


BAD = [b'{"user_id":"dora@example.com","x":NaN}', b'{"user_id":"ben@example.com","x":NaN}', b'{"torn":"li']


@pytest.mark.parametrize(
    "at", [None, ("noted", 2), ("rejecting", 1), ("recorded", 1), ("proving", 1), ("proven", 1)], ids=str
)
def test_rejected_lines_alone_are_erased(at: tuple[str, int] | None, env: dict[str, str]) -> None:
    """The array stays as it is; killed between the two files, or behind them, it ends the same."""
    later = DAY + timedelta(days=1)
    export_with_rejected(later, [CARL, *BAD], env)
    her = ["user_id=dora@example.com"]
    if at:
        killed(env, her, at)
    done = erase(env, her, run="run-again")
    assert [(one.day, one.events, one.rejected, one.state) for one in done.days] == [(later, 0, 1, DONE)]
    with opened(env) as store:
        assert events_in(store, later) == [CARL]
        assert rejected_in(store, later) == BAD[1:]
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        manifest = days.manifest(later).manifest
        assert manifest is not None
        assert (manifest.events, manifest.rejected, manifest.erased) == (1, 2, 0)
        assert verify_day(later, days).problem is None


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kept", [BAD[1:], []])
def test_rejected_lines_of_a_day_that_never_came_are_erased(env: dict[str, str], kept: list[bytes], late: bool) -> None:
    """An attempt that failed has left them, before the search or behind it; nothing else will take them away."""
    later = DAY + timedelta(days=1)
    text, left = (
        b"".join(b'{"text":%b}\n' % json.dumps(line.decode()).encode() for line in lines)
        for lines in ([BAD[0], *kept], kept)
    )

    def fail(step: str = "remembered", *_: object) -> None:
        if step == "remembered":
            with opened(env) as store:
                store.write(LAYOUT.rejected(later), text, seen=None, metadata={})

    if not late:
        fail()
    done = erase(env, ["user_id=dora@example.com"], progress=fail if late else no_progress)
    assert [(one.day, one.events, one.rejected) for one in done.days] == [(later, 0, 1)]
    assert done.state == DONE
    with opened(env) as store:
        assert b"".join(rejected_in(store, later)) == b"".join(kept)
        assert (b"".join(store.stream(LAYOUT.rejected(later))) if kept else b"") == left
        assert store.stat(LAYOUT.manifest(later)) is None


def test_a_day_that_is_gone_keeps_no_erasure_open(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that could not be read when somebody asked, and that retention has taken since."""
    monkeypatch.setattr("exporter.wiring.LocalStore", Archived)
    assert [one.day for one in erase(env, HER).open_days] == [DAYS[0]]
    with opened(env) as store:
        store.delete(LAYOUT.dump(DAYS[0]))
        store.delete(LAYOUT.manifest(DAYS[0]))
    assert erase(env, HER, run="run-again").state == DONE


def test_rejected_lines_of_another_attempt_are_not_mixed_in(env: dict[str, str]) -> None:
    """Those that the manifest does not know keep the day open."""
    later = DAY + timedelta(days=1)
    export_with_rejected(later, [CARL, *BAD], env)
    with opened(env) as store:
        text = b"".join(store.stream(LAYOUT.rejected(later)))
        store.write(LAYOUT.rejected(later), text + text, seen=ANY, metadata={})
    done = erase(env, ["user_id=dora@example.com"])
    assert "not those of its manifest" in done.open_days[0].why
    with opened(env) as store:
        store.write(LAYOUT.rejected(later), text, seen=ANY, metadata={})
    assert erase(env, ["user_id=dora@example.com"], run="run-again").state == DONE


def test_two_erasures_and_an_export_at_once(
    simulator: Simulator, simulated: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other's day; both people are gone, everybody else is there, and every day is proven."""
    monkeypatch.setattr(erasing, "TURN", 0.02)
    users = sorted({user for line in simulator.lines(FEW[0]) for user in ids_in(line).users})[:2]
    numbers = {
        n
        for day in FEW
        for line in simulator.lines(day)
        if ids_in(line).users & set(users)
        for n in ids_in(line).amplitude
    }
    gone = Ids(frozenset(users), frozenset(numbers))
    problems: list[BaseException] = []

    def tried(act: Callable[[], Any]) -> threading.Thread:
        def run() -> None:
            try:
                act()
            except ExportError as error:
                problems.append(error)

        return threading.Thread(target=run)

    def forced() -> None:
        with exporting(simulated, NOW, "run-forced") as core:
            for day in FEW:
                export_day(day, core, force=True)

    works = [tried(lambda: erase(simulated, [f"user_id={users[0]}"], run="run-one", patience=30))]
    works += [tried(lambda: erase(simulated, [f"user_id={users[1]}"], run="run-two", patience=30)), tried(forced)]
    for work in works:
        work.start()
    for work in works:
        work.join()
    assert all("is held by run" in str(one) for one in problems)  # an export does not wait: its day is due again
    with opened(simulated) as store:
        for day in FEW:
            had = [line for line in simulator.lines(day) if b'"odd":NaN' not in line and line.startswith(b"{")]
            stored = events_in(store, day)
            assert not any(gone.meet(ids_in(line)) for line in [*stored, *rejected_in(store, day)])
            assert len(stored) >= len([line for line in had if not gone.meet(ids_in(line))]) - 2
    with open_days(Settings.from_mapping(simulated)) as days:
        assert [verify_day(day, days).problem for day in FEW] == [None] * 3
        assert {one.state for one in Erasures.of(days).all()} == {DONE}


class Versioned(LocalStore):
    """A folder that keeps something of each name's past, as long as nobody may remove it."""

    kept: ClassVar[dict[str, Remaining]] = {}

    def purge(self, name: str) -> Remaining:
        """See Store."""
        return self.kept.get(name, Remaining())


def test_what_can_be_brought_back_is_on_record(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """How many old versions, until when; called again by somebody who may remove them, nothing is left."""
    monkeypatch.setattr("exporter.wiring.LocalStore", Versioned)
    kept = {LAYOUT.dump(DAYS[0]): Remaining(2, 12), LAYOUT.rejected(DAYS[0]): Remaining(1, 30)}
    monkeypatch.setattr(Versioned, "kept", kept | {LAYOUT.dump(DAYS[2]): Remaining(1, None)})
    first = erase(env, HER)
    assert (first.state, first.old_versions, first.until) == (DONE, 4, None)
    told = first.day(DAYS[0])
    assert told
    assert (told.old_versions, told.until) == (3, NOW + timedelta(days=31))
    monkeypatch.setattr(Versioned, "kept", {})
    erase(env, HER, run="run-again")
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        found = Erasures.of(days).read(first.id)
    assert found
    assert found[0].old_versions == 0


def test_a_failure_record_that_names_them_goes(env: dict[str, str]) -> None:
    """None does by itself; one that names nobody stays, and so the day stays due."""
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        days.record_failure(DAYS[0], PermanentError("status 500"), 24, "run-1", NOW)
        days.record_failure(DAYS[2], PermanentError(f"status 500 about {ANNA}"), 24, "run-1", NOW)
    erase(env, HER)
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        assert days.failure(DAYS[0]) is not None
        assert days.failure(DAYS[2]) is None


def test_a_list_is_erased_at_once_and_goes_on_for_one_of_them(env: dict[str, str]) -> None:
    """Who asks again for one person of a list that was stopped ends it for all of them."""
    killed(env, [*HER, "user_id=carl"], ("noted", 2))
    done = erase(env, HER, run="run-again")
    assert done.state == DONE
    with opened(env) as store:
        assert [line for day in DAYS for line in events_in(store, day) if line == CARL] == []


def test_another_key_goes_on_with_nothing(env: dict[str, str]) -> None:
    """The hashes would tell of nobody."""
    killed(env, HER, ("noted", 1))
    with open_days(Settings.from_mapping(env, keys_needed=False)) as days:
        names = Erasures.of(days).names()
    assert len(names) == 1
    with pytest.raises(PermanentError, match="is not the key that"):
        erase_with(env, "another-key-that-nobody-can-guess-0123")


def erase_with(env: dict[str, str], key: str) -> None:
    """Erase with another key."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.privacy.world.KEY", key)
        erase(env, HER)


def test_it_is_erased_while_its_record_is_damaged(env: dict[str, str]) -> None:
    """A record that cannot be read is said by its name, and stops the erasure of those people, not of others."""
    first = erase(env, HER)
    with opened(env) as store:
        store.write(LAYOUT.erasure(first.id), b'{"format":1,"id":"anna@example.com"}', seen=ANY, metadata={})
    with pytest.raises(DamagedError, match=f"erasures/{first.id}.json is damaged") as caught:
        erase(env, HER, run="run-again")
    assert ANNA not in str(caught.value)
    assert erase(env, ["user_id=carl"], run="run-carl").state == DONE


@pytest.mark.parametrize("words", [f"as {ANNA.upper()} wished", "of 558451453161"])
def test_a_reason_that_names_them_is_refused(words: str) -> None:
    """It is kept for years."""
    asked = Ids(frozenset({ANNA}), frozenset({558451453161}))
    with pytest.raises(SettingsError, match="holds one of the ids") as caught:
        Request(asked, words, "me").check()
    assert ANNA not in str(caught.value).lower()
    Request(asked, "ticket-4711", "me").check()


def test_a_short_id_stops_no_reason() -> None:
    """Each letter stands in some word; as a word of its own it is told."""
    asked = Ids(frozenset({"t", "4"}), frozenset({71}), frozenset({"desk."}))
    Request(asked, "ticket-4711", "the desk").check()
    for words in ("for t", "of 4", "user 71!", "desk."):
        with pytest.raises(SettingsError, match="holds one of the ids"):
            Request(asked, words, "me").check()


def test_a_day_that_came_meanwhile_is_looked_at(env: dict[str, str], tmp_path: Path) -> None:
    """What changed after the search is erased, too."""
    later = DAY - timedelta(days=9)
    export_lines({later: [HERS[1], CARL]}, tmp_path / "other")
    shutil.rmtree(tmp_path / "other/ledger")

    def come(step: str, _done: int, _total: int | None) -> None:
        if step == "remembered":
            shutil.copytree(tmp_path / "other", env["EXPORT_DATA_DIR"], dirs_exist_ok=True)

    done = erase(env, HER, progress=come)
    assert done.state == DONE
    assert done.day(later)
    with opened(env) as store:
        assert events_in(store, later) == [CARL]


def test_what_came_after_the_request_is_not_erased_by_it(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person may come back: an erasure that goes on weeks later is about the days before it was asked for."""
    later = DAY + timedelta(days=1)
    monkeypatch.setattr("tests.privacy.world.NOW", datetime.combine(later, time(12), UTC))
    export_lines({later: [HERS[1], CARL]}, tmp_path / "other")
    shutil.rmtree(tmp_path / "other/ledger")

    def stop(step: str, *_: object) -> None:
        if step == "clearing":
            raise KeyboardInterrupt

    def come(step: str, *_: object) -> None:
        if step == "clearing":
            shutil.copytree(tmp_path / "other", env["EXPORT_DATA_DIR"], dirs_exist_ok=True)

    with pytest.raises(KeyboardInterrupt):
        erase(env, HER, progress=stop)
    done = erase(env, HER, progress=come, run="run-again")
    assert (done.state, done.day(later)) == (DONE, None)
    with opened(env) as store:
        assert events_in(store, later) == [HERS[1], CARL]


def test_a_day_that_is_exported_for_the_first_time_meanwhile_is_looked_at(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exporter is killed before it can see that somebody was erased."""
    monkeypatch.setattr(erasing, "TURN", 0.05)
    later, held = DAY - timedelta(days=9), threading.Event()
    export_lines({later: [HERS[1], CARL]}, tmp_path / "other")
    shutil.rmtree(tmp_path / "other/ledger")

    def export() -> None:
        with LocalStore(Path(env["EXPORT_DATA_DIR"])).lock(LAYOUT.lock(later), "run-other"):
            held.set()
            threading.Event().wait(1)
            shutil.copytree(tmp_path / "other", env["EXPORT_DATA_DIR"], dirs_exist_ok=True)

    worker = threading.Thread(target=export)

    def begin(step: str, *_: object) -> None:
        if step == "remembered":
            worker.start()
            held.wait()

    assert erase(env, HER, progress=begin, patience=30).state == DONE
    worker.join()
    with opened(env) as store:
        assert events_in(store, later) == [CARL]


def test_what_is_not_touched_stays_to_the_byte(env: dict[str, str]) -> None:
    """A day without them: array, manifest and all."""
    before = state_of(env)
    erase(env, HER)
    after = state_of(env)
    for name in (LAYOUT.dump(DAYS[1]), LAYOUT.manifest(DAYS[1])):
        assert after[name] == before[name]
    assert OPEN == "open"


def test_an_old_table_goes_even_if_no_new_one_can_be_made(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the person; a new one is due, as any other that could not be made."""
    make_tables(env, DAYS)

    def broken(*_: object) -> None:
        raise PermanentError("DuckDB is not installed")

    monkeypatch.setattr("exporter.tables.derive.write_table", broken)
    assert erase(env, HER).state == DONE
    with opened(env) as store:
        assert [day for day in DAYS if store.stat(LAYOUT.table(day))] == [DAYS[1]]


def test_tables_of_dumps_that_are_gone_go_too(env: dict[str, str]) -> None:
    """As of a day that was exported anew since, when she was gone at Amplitude already; and one of no day."""
    make_tables(env, DAYS)
    with opened(env) as store:
        other = b"".join(store.stream(LAYOUT.table(DAYS[2])))
        store.write(LAYOUT.table(DAYS[1]), other, seen=ANY, metadata={})
        store.write(LAYOUT.table(DAYS[1] - timedelta(days=1)), other, seen=ANY, metadata={})
        for name in (LAYOUT.dump(DAYS[0]), LAYOUT.manifest(DAYS[0])):
            store.delete(name)
    export_lines({DAYS[0] - timedelta(days=1): [CARL]}, Path(env["EXPORT_DATA_DIR"]))
    assert erase(env, HER).state == DONE
    with opened(env) as store:
        assert [day for day in days_from(DAYS[0] - timedelta(days=3), 6) if store.stat(LAYOUT.table(day))] == [DAYS[2]]


def test_drafts_of_killed_exporters_go(env: dict[str, str]) -> None:
    """Of days that hold the person, and of any other; not one that is at work."""
    folder = Path(env["EXPORT_DATA_DIR"])
    left, others = [folder / LAYOUT.dump(DAYS[0]), folder / LAYOUT.rejected(DAYS[1] - timedelta(days=50))], []
    left += [folder / LAYOUT.table(DAYS[1])]
    others += [folder / "other" / LAYOUT.dump(DAYS[0])]
    for path in (*left, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.0123456789abcdef.draft").write_bytes(HERS[0])
    at_work = LocalStore(folder).draft(LAYOUT.dump(DAYS[1]), None)
    assert erase(env | {"EXPORT_PREFIX": "no-such-project/"}, HER).state == DONE
    assert len([*folder.rglob(".*.draft")]) == 4
    assert erase(env, HER).state == DONE
    assert [*folder.rglob(".*.draft")] == []
    at_work.discard()


def test_the_nightly_page_goes(env: dict[str, str]) -> None:
    """It counts people; the next night writes it anew."""
    with opened(env) as store:
        store.write(LAYOUT.report, b"<html>", seen=None, metadata={})
    erase(env, HER)
    with opened(env) as store:
        assert store.stat(LAYOUT.report) is None


class Archived(LocalStore):
    """A folder in which a day's dump lies in the archive tier, as long as nobody has brought it back."""

    away: ClassVar[bool] = True

    def list(self, prefix: str, most: int | None = None) -> Iterator[Entry]:
        """See Store."""
        for entry in super().list(prefix, most):
            yield replace(entry, tier="Archive" if self._away(entry.name) else "Hot")

    def stream(self, name: str) -> Iterator[bytes]:
        """See Store."""
        if self._away(name):
            raise StoreError("the blob lies in the archive tier (Azure says: BlobArchived)")
        return super().stream(name)

    def _away(self, name: str) -> bool:
        return self.away and name == LAYOUT.dump(DAYS[0])


def test_a_day_in_the_archive_tier_keeps_the_erasure_open(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what is in it; when it is back the same call ends it."""
    monkeypatch.setattr("exporter.wiring.LocalStore", Archived)
    first = erase(env, [*HER, "amplitude_id=558451453161"])
    assert [one.day for one in first.open_days] == [DAYS[0]]
    assert "archive tier" in first.open_days[0].why
    monkeypatch.setattr(Archived, "away", False)
    assert erase(env, HER, run="run-again").state == DONE
    assert left_of(env) == []
