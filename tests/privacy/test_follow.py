"""Whom Amplitude deletes is proposed here, or erased, night after night; nobody's id is told."""

import logging
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.app.following import follow
from exporter.days.erasures import Erasure, Erasures
from exporter.days.verify import verify_day
from exporter.errors import SettingsError
from exporter.export import export_day
from exporter.privacy.ids import Ids, ids_in
from exporter.report import Step
from exporter.settings import Settings
from exporter.simulator import Deletion, OnDeletions, Simulator, Status
from exporter.wiring import follow_deletions, kept_in, new_run, open_days, open_exporter
from tests.kit import DAY, KEYS, Time, dump_of
from tests.kit.rules import FEW_HOURS, LAYOUT, moment
from tests.privacy.test_stays import KEY, leaked, others

NIGHT = Time(datetime(2025, 11, 9, 2, 0, tzinfo=UTC))
JOB = date(2025, 11, 8)
DAYS = [DAY, DAY + timedelta(days=1)]


class World:
    """Two days of a project, and a night."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.simulator = simulator
        self.settings = Settings(
            api_key=KEYS[0],
            secret_key=KEYS[1],
            base_url=simulator.url,
            data_dir=folder / "data",
            erasure_key=KEY,
            erase_follow="on",
            delay_seconds=0,
        )
        with open_exporter(self.settings, NIGHT.clock(), "run-1") as core:
            for day in DAYS:
                export_day(day, core)

    def people(self) -> list[int]:
        """Amplitude's ids of those who have events, in the order in which they come."""
        found = [number for day in DAYS for line in self.simulator.lines(day) for number in ids_in(line).amplitude]
        return list(dict.fromkeys(found))

    def lists(self, *numbers: int, status: str = "done") -> None:
        """Amplitude's list has them, too."""
        for number in numbers:
            self.simulator.add(Deletion(number, JOB, status))

    def night(self, progress: Any = None, **chosen: Any) -> None:
        """What a night does with the list."""
        run = new_run(NIGHT.moment)
        follow_deletions(replace(self.settings, **chosen), NIGHT.clock(), run, *([progress] if progress else []))

    def records(self) -> list[Erasure]:
        """What is on record."""
        with open_days(self.settings) as days:
            return list(Erasures(days.store, days.layout, days.foreign).all())

    def gone(self, *numbers: int) -> bool:
        """Whether exactly those are not in the days any more; the days are whole, and hold nobody who was erased."""
        ids = Ids(amplitude=frozenset(numbers))
        with open_days(self.settings) as days:
            for day in DAYS:
                assert verify_day(day, days).problem is None
                left = dump_of(others(self.simulator.lines(day), ids))
                if b"".join(days.store.stream(LAYOUT.dump(day))) != left:
                    return False
        return True

    def told(self, caplog: pytest.LogCaptureFixture) -> list[str]:
        """What was logged of it since the last time; nobody's id is in any line of ours, or in a record."""
        lines = [r.getMessage() for r in caplog.records if r.name.startswith("exporter.") and "simulator" not in r.name]
        caplog.clear()
        every = Ids(amplitude=frozenset(self.people()))
        files = [path for path in self.settings.data_dir.rglob("*.json*") if not path.name.endswith("dump.json")]
        assert not leaked(every, *lines, *(path.read_text() for path in files))
        return [line for line in lines if line.startswith("deletions ")]


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Any:
    """A world, and what is logged in it."""
    with Simulator(events_per_hour=30, contents=FEW_HOURS) as simulator:
        made = World(tmp_path, simulator)
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            yield made


def test_who_is_left_is_proposed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """With the command that erases them, and nothing is done; who can be taken off the list is not proposed."""
    anna, bert, carl, *_ = world.people()
    world.lists(anna, bert)
    world.lists(carl, status="staging")
    world.night()
    (line,) = world.told(caplog)
    assert line.startswith("deletions listed: count=3 erased=0 waiting=1 left=2. Look at them with `erase --from-amp")
    assert world.gone()
    assert world.records() == []
    (request,) = [one for one in world.simulator.requests if "deletions" in one.path]
    assert date.fromisoformat(request.last) - date.fromisoformat(request.first) <= timedelta(days=180)


