"""A person who was erased does not come back, whatever is exported again, and nobody else loses an event."""

import gzip
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.days.layout import Layout
from exporter.days.manifest import EMPTY, FINAL, Manifest
from exporter.days.repair import note_verified
from exporter.days.rules import Outcome
from exporter.days.verify import verify_day
from exporter.errors import PermanentError, RetriableError
from exporter.export import DayExported, export_day
from exporter.privacy.ids import Ids, ids_in
from exporter.privacy.keyed import Kept
from exporter.report import Step
from exporter.settings import Settings
from exporter.simulator import Missing, OddLine, Resized, Simulator
from exporter.store import ANY, Store
from exporter.store.folder import LocalStore
from exporter.wiring import days_in, open_exporter
from tests.kit import DAY, KEYS, RawServer, Time, dump_of, http, member, zipped
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, LAYOUT, exporter_on, first_look, moment, second_look
from tests.store.contract import text_of

KEY, OTHER = "the key of the tests, 32 or more 0123", "another key of the tests, 32 or more 4"
DUMP, MANIFEST, REJECTED, FAILURE = LAYOUT.dump(DAY), LAYOUT.manifest(DAY), LAYOUT.rejected(DAY), LAYOUT.failure(DAY)
LATER = moment(DAY, 1000)
BUSY = "17"


