"""A stop: whoever asks for one ends every chain that began before it.

One object in the store holds the time of the last stop, and each step of a chain reads it first. So a stop reaches the
chains that are at work, too, which clearing the queue does not; and what is begun after it is not concerned.
"""

import json
import logging
from datetime import datetime

from exporter.days.stored import Days
from exporter.store import ANY

log = logging.getLogger(__name__)


def ask_stop(days: Days, now: datetime) -> None:
    """End the chains that began until ``now``.

    Raises:
        StoreError: that cannot be written down.
    """
    document = json.dumps({"asked_at": now.isoformat()})
    days.store.write(days.layout.stop, document.encode(), seen=ANY, metadata={})
    log.warning(f"asked: function=stop: the chains that began before {now:%Y-%m-%d %H:%M:%S} UTC end at their next day")


def last_stop(days: Days) -> datetime | None:
    """When a stop was asked for last.

    Raises:
        StoreError: the store cannot be read.
    """
    stored = days.store.read(days.layout.stop)
    if stored is None:
        return None
    try:
        asked_at = datetime.fromisoformat(json.loads(stored[0])["asked_at"])
        if asked_at.tzinfo:
            return asked_at
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    log.warning(f"{days.layout.stop} is no stop of this exporter and stops nothing: ask once more, or delete it")
    return None
