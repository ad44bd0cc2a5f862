"""Days on their way through the queue: what a message means.

One message holds the days of a chain; its first day is exported, then the rest is sent on as a new message. So each
invocation is one day, and a backfill runs as many days side by side as it has chains. The platform repeats a failed
message (5 times), then hands it to `failed`: a bad day never stops its chain.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Self

from exporter import report
from exporter.clock import Deadline
from exporter.errors import DayHeldError, PermanentError, RefusedError
from exporter.export import Exporter, export_day
from exporter.known import Known, look
from exporter.manifest import Failure
from exporter.store import ANY
from exporter.window import HOURS_A_DAY, parse_day

CRASHED = "crashed"

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
    def from_json(cls, text: str) -> Self:
        """Read a message.

        Raises:
            ValueError: not a message of ours; the platform moves it to the poison queue.
        """
        message = json.loads(text)
        try:
            chain = cls(str(message["run"]), tuple(map(parse_day, message["days"])), message.get("force") is True)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a message of the exporter ({error!r}): {text[:200]}") from error
        if not chain.days:
            raise ValueError(f"a message without days: {text[:200]}")
        return chain

    @property
    def rest(self) -> "Chain | None":
        """What follows the first day, if anything does."""
        return replace(self, days=self.days[1:]) if len(self.days) > 1 else None


def chains(days: Sequence[date], run: str, *, force: bool, most: int) -> list[Chain]:
    """Deal ``days`` to at most ``most`` chains, newest first in each."""
    ordered = sorted(set(days), reverse=True)
    return [Chain(run, tuple(ordered[start::most]), force) for start in range(min(most, len(ordered)))]


def advance(chain: Chain, exporter: Exporter, deadline: Deadline) -> Chain | None:
    """Export the first day; return what to send on.

    Raises:
        RetriableError, StoreError: the platform tries this message again later.
    """
    day = chain.days[0]
    if _did(look(exporter.store, exporter.settings.layout, day), chain.run):
        log.info(f"{day}: this run has done it already; passing on")
        return chain.rest
    try:
        export_day(day, exporter, force=chain.force, deadline=deadline)
    except DayHeldError as error:
        if error.holder != chain.run:
            raise
        log.info(f"{day}: the same run is at work on it; this copy of the message ends")
        return None
    except RefusedError as error:
        left = chain.days[1:]
        if left:
            again = json.dumps({"from": str(min(left)), "to": str(max(left)), "force": chain.force})
            log.error(
                f"run {chain.run} stops: Amplitude refuses the keys ({error}). Not tried: {len(left)} days from "
                f"{min(left)} to {max(left)}. When the keys are right: POST /api/exports {again}"
            )
        return None
    except PermanentError as error:
        log.warning(f"{day}: {error} The chain goes on without it")
    return chain.rest


def failed(chain: Chain, exporter: Exporter) -> Chain | None:
    """See that the failure of the first day is on record, after the platform gave up; return what to send on."""
    day, layout = chain.days[0], exporter.settings.layout
    known = look(exporter.store, layout, day)
    if _did(known, chain.run):
        return chain.rest
    failure = known.failure
    if failure is None or failure.run != chain.run:
        failure = Failure(
            day,
            CRASHED,
            "every attempt ended without a word: the app crashed, ran out of memory or took too long",
            known.attempts + 1,
            known.failure.window_hours if known.failure else HOURS_A_DAY,
            chain.run,
            exporter.clock.now(),
        )
        exporter.store.write(layout.failure(day), failure.to_json(), seen=ANY, metadata={})
    log.error(report.day_failed(day, failure.kind, f"gave up after every attempt: {failure.reason}"))
    return chain.rest


def _did(known: Known, run: str) -> bool:
    """Whether ``run`` has finished the day."""
    if known.manifest is None or not known.whole or known.failure:
        return False
    return run in {known.manifest.run, (known.manifest.kept or {}).get("run")}
