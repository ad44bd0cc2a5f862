"""What reading a day back leaves on record: a damaged day is due, and `run` and `export` write it anew."""

import logging
from datetime import datetime

from exporter.days.manifest import DAMAGED
from exporter.days.stored import Days
from exporter.days.verify import Verified
from exporter.errors import DamagedError, ExportError
from exporter.window import HOURS_A_DAY

log = logging.getLogger(__name__)


def note_verified(found: Verified, days: Days, run_id: str, now: datetime) -> None:
    """Put damage on record, or take away what was said of it before. Whoever may only read is told, and goes on."""
    try:
        noted = days.failure(found.day)
        wrong = noted is not None and noted.kind == DAMAGED
        if found.damaged and not wrong:
            days.record_failure(found.day, DamagedError(found.problem or ""), HOURS_A_DAY, run_id, now)
        elif found.problem is None and wrong:
            days.store.delete(days.layout.failure(found.day))
    except (ExportError, OSError) as error:
        log.warning(f"{found.day}: what was found could not be put on record: {error}")