def test_auto_erases_them(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Once: the next night finds them erased. Who is taken on later is erased later."""
    anna, bert, carl, dora, *_ = world.people()
    world.lists(anna)
    world.lists(bert, status="submitted")
    world.lists(carl, status="staging")
    world.night(erase_confirm="auto")
    assert world.told(caplog) == ["deletions listed: count=3 erased=0 waiting=1 left=2"]
    assert world.gone(anna, bert)
    world.night(erase_confirm="auto")
    assert world.told(caplog) == ["deletions listed: count=3 erased=2 waiting=1 left=0"]
    world.lists(dora)
    world.night(erase_confirm="auto")
    assert world.told(caplog) == ["deletions listed: count=4 erased=2 waiting=1 left=1"]
    assert world.gone(anna, bert, dora)
    assert [(one.state, one.by, one.reason) for one in world.records()] == [
        ("done", "EXPORT_ERASE_CONFIRM=auto", "Amplitude's list of deletions")
    ] * 2


def test_what_came_between_an_erasure_and_amplitudes_own_is_erased_too(world: World) -> None:
    """They were erased here when the job was submitted, sent events, and were deleted there: nothing of them stays."""
    anna, *_ = world.people()
    job = DAYS[1]
    early, noon = Time(datetime.combine(job, time(6), UTC)), Time(datetime.combine(job, time(23, 59), UTC))
    with open_days(world.settings) as days:  # the second day is not over yet
        for name in (LAYOUT.dump(job), LAYOUT.manifest(job)):
            days.store.delete(name)
    world.simulator.add(Deletion(anna, job, "submitted"))
    auto = replace(world.settings, erase_confirm="auto")
    follow_deletions(auto, early.clock(), "run-2")
    follow_deletions(auto, noon.clock(), "run-3")
    assert len(world.records()) == 1
    with open_exporter(world.settings, NIGHT.clock(), "run-4") as core:
        export_day(job, core, force=True)
    assert not world.gone(anna)
    for _ in range(2):
        world.night(erase_confirm="auto")
    assert world.gone(anna)
    assert len(world.records()) == 2


def test_who_has_no_event_here_is_done_at_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is written anew; a later export of an older day would leave them out."""
    world.lists(4711)
    world.night(erase_confirm="auto")
    assert world.gone()
    world.night(erase_confirm="auto")
    assert world.told(caplog)[-1] == "deletions listed: count=1 erased=1 waiting=0 left=0"


def test_what_was_stopped_goes_on(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Although the list has grown since: the erasure that is open ends, and the new person gets one of their own."""
    anna, bert, *_ = world.people()
    world.lists(anna)

    def stop(step: Step, _done: int, _total: int | None) -> None:
        if step is Step.CLEARING:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.night(stop, erase_confirm="auto")
    assert [one.state for one in world.records()] == ["begun"]
    world.lists(bert)
    caplog.clear()
    follow_deletions(replace(world.settings, erase_confirm="auto"), NIGHT.clock(), "run-3")
    assert world.told(caplog) == ["deletions listed: count=2 erased=0 waiting=0 left=2"]
    assert world.gone(anna, bert)
    assert [one.state for one in world.records()] == ["done", "done"]


@pytest.mark.parametrize(
    ("faults", "chosen", "sentence"),
    [
        ([Status(403)], {}, "Amplitude refuses the keys"),
        ([Status(503)] * 5, {}, "status 503, after every retry"),
        ([Status(200, b'{"deletions":[]}')], {}, "Version 2, which deletes in the whole organization"),
        ([], {"erasure_key": ""}, "EXPORT_ERASURE_KEY is missing"),
        ([], {"base_url": "http://127.0.0.1:9", "max_attempts": 1}, "Connection refused"),
    ],
)
def test_what_goes_wrong_is_a_warning(
    world: World, faults: list[Status], chosen: dict[str, Any], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No night is failed by it, and nothing is erased."""
    anna, *_ = world.people()
    world.lists(anna)
    for fault in faults:
        world.simulator.add(OnDeletions(fault))
    world.night(erase_confirm="auto", **chosen)
    (line,) = [line for line in world.told(caplog) if line.startswith("deletions failed: reason=")]
    assert sentence in line
    assert world.gone()


def test_a_night_has_so_much_time(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """What is begun then goes on the next night."""
    anna, *_ = world.people()
    world.lists(anna)
    time = Time(NIGHT.moment)

    def slow(_step: Step, _done: int, _total: int | None) -> None:
        time.pass_by(100)

    auto = replace(world.settings, erase_confirm="auto")
    follow_deletions(auto, time.clock(), "run-2", slow, seconds=300)
    assert "deletions failed: reason=there was no time left" in world.told(caplog)[-1]
    world.night(erase_confirm="auto")
    assert world.gone(anna)


def test_nothing_is_asked_unless_it_is_set(world: World) -> None:
    """Whoever does not follow needs no right to that list."""
    before = len(world.simulator.requests)
    world.night(erase_follow="")
    assert len(world.simulator.requests) == before


def test_the_app_follows_and_never_raises(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The timer is not repeated for it; the keys, which only this needs, may be wrong."""
    anna, *_ = world.people()
    world.lists(anna)

    def wrong() -> Settings:
        raise SettingsError("AMP_API_KEY: the Key Vault reference is not resolved yet")

    follow(world.settings, wrong, NIGHT.clock(), "run-2")
    follow(world.settings, lambda: world.settings, NIGHT.clock(), "run-2")
    failed, listed = world.told(caplog)
    assert failed == "deletions failed: reason=AMP_API_KEY: the Key Vault reference is not resolved yet"
    assert listed.startswith("deletions listed: count=1 erased=0 waiting=0 left=1")
    follow(replace(world.settings, erase_follow=""), wrong, NIGHT.clock(), "run-2")
    assert world.told(caplog) == []


def test_a_later_export_leaves_them_out(world: World) -> None:
    """As with everybody who was erased: Amplitude may take a month until it does so itself."""
    anna, *_ = world.people()
    world.lists(anna, status="submitted")
    world.night(erase_confirm="auto")
    with open_exporter(world.settings, Time(moment(DAY, 200)).clock(), "run-3") as core:
        for day in DAYS:
            export_day(day, core, force=True)
    assert world.gone(anna)
    with open_days(world.settings) as days:
        assert kept_in(days, world.settings).check() == 1
