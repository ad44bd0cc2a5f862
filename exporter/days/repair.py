"""What reading a day back leaves on record: a damaged day is due, and `run` and `export` write it anew."""

import logging
from datetime import datetime

from exporter.days.audit import Audit
from exporter.days.manifest import DAMAGED
from exporter.days.stored import Days
from exporter.days.verify import Verified, verify_day
from exporter.errors import DamagedError, DayHeldError, ExportError
from exporter.window import HOURS_A_DAY

AT_WORK = "an exporter is at work on the day. Verify it again later"

log = logging.getLogger(__name__)


def note_verified(found: Verified, days: Days, run_id: str, now: datetime, audit: Audit | None = None) -> Verified:
    """Put damage on record, or take away what was said of it before; return what holds.

    Damage is looked for once more while the day is locked: an exporter between its commit and its manifest looks like
    it. Whoever may only read is told, and goes on.
    """
    try:
        noted = days.failure(found.day)
        wrong = noted is not None and noted.kind == DAMAGED
        if found.problem is None and wrong:
            days.store.delete(days.layout.failure(found.day))
        if not found.damaged:
            return found
        with days.lock(found.day, run_id):
            found = verify_day(found.day, days, audit)
            if found.damaged and not (noted and wrong and noted.run):  # what could not be read has no run
                days.record_failure(found.day, DamagedError(found.problem or ""), HOURS_A_DAY, run_id, now)
    except DayHeldError:
        return Verified(found.day, found.events, found.size, AT_WORK)
    except (ExportError, OSError) as error:
        log.warning(f"{found.day}: what was found could not be put on record: {error}")
    return found