@pytest.fixture(params=["folder", "container"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store without metadata, and one that keeps them."""
    return LocalStore(tmp_path / "data") if request.param == "folder" else MemoryStore()


@contextmanager
def project(*scripted: Any) -> Iterator[Simulator]:
    """A project with two hours of some dozen events a day."""
    with Simulator(events_per_hour=60, contents=FEW_HOURS) as simulator:
        for one in scripted:
            simulator.add(one)
        yield simulator


def exported(store: Store, simulator: Simulator, now: Time, *, force: bool = False, **chosen: Any) -> DayExported:
    """Export DAY once, with the key."""
    with exporter_on(store, simulator, now, **{"erasure_key": KEY} | chosen) as core:
        return export_day(DAY, core, force=force)


def person(simulator: Simulator, *, most: bool = True) -> Ids:
    """All ids of whoever has most events of the day (or fewest)."""
    found = [ids_in(line) for line in simulator.lines(DAY)]
    return (max if most else min)((one for one in found if one.users), key=found.count)


def others(lines: list[bytes], ids: Ids) -> list[bytes]:
    """The lines of everybody else."""
    return [line for line in lines if not ids_in(line).meet(ids)]


def remember(store: Store, ids: Ids, before: datetime = LATER, name: str = "one") -> None:
    """What an erasure does first."""
    Kept(store, Layout(), KEY).remember(ids, name, before)


def manifest_in(store: Store) -> Manifest:
    """The manifest that stands."""
    found = store.read(MANIFEST)
    assert found
    return Manifest.from_json(found[0], MANIFEST, DAY)


def saved(store: Store) -> dict[str, tuple[bytes, dict[str, str]]]:
    """The day's dump and manifest as they are now, to be restored."""
    found = {}
    for name in (DUMP, MANIFEST):
        entry = store.stat(name)
        assert entry
        found[name] = text_of(store, name), dict(entry.metadata or {})
    return found


def restore(store: Store, version: dict[str, tuple[bytes, dict[str, str]]]) -> None:
    """Put an older version of the day back, as a person does with a copy or Azure with a blob's version."""
    for name, (text, metadata) in version.items():
        store.write(name, text, seen=ANY, metadata=metadata)


def verified(store: Store, key: str = KEY) -> str | None:
    """What reading the day back finds."""
    days = days_in(store, Settings(erasure_key=key))
    return note_verified(verify_day(DAY, days), days, "run-v", LATER).problem


@pytest.mark.parametrize("force", [False, True])
def test_an_export_leaves_the_person_out(store: Store, force: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Everybody else's events have their bytes, in their order; the manifest counts what was left out."""
    with project() as simulator, caplog.at_level(logging.DEBUG):
        lines = simulator.lines(DAY)
        ids = person(simulator)
        exported(store, simulator, first_look())
        remember(store, ids)
        result = exported(store, simulator, second_look(), force=force)
        again = exported(store, simulator, second_look(), force=force)
    left = others(lines, ids)
    assert text_of(store, DUMP) == dump_of(left)
    assert 0 < len(left) < len(lines)
    assert (result.outcome, again.outcome) == (Outcome.REPLACED, Outcome.UNCHANGED)
    for manifest in (result.manifest, manifest_in(store)):
        assert (manifest.events, manifest.erased, manifest.state) == (len(left), len(lines) - len(left), FINAL)
        assert sum(manifest.event_days.values()) == len(left)
    assert verified(store) is None
    assert not leaked(ids, caplog.text, text_of(store, MANIFEST).decode())


def leaked(ids: Ids, *texts: str) -> list[str]:
    """Ids that stand in one of the texts."""
    every = [*ids.users, *map(str, ids.amplitude), *ids.devices]
    return [one for one in every for text in texts if one in text]


def test_somebody_who_was_never_here_changes_nothing(store: Store) -> None:
    """Not a byte, and no figure."""
    with project() as simulator:
        first = exported(store, simulator, second_look())
        before = store.stat(DUMP)
        remember(store, Ids(frozenset({"nobody"}), frozenset({1}), frozenset({"none"})))
        again = exported(store, simulator, second_look())
    assert again.outcome is Outcome.UNCHANGED
    assert store.stat(DUMP) == before
    assert b"erased" not in text_of(store, MANIFEST)
    assert again.manifest.events == first.manifest.events


def test_what_was_uploaded_after_the_request_stays(store: Store) -> None:
    """Asked in the middle of the day's busy hour: the person's events before it are gone, those after it are there."""
    with project() as simulator:
        lines = simulator.lines(DAY)
        ids = person(simulator)
        times = sorted(upload(line) for line in lines if ids_in(line).meet(ids) and upload(line)[11:13] == BUSY)
        asked = datetime.fromisoformat(times[len(times) // 2] + "+00:00").replace(microsecond=0) + timedelta(seconds=1)
        remember(store, ids, asked)
        exported(store, simulator, second_look())
    left = [line for line in lines if not ids_in(line).meet(ids) or upload(line) >= f"{asked:%Y-%m-%d %H:%M:%S}"]
    assert text_of(store, DUMP) == dump_of(left)
    assert len(others(lines, ids)) < len(left) < len(lines)


def upload(line: bytes) -> str:
    """When an event was uploaded."""
    return str(json.loads(line)["server_upload_time"])


def test_a_day_after_the_request_needs_no_key(store: Store) -> None:
    """Whoever loses it can still export what was uploaded afterwards."""
    with project() as simulator:
        remember(store, person(simulator), moment(DAY, 0))
        assert exported(store, simulator, second_look(), erasure_key="").manifest.erased == 0


@pytest.mark.parametrize(("key", "sentence"), [("", "EXPORT_ERASURE_KEY is missing"), (OTHER, "is not the key")])
def test_without_the_key_nothing_is_written(store: Store, key: str, sentence: str) -> None:
    """Neither a day that is there is changed, nor one that is not there written; nothing is asked of Amplitude."""
    with project() as simulator:
        ids = person(simulator)
        remember(store, ids)
        with pytest.raises(PermanentError, match=f"{sentence}.*Nothing was written"):
            exported(store, simulator, second_look(), erasure_key=key)
        assert store.stat(DUMP) is None
        assert simulator.requests == []
        exported(store, simulator, second_look())
        before = saved(store)
        with pytest.raises(PermanentError, match=f"{sentence}.*Nothing was written"):
            exported(store, simulator, second_look(), force=True, erasure_key=key)
        assert saved(store) == before
        assert simulator.requests[1:] == []


def test_a_restored_version_is_replaced(store: Store) -> None:
    """It has more events than Amplitude's without the person's: those are meant to be missing."""
    with project() as simulator:
        lines, ids = simulator.lines(DAY), person(simulator)
        exported(store, simulator, second_look())
        old = saved(store)
        remember(store, ids)
        exported(store, simulator, second_look())
        restore(store, old)
        told = verified(store)
        assert f"{DUMP} holds {len(lines) - len(others(lines, ids))} events of people who were erased" in str(told)
        result = exported(store, simulator, second_look())
    assert (result.outcome, verified(store)) == (Outcome.REPLACED, None)
    assert text_of(store, DUMP) == dump_of(others(lines, ids))
    assert store.stat(FAILURE) is None


@pytest.mark.parametrize("verify_first", [False, True])
def test_a_restored_version_is_replaced_although_amplitude_forgot_the_person(store: Store, verify_first: bool) -> None:
    """Then nothing is left out of what it gives; what is missing there is counted in the dump that is there."""
    with project() as simulator:
        lines = simulator.lines(DAY)
        last, more = [line for line in lines if upload(line)[11:13] == BUSY][-1], ids_in(lines[-1])
        assert ids_in(last) == more
        ids = Ids(devices=more.devices)
        exported(store, simulator, second_look())
        old = saved(store)
        remember(store, ids)
        at_the_end = len(lines) - len(others(lines, ids))
        # the person's last events are gone at Amplitude: those at the end of the hour
        tail = next(n for n, line in enumerate(reversed(lines)) if not ids_in(line).meet(ids))
        simulator.add(Resized(BUSY, -tail))
        restore(store, old)
        if verify_first:
            assert "events of people who were erased" in str(verified(store))
        result = exported(store, simulator, second_look())
    assert result.outcome is Outcome.REPLACED
    assert text_of(store, DUMP) == dump_of(others(lines, ids))
    assert result.manifest.erased == at_the_end


def test_half_of_a_version_is_restored(store: Store) -> None:
    """The dump alone: the day is exported again, without the person. The manifest alone: a person has to say so."""
    with project() as simulator:
        lines, ids = simulator.lines(DAY), person(simulator)
        exported(store, simulator, second_look())
        old = saved(store)
        remember(store, ids)
        exported(store, simulator, second_look())
        restore(store, {DUMP: old[DUMP]})
        exported(store, simulator, second_look())
        assert text_of(store, DUMP) == dump_of(others(lines, ids))
        restore(store, {MANIFEST: old[MANIFEST]})
        with pytest.raises(RetriableError, match="force the day if fewer is right"):
            exported(store, simulator, second_look())
        exported(store, simulator, second_look(), force=True)
    assert text_of(store, DUMP) == dump_of(others(lines, ids))
    assert verified(store) is None


def test_nobody_else_vanishes_behind_an_erasure(store: Store) -> None:
    """Amplitude has lost an event of somebody else: the day is kept, and what is still in it is said loudly."""
    with project() as simulator:
        lines = simulator.lines(DAY)
        ids = person(simulator)
        assert not ids_in(lines[-1]).meet(ids)
        exported(store, simulator, second_look())
        remember(store, ids)
        simulator.add(Resized(BUSY, -1))
        before = text_of(store, DUMP)
        with pytest.raises(PermanentError, match=r"events of people who were erased.*erase those people again"):
            exported(store, simulator, second_look())
        assert text_of(store, DUMP) == before
        forced = exported(store, simulator, second_look(), force=True)
    assert forced.outcome is Outcome.REPLACED
    assert text_of(store, DUMP) == dump_of(others(lines[:-1], ids))


def test_an_erasure_does_not_make_fewer_right(store: Store) -> None:
    """After the person's events are gone, one event fewer is one too few, as on any other day."""
    with project() as simulator:
        lines, ids = simulator.lines(DAY), person(simulator)
        remember(store, ids)
        exported(store, simulator, second_look())
        simulator.add(Resized(BUSY, -1))
        result = exported(store, simulator, second_look())
    assert result.outcome is Outcome.KEPT
    assert text_of(store, DUMP) == dump_of(others(lines, ids))


def test_a_day_of_nobody_else_is_empty(store: Store) -> None:
    """All its people were erased: what was there goes, and what comes from Amplitude is left out."""
    with project() as simulator:
        every = Ids()
        for line in simulator.lines(DAY):
            every |= ids_in(line)
        exported(store, simulator, first_look())
        remember(store, every)
        result = exported(store, simulator, second_look())
        for hour in ("03", BUSY):
            simulator.add(Missing(hour))
        again = exported(store, simulator, second_look())
    assert (result.outcome, result.manifest.events, result.manifest.state) == (Outcome.REPLACED, 0, EMPTY)
    assert (again.outcome, again.manifest.erased) == (Outcome.UNCHANGED, result.manifest.erased)
    assert text_of(store, DUMP) == b"[]\n"


def test_rejected_lines_of_the_person_go_too(store: Store) -> None:
    """Those of others keep their number in the member; the count of rejected lines is of what is kept."""
    with project(OddLine("nan", "03", line=2), OddLine("nan", "17")) as simulator:
        lines = simulator.lines(DAY)
        rejected = [line for line in lines if b"NaN" in line]
        ids = Ids(devices=ids_in(rejected[0]).devices)
        exported(store, simulator, second_look())
        before = [json.loads(line) for line in text_of(store, REJECTED).splitlines()]
        remember(store, ids)
        result = exported(store, simulator, second_look(), force=True)
    after = [json.loads(line) for line in text_of(store, REJECTED).splitlines()]
    assert after == before[1:]
    assert (result.manifest.rejected, len(before)) == (1, 2)
    left = [line for line in others(lines, ids) if line not in rejected]
    assert text_of(store, DUMP) == dump_of(left)
    assert result.manifest.erased == len(lines) - len(left) - len(rejected)


def test_evidence_counts_what_is_left_out(tmp_path: Path) -> None:
    """A spoilt archive showed two events of an hour, one of them to be left out; one alone is too few afterwards."""
    erased, other = b'{"user_id":"erased"}', b'{"user_id":"other"}'
    both, one = (gzip.compress(b"\n".join(lines)) for lines in ([erased, other], [other]))
    spoilt, sound, fewer = (
        http(200, zipped([(member(5), first), (member(6), second)]))
        for first, second in ((both, one[:-1]), (both, one), (one, one))
    )
    store = LocalStore(tmp_path)
    remember(store, Ids(frozenset({"erased"})))
    with RawServer(spoilt, *[fewer] * 4, spoilt, sound) as server:
        settings = Settings(
            api_key=KEYS[0], secret_key=KEYS[1], base_url=server.url, data_dir=tmp_path, erasure_key=KEY
        )
        with open_exporter(settings, second_look().clock(), "run-1") as core:
            with pytest.raises(RetriableError, match="less in the hours 05 now, and there was more before"):
                export_day(DAY, core)
            assert export_day(DAY, core).manifest.erased == 1
    assert text_of(store, DUMP) == dump_of([other, other])


def test_who_is_erased_during_an_export_is_left_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """An erasure cannot see the day while it is at work: the export looks again when it has written it."""
    with project() as simulator:
        lines, ids = simulator.lines(DAY), person(simulator)
        done: list[Step] = []

        def erase(step: Step, _done: int, _total: int | None) -> None:
            if step is Step.PROVEN and not done:
                done.append(step)
                remember(store, ids)

        with (
            caplog.at_level(logging.INFO),
            exporter_on(store, simulator, second_look(), progress=erase, erasure_key=KEY) as core,
        ):
            result = export_day(DAY, core)
    assert text_of(store, DUMP) == dump_of(others(lines, ids))
    assert result.manifest.erased == len(lines) - len(others(lines, ids))
    assert "somebody was erased while it was exported" in caplog.text


def test_quiet_hours_are_not_those_of_erased_people(store: Store) -> None:
    """A busy hour of one person, who is left out of the day after: nothing fell silent there."""
    next_day = DAY + timedelta(days=1)
    with Simulator(events_per_hour=400, contents=FEW_HOURS) as simulator:
        every = Ids()
        for line in simulator.lines(next_day):
            every |= ids_in(line)
        exported(store, simulator, second_look())
        remember(store, every)
        with exporter_on(store, simulator, Time(moment(next_day, 50)), erasure_key=KEY) as core:
            result = export_day(next_day, core)
    assert (result.manifest.state, result.manifest.quiet_hours) == (EMPTY, ())


def test_verify_without_the_key_reads_the_bytes(store: Store) -> None:
    """Whoever may only read has no key; that the bytes are right can be told all the same."""
    with project() as simulator:
        ids = person(simulator)
        exported(store, simulator, second_look())
        remember(store, ids)
    assert verified(store, "") is None
    assert "people who were erased" in str(verified(store))


def test_a_dump_that_is_gone_held_others_too(store: Store) -> None:
    """Amplitude gives events of the erased person only: the others' are gone, and no erasure explains that."""
    with project() as simulator:
        lines, ids = simulator.lines(DAY), person(simulator)
        everybody = Ids()
        for line in others(lines, ids):
            everybody |= ids_in(line)
        exported(store, simulator, second_look())
        remember(store, everybody)
        exported(store, simulator, second_look())
        store.delete(DUMP)
        for hour in ("03", BUSY):
            simulator.add(Missing(hour))
        with pytest.raises(RetriableError, match="is gone; its manifest tells of"):
            exported(store, simulator, second_look())
    assert store.stat(DUMP) is None
