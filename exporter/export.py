"""Export one day: lock, read what is stored, load, prove, decide, publish.

Nothing of the day can be read before the commit; the manifest follows it. Whatever goes wrong before that leaves the
stored day as it was, and a failure record beside it.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime

from exporter import __version__
from exporter.amplitude.client import AmplitudeClient
from exporter.archive.columns import drift
from exporter.archive.rejected import RejectedLines
from exporter.archive.unzip import Tally
from exporter.clock import Clock, Deadline
from exporter.days.erased import without_erased
from exporter.days.failing import check_kept, on_record
from exporter.days.manifest import Manifest, Source
from exporter.days.publish import publish
from exporter.days.recording import ready
from exporter.days.rules import (
    BUSY_EVENTS,
    NOTED_EVENTS,
    Neighbours,
    Outcome,
    StoredDay,
    check_source,
    decide,
    quiet_hours,
    state_at,
)
from exporter.days.stored import Days
from exporter.days.telling import tell
from exporter.days.windows import first_hours, window_days
from exporter.dump import Dump
from exporter.errors import LostRaceError, PermanentError, RejectedError
from exporter.forget import Forget
from exporter.load import Loaded, Loader, Plan, load
from exporter.privacy.filter import look
from exporter.privacy.keyed import Kept
from exporter.report import Progress, no_progress
from exporter.store import ANY
from exporter.window import HOURS_A_DAY, day_end

ALWAYS_ALLOWED_REJECTED = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much of a day may be rejected: bytes that are kept aside, and per cent of its lines."""

    rejected_bytes: int
    rejected_percent: float


@dataclass(frozen=True)
class Exporter:
    """What an export works with, in run ``run_id``. ``follow`` is called when a day is whole, and raises nothing.

    ``kept`` tells whose events are left out.
    """

    client: AmplitudeClient
    days: Days
    limits: Limits
    clock: Clock
    run_id: str
    progress: Progress = no_progress
    follow: Callable[[date], None] = lambda _day: None
    kept: Kept | None = None


@dataclass(frozen=True)
class DayExported:
    """A day that is whole now, and what was done to it."""

    manifest: Manifest
    outcome: Outcome


@dataclass(frozen=True)
class Attempt:
    """One attempt at a day: when it began, and what was known of the day and the days beside it."""

    day: date
    force: bool
    began: datetime
    deadline: Deadline
    stored: StoredDay
    near: Neighbours
    forget: Forget | None


def export_day(day: date, core: Exporter, *, force: bool = False, deadline: Deadline | None = None) -> DayExported:
    """Export ``day`` (a UTC date that is over), or leave everything as it was.

    ``force`` replaces the stored day even if it had more events.

    Raises:
        ExportError: and nothing of the attempt can be seen but its failure record.
    """
    began = core.clock.now()
    if began < day_end(day):
        raise PermanentError(f"{day} is not over yet: it is {began:%Y-%m-%d %H:%M} UTC. Ask again after its end")
    with ExitStack() as held:
        with on_record(day, core.days, core.run_id, core.clock, lambda: HOURS_A_DAY):
            held.enter_context(core.days.lock(day, core.run_id))
        while (exported := _attempted(day, core, began, deadline or Deadline(core.clock), force=force)) is None:
            log.info(f"{day}: somebody was erased while it was exported. It is exported once more, without them")
        core.follow(day)
        return exported


def _attempted(day: date, core: Exporter, began: datetime, deadline: Deadline, *, force: bool) -> DayExported | None:
    """Export the locked day; None if somebody was erased meanwhile, so that it has to be done again."""
    with on_record(day, core.days, core.run_id, core.clock, lambda: HOURS_A_DAY):
        stored = core.days.stored(day)
        near = core.days.neighbours(stored)
        check_source(near.source, Source(core.client.base_url), near.dump)
        ready(core.days, stored, near, core.run_id, began)
        erased = look(core.kept, day) if core.kept else None
    plan = Plan(day, first_hours(stored, near))
    with on_record(day, core.days, core.run_id, core.clock, lambda: plan.hours):
        attempt = Attempt(day, force, began, deadline, stored, near, erased.forget if erased else None)
        try:
            exported = _exported(attempt, plan, core)
        except LostRaceError as error:
            return _finished_by_another(day, core.days, error)
        return None if erased and erased.is_old() else exported


