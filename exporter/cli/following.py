"""Whose ids a command is about, if they are to come from Amplitude's list of deletions: nobody writes them down."""

from exporter.clock import Clock
from exporter.days.erasures import Erasures
from exporter.days.stored import Days
from exporter.privacy.follow import LOOK_AHEAD, LOOK_BACK, Held, held
from exporter.settings import Settings
from exporter.wiring import kept_in, new_client


def left_at_amplitude(settings: Settings, clock: Clock, days: Days) -> Held:
    """Who is on Amplitude's list, since the oldest day on record, held against what is erased here.

    Raises:
        ExportError: the list cannot be read, or what is kept of erased people.
    """
    from exporter.amplitude.deletions import deletions  # noqa: PLC0415 - spared who brings a list

    now = clock.now()
    oldest = min((row.day for row in days.coverage(now).rows), default=now.date())
    with new_client(settings, clock) as client:
        listed = deletions(client, min(oldest, now.date() - LOOK_BACK), now.date() + LOOK_AHEAD)
    return held(listed, kept_in(days, settings), Erasures.of(days), now.date())


def told(found: Held) -> str:
    """How many there are; nobody's id."""
    return (
        f"Amplitude lists {found.count} people: {found.erased} are erased here, {found.waiting} can still be taken off "
        f"the list, {len(found.left)} are left."
    )
