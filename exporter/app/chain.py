"""Days on their way through the queue: what a message means.

One message holds the days of a chain; its first day is exported, then the rest is sent on as a new message. So each
invocation is one day, and a backfill runs as many days side by side as it has chains. The platform repeats a failed
message (5 times), then `failed` has it: a bad day never stops its chain.

A stop (see `stop`) ends the chains that began before it, each at its next step.

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
from exporter.app.asking import FORCED
from exporter.app.stop import last_stop
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
    """A queue message: the days still to do, the run they belong to, and when it began (None: long ago)."""

    run: str
    days: tuple[date, ...]
    force: bool = False
    began: datetime | None = None

    def to_json(self) -> str:
        """The message's text."""
        message = {"run": self.run, "days": [str(day) for day in self.days], "force": self.force}
        return json.dumps(message | ({"began": self.began.isoformat()} if self.began else {}))

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a message.

        Raises:
            ValueError: not a message of ours; the platform moves it to the poison queue.
        """
        try:
            message = json.loads(text)
            days = tuple(map(parse_day, message["days"]))
            began = _moment(message["began"]) if "began" in message else None
            chain = cls(str(message["run"]), days, message.get("force") is True, began)
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
        place = FORCED if self.force else "/api/exports"
        if len(self.days) == 1:
            return f"POST {place}/{self.days[0]}"
        return f"POST {place} {json.dumps({'from': str(min(self.days)), 'to': str(max(self.days))})}"

    def ended_by(self, stop: datetime | None) -> bool:
        """Whether a stop at that time is meant for this chain, too."""
        return stop is not None and (self.began is None or self.began <= stop)


def chains(days: Sequence[date], run: str, began: datetime, *, force: bool, most: int) -> list[Chain]:
    """Deal ``days`` to at most ``most`` chains, newest first in each; none if ``most`` is below 1."""
    ordered = sorted(set(days), reverse=True)
    return [Chain(run, tuple(ordered[start::most]), force, began) for start in range(min(most, len(ordered)))]


def advance(chain: Chain, core: Exporter, deadline: Deadline) -> Chain | None:
    """Export the first day, unless a stop was asked for; return what to send on.

    Raises:
        RetriableError, StoreError: the platform tries this message again later.
    """
    stop, day = last_stop(core.days), chain.days[0]
    if stop and chain.ended_by(stop):
        log.warning(
            f"run {chain.run} ends at {day}: a stop was asked for at {stop:%Y-%m-%d %H:%M:%S} UTC. Not tried: "
            f"{len(chain.days)} days, {min(chain.days)} to {max(chain.days)}. If they are wanted: {chain.request}"
        )
        return None
    if _is_through(day, chain.run, core.days):
        log.info(f"{day}: this run is through with it already; passing on")
        return chain.rest
    log.info(f"{day}: run {chain.run} begins with it; {len(chain.days) - 1} days of its chain follow")
    rest = chain.rest if _export_first(chain, core, deadline) else None
    if rest is None:
        log.info(report.run_ended(chain.run, core.days.ledger.shown(core.clock.now().year)))
    return rest


def _export_first(chain: Chain, core: Exporter, deadline: Deadline) -> bool:
    """Export the first day; return whether the chain goes on, which a day that cannot succeed does not hinder."""
    day = chain.days[0]
    try:
        tell_drift(export_day(day, core, force=chain.force, deadline=deadline), set())
    except DayHeldError as error:
        if error.holder != chain.run:
            raise
        log.info(f"{day}: the same run is at work on it; this copy of the message ends")
        return False
    except StopError as error:
        log.error(
            f"run {chain.run} stops at {day}: {error}. Not tried: {len(chain.days) - 1} days. When that is right: "
            f"{chain.request}"
        )
        return False
    except PermanentError as error:
        log.warning(f"{day}: {error}. The chain goes on without it")
    return True


def give_up(chain: Chain, days: Days, now: datetime, reason: str = WITHOUT_A_WORD) -> None:
    """See that the failure of the first day is on record and in the log, after the platform gave up.

    What the last attempt left on record stands, else ``reason`` goes there. A record that cannot be read is itself the
    failure; a newer exporter's record of one stands, too.

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
        try:
            failure = days.record_failure(day, error, HOURS_A_DAY, chain.run, now)
        except PermanentError as newer:  # what a newer exporter has put on record is left alone
            log.error(report.day_failed(day, newer.kind, f"gave up after every attempt: {newer}"))
            return
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


def _moment(text: str) -> datetime:
    """A time with its zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text[:SHOWN]} has no time zone")
    return found
