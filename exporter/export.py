"""Export one day: lock, plan, download, verify, write, commit, report.

Nothing of the day can be read before the commit; the manifest follows it. Whatever goes wrong before that leaves the
stored day as it was, and a failure record beside it.
"""

import errno
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from exporter import __version__, report
from exporter.amplitude.client import AmplitudeClient
from exporter.archive.columns import drift
from exporter.archive.rejected import RejectedLines
from exporter.archive.unzip import Tally
from exporter.clock import Clock, Deadline
from exporter.days.manifest import Failure, Manifest, Source, state_at
from exporter.days.publish import Shelf, publish
from exporter.days.rules import NOTHING, Known, Outcome, check_source, decide, hours_with_fewer, look
from exporter.dump import Dump
from exporter.errors import (
    DayHeldError,
    ExportError,
    LostRaceError,
    OtherSourceError,
    PermanentError,
    RejectedError,
    StoreError,
)
from exporter.load import Loaded, Loader, Plan, load
from exporter.report import Progress, no_progress
from exporter.settings import Settings
from exporter.store import ANY, Store
from exporter.window import HOURS_A_DAY, day_end

ALWAYS_ALLOWED_REJECTED = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exporter:
    """What an export works with. ``run`` is the id of the run that it belongs to."""

    client: AmplitudeClient
    store: Store
    settings: Settings
    clock: Clock
    run: str
    progress: Progress = no_progress


@dataclass(frozen=True)
class DayExported:
    """A day that is whole now, and what was done to it."""

    manifest: Manifest
    outcome: Outcome


def export_day(day: date, exporter: Exporter, *, force: bool = False, deadline: Deadline | None = None) -> DayExported:
    """Export ``day`` (a UTC date that is over), or leave everything as it was.

    ``force`` replaces the stored day even if it had more events.

    Raises:
        ExportError: and nothing of the attempt can be seen but its failure record.
    """
    began = exporter.clock.now()
    if began < day_end(day):
        raise PermanentError(f"{day} is not over yet: it is {began:%Y-%m-%d %H:%M} UTC. Ask again after its end")
    lock = exporter.settings.layout.lock(day)
    try:
        with _store_errors(), exporter.store.lock(lock, exporter.run):
            return _export_locked(plan, exporter, began, force, deadline or Deadline(exporter.clock))
    except DayHeldError:
        raise
    except OtherSourceError as error:  # not our store: nothing is put there, not even the failure
        log.error(report.day_failed(day, error.kind, str(error)))
        raise
    except LostRaceError as error:
        return _finished_by_another(plan, exporter, error)
    except ExportError as error:
        _record_failure(plan, exporter, error)
        raise


def _export_locked(plan: Plan, exporter: Exporter, began: datetime, force: bool, deadline: Deadline) -> DayExported:
    settings, layout, client = exporter.settings, exporter.settings.layout, exporter.client
    known = look(exporter.store, layout, plan.day)
    neighbour = known.manifest or _neighbour(plan.day, exporter)
    check_source(neighbour, Source(client.base_url))
    with ExitStack() as undo:
        draft = exporter.store.draft(layout.dump(plan.day), known.dump.etag if known.dump else None)
        undo.callback(draft.discard)
        tally = Tally(undo.enter_context(RejectedLines(settings.rejected_limit)))
        dump = Dump(draft, exporter.progress)
        loaded = load(plan, Loader(client, dump, tally, deadline, exporter.progress))
        dump.finish()
        new = _manifest(plan, exporter, began, dump, tally, loaded)
        check_source(neighbour, new.source)
        _check_rejected(plan.day, known, tally, exporter)
        outcome = decide(known, new, force=force)
        shelf = Shelf(exporter.store, layout, exporter.progress)
        stored = publish(known, new, outcome, shelf, draft, tally.rejected)
    _report(known, new, stored, outcome, exporter)
    return DayExported(stored, outcome)


def _neighbour(day: date, exporter: Exporter) -> Manifest | None:
    """The manifest of the day before, else any other of the store: it tells whose days these are."""
    store, layout = exporter.store, exporter.settings.layout
    name = layout.manifest(day - timedelta(days=1))
    stored = store.read(name)
    if stored is None:
        other = next(iter(store.list(layout.manifests)), None)
        name, stored = (other.name, store.read(other.name)) if other else ("", None)
    try:
        return Manifest.from_json(stored[0], name) if stored else None
    except PermanentError as error:  # that day's trouble, not this one's
        log.warning(str(error))
        return None


def _first_hours(known: Known, neighbour: Manifest | None, day: date) -> int:
    """The window size that worked last: for this day, else for the day before, else the whole day."""
    if known.failure or known.manifest:
        return known.window_hours
    before = neighbour is not None and neighbour.day == day - timedelta(days=1)
    return neighbour.window_hours if neighbour and before else HOURS_A_DAY


