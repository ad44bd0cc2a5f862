"""An archive with people in it, somebody who asks to be erased, and erasures in this process or in one that is killed.

`python -m tests.privacy.world STEP NTH` erases and kills itself there; settings and ids come from the environment.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from exporter.clock import Clock
from exporter.days.erasures import Erasure, Erasures
from exporter.dump import lines
from exporter.export import export_day
from exporter.privacy.book import Work
from exporter.privacy.erasure import Erasing, Snapshot
from exporter.privacy.ids import Ids, ids_in, read_ids
from exporter.privacy.matching import Wanted
from exporter.privacy.rejections import content_of
from exporter.privacy.request import Request, stopped, with_a_past
from exporter.privacy.search import Search
from exporter.report import Progress, no_progress
from exporter.settings import Settings
from exporter.simulator import Missing, OddLine, Simulator
from exporter.store import Store
from exporter.wiring import kept_in, open_days, open_store, tables_of
from tests.kit import DAY
from tests.kit.blobs import LAYOUT, exporting
from tests.kit.rules import FULL_HOURS
from tests.kit.stopped import REPOSITORY, stopping

KEY = "a-key-of-the-tests-that-nobody-can-guess"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTENTS: list[Missing | OddLine] = [
    *(Missing(f"{hour:02}") for hour in range(24) if hour not in FULL_HOURS),
    OddLine("nan", "03", line=2),
    OddLine("lone-surrogate", "17", line=1),
    OddLine("torn-line", "17", line=4),
]
"""Hours 3 and 17: two lines of an event that is torn, one with NaN, and one that tables keep as a whole."""
LIMIT = 10**8


def days_from(first: date, count: int) -> list[date]:
    """So many days, oldest first."""
    return [first + timedelta(days=number) for number in range(count)]


def fill(env: dict[str, str], days: Sequence[date]) -> None:
    """Export the days, as long after their end as it takes to be final."""
    with exporting(env, NOW, "run-fill") as core:
        for day in days:
            export_day(day, replace(core, follow=lambda _day: None))


def make_tables(env: dict[str, str], days: Sequence[date]) -> None:
    """Make the tables of these days."""
    with open_days(Settings.from_mapping(env, keys_needed=False)) as found:
        assert tables_of(found).try_to_derive(days) == []


def user_of(simulator: Simulator, day: date = DAY) -> str:
    """The user with the rejected line of a day."""
    line = next(one for one in simulator.lines(day) if b'"odd":NaN' in one)
    return next(iter(ids_in(line).users))


def erase(
    env: dict[str, str],
    ids: Sequence[str],
    *,
    progress: Progress = no_progress,
    run: str = "run-erase",
    patience: float = 0,
) -> Erasure:
    """Erase as the command line does; the record as it is in the end."""
    settings = Settings.from_mapping(env | {"EXPORT_ERASURE_KEY": KEY}, keys_needed=False)
    clock = Clock(lambda: NOW, time.monotonic, time.sleep)
    with open_days(settings, progress) as days:
        kept, records = kept_in(days, settings), Erasures(days.store, days.layout)
        asked = read_ids(ids, "the test")
        since, was = Snapshot.of(days), stopped(asked, kept, records)
        past = with_a_past(asked, kept, records)
        with Search(days, NOW, LIMIT, progress) as search:
            wanted = was.wanted(asked, KEY) if was else Wanted(search.expanded(asked, devices=False))
            found = search.find(wanted)
        erasing = Erasing(
            Work(days, clock, run, progress, derive=bool(settings.tables), patience=patience), kept, records
        )
        for record in past:
            erasing.forget_past(record)
        request = Request(asked, "ticket-4711", "the desk")
        book = erasing.book(request, found, was)
        return erasing.carry_out(book, wanted, since)


def killed(env: dict[str, str], ids: Sequence[str], at: tuple[str, int]) -> str:
    """Erase in a process that kills itself at ``at``; what it printed.

    Raises:
        AssertionError: it never came there.
    """
    child = subprocess.run(
        [sys.executable, "-m", "tests.privacy.world", at[0], str(at[1])],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **env, "IDS": "\n".join(ids)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, f"{at} was not reached: {child.stdout}"
    return child.stdout


def opened(env: dict[str, str]) -> Any:
    """The store, to look into."""
    return open_store(Settings.from_mapping(env, keys_needed=False))


def names_in(store: Store) -> list[str]:
    """The names of everything in a store."""
    places = ("20", "manifests/", "rejected/", "failures/", "locks/", "erasures/", "erasures/keyed/", "ledger/")
    found = {entry.name for place in places for entry in store.list(place)}
    tables = [LAYOUT.table(day) for day in days_from(date(2025, 9, 1), 120)]
    return sorted(found | {name for name in tables if store.stat(name)})


def events_in(store: Store, day: date) -> list[bytes]:
    """A day's events, each as its own bytes."""
    return list(lines(store.stream(LAYOUT.dump(day))))


def rejected_in(store: Store, day: date) -> list[bytes]:
    """A day's rejected lines."""
    if store.stat(LAYOUT.rejected(day)) is None:
        return []
    text = b"".join(store.stream(LAYOUT.rejected(day)))
    return [content_of(record) for record in text.split(b"\n") if record]


def state_of(env: dict[str, str]) -> dict[str, Any]:
    """What a reader can see, but for what two runs of the same may differ in."""
    state: dict[str, Any] = {}
    with opened(env) as store:
        for name in names_in(store):
            content = b"".join(store.stream(name))
            if name.startswith("manifests/"):
                changing = {"run", "etag", "started_at", "finished_at", "ledger"}
                state[name] = {one: value for one, value in json.loads(content).items() if one not in changing}
            elif name.startswith("erasures/keyed/"):
                state["keyed"] = sorted(json.loads(content)["hashes"])
            elif name.startswith("erasures/"):
                state["record"] = _told(json.loads(content))
            elif name.startswith("parquet/"):
                state[name] = len(content)
            elif name.startswith(("20", "rejected/", "failures/")):
                state[name] = content
    return state


def _told(record: dict[str, Any]) -> dict[str, Any]:
    days = [{name: day[name] for name in day if name != "table"} for day in record["days"]]
    return {"state": record["state"], "ids": sum(record["ids"].values()), "days": days, "reason": record["reason"]}


def spellings_of(ids: Ids) -> list[bytes]:
    """Every spelling that an id may have in a record or a log."""
    found = set()
    for one in (*ids.users, *ids.devices, *map(str, ids.amplitude)):
        found |= {one.encode(), json.dumps(one)[1:-1].encode(), one.upper().encode(), one.encode().hex().encode()}
        with suppress(IndexError):
            found.add(one.split("@")[0].encode())
    return sorted(found)


def main() -> None:
    """Erase, and be killed."""
    step, nth = sys.argv[1:]
    env = {name: value for name, value in os.environ.items() if name.startswith(("EXPORT_", "AMP_"))}
    erase(env, os.environ["IDS"].split("\n"), progress=stopping(step, int(nth), signal.SIGKILL))


if __name__ == "__main__":
    main()
