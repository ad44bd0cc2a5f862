"""What the timer does for those whom Amplitude deletes, when the days are queued."""

import logging
from collections.abc import Callable

from exporter import report
from exporter.clock import Clock
from exporter.errors import ExportError
from exporter.settings import Settings
from exporter.wiring import follow_deletions

SECONDS = 5 * 60
"""The platform puts the days on the queue when the timer's function returns: they are not to wait for longer."""

log = logging.getLogger(__name__)


def follow(settings: Settings, read: Callable[[], Settings], clock: Clock, run_id: str) -> None:
    """Follow Amplitude's list of deletions, if ``settings`` say so. It never raises: a night is not repeated for it.

    ``read`` reads the settings with the keys, which only this needs.
    """
    if not settings.erase_follow:
        return
    try:
        follow_deletions(read(), clock, run_id, seconds=SECONDS)
    except ExportError as error:
        log.warning(report.deletions_failed(str(error)))
