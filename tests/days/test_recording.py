import logging
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from exporter.days.accepting import accept
from exporter.days.audit import Audit
from exporter.days.chain import Change, Content
from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL
from exporter.days.recording import cause_of
from exporter.days.rules import Decision, Outcome, StoredDay
from exporter.days.verify import Verified, verify_day
from exporter.errors import LedgerError
from exporter.report import Step
from exporter.store import Entry, Store
from exporter.store.folder import LocalStore
from tests.kit import DAY, dump_of
from tests.kit.history import Attempt, Given, day_number, export, lines_of, put, verified
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, manifest_of, moment

NOW = moment(day_number(3), 3)
LEDGER = LAYOUT.ledger.name(2025)
OLD = manifest_of(state=PROVISIONAL)
WHOLE = StoredDay(DAY, Entry(OLD.dump, OLD.size, OLD.etag), OLD)


@pytest.mark.parametrize(
    ("stored", "decision", "cause"),
    [
        (StoredDay(DAY), Decision(Outcome.WRITTEN, OLD, True), "written"),
        (StoredDay(DAY), Decision(Outcome.EMPTY, OLD, True), "empty"),
        (WHOLE, Decision(Outcome.REPLACED, OLD, True), "replaced"),
        (WHOLE, Decision(Outcome.REPLACED, OLD, True, forced=True), "forced"),
        (WHOLE, Decision(Outcome.UNCHANGED, OLD, False, forced=True), "forced"),
        (WHOLE, Decision(Outcome.UNCHANGED, OLD, False), None),
        (WHOLE, Decision(Outcome.KEPT, OLD, False), None),
        (WHOLE, Decision(Outcome.UNCHANGED, replace(OLD, state=FINAL), False), "final"),
        (WHOLE, Decision(Outcome.UNCHANGED, replace(OLD, state=EMPTY), False), "empty"),
        (WHOLE, Decision(Outcome.UNCHANGED, replace(OLD, rejected=1, rejected_sha256="b" * 64), False), "replaced"),
        (replace(WHOLE, manifest=None), Decision(Outcome.UNCHANGED, OLD, False), "written"),
        (replace(WHOLE, damage="odd"), Decision(Outcome.UNCHANGED, replace(OLD, events=0), False), "empty"),
    ],
)
def test_a_line_says_why(stored: StoredDay, decision: Decision, cause: str | None) -> None:
    """It follows from what was decided; a day of which nothing changed has none."""
    assert cause_of(decision, stored) == cause


def told(store: Store) -> list[tuple[str, str, int]]:
    """The lines in short."""
    return [(str(line.day), line.cause, line.events) for line in days_on(store).ledger.entries()]


def stop_at(step: Step) -> object:
    """A progress that stops an exporter there."""

    def progress(reached: Step, _done: int, _total: int | None) -> None:
        if reached is step:
            raise InterruptedError

    return progress


@pytest.mark.parametrize(
    ("step", "lines"),
    [(Step.RECORDING, ["written"]), (Step.RECORDED, ["written"] * 2), (Step.PROVING, ["written"] * 2)],
)
def test_a_line_may_stand_twice_and_never_misses(step: Step, lines: list[str], tmp_path: Path) -> None:
    """Killed before the line, behind it, before the manifest; then once more."""
    for store in (LocalStore(tmp_path), MemoryStore()):
        with pytest.raises(InterruptedError):
            export(store, DAY, Given(), moment(DAY, 50), progress=stop_at(step))  # type: ignore[arg-type]
        export(store, DAY, Given(), moment(DAY, 50))
        assert [cause for _, cause, _ in told(store)] == lines
        assert verified(store, moment(day_number(1), 3)) == []


def test_an_unchanged_day_has_no_further_line() -> None:
    """Neither its bytes nor its state are others; its manifest names the line that it named."""
    store = MemoryStore()
    for hour in (26, 50, 74, 98):
        export(store, DAY, Given(), moment(DAY, hour))
    assert told(store) == [(str(DAY), "written", 3), (str(DAY), "final", 3)]
    export(store, DAY, Given(2), moment(DAY, 99))  # fewer: kept
    assert len(told(store)) == 2
    manifest = days_on(store).manifest(DAY).manifest
    assert manifest
    assert manifest.fewer_found
    assert manifest.ledger
    assert manifest.ledger["number"] == 2


