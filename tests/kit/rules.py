"""What the tests of the rules share, beside `kit`: a small project, an exporter on any store, a manifest."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from exporter.days.layout import Layout
from exporter.days.manifest import FINAL, Manifest, Source, WindowRecord
from exporter.days.stored import Days
from exporter.export import Exporter, Limits
from exporter.report import Progress, no_progress
from exporter.settings import Settings
from exporter.simulator import Missing, Simulator
from exporter.store import Store
from exporter.wiring import days_in, kept_in, new_client
from tests.kit import DAY, Time

LAYOUT = Layout()
FULL_HOURS = (3, 17)
FEW_HOURS = tuple(Missing(f"{hour:02}") for hour in range(24) if hour not in FULL_HOURS)
"""A small project: only two hours of a day hold events, so an export takes milliseconds."""


def moment(day: date, hour: float = 0) -> datetime:
    """``hour`` hours into ``day``, UTC; 24 and more are on later days."""
    return datetime.combine(day, time(), UTC) + timedelta(hours=hour)


def first_look(day: date = DAY) -> Time:
    """02:00 on the day after ``day``: its export is provisional."""
    return Time(moment(day, 26))


def second_look(day: date = DAY) -> Time:
    """02:00 a night later: its export is final."""
    return Time(moment(day, 50))


@contextmanager
def exporter_on(
    store: Store,
    simulator: Simulator,
    now: Time,
    *,
    run: str = "run-1",
    progress: Progress = no_progress,
    **chosen: Any,
) -> Iterator[Exporter]:
    """An exporter of the simulator's project; ``chosen`` are fields of Settings."""
    keys = {"api_key": simulator.api_key, "secret_key": simulator.secret_key, "base_url": simulator.url}
    settings = Settings(**keys | chosen)
    with new_client(settings, now.clock(), progress) as client:
        limits, days = Limits(settings.rejected_limit, settings.max_rejected_percent), days_in(store, settings)
        yield Exporter(client, days, limits, now.clock(), run, progress, kept=kept_in(days, settings))


def manifest_of(day: date = DAY, **chosen: Any) -> Manifest:
    """A final manifest of ten events; ``chosen`` are its fields."""
    usual: dict[str, Any] = {
        "day": day,
        "state": FINAL,
        "dump": f"{day:%Y%m%d}_0000_ampl_dump.json",
        "events": 10,
        "rejected": 0,
        "size": 1000,
        "sha256": "a" * 64,
        "hours": {f"{h:02}": {"members": 1, "events": chosen.get("events", 10) if h == 3 else 0} for h in range(24)},
        "windows": (WindowRecord(f"{day:%Y%m%d}T00", f"{day:%Y%m%d}T23", 200, 500),),
        "window_hours": 24,
        "attempts": 1,
        "retries": 0,
        "source": Source("https://analytics.eu.amplitude.com", "100011471"),
        "etag": "1000-1",
        "run": "run-1",
        "started_at": moment(day, 50),
        "finished_at": moment(day, 50.5),
        "version": "0.1.0",
        "event_days": {str(day): 9, "none": 1},
        "schema": {"new": ("a_new_column",)},
    }
    return Manifest(**usual | chosen)


def days_on(store: Store) -> Days:
    """The days in ``store``, with the usual names and settings."""
    return days_in(store, Settings())


def night(number: int) -> Time:
    """02:00 so many nights after the first night on which DAY is over."""
    return Time(moment(DAY + timedelta(days=number), 26))
