"""What an export may do about a stored day. Pure: no store, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from exporter.days.facts import Facts, proves
from exporter.days.hours import ALL_DAY, less
from exporter.days.manifest import EMPTY, FINAL, PROVISIONAL, SETTLED, Failure, Manifest, Source, State
from exporter.days.refusing import gone, unproven
from exporter.errors import OtherSourceError, RetriableError
from exporter.store import Entry
from exporter.window import day_end

BUSY_EVENTS = 100
"""An hour with so many events the day before, and none now, keeps a day provisional."""
NOTED_EVENTS = 50
"""An hour with so many events the day before, and none now, is worth a note."""
QUIET_DAYS = timedelta(days=7)
"""From the day's end on, how long a day with quiet hours is asked for again."""


class Outcome(StrEnum):
    """What became of the stored day: ERASED by an erasure, all others by an export.

    The values stand in log lines that infra/ queries for.
    """

    WRITTEN = "written"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    EMPTY = "empty"
    ERASED = "erased"


@dataclass(frozen=True)
class StoredDay:
    """A day as the store has it now; ``dump``, ``manifest`` and ``failure`` are None if they are not there.

    ``unproven`` are the events per hour of a dump that no manifest proves, left by an exporter that was stopped
    between the two. ``damage`` says what does not fit, "" if nothing is known of any. ``hashed``: the dump's bytes were
    read, and are those of the manifest. ``erased`` are the events per hour of people who were erased, in a dump that
    somebody restored.
    """

    day: date
    dump: Entry | None = None
    manifest: Manifest | None = None
    manifest_etag: str | None = None
    failure: Failure | None = None
    unproven: Mapping[str, int] | None = None
    damage: str = ""
    hashed: bool = False
    erased: Mapping[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether the manifest proves the dump that is there."""
        if self.manifest is None or self.damage:
            return False
        return self.hashed or proves(self.dump, Facts.of(self.manifest))

    @property
    def attempts(self) -> int:
        """Failed attempts since the last success."""
        return self.failure.attempts if self.failure else 0


@dataclass(frozen=True)
class Neighbours:
    """What other days of the store tell: the manifest of the day before, else (``after``) of the nearest day there is.

    ``gap``: the day before should be there, and is not, or cannot be read. ``source`` is whose days the store holds, as
    far as any of them tells, and ``dump`` the name of that one.
    """

    before: Manifest | None = None
    after: Manifest | None = None
    gap: bool = False
    source: Source | None = None
    dump: str = ""


@dataclass(frozen=True)
class Decision:
    """What to do with a day that has been exported: the manifest that will stand, and whether the dump is written.

    The commit of a dump adds its ETag to the manifest. ``fewer`` are the hours that had more events before. ``by``: the
    run that changes the day and when, if it is not the export that the manifest tells of. ``forced``: by a person.
    """

    outcome: Outcome
    manifest: Manifest
    writes_dump: bool
    fewer: tuple[str, ...] = ()
    by: tuple[str, datetime] | None = None
    forced: bool = False


def check_source(stored: Source | None, asked: Source, where: str) -> None:
    """Refuse to write where another host or project did. A project that is not known ("") tells nothing.

    ``stored`` is the source of the day itself, or of other days of the store; ``where`` names one of them.

    Raises:
        OtherSourceError: the stored days came from elsewhere.
    """
    if stored is None:
        return
    hosts = _host(stored.url), _host(asked.url)
    for what, (has, asks) in (("host", hosts), ("project", (stored.project, asked.project))):
        if has and asks and has != asks:
            raise OtherSourceError(
                f"this store holds {what} {has} ({where}), and the keys are for {what} {asks}. Nothing was "
                "written. Set EXPORT_PREFIX or EXPORT_CONTAINER, so that each project has a place of its own"
            )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def state_at(day: date, started: datetime, settle: timedelta, *, empty: bool, held: bool) -> State:
    """The state of an export of ``day`` that started at ``started``.

    Provisional until ``settle`` after the day's end; after that empty or final. ``held``: busy hours fell silent, so it
    stays provisional for QUIET_DAYS.
    """
    if started < day_end(day) + settle or (held and started < day_end(day) + QUIET_DAYS):
        return PROVISIONAL
    return EMPTY if empty else FINAL


def quiet_hours(before: Manifest | None, now: Mapping[str, int], busy: int) -> tuple[str, ...]:
    """The hours that had ``busy`` events or more the day before and have none now.

    Hours that are silent for the second day count as long as the day before waits for them itself.
    """
    if before is None:
        return ()
    waiting = before.quiet_hours if before.state == PROVISIONAL else ()
    had = {hour for hour, events in before.event_hours().items() if events >= busy} | set(waiting)
    return tuple(sorted(hour for hour in had if not now.get(hour)))


def decide(stored: StoredDay, new: Manifest, *, force: bool) -> Decision:
    """What to do with a day that has been exported as ``new`` says.

    Raises:
        RetriableError: the stored dump lacks its manifest and holds more events than ``new``.
    """
    old = stored.manifest
    if stored.dump is None:
        if old and not new.events and old.events > max(0, new.erased - old.erased):
            raise RetriableError(gone(old.dump, old.events))
        return Decision(Outcome.WRITTEN if new.events else Outcome.EMPTY, new, writes_dump=True)
    had = had_by(stored)
    fewer = hours_with_fewer(had, new)
    if fewer and (not force or not new.events):
        if stored.unproven is not None or old is None:
            raise RetriableError(unproven(stored.dump.name, had, new.events))
        return Decision(Outcome.KEPT, _noted(old, new), writes_dump=False, fewer=fewer)
    if old and old.rejected and not new.events and not new.rejected:  # an answer that cannot say whose it is
        return Decision(Outcome.KEPT, _noted(old, new), writes_dump=False)
    if not stored.damage and _holds(stored, new.sha256):
        state = old.state if old and stored.whole and old.state in SETTLED else new.state
        return Decision(
            Outcome.UNCHANGED, replace(new, etag=stored.dump.etag, state=state), writes_dump=False, forced=force
        )
    if stored.unproven is not None:
        return Decision(Outcome.WRITTEN if new.events else Outcome.EMPTY, new, writes_dump=True)
    return Decision(Outcome.REPLACED, new, writes_dump=True, fewer=fewer, forced=force)


def hours_with_fewer(had: Mapping[str, int], new: Manifest) -> tuple[str, ...]:
    """The hours that had more events before. Another hour's growth does not make up for them."""
    has = new.event_hours() | {ALL_DAY: new.events}
    return tuple(hour for hour, events in sorted(had.items()) if has.get(hour, 0) < events)


def _holds(stored: StoredDay, sha256: str) -> bool:
    """Whether the stored dump is known to have this content."""
    if stored.dump and (stored.dump.metadata or {}).get("sha256") == sha256:
        return True
    return stored.whole and stored.manifest is not None and stored.manifest.sha256 == sha256


def _noted(stored: Manifest, new: Manifest) -> Manifest:
    """The stored day's manifest, with a note about the export that found fewer events. Its state stays."""
    return replace(stored, fewer_found={"events": new.events, "run": new.run, "at": new.finished_at})


def had_by(stored: StoredDay) -> Mapping[str, int]:
    """The events per hour that the day had: by its manifest, by a dump that no manifest proves, the more of both.

    Those of erased people do not count: what goes with them is meant to go.
    """
    by_manifest = stored.manifest.event_hours() if stored.manifest else {}
    if stored.manifest and (stored.hashed or proves(stored.dump, Facts.of(stored.manifest))):
        by_manifest = less(by_manifest, stored.erased)
    unproven = less(stored.unproven or {}, stored.erased)
    return {hour: max(by_manifest.get(hour, 0), unproven.get(hour, 0)) for hour in by_manifest | unproven}