def _exported(attempt: Attempt, plan: Plan, core: Exporter) -> DayExported:
    day, stored, days = attempt.day, attempt.stored, core.days
    with ExitStack() as undo:
        seen = stored.dump.etag if stored.dump else None
        draft = days.store.draft(days.layout.dump(day), seen, afresh=bool(stored.damage))
        undo.callback(draft.discard)
        rejected = undo.enter_context(RejectedLines(core.limits.rejected_bytes))
        dump, tally = Dump(draft, core.progress), Tally(rejected)
        loader = Loader(core.client, dump, tally, attempt.deadline, core.progress, attempt.near, attempt.forget)
        loaded = load(plan, loader)
        dump.finish()
        new = _manifest(attempt, core, loaded, dump, tally)
        _check_rejected(new, stored, rejected, core)
        stored, new = without_erased(stored, new, attempt.forget, days)
        decision = decide(stored, new, force=attempt.force)
        manifest = publish(decision, stored, draft, rejected.open() if rejected.count else None, days, core.progress)
    tell(decision, new, stored, days.layout, core.clock.now())
    check_kept(decision, stored, new)
    return DayExported(manifest, decision.outcome)


def _manifest(attempt: Attempt, core: Exporter, loaded: Loaded, dump: Dump, tally: Tally) -> Manifest:
    events = {f"{hour:02}": tally.events[hour] for hour in range(HOURS_A_DAY)}
    seen = {hour: count + tally.erased[int(hour)] for hour, count in events.items()}
    before, rejected = attempt.near.before, tally.rejected
    noted = attempt.stored.manifest.quiet_hours if attempt.stored.manifest else ()
    quiet = {*quiet_hours(before, seen, NOTED_EVENTS), *(hour for hour in noted if not seen.get(hour))}
    return Manifest(
        day=attempt.day,
        state=state_at(
            attempt.day,
            attempt.began,
            core.days.timing.settle,
            empty=not (tally.events.total() or rejected.count),
            held=attempt.near.gap or bool(quiet_hours(before, seen, BUSY_EVENTS)),
        ),
        dump=core.days.layout.dump(attempt.day),
        events=tally.events.total(),
        rejected=rejected.count,
        size=dump.size,
        sha256=dump.sha256,
        hours={hour: {"members": tally.members[int(hour)], "events": count} for hour, count in events.items()},
        windows=loaded.windows,
        window_hours=loaded.window_hours,
        attempts=loaded.requests,
        retries=loaded.retries,
        source=Source(core.client.base_url, next(iter(tally.projects), "")),
        etag="",
        run=core.run_id,
        started_at=attempt.began,
        finished_at=core.clock.now(),
        version=__version__,
        event_days=dict(sorted(tally.event_days.items())),
        schema={kind: tuple(map(core.client.foreign, names)) for kind, names in drift(tally.columns).items()},
        rejected_sha256=rejected.sha256,
        unusual=tally.unusual,
        window_days=window_days(loaded.window_hours, attempt.stored, attempt.near, refused=loaded.refused),
        quiet_hours=tuple(sorted(quiet)),
        erased=tally.erased.total(),
    )


def _check_rejected(new: Manifest, stored: StoredDay, rejected: RejectedLines, core: Exporter) -> None:
    percent = 100 * new.rejected / max(1, new.rejected + new.events)
    if new.rejected <= ALWAYS_ALLOWED_REJECTED or percent <= core.limits.rejected_percent:
        return
    name = core.days.layout.rejected(new.day)
    if not (stored.manifest and stored.manifest.rejected):  # those belong to the day that is stored
        core.days.store.write(name, rejected.open(), seen=ANY, metadata={})
    raise RejectedError(
        f"{new.rejected} of {new.rejected + new.events} lines are no events ({percent:.1f} %, more than "
        f"EXPORT_MAX_REJECTED_PERCENT={core.limits.rejected_percent:g}). Look at {name}; if the day is to be "
        "stored without those lines, raise the setting and export it again"
    )


def _finished_by_another(day: date, days: Days, error: LostRaceError) -> DayExported:
    """Losing the race means that another exporter finished the day: what it says stands."""
    stored = days.stored(day)
    if not stored.whole or stored.manifest is None:
        raise error
    log.info(f"{day}: run {stored.manifest.run} finished this day first; its result stands ({error})")
    return DayExported(stored.manifest, Outcome.UNCHANGED)
