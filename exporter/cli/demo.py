"""The demo: one simulated day, exported to demo/, and what to type next. Reads no settings, touches no other folder."""

import logging
from itertools import islice
from pathlib import Path

from exporter.cli.logs import setup_logging
from exporter.cli.show import print_table, shown_progress
from exporter.clock import Clock
from exporter.run import export_days
from exporter.settings import Settings
from exporter.simulator import Simulator, Status
from exporter.window import yesterday_of
from exporter.wiring import layout_of, new_run, open_exporter

FOLDER = Path("demo")
EVENTS_PER_HOUR = 400


def demo(clock: Clock) -> int:
    """Export yesterday from a simulator that fails once; return the exit code."""
    day = yesterday_of(clock.now())
    with Simulator(events_per_hour=EVENTS_PER_HOUR, faults=[Status(503)]) as simulator:
        settings = Settings(
            api_key=simulator.api_key,
            secret_key=simulator.secret_key,
            base_url=simulator.url,
            data_dir=FOLDER / "data",
            log_dir=FOLDER / "logs",
        )
        secrets = settings.api_key, settings.secret_key
        with shown_progress() as (progress, console):
            log_file = setup_logging(settings.log_level, settings.log_dir, clock.now(), secrets, console)
            logging.getLogger("exporter.simulator").setLevel(logging.WARNING)
            with open_exporter(settings, clock, new_run(clock.now()), progress) as core:
                result = export_days([day], core, force=True)
    if not result.ok:
        return 1
    manifest = result.done[0].manifest
    dump = settings.data_dir / manifest.dump
    print("\n(The simulator answered 503 once, on purpose: that is the retry above.)")
    print(f"A simulated day of an Amplitude project, {day} (UTC), is in {dump}:\n")
    lines = [(f"{hour}:00", f"{found['members']}", f"{found['events']:,}") for hour, found in manifest.hours.items()]
    print_table(("hour", "members", "events"), lines)
    print(
        f"\n{manifest.events:,} events, {manifest.size:,} bytes, SHA-256 {manifest.sha256[:16]}..., {manifest.state}."
    )
    print(f"Its manifest: {settings.data_dir / layout_of(settings).manifest(day)}   The log: {log_file}")
    with dump.open(encoding="utf-8") as text:
        print(f"The first event: {''.join(islice(text, 1, 2))[:100]}...\n")
    print("What to type next:")
    print("  cp .env.example .env                             # then put your project's two keys into it")
    print("  .venv/bin/python -m exporter export              # yesterday, into data/")
    print("  .venv/bin/python -m exporter status              # what is there")
    return 0
