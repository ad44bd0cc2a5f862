"""Events of erased people that are stored all the same: of an older version of a day that somebody restored."""

from collections import Counter
from dataclasses import replace
from datetime import date

from exporter.days.hours import hour_of
from exporter.days.manifest import Manifest
from exporter.days.rules import StoredDay, had_by, hours_with_fewer
from exporter.days.stored import Days
from exporter.dump import watched
from exporter.forget import Forget


def erased_in(day: date, days: Days, forget: Forget) -> Counter[str]:
    """How many of them, by hour, are in the dump of ``day`` that is there.

    Raises:
        StoreError: it is not there, or cannot be read.
    """
    found: Counter[str] = Counter()
    for _ in watched(days.store.stream(days.layout.dump(day)), forget, lambda line: found.update([hour_of(line, day)])):
        pass
    return found


def without_erased(stored: StoredDay, new: Manifest, forget: Forget | None, days: Days) -> tuple[StoredDay, Manifest]:
    """The day as it is stored, and as it was exported ``new``, each with what is known now of erased people's events.

    Only where there are fewer events than before is the dump that is there read, for those that are meant to go.

    Raises:
        StoreError: it cannot be read.
    """
    if forget and stored.dump and hours_with_fewer(had_by(stored), new):
        stored = replace(stored, erased=erased_in(stored.day, days, forget))
    before = stored.manifest.erased if stored.manifest else 0
    return stored, replace(new, erased=max(new.erased, before, sum(stored.erased.values())))


def still_there(name: str, events: int) -> str:
    """What there is to say of such a dump."""
    return (
        f"{name} holds {events} events of people who were erased, as an older version does that was restored. Export "
        "the day again; if Amplitude has not all the others any more, erase those people again"
    )
