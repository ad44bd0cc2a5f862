"""Days on their way through the queue: what a message means.

One message holds the days of a chain; its first day is exported, then the rest is sent on as a new message. So each
invocation is one day, and a backfill runs as many days side by side as it has chains. The platform repeats a failed
message (5 times), then `failed` has it: a bad day never stops its chain.

A message can come twice. A copy ends where it meets its own run at work on a day. That is safe after a crash, too: a
dead worker's lease ends within a minute, and its message stays invisible for five at least.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self

from exporter import report
from exporter.clock import Deadline
from exporter.days.rules import StoredDay
from exporter.days.stored import Days
from exporter.errors import CrashedError, DayHeldError, ExportError, PermanentError, StopError
from exporter.export import Exporter, export_day
from exporter.run import tell_drift
from exporter.window import HOURS_A_DAY, parse_day

WITHOUT_A_WORD = (
    "every attempt ended without a word of its own: the app crashed, ran out of memory or took too long, or another "
    "run held the day"
)
GIVEN_UP = frozenset({PermanentError.kind, CrashedError.kind})
SHOWN = 200
"""Characters of a foreign message that go to the log."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chain:
    """A queue message: the days still to do, the run they belong to."""

    run: str
    days: tuple[date, ...]
    force: bool = False

    def to_json(self) -> str:
        """The message's text."""
        return json.dumps({"run": self.run, "days": [str(day) for day in self.days], "force": self.force})

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a message.

        Raises:
            ValueError: not a message of ours; the platform moves it to the poison queue.
        """
        try:
            message = json.loads(text)
            chain = cls(str(message["run"]), tuple(map(parse_day, message["days"])), message.get("force") is True)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a message of the exporter ({error!r}): {text[:SHOWN]!r}") from error
        if not chain.days:
            raise ValueError(f"a message without days: {text[:SHOWN]!r}")
        return chain

    @property
    def rest(self) -> "Chain | None":
        """What follows the first day, if anything does."""
        return replace(self, days=self.days[1:]) if len(self.days) > 1 else None

    @property
    def request(self) -> str:
        """The HTTP request that asks for these days once more."""
        if len(self.days) == 1:
            return f"POST /api/exports/{self.days[0]}" + (' {"force": true}' if self.force else "")
        asked = {"from": str(min(self.days)), "to": str(max(self.days)), "force": self.force}
        return f"POST /api/exports {json.dumps(asked)}"


def chains(days: Sequence[date], run: str, *, force: bool, most: int) -> list[Chain]:
    """Deal ``days`` to at most ``most`` chains, newest first in each."""
    ordered = sorted(set(days), reverse=True)
    return [Chain(run, tuple(ordered[start::most]), force) for start in range(min(most, len(ordered)))]


def advance(chain: Chain, core: Exporter, deadline: Deadline) -> Chain | None:
    """Export the first day; return what to send on.

    Raises:
        RetriableError, StoreError: the platform tries this message again later.
    """
    day = chain.days[0]
    if _is_through(day, chain.run, core.days):
        log.info(f"{day}: this run is through with it already; passing on")
        return chain.rest
    log.info(f"{day}: run {chain.run} begins with it; {len(chain.days) - 1} days of its chain follow")
    try:
        tell_drift(export_day(day, core, force=chain.force, deadline=deadline), set())
    except DayHeldError as error:
        if error.holder != chain.run:
            raise
        log.info(f"{day}: the same run is at work on it; this copy of the message ends")
        return None
    except StopError as error:
        log.error(
            f"run {chain.run} stops at {day}: {error}. Not tried: {len(chain.days) - 1} days. When that is right: "
            f"{chain.request}"
        )
        return None
    except PermanentError as error:
        log.warning(f"{day}: {error}. The chain goes on without it")
    return chain.rest


def give_up(chain: Chain, days: Days, now: datetime, reason: str = WITHOUT_A_WORD) -> None:
    """See that the failure of the first day is on record and in the log, after the platform gave up.

    What the last attempt left on record stands, else ``reason`` goes there. A record that cannot be read is itself the
    failure.

    Raises:
        ExportError: the store cannot be reached, so nothing is on record.
    """
    day, failure = chain.days[0], None
    error: ExportError = CrashedError(reason)
    try:
        stored = days.stored(day)
    except PermanentError as unreadable:
        error = unreadable
    else:
        if _did(stored, chain.run):
            return
        failure = stored.failure
    if failure is None or failure.run != chain.run:
        failure = days.record_failure(day, error, HOURS_A_DAY, chain.run, now)
    log.error(report.day_failed(day, failure.kind, f"gave up after every attempt: {failure.reason}"))


def _is_through(day: date, run: str, days: Days) -> bool:
    """Whether ``run`` has done the day or given it up. What cannot be read is left for the export to complain of."""
    try:
        stored = days.stored(day)
    except (PermanentError, StopError):
        return False
    given_up = stored.failure and stored.failure.run == run and stored.failure.kind in GIVEN_UP
    return bool(given_up) or _did(stored, run)


def _did(stored: StoredDay, run: str) -> bool:
    """Whether ``run`` has finished the day."""
    if stored.manifest is None or not stored.whole or stored.failure:
        return False
    fewer = stored.manifest.fewer_found
    return run == stored.manifest.run or (fewer is not None and run == fewer.get("run"))
