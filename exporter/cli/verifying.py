"""Read days back, and show how far that is."""

import logging
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from exporter.cli.display import Display
from exporter.cli.logs import log_to_console
from exporter.days.repair import note_verified
from exporter.days.verify import Verified, verify_day
from exporter.report import Step

if TYPE_CHECKING:
    from exporter.cli.call import Call
    from exporter.days.stored import Days
    from exporter.settings import Settings

log = logging.getLogger(__name__)


def read_back(named: Sequence[date], days: "Days", settings: "Settings", call: "Call", run_id: str) -> list[Verified]:
    """Hold each day against its manifest; what is damaged goes on record."""
    display = Display(call.clock.monotonic, quiet=call.arguments.quiet)
    log_to_console(settings, display.console)
    call.warn()
    found = []
    with display:
        display.planned(len(named))
        for day in named:
            display.begins(0, day, Step.PROVING)
            found.append(note_verified(verify_day(day, days), days, run_id, call.clock.now()))
            display.ends(0)
    return found
