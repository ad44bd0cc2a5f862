"""Days, attempts, kills, faults and contradictions in any order, against the real client, loader and stores."""

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from exporter.days.audit import Audit
from exporter.days.coverage import Coverage
from exporter.days.manifest import SETTLED, Manifest
from exporter.days.repair import note_verified
from exporter.days.verify import verify_day
from exporter.errors import ExportError
from exporter.export import Exporter, Limits, export_day
from exporter.report import Progress, Step
from exporter.run import export_due
from exporter.settings import Settings
from exporter.store import ANY, Store
from exporter.store.folder import LocalStore
from exporter.wiring import days_in, new_client
from tests.kit import DAY, Time, dump_of
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, moment
from tests.kit.scripted import HOURS, KINDS, ScriptedApi, lines

DAYS = [DAY + timedelta(days=number) for number in range(3)]
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "260"))
STEPS = 40
days = st.sampled_from(DAYS)
hours = st.sampled_from(HOURS)
scripts = st.lists(st.sampled_from(KINDS), max_size=6)


class Killed(BaseException):
    """The exporter is gone, at whatever step it was."""


class Doom:
    """Kills an exporter at one of its steps; None: never."""

    def __init__(self, steps: int | None) -> None:
        self._left = steps

    def __call__(self, _step: Step, _done: int = 0, _total: int | None = None) -> None:
        """One more step."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed


EXPORTS: Counter[str] = Counter()
"""How many exports all the examples of a machine made."""


class Machine(RuleBasedStateMachine):
    """One store and one project. What a whole day has once is never taken away, but by force."""

    store: Store

    def new_store(self) -> Store:
        """An empty store."""
        raise AssertionError

    def watch(self, progress: Progress) -> None:
        """Let the store tell its steps to ``progress``."""
        raise AssertionError(progress)

    @initialize()
    def begin(self) -> None:
        """An empty store, and a project with events in every hour of the first day."""
        self.api = ScriptedApi({day: dict.fromkeys(HOURS, 2) for day in DAYS[:1]})
        self.api.__enter__()
        self.store = self.new_store()
        self.hour = 26
        self.whole: dict[date, Manifest] = {}

    def teardown(self) -> None:
        """The server goes."""
        if hasattr(self, "api"):
            self.api.__exit__()

    @contextmanager
    def exporter(self, doom: Doom) -> Iterator[Exporter]:
        """An exporter that may die."""
        chosen = Settings(api_key="a-key", secret_key="a-secret", base_url=self.api.url)
        clock = Time(moment(DAYS[-1], self.hour)).clock()
        self.watch(doom)
        try:
            with new_client(chosen, clock, doom) as client:
                yield Exporter(client, days_in(self.store, chosen), Limits(10**6, 1.0), clock, "run-1", doom)
        finally:
            self.watch(Doom(None))

    @rule(day=days, hour=hours, more=st.integers(1, 3))
    def events_arrive(self, day: date, hour: int, more: int) -> None:
        """Late ones, or the first of a day."""
        of_day = self.api.truth.setdefault(day, {})
        of_day[hour] = of_day.get(hour, 0) + more

    @rule(day=days, hour=hours)
    def events_expire(self, day: date, hour: int) -> None:
        """Amplitude deletes an hour's events."""
        self.api.truth.get(day, {}).pop(hour, None)

    @rule(hours=st.integers(1, 40))
    def time_passes(self, hours: int) -> None:
        """Days settle."""
        self.hour += hours

    @rule(attempts=st.lists(st.tuples(days, scripts, st.none() | st.integers(0, 30)), min_size=1, max_size=8))
    def export(self, attempts: list[tuple[date, list[str], int | None]]) -> None:
        """Some attempts, perhaps killed."""
        for day, script, steps in attempts:
            self._export(day, script, steps, force=False)

    @rule(day=days, script=st.lists(st.sampled_from(KINDS), max_size=3))
    def force(self, day: date, script: list[str]) -> None:
        """A person takes what Amplitude has now."""
        self._export(day, script, None, force=True)

    @rule(script=scripts)
    def run(self, script: list[str]) -> None:
        """All due days."""
        self.api.script.extend(script)
        with self.exporter(Doom(None)) as core:
            result = export_due(core)
        EXPORTS[type(self).__name__] += len(result.done) + len(result.failed)
        self.api.script.clear()
        self._look()

    @rule(day=days)
    def flip(self, day: date) -> None:
        """A byte of a dump changes, its size not; somebody verifies."""
        stored = self.store.read(LAYOUT.dump(day))
        if not stored or len(stored[0]) < 10:
            return
        text = bytearray(stored[0])
        text[len(text) // 2] ^= 1
        entry = self.store.stat(LAYOUT.dump(day))
        self.store.write(LAYOUT.dump(day), bytes(text), seen=ANY, metadata=(entry and entry.metadata) or {})
        held = days_on(self.store)
        note_verified(verify_day(day, held), held, "run-v", moment(DAYS[-1], self.hour))
        self._look()

    @rule(day=days, other=days)
    def mix_up(self, day: date, other: date) -> None:
        """A manifest is copied over another day's."""
        stored = self.store.read(LAYOUT.manifest(day))
        if stored and day != other:
            entry = self.store.stat(LAYOUT.manifest(day))
            name = LAYOUT.manifest(other)
            self.store.write(name, stored[0], seen=ANY, metadata=(entry and entry.metadata) or {})
            self._look()

    def _export(self, day: date, script: list[str], steps: int | None, *, force: bool) -> None:
        self.api.script.extend(script)
        self.api.seen.clear()
        done = None
        try:
            with self.exporter(Doom(steps)) as core:
                done = export_day(day, core, force=force)
        except (ExportError, Killed):
            pass
        EXPORTS[type(self).__name__] += 1
        self.api.script.clear()
        if force:
            self.whole.pop(day, None)
        if done and done.outcome != "kept":
            self._check_evidence(done.manifest)
        self._look()

    def _check_evidence(self, manifest: Manifest) -> None:
        """What any answer of the attempt showed is in the day, whatever the later ones said."""
        found = {int(hour) for hour, events in manifest.event_hours().items() if events}
        for asked, named in self.api.seen:
            assert (named or frozenset()) <= found, (asked, named, found)
            if named is None and manifest.state in SETTLED:
                assert found & set(asked), (asked, found)

    def _look(self) -> None:
        """What is whole now may not have lost an event that was there before."""
        for row in self.coverage().rows:
            stored = self.store.read(LAYOUT.manifest(row.day))
            if row.good and stored:
                manifest = Manifest.from_json(stored[0], "", row.day)
                before = self.whole.get(row.day)
                if before:
                    has = manifest.event_hours()
                    assert all(has[hour] >= events for hour, events in before.event_hours().items()), row.day
                self.whole[row.day] = manifest
        self._look_at_the_ledger()

    def _look_at_the_ledger(self) -> None:
        """It is one chain, whatever died and met; each day that is good is its newest line."""
        audit = Audit(days_on(self.store).ledger, moment(DAYS[-1], self.hour).year)
        assert audit.problems == []
        for row in self.coverage().rows:
            read = days_on(self.store).manifest(row.day)
            if row.good and not row.interrupted and read.manifest:
                assert audit.held(row.day, read.manifest).problem == "", row.day

    def coverage(self) -> Coverage:
        """What the store holds."""
        return days_on(self.store).coverage(moment(DAYS[-1], self.hour))

    @invariant()
    def nothing_is_partial(self) -> None:
        """A dump is a whole array of events that were sent, each once and in order; a good day's manifest proves it."""
        if not hasattr(self, "api"):
            return
        rows = {row.day: row for row in self.coverage().rows}
        for day in DAYS:
            stored = self.store.read(LAYOUT.dump(day))
            if not stored:
                assert day not in rows or not rows[day].whole
                continue
            text = stored[0]
            row = rows.get(day)
            if row and row.good:
                manifest = Manifest.from_json((self.store.read(LAYOUT.manifest(day)) or (b"",))[0], "", day)
                assert (manifest.sha256, manifest.size) == (hashlib.sha256(text).hexdigest(), len(text))
                events = [json.loads(line) for line in text.splitlines()[1:-1] for line in [line.rstrip(b",")]]
                has = {int(hour): count for hour, count in manifest.event_hours().items()}
                assert [event["uuid"] for event in events] == [json.loads(each)["uuid"] for each in lines(day, has)]
                assert text == dump_of(lines(day, has))


class FolderMachine(Machine):
    """In a folder."""

    def new_store(self) -> Store:
        """A new folder."""
        self._folder = tempfile.mkdtemp(prefix="model-")
        return LocalStore(Path(self._folder))

    def watch(self, progress: Progress) -> None:
        """See Machine."""
        self.store = LocalStore(Path(self._folder), progress)

    def teardown(self) -> None:
        """The folder goes, too."""
        super().teardown()
        if hasattr(self, "_folder"):
            shutil.rmtree(self._folder)


class ContainerMachine(Machine):
    """In a store that keeps metadata."""

    def new_store(self) -> Store:
        """A new one."""
        self._objects = MemoryStore()
        return self._objects

    def watch(self, progress: Progress) -> None:
        """See Machine."""
        self._objects.progress = progress


BOUNDS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),  # a failing example is told as it is: making it smaller takes minutes
    derandomize="MODEL_EXAMPLES" not in os.environ,
    print_blob=True,
)


@pytest.mark.parametrize(("machine", "least"), [(FolderMachine, 4_700), (ContainerMachine, 5_300)])
def test_whatever_happens(machine: type[Machine], least: int) -> None:
    """In a folder, and in a store that keeps metadata: the invariants above hold, in 10,000 exports together."""
    run_state_machine_as_test(machine, settings=BOUNDS)
    told = "MODEL_EXAMPLES" in os.environ  # how many are up to whoever called
    assert told or EXPORTS[machine.__name__] >= least
