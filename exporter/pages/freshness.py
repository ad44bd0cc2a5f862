"""Whether all is well, and yesterday there: the first sentence of the page."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, time, timedelta

from exporter.days.check import problems
from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing
from exporter.days.manifest import SETTLED
from exporter.pages.frame import Frame
from exporter.pages.spelling import long_day, number, size
from exporter.window import day_end

LONGEST_WHY = 180
"""Characters of a reason in the headline; the whole of it is under "Needs attention"."""


@dataclass(frozen=True)
class Freshness:
    """How things stand, in a sentence; ``level`` is good, wait, warn or bad; ``why`` is the reason, if there is one."""

    level: str
    headline: str
    detail: str
    why: str = ""


def freshness(coverage: Coverage, due: Collection[date], timing: Timing, frame: Frame) -> Freshness:
    """Whether yesterday is there and the days before it are well, and what comes next."""
    if not coverage.rows:
        return Freshness("wait", "No day has been exported yet", f"{frame.next_run} begins with yesterday.")
    row = coverage.row(coverage.yesterday)
    if row.running:
        return Freshness("wait", "Yesterday is being exported", f"An exporter is at work on {long_day(row.day)}.")
    if not row.good:
        return _not_there(coverage, row, frame)
    found = problems(coverage, frame.now, time(), timing)
    wrong = [(day, what) for day, what in reversed(found) if not coverage.row(day).running]
    if wrong:
        return _not_well(wrong, row, due, frame)
    return _there(row, timing.settle, frame)


def _not_there(coverage: Coverage, row: Row, frame: Frame) -> Freshness:
    newest = f"The newest whole day is {long_day(coverage.newest)}." if coverage.newest else "No day is whole yet."
    first_run = frame.run_after(day_end(row.day))
    if not row.failure and not row.damage and first_run and frame.now < first_run:
        return Freshness("wait", f"Yesterday comes at {first_run:%H:%M} UTC", f"{frame.next_run} exports it. {newest}")
    tried = f"Attempt {row.failure.attempts} ended at {row.failure.failed_at:%H:%M} UTC. " if row.failure else ""
    why = row.damage or (row.failure.reason if row.failure else "no attempt is on record")
    return Freshness(
        "bad", "Yesterday is not there", f"{tried}{frame.next_run} tries again. {newest}", _short(why, frame)
    )


def _not_well(wrong: list[tuple[date, str]], row: Row, due: Collection[date], frame: Frame) -> Freshness:
    (day, what), *others = wrong
    name = "its last look" if day == row.day else long_day(day)
    why = (
        what.rpartition("failed: ")[2]
        if day == row.day
        else f"{long_day(day)} {'' if what.startswith('failed') else 'is '}{what}"
    )
    headline = f"Yesterday is there, but {name} failed" if day == row.day else "Yesterday is there, but not all is well"
    tries = f"{frame.next_run} tries again." if day in due else "It is older than a run looks back."
    more = f" {len(others)} more {'day needs' if len(others) == 1 else 'days need'} attention." if others else ""
    return Freshness("warn", headline, f"{tries}{more}", _short(why, frame))


def _there(row: Row, settle: timedelta, frame: Frame) -> Freshness:
    told = f"{long_day(row.day)}: {number(row.events)} events, {size(row.size)}"
    if row.state in SETTLED:
        return Freshness("good", f"Yesterday is there, and {row.state}", f"{told}.")
    settled = day_end(row.day) + settle
    if frame.now >= settled:
        detail = f"{told}. {frame.next_run} looks at it once more." if frame.schedule else f"{told}."
        return Freshness("wait", "Yesterday is there, its second look is due", detail)
    run = frame.run_after(settled)
    night = (run or settled).date() - frame.now.date() <= timedelta(days=1)
    looks = (
        f"The run on {run.day} {run:%B} at {run:%H:%M} UTC"
        if run
        else (f"The first run after {long_day(settled.date())}, {settled:%H:%M} UTC")
    )
    when = "final tonight" if night else "not final yet"
    return Freshness("good", f"Yesterday is there, {when}", f"{told}. {looks} looks at it once more.")


def _short(reason: str, frame: Frame) -> str:
    """The reason in at most `LONGEST_WHY` characters: hashes by their beginning, cut behind a sentence or a word."""
    shown = re.sub(r"\b([0-9a-f]{8})[0-9a-f]{56}\b", r"\1…", frame.show(reason)).rstrip(".")
    if len(shown) <= LONGEST_WHY:
        return shown
    cut = shown[:LONGEST_WHY]
    sentence = max(cut.rfind(". "), cut.rfind("; "))
    return cut[:sentence] if sentence > LONGEST_WHY // 3 else f"{cut.rpartition(' ')[0] or cut}…"