def _manifest(plan: Plan, exporter: Exporter, began: datetime, dump: Dump, tally: Tally, loaded: Loaded) -> Manifest:
    settings = exporter.settings
    return Manifest(
        day=plan.day,
        state=state_at(plan.day, began, timedelta(hours=settings.settle_hours)),
        dump=settings.layout.dump(plan.day),
        events=tally.events.total(),
        rejected=tally.rejected.count,
        size=dump.size,
        sha256=dump.sha256,
        hours={f"{h:02}": {"members": tally.members[h], "events": tally.events[h]} for h in range(HOURS_A_DAY)},
        windows=loaded.windows,
        window_hours=plan.hours,
        attempts=loaded.requests,
        retries=loaded.retries,
        source=Source(exporter.client.base_url, next(iter(tally.projects), "")),
        etag="",
        run=exporter.run,
        started_at=began,
        finished_at=exporter.clock.now(),
        version=__version__,
        event_days=dict(sorted(tally.event_days.items())),
        schema=drift(tally.columns),
    )


def _check_rejected(day: date, known: Known, tally: Tally, exporter: Exporter) -> None:
    rejected = tally.rejected.count
    percent = 100 * rejected / max(1, rejected + tally.events.total())
    if rejected <= ALWAYS_ALLOWED_REJECTED or percent <= exporter.settings.max_rejected_percent:
        return
    name = exporter.settings.layout.rejected(day)
    if not (known.manifest and known.manifest.rejected):  # those belong to the day that is stored
        exporter.store.write(name, tally.rejected.open(), seen=ANY, metadata={})
    raise RejectedError(
        f"{rejected} of {rejected + tally.events.total()} lines are no events ({percent:.1f} %, more than "
        f"EXPORT_MAX_REJECTED_PERCENT={exporter.settings.max_rejected_percent:g}). Look at {name}; if the day is to be "
        "stored without those lines, raise the setting and export it again"
    )


def _report(known: Known, new: Manifest, stored: Manifest, outcome: Outcome, exporter: Exporter) -> None:
    if outcome is Outcome.KEPT:
        hours = ", ".join(hours_with_fewer(stored, new))
        todo = "export it with force if fewer is right" if new.events else "delete its dump if it is to be empty"
        log.warning(
            f"{new.day}: Amplitude gives {new.events} events now, {stored.events} are stored (fewer in the hours "
            f"{hours}). The stored day is kept; {todo}"
        )
    if outcome is Outcome.REPLACED and known.manifest:
        log.info(f"{new.day}: {known.manifest.events} events were stored, {new.events} are there now")
    if new.rejected and outcome is not Outcome.KEPT:
        log.warning(report.lines_rejected(new.day, new.rejected, exporter.settings.layout.rejected(new.day)))
    log.info(
        report.day_exported(
            new.day,
            state=stored.state,
            outcome=outcome,
            events=stored.events,
            size=stored.size,
            rejected=new.rejected,
            windows=len(new.windows),
            requests=new.attempts,
            retries=new.retries,
            seconds=(exporter.clock.now() - new.started_at).total_seconds(),
        )
    )


def _finished_by_another(plan: Plan, exporter: Exporter, error: LostRaceError) -> DayExported:
    """Losing the race means that another exporter finished the day: what it says stands."""
    try:
        with _store_errors():
            known = look(exporter.store, exporter.settings.layout, plan.day)
    except ExportError as unreadable:
        _record_failure(plan, exporter, unreadable)
        raise
    if not known.whole or known.manifest is None:
        _record_failure(plan, exporter, error)
        raise error
    log.info(f"{plan.day}: run {known.manifest.run} finished this day first; its result stands ({error})")
    return DayExported(known.manifest, Outcome.UNCHANGED)


def _record_failure(plan: Plan, exporter: Exporter, error: ExportError) -> None:
    log.error(report.day_failed(plan.day, error.kind, str(error)))
    name = exporter.settings.layout.failure(plan.day)
    try:
        try:
            known = look(exporter.store, exporter.settings.layout, plan.day)
        except PermanentError:  # what is there cannot be read; that may be the very failure
            known = NOTHING
        hours = min(plan.hours, known.window_hours)  # the plan may not have been made yet
        failure = Failure(
            plan.day, error.kind, str(error), known.attempts + 1, hours, exporter.run, exporter.clock.now()
        )
        exporter.store.write(name, failure.to_json(), seen=ANY, metadata={})
    except (ExportError, OSError) as second:
        level = logging.DEBUG if isinstance(error, StoreError) else logging.ERROR  # said already: the store is away
        log.log(level, f"the failure of {plan.day} could not be recorded as {name}: {second}")


@contextmanager
def _store_errors() -> Iterator[None]:
    """Say in one sentence what the operating system refused."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        where = error.filename or "the temp folder or the store's folder"
        todo = "Make room there, or lower EXPORT_TMP_LIMIT_MB" if full else "Look at the path and its permissions"
        raise StoreError(f"{error.strerror or error}: {where}. Nothing of the day is visible. {todo}") from error
