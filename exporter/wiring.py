"""The settings become a store and an exporter. Used by the command line and by the function app."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from exporter.clock import Clock
from exporter.report import Progress, no_progress
from exporter.settings import Settings
from exporter.store import Store
from exporter.store.folder import LocalStore

if TYPE_CHECKING:
    from exporter.export import Exporter


def new_run(now: datetime) -> str:
    """An id for a run: when it began, and something nobody else has."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


@contextmanager
def open_store(settings: Settings, progress: Progress = no_progress) -> Iterator[Store]:
    """The store that the settings name: a container, or else a folder.

    Raises:
        StoreError: it cannot be reached, or does not let us in.
    """
    if settings.storage_url or settings.storage_connection_string:
        # half a second of imports that a folder spares
        from exporter.store.blob import open_blob_store  # noqa: PLC0415
        from exporter.store.blob_account import Account  # noqa: PLC0415

        account = Account(
            container=settings.container,
            parts_limit=settings.parts_limit,
            url=settings.storage_url,
            connection_string=settings.storage_connection_string,
        )
        with open_blob_store(account, progress) as store:
            yield store
    else:
        yield LocalStore(settings.data_dir, progress)


@contextmanager
def open_exporter(settings: Settings, clock: Clock, run: str, progress: Progress = no_progress) -> Iterator["Exporter"]:
    """Everything that an export works with."""
    from exporter.amplitude.client import AmplitudeClient  # noqa: PLC0415 - a tenth of a second, spared who only looks
    from exporter.export import Exporter  # noqa: PLC0415 - as above

    client = AmplitudeClient(
        settings.base_url,
        (settings.api_key, settings.secret_key),
        attempts=settings.max_attempts,
        delay=settings.delay_seconds,
        archive_limit=settings.archive_limit,
        clock=clock,
        progress=progress,
    )
    with client, open_store(settings, progress) as store:
        yield Exporter(client, store, settings, clock, run, progress)
