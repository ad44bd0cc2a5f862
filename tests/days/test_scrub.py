import logging
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.days.coverage import Row
from exporter.days.ledger import Ledger
from exporter.days.manifest import FINAL, PROVISIONAL
from exporter.days.scrub import SECONDS, scrub, share, try_to_scrub
from exporter.errors import StoreError
from exporter.report import Scrubbed
from exporter.store.folder import LocalStore
from tests.kit import Time
from tests.kit.history import Given, day_number, export, verified
from tests.kit.rules import LAYOUT, days_on, moment

DAYS = 10


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Ten final days."""
    store = LocalStore(tmp_path)
    for number in range(DAYS):
        export(store, day_number(number), Given(), moment(day_number(number), 50))
    return store


def night(number: int) -> Time:
    """So many nights after the last day."""
    return Time(moment(day_number(DAYS + number), 3))


def checks(store: LocalStore) -> list[str]:
    """The days that were read back, in that order."""
    return [str(line.day) for line in Ledger(store, LAYOUT.checks).entries()]


def test_each_day_is_read_back_in_its_turn(store: LocalStore) -> None:
    """A share a night, the oldest check first; the ledger itself gets no line."""
    before = days_on(store).ledger.head(2025)
    for number in range(5):
        done = scrub(days_on(store), 4, "run-1", night(number).clock())
        assert (done.days, done.damaged, done.left) == (3, 0, 0)
    expected = [str(day_number(number)) for number in (*range(DAYS), *range(5))]
    assert checks(store) == expected
    assert Ledger(store, LAYOUT.checks).read().breaks == []
    assert days_on(store).ledger.head(2025) == before
    assert verified(store, night(0).moment) == []


def test_a_second_run_of_a_night_reads_nothing_more(store: LocalStore) -> None:
    """Also where a run is called every hour."""
    for _ in range(3):
        try_to_scrub(days_on(store), 5, "run-1", night(0).clock())
    assert len(checks(store)) == 2


def test_what_differs_is_told_and_due(store: LocalStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A bit of an old day: a warning that alerts look for, a record, and no check."""
    path = tmp_path / LAYOUT.dump(day_number(0))
    path.write_bytes(path.read_bytes().replace(b"uuid", b"uuiD"))
    with caplog.at_level(logging.INFO):
        assert scrub(days_on(store), 5, "run-1", night(0).clock()) == Scrubbed(2, 162, 1, 0)
    assert "day damaged: day=2025-11-06 reason=20251106_0000_ampl_dump.json has 3 events" in caplog.text
    assert caplog.messages[-1] == "scrub ended: days=2 bytes=162 damaged=1 left=0 ledger_lines=10"
    assert checks(store) == ["2025-11-07"]
    row = days_on(store).coverage(night(0).moment).row(day_number(0))
    assert row.damage


def test_it_ends_in_time(store: LocalStore) -> None:
    """What it did not come to is first in the next night."""
    time = night(0)
    clock = time.clock()
    real = clock.monotonic

    def slow() -> float:
        time.pass_by(SECONDS / 2.5)
        return real()

    slowly = type(clock)(clock.now, slow, clock.sleep)
    done = scrub(days_on(store), 1, "run-1", slowly)
    assert (done.days, done.left) == (2, 8)
    assert checks(store) == ["2025-11-06", "2025-11-07"]


def test_nothing_is_raised(
    store: LocalStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is away: the night's exports are done, and their run ends well. And 0 is never."""
    try_to_scrub(days_on(store), 0, "run-1", night(0).clock())
    assert checks(store) == []

    def away(*_: object) -> None:
        raise StoreError("the store is away")

    monkeypatch.setattr(LocalStore, "list", away)
    try_to_scrub(days_on(store), 5, "run-1", night(0).clock())
    assert "scrub failed: reason=the store is away" in caplog.messages


def test_a_broken_ledger_is_told_every_night(
    store: LocalStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was read from its first line on."""
    path = tmp_path / LAYOUT.ledger.name(2025)
    path.write_bytes(path.read_bytes().replace(b'"events":3', b'"events":4', 1))
    try_to_scrub(days_on(store), 5, "run-1", night(0).clock())
    assert "ledger broken: reason=line 2 in ledger/2025.jsonl does not hold the hash of line 1" in caplog.text


def test_the_share_is_of_final_days() -> None:
    """One in so many, rounded up; no day that is still looked at."""
    now = moment(day_number(9))
    rows = [Row(day_number(number), FINAL, whole=True) for number in range(7)]
    rows.append(Row(day_number(7), PROVISIONAL, whole=True))
    old, new = now - timedelta(days=40), now - timedelta(days=1)
    checked = {day_number(number): old if number < 3 else new for number in range(6)}
    assert share(rows, checked, 3, now) == [day_number(6), day_number(0), day_number(1)]
    assert share(rows, checked, 30, now) == [day_number(6)]
    assert share([], {}, 30, now) == []
    assert len(share(rows, {}, 1, now)) == 7
