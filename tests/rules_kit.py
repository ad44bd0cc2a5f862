"""What the tests of the rules share: a clock set by hand, and an exporter between a simulator and a store."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from exporter.amplitude import AmplitudeClient
from exporter.clock import Clock, Progress, unseen
from exporter.export import Exporter
from exporter.manifest import FINAL, Manifest, Source, WindowRecord
from exporter.settings import Settings
from exporter.simulator import Missing, Simulator
from exporter.store import Store

DAY = date(2025, 11, 6)
FULL_HOURS = (3, 17)
"""The only hours of a small project: an export of its day takes milliseconds."""
FEW_HOURS = tuple(Missing(f"{hour:02}") for hour in range(24) if hour not in FULL_HOURS)


def at(day: date, hour: float = 0) -> datetime:
    """``hour`` hours into ``day``, UTC; 24 and more are on later days."""
    return datetime.combine(day, time(), UTC) + timedelta(hours=hour)


FIRST_LOOK = at(DAY, 26)
"""02:00 on the day after `DAY`: its export is provisional."""
SECOND_LOOK = at(DAY, 50)
"""02:00 a night later: its export is final."""


@dataclass
class Hands:
    """A clock set by hand; sleeping moves it on and takes no time."""

    now: datetime = SECOND_LOOK
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def seconds(self) -> float:
        """The monotonic clock."""
        return self.now.timestamp()

    @property
    def clock(self) -> Clock:
        """What the exporter is given."""
        return Clock(lambda: self.now, self.seconds, self.sleep)


@contextmanager
def exporting(
    simulator: Simulator,
    store: Store,
    hands: Hands,
    *,
    run: str = "run-1",
    progress: Progress = unseen,
    **chosen: Any,
) -> Iterator[Exporter]:
    """An exporter with the simulator's keys; ``chosen`` are fields of Settings."""
    keys = {"api_key": simulator.api_key, "secret_key": simulator.secret_key, "base_url": simulator.url}
    settings = Settings(**keys | chosen)
    client = AmplitudeClient(
        settings.base_url,
        (settings.api_key, settings.secret_key),
        attempts=settings.max_attempts,
        delay=settings.delay_seconds,
        archive_limit=settings.archive_limit,
        clock=hands.clock,
        progress=progress,
    )
    with client:
        yield Exporter(client, store, settings, hands.clock, run, progress)


def as_dump(lines: list[bytes]) -> bytes:
    """The dump's text that these events make."""
    return b"[\n" + b",\n".join(lines) + b"\n]\n" if lines else b"[]\n"


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
        "hours": {f"{hour:02}": {"members": 1, "events": 10 if hour == 3 else 0} for hour in range(24)},
        "windows": (WindowRecord(f"{day:%Y%m%d}T00", f"{day:%Y%m%d}T23", 200, 500),),
        "window_hours": 24,
        "attempts": 1,
        "retries": 0,
        "source": Source("https://analytics.eu.amplitude.com", "100011471"),
        "etag": "1000-1",
        "run": "run-1",
        "started_at": at(day, 50),
        "finished_at": at(day, 50.5),
        "version": "0.1.0",
        "event_days": {str(day): 9, "none": 1},
        "schema": {"new": ("a_new_column",)},
    }
    return Manifest(**usual | chosen)
