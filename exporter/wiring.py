"""The settings become a client, a store, its days and an exporter. The only place that turns settings into rooms."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from exporter.clock import Clock, Deadline, Gate, OpenGate
from exporter.days.due import Timing
from exporter.days.layout import Layout
from exporter.days.ledger import Ledger
from exporter.days.stored import Days
from exporter.foreign import Foreign
from exporter.privacy.filter import look
from exporter.privacy.keyed import Kept
from exporter.report import Progress, no_progress
from exporter.settings import LEAST_TMP_MB, Settings
from exporter.store import Store
from exporter.store.folder import LocalStore

PATIENCE = 60.0
"""Seconds that an erasure of the night waits for a day that is being exported; it stays open until the next one."""

if TYPE_CHECKING:
    from exporter.amplitude.client import AmplitudeClient
    from exporter.export import Exporter
    from exporter.tables.derive import Tables


def new_run(now: datetime) -> str:
    """An id for a run: when it began, and something nobody else has."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


@contextmanager
def open_store(settings: Settings, progress: Progress = no_progress) -> Iterator[Store]:
    """The store that the settings name: a container, or else a folder.

    Raises:
        StoreError: it cannot be reached, or does not let us in.
    """
    with open_stores(settings, progress) as (store, _):
        yield store


@contextmanager
def open_stores(settings: Settings, progress: Progress = no_progress) -> Iterator[tuple[Store, Store]]:
    """The store that the settings name, and the one of its ledger: a container beside it, or the same folder.

    Raises:
        StoreError: it cannot be reached, or does not let us in.
    """
    if settings.storage_url or settings.storage_connection_string:
        # half a second of imports that a folder spares
        from exporter.store.blob import open_blob_stores  # noqa: PLC0415
        from exporter.store.blob_account import Account  # noqa: PLC0415

        account = Account(
            container=settings.container,
            parts_limit=settings.parts_limit,
            url=settings.storage_url,
            connection_string=settings.storage_connection_string,
            ledger=settings.ledger_beside,
        )
        with open_blob_stores(account, progress) as stores:
            yield stores
    else:
        store = LocalStore(settings.data_dir, progress)
        yield store, store


def layout_of(settings: Settings) -> Layout:
    """How the project's days are named."""
    return Layout(settings.data_outfile, settings.prefix)


def days_in(store: Store, settings: Settings, beside: Store | None = None) -> Days:
    """The project's days in ``store``; their ledger is there, too, or in the store ``beside``."""
    timing, layout = Timing(timedelta(hours=settings.settle_hours), settings.lookback_days), layout_of(settings)
    kept = Kept(store, layout, settings.erasure_key)
    ledger, foreign = Ledger(beside or store, layout.ledger), Foreign(settings.secrets)
    return Days(store, layout, timing, ledger, foreign, lambda day: look(kept, day).forget)


def kept_in(days: Days, settings: Settings) -> Kept:
    """What is kept of the people who were erased from ``days``."""
    return Kept(days.store, days.layout, settings.erasure_key)


@contextmanager
def open_days(settings: Settings, progress: Progress = no_progress) -> Iterator[Days]:
    """The days in the store that the settings name.

    Raises:
        StoreError: it cannot be reached, or does not let us in.
    """
    with open_stores(settings, progress) as (store, beside):
        yield days_in(store, settings, beside)


def new_client(
    settings: Settings, clock: Clock, progress: Progress = no_progress, gate: Gate | None = None
) -> "AmplitudeClient":
    """A client of the project's Export API, to be used as a context. Who shares a ``gate`` waits together."""
    from exporter.amplitude.client import AmplitudeClient  # noqa: PLC0415 - a tenth of a second, spared who only looks

    return AmplitudeClient(
        settings.base_url,
        (settings.api_key, settings.secret_key),
        attempts=settings.max_attempts,
        delay=settings.delay_seconds,
        archive_limit=settings.archive_limit,
        clock=clock,
        progress=progress,
        gate=gate or OpenGate(),
        secrets=settings.secrets,
    )


def tables_of(days: Days, progress: Progress = no_progress) -> "Tables":
    """The tables that are derived from ``days``."""
    from exporter.tables.derive import Tables  # noqa: PLC0415 - spared who has none

    return Tables(days, progress)


@contextmanager
def open_exporter(
    settings: Settings, clock: Clock, run_id: str, progress: Progress = no_progress, gate: Gate | None = None
) -> Iterator["Exporter"]:
    """Everything that an export works with. Who shares a ``gate`` waits together when Amplitude has enough."""
    from exporter.export import Exporter, Limits  # noqa: PLC0415 - as above

    limits = Limits(settings.rejected_limit, settings.max_rejected_percent)

    with new_client(settings, clock, progress, gate) as client, open_days(settings, progress) as days:
        core = Exporter(client, days, limits, clock, run_id, progress, kept=kept_in(days, settings))
        if settings.tables or settings.report:
            core = replace(core, follow=_followed(settings, days, clock, progress))
        yield core


def _followed(settings: Settings, days: Days, clock: Clock, progress: Progress) -> Callable[[date], None]:
    """What comes behind a day that is whole: its table, and the report."""
    tables = tables_of(days, progress)

    def follow(day: date) -> None:
        if settings.tables:
            tables.follow(day, clock.now())
        if settings.report:
            from exporter.tables.nightly import try_to_report  # noqa: PLC0415 - as above

            try_to_report(day, tables, clock.now(), settings.tmp_limit)

    return follow


def follow_deletions(
    settings: Settings, clock: Clock, run_id: str, progress: Progress = no_progress, seconds: float | None = None
) -> None:
    """Read Amplitude's list of deletions, and do what is set, in so many ``seconds``. What goes wrong is a warning."""
    if not settings.erase_follow:
        return
    from exporter.amplitude.deletions import deletions  # noqa: PLC0415 - spared who does not follow
    from exporter.privacy.book import Work  # noqa: PLC0415
    from exporter.privacy.follow import LOOK_AHEAD, LOOK_BACK  # noqa: PLC0415
    from exporter.run.following import Following, told  # noqa: PLC0415

    today = clock.now().date()
    deadline = Deadline(clock, None if seconds is None else clock.monotonic() + seconds)
    with told(settings.secrets), new_client(settings, clock, progress) as client, open_days(settings, progress) as days:
        work = Work(days, clock, run_id, progress, bool(settings.tables), PATIENCE)
        listed = partial(deletions, client, today - LOOK_BACK, today + LOOK_AHEAD, deadline)
        auto = settings.erase_confirm == "auto"
        Following(listed, work, kept_in(days, settings), settings.tmp_limit, deadline, auto).follow()


def at_once(settings: Settings) -> int:
    """How many days may be exported at once: each needs the least temp limit that can be set for itself."""
    return max(1, min(settings.concurrency, settings.tmp_limit_mb // LEAST_TMP_MB))


def share_of(settings: Settings, hands: int) -> Settings:
    """The settings for one of ``hands`` who work at once: the working files of all stay within the one limit."""
    return replace(settings, tmp_limit_mb=settings.tmp_limit_mb // hands)