def old_store() -> MemoryStore:
    """Three days, as a version without a ledger left them."""
    store = MemoryStore()
    for number in range(3):
        day = day_number(number)
        export(store, day, Given(number + 1), moment(day, 50))
        found = days_on(store).manifest(day).manifest
        assert found
        put(store, replace(found, ledger=None))
    store.delete(LEDGER)
    return store


def test_a_store_without_a_ledger_gets_its_baseline(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each day that is whole, in one step, before the first export does anything."""
    store = old_store()
    assert "nothing" not in str(verified(store, NOW))
    assert verified(store, NOW) == []
    store.delete(LAYOUT.dump(day_number(1)))
    with caplog.at_level(logging.INFO):
        Attempt(days_on(store), day_number(2), moment(day_number(2), 51))
    assert told(store) == [(str(day_number(number)), "found", number + 1) for number in (0, 2)]
    assert "ledger begun: days=2 file=ledger/2025.jsonl" in caplog.text
    export(store, day_number(2), Given(5), moment(day_number(2), 52))
    assert told(store)[2:] == [(str(day_number(2)), "replaced", 5)]


def test_a_ledger_that_is_gone_stops_exports() -> None:
    """No new one is begun by itself. One that a person puts there, empty, is; what the old one told is missed."""
    store = MemoryStore()
    for number in range(2):
        export(store, day_number(number), Given(), moment(day_number(number), 50))
    store.delete(LEDGER)
    with pytest.raises(LedgerError, match=r"the ledger is gone .*put an empty object of that name there"):
        export(store, DAY, Given(9), moment(DAY, 99))
    assert len(verified(store, moment(day_number(2), 3))) == 2
    store.put(LEDGER, b"", None, {})
    export(store, DAY, Given(9), moment(DAY, 99))
    assert told(store) == [(str(day), "found", 3) for day in (DAY, day_number(1))] + [(str(DAY), "replaced", 9)]
    (one,) = verified(store, moment(day_number(2), 3))
    assert "line 2 is not the one that the manifest of 2025-11-07 names" in one


def test_a_broken_ledger_is_told_and_gone_on_with(caplog: pytest.LogCaptureFixture) -> None:
    """Once a run; no night is lost over it."""
    store = MemoryStore()
    for number in range(2):
        export(store, day_number(number), Given(), moment(day_number(number), 50))
    text = (store.read(LEDGER) or (b"",))[0]
    first, second = text.splitlines(keepends=True)
    store.delete(LEDGER)
    store.append(LEDGER, first, at=0)
    days = days_on(store)
    for events in (8, 9):
        Attempt(days, day_number(1), moment(day_number(1), 60)).end(Given(events))
    broken = [record.message for record in caplog.records if record.message.startswith("ledger broken: ")]
    (one,) = broken
    assert one == (
        "ledger broken: reason=the manifest of 2025-11-07 names line 2, and the ledger has no such line: its end was "
        "cut off, or it was written anew"
    )
    assert [events for _, _, events in told(store)] == [3, 8, 9]
    assert second


@pytest.mark.parametrize("other_ends", [True, False])
def test_who_loses_the_race_writes_what_stands(other_ends: bool) -> None:
    """Two that have looked at the same day: the newest line is the day that stands."""
    store = MemoryStore()
    export(store, DAY, Given(3), moment(DAY, 26))
    slow, fast = (Attempt(days_on(store), DAY, moment(DAY, 50), run) for run in ("slow", "fast"))

    def overtaken(step: Step, _done: int, _total: int | None) -> None:
        if step is Step.RECORDED and other_ends:
            fast.stored = days_on(store).stored(DAY)
            fast.end(Given(5))

    assert (slow.end(Given(4), progress=overtaken) is None) is other_ends
    assert verified(store, moment(day_number(1), 3)) == []
    assert told(store)[-1][1:] == (("found", 5) if other_ends else ("replaced", 4))


def checked(store: Store, day: date) -> tuple[Verified, Audit]:
    """A day held against the ledger."""
    audit = Audit(days_on(store).ledger, 2025)
    return verify_day(day, days_on(store), audit), audit


def accepted(store: Store, day: date) -> Verified:
    """After a person has said that it is right."""
    found, audit = checked(store, day)
    return accept(found, days_on(store), audit, "run-me", NOW)


def test_what_a_person_restored_is_put_on_record(caplog: pytest.LogCaptureFixture) -> None:
    """A whole day of other bytes: a line says what is there, and the manifest names it."""
    store = MemoryStore()
    export(store, DAY, Given(3), moment(DAY, 50))
    manifest = days_on(store).manifest(DAY).manifest
    assert manifest
    put(store, manifest, dump_of(lines_of(DAY, 2)))
    assert checked(store, DAY)[0].damaged
    assert accepted(store, DAY).problem is None
    assert told(store)[1:] == [(str(DAY), "found", 2)]
    assert "2025-11-06: put into the ledger as it is now. Before: the day is not what line 1" in caplog.text
    assert verified(store, moment(day_number(1), 3)) == []
    assert accepted(store, DAY).problem is None
    assert len(told(store)) == 2


def test_what_a_person_deleted_is_put_on_record() -> None:
    """And is asked for no more; if only a part of it is gone, nothing is accepted."""
    store = MemoryStore()
    for number in range(2):
        export(store, day_number(number), Given(), moment(day_number(number), 50))
    store.delete(LAYOUT.manifest(DAY))
    assert "not accepted: a day has to fit its own manifest, or to be gone with it" in str(accepted(store, DAY).problem)
    store.delete(LAYOUT.dump(DAY))
    assert "it was deleted" in str(checked(store, DAY)[0].problem)
    assert accepted(store, DAY).problem is None
    assert told(store)[2:] == [(str(DAY), "deleted", 3)]
    assert verified(store, moment(day_number(2), 3)) == []
    export(store, DAY, Given(), moment(DAY, 99))
    assert verified(store, moment(day_number(2), 3)) == []


def test_a_deleted_day_that_is_there_again_is_found() -> None:
    """Somebody has put back what was deleted on purpose: dump and manifest, just as they were."""
    store = MemoryStore()
    for number in range(2):
        export(store, day_number(number), Given(), moment(day_number(number), 50))
    names = (LAYOUT.dump(DAY), LAYOUT.manifest(DAY))
    before = [store.read(name) for name in names]
    for name in names:
        store.delete(name)
    assert accepted(store, DAY).problem is None
    assert verified(store, moment(day_number(2), 3)) == []
    for name, had in zip(names, before, strict=True):
        store.write(name, had[0] if had else b"", seen=None, metadata={})
    (one,) = verified(store, moment(day_number(2), 3))
    assert "was deleted, and it is there" in one or "its manifest says" in one, one


def test_bytes_that_do_not_fit_are_not_accepted(tmp_path: Path) -> None:
    """Whatever a person says."""
    store = LocalStore(tmp_path)
    export(store, DAY, Given(3), moment(DAY, 50))
    path = tmp_path / LAYOUT.dump(DAY)
    path.write_bytes(path.read_bytes().replace(b"uuid", b"uuiD"))
    assert accepted(store, DAY).problem
    assert len(told(store)) == 1


def test_the_line_is_of_what_the_manifest_says() -> None:
    """Bytes and hashes, of rejected lines too."""
    store = MemoryStore()
    export(store, DAY, Given(3, rejected=2), moment(DAY, 50))
    (line,) = days_on(store).ledger.entries()
    manifest = days_on(store).manifest(DAY).manifest
    assert manifest
    assert line.content == Content.of(manifest)
    assert line.rejected_sha256
    assert (line.run, line.at) == ("run-1", moment(DAY, 50))
    assert Change(DAY, "checked", line.content, "run-1", NOW).content.bytes == manifest.size


def test_what_happens_while_days_are_read_back_accuses_nobody() -> None:
    """The ledger was read before, and the day changed since: it is read again before anything is said."""
    store = MemoryStore()
    export(store, DAY, Given(3), moment(DAY, 26))
    days = days_on(store)
    audit = Audit(days.ledger, 2025)
    export(store, DAY, Given(4), moment(DAY, 50))
    export(store, day_number(1), Given(4), moment(day_number(1), 50))
    assert [verify_day(day, days, audit).problem for day in (DAY, day_number(1))] == [None, None]


def test_nobody_publishes_past_a_ledger_that_is_gone() -> None:
    """Not even who did not look before: no line begins a new one by itself. Without any day before, it does."""
    store = MemoryStore()
    export(store, DAY, Given(3), moment(DAY, 26))
    slow = Attempt(days_on(store), DAY, moment(DAY, 50))
    slow.days = days_on(store)  # another object, which has not looked
    store.delete(LEDGER)
    with pytest.raises(LedgerError):
        slow.end(Given(4))
    assert store.stat(LEDGER) is None
