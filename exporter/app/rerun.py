"""Days that a person asks for: put on the queue, as long as there is room for another chain."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from exporter import report
from exporter.app.api import Answer
from exporter.app.asking import Asked
from exporter.app.chain import Chain, chains
from exporter.days.stored import Days
from exporter.errors import DayHeldError

LOCK = "rerun"
"""The lock, beside those of the days, that lets one request at a time count the chains and add its own."""

log = logging.getLogger(__name__)


class ChainQueue(Protocol):
    """The queue of the chains, as far as a request needs it."""

    def count(self) -> int:
        """Chains that are queued or at work.

        Raises:
            StoreError: they cannot be counted.
        """

    def send(self, queued: Sequence[Chain]) -> None:
        """Put them on the queue.

        Raises:
            StoreError: the queue cannot be reached.
        """


def answer_rerun(asked: Asked, days: Days, queue: ChainQueue, run: str, now: datetime, most: int) -> Answer:
    """Queue what is asked for, and answer: 202 and where the result will show, 200 if nothing is left to ask for.

    Never are there more than ``most`` chains, those of other requests and of the night included: else the answer is
    409. Amplitude allows few requests at once, and whoever holds a key could queue a year of work in a second.

    Raises:
        StoreError: the days cannot be read, or the chains not be counted: then nothing is queued.
    """
    function = "rerun_forced" if asked.force else "rerun"
    first, last = min(asked.days), max(asked.days)
    log.info(f"asked: function={function} run={run} days={len(asked.days)} first={first} last={last}")
    coverage = days.coverage(now)
    open_days = coverage.open_days(asked.days) if asked.skip_settled else list(asked.days)
    if not open_days:
        return Answer(200, {"run": None, "days": [], "message": "every day of the range is final or empty already"})
    try:
        with days.store.lock(days.layout.locks + LOCK, run):
            busy = queue.count()
            queued = chains(open_days, run, now, force=asked.force, most=most - busy)
            queue.send(queued)
    except DayHeldError:
        return _refused(run, "another request is being queued this moment. Ask again in a minute")
    if not queued:
        return _refused(
            run,
            f"{busy} chains are queued or at work, and EXPORT_CONCURRENCY allows {most}. Ask again when they are done; "
            "GET /api/exports shows how far they are, POST /api/exports/stop ends them",
        )
    log.info(report.run_queued(run, len(open_days), coverage.newest, sorted(set(coverage.missing) - set(open_days))))
    first, last = min(open_days), max(open_days)
    result = f"/api/exports/{first}" if first == last else f"/api/exports?from={first}&to={last}"
    return Answer(202, {"run": run, "days": open_days, "chains": len(queued), "result": result})


def _refused(run: str, sentence: str) -> Answer:
    log.info(f"not queued: run={run}: {sentence}")
    return Answer(409, {"error": sentence})
