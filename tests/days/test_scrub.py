import errno
import itertools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from exporter.days.coverage import Row
from exporter.days.ledger import Ledger
from exporter.days.manifest import FINAL, PROVISIONAL
from exporter.days.scrub import NOTED_EVERY, SECONDS, Share, scrub, share, try_to_scrub
from exporter.errors import StoreError
from exporter.report import Scrubbed
from exporter.store import ARCHIVED, Entry
from exporter.store.folder import LocalStore
from tests.kit import DAY, Time
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


def test_it_ends_in_time(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did not come to is first in the next night."""
    time = night(0)
    reading(monkeypatch, lambda _day: time.pass_by(SECONDS / 1.5))
    done = scrub(days_on(store), 1, "run-1", time.clock())
    assert (done.days, done.left) == (2, 8)
    assert checks(store) == ["2025-11-06", "2025-11-07"]


def reading(monkeypatch: pytest.MonkeyPatch, before: Callable[[date], object]) -> None:
    """Something happens before each dump is read."""
    real = LocalStore.stream

    def stream(self: LocalStore, name: str) -> Iterator[bytes]:
        day = LAYOUT.day_of(name)
        if day:
            before(day)
        return real(self, name)

    monkeypatch.setattr(LocalStore, "stream", stream)


def test_every_night_goes_on_behind_what_was_read(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if each is killed while it reads the fourth day, a minute after the third."""
    for number in range(2):
        child = os.fork()
        if child == 0:
            time, days = night(number), itertools.count(1)
            reading(monkeypatch, lambda _day: os._exit(9) if next(days) == 4 else time.pass_by(NOTED_EVERY + 1))  # noqa: B023
            scrub(days_on(store), 1, "run-1", time.clock())
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert checks(store) == [str(day_number(number)) for number in range(6)]


def test_what_was_read_is_noted_if_the_store_goes_away(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the store, and no longer the days, when too many of them cannot be read."""

    def away(day: date) -> None:
        if day != day_number(0):
            raise StoreError("the store is away")

    monkeypatch.setattr("exporter.days.scrub.MOST_UNREADABLE", 3)
    reading(monkeypatch, away)
    with pytest.raises(StoreError, match="the store is away"):
        scrub(days_on(store), 1, "run-1", night(0).clock())
    assert checks(store) == ["2025-11-06"]


def test_a_day_that_cannot_be_read_keeps_no_other_from_its_turn(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sector of the disk is bad: it is told every night, and the share is of the days behind it."""

    def bad(day: date) -> None:
        if day == day_number(0):
            raise OSError(errno.EIO, "Input/output error")

    reading(monkeypatch, bad)
    for number in range(2):
        assert scrub(days_on(store), 5, "run-1", night(number).clock()) == Scrubbed(2, 162, 0, 0)
    assert checks(store) == [str(day_number(number)) for number in (1, 2, 3, 4)]
    assert caplog.text.count("day damaged: day=2025-11-06 reason=it cannot be read back: [Errno 5]") == 2


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


def test_a_day_that_is_being_exported_is_not_damaged(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Forced again, or without somebody who was erased: the new dump is there, its manifest comes in a moment."""
    days, at_work = days_on(store), ExitStack()

    def begin(day: date) -> None:
        if day == day_number(0):
            at_work.enter_context(days.lock(day, "other"))
            entry = store.stat(LAYOUT.dump(day))
            store.write(LAYOUT.dump(day), b"[]\n", seen=entry.etag if entry else None, metadata={})

    reading(monkeypatch, begin)
    with at_work:
        assert scrub(days, 5, "run-1", night(0).clock()) == Scrubbed(2, 162, 0, 0)
    assert "day damaged" not in caplog.text
    assert checks(store) == ["2025-11-07", "2025-11-08"]


def test_days_in_the_archive_tier_are_left_alone(monkeypatch: pytest.MonkeyPatch, store: LocalStore) -> None:
    """A rule of the account has put the old ones there: the others have their turns."""
    real, old = LocalStore.list, [LAYOUT.dump(day_number(number)) for number in range(4)]

    def archived(self: LocalStore, prefix: str, most: int | None = None) -> Iterator[Entry]:
        for entry in real(self, prefix, most):
            yield replace(entry, tier=ARCHIVED) if entry.name in old else entry

    monkeypatch.setattr(LocalStore, "list", archived)
    assert scrub(days_on(store), 3, "run-1", night(0).clock()) == Scrubbed(2, 162, 0, 0)
    assert checks(store) == ["2025-11-10", "2025-11-11"]


def test_what_the_ledger_misses_keeps_no_other_day_from_its_turn(
    store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A new one was begun, so every old manifest names a line that is not there: each is told, and read in its turn."""
    store.delete(LAYOUT.ledger.name(2025))
    store.write(LAYOUT.ledger.name(2025), b"", seen=None, metadata={})
    export(store, day_number(9), Given(5), moment(day_number(9), 60))
    for number in range(2):
        assert scrub(days_on(store), 5, "run-1", night(number).clock()) == Scrubbed(2, 162, 2, 0)
    assert checks(store) == [str(day_number(number)) for number in range(4)]
    assert caplog.text.count("day damaged: day=2025-11-06") == 1


def test_the_share_is_of_final_days() -> None:
    """One in so many, rounded up; no day that is still looked at."""
    now = moment(day_number(9))
    rows = [Row(day_number(number), FINAL, whole=True) for number in range(7)]
    rows.append(Row(day_number(7), PROVISIONAL, whole=True))
    old, new = now - timedelta(days=40), now - timedelta(days=1)
    checked = {day_number(number): old if number < 3 else new for number in range(6)}
    assert told(share(rows, checked, 3, now)) == [day_number(6), day_number(0), day_number(1)]
    assert told(share(rows, checked, 30, now)) == [day_number(6)]
    assert told(share([], {}, 30, now)) == []
    assert len(told(share(rows, {}, 1, now))) == 7


def test_a_check_of_a_day_to_come_is_none() -> None:
    """A clock was years ahead for one night: the day has its turn all the same."""
    now, row = moment(day_number(9)), Row(DAY, FINAL, whole=True)
    for ahead, asked in ((timedelta(days=900), [DAY]), (timedelta(hours=2), [])):
        assert told(share([row], {DAY: now + ahead}, 1, now)) == asked


def told(asked: Share) -> Sequence[date]:
    """The days that are read, if all can be."""
    return asked.order[: asked.most]
