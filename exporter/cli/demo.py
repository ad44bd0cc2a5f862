"""The demo: one simulated day, exported to demo/, and what to type next. Reads no settings, touches no other folder."""

import logging
from functools import partial
from pathlib import Path

from exporter.cli.call import FAILED, Call
from exporter.cli.display import Display
from exporter.cli.logs import log_to_console, log_to_file
from exporter.cli.show import print_table
from exporter.days.manifest import Manifest
from exporter.dump import lines
from exporter.errors import DayHeldError
from exporter.run import export_days
from exporter.settings import Settings
from exporter.simulator import Simulator, Status
from exporter.window import yesterday_of
from exporter.wiring import layout_of, new_run, open_exporter

FOLDER = Path("demo")
EVENTS_PER_HOUR = 400
BLOCK = 1 << 16
"""Bytes."""
BY_HAND = r"(umask 077; printf 'AMP_API_KEY=\nAMP_SECRET_KEY=\n' > .env)"
"""Where the repository is not at hand."""


def demo(call: Call) -> int:
    """Export yesterday from a simulator that fails once; return the exit code."""
    clock, day = call.clock, yesterday_of(call.clock.now())
    with Simulator(events_per_hour=EVENTS_PER_HOUR, faults=[Status(503)]) as simulator:
        settings = Settings(
            api_key=simulator.api_key,
            secret_key=simulator.secret_key,
            base_url=simulator.url,
            data_dir=FOLDER / "data",
            log_dir=FOLDER / "logs",
        )
        display = Display(clock.monotonic)
        log_to_console(settings, display.console)
        log_file = log_to_file(settings, clock.now())
        logging.getLogger("exporter.simulator").setLevel(logging.WARNING)
        with display, open_exporter(settings, clock, new_run(clock.now()), display.progress()) as core:
            result = export_days([day], core, force=True, watch=display)
    if not result.ok:
        ((_, error),) = result.failed
        held = isinstance(error, DayHeldError)
        print(f"The demo is at work in another terminal: {error}" if held else f"The demo failed: {error}")
        return FAILED
    _tell(settings, result.done[0].manifest, log_file)
    print("What to type next:")
    todo = {
        "install -m 600 .env.example .env"
        if Path(".env.example").exists()
        else BY_HAND: "then put the two keys into it",
        f"{call.program} export": "yesterday, into data/",
        f"{call.program} status": "what is there",
    }
    for words, what in todo.items():
        print(f"  {words:<{max(map(len, todo))}}  # {what}")
    return 0


def _tell(settings: Settings, manifest: Manifest, log_file: Path | None) -> None:
    dump = settings.data_dir / manifest.dump
    print("\n(The simulator answered 503 once, on purpose: that is the retry above.)")
    print(f"A simulated day of an Amplitude project, {manifest.day} (UTC), is in {dump}:\n")
    hours = [(f"{hour}:00", found["members"], found["events"]) for hour, found in manifest.hours.items()]
    print_table(("hour", "members", "events"), hours)
    print(
        f"\n{manifest.events:,} events, {manifest.size:,} bytes, SHA-256 {manifest.sha256[:16]}..., {manifest.state}."
    )
    print(f"Its manifest: {settings.data_dir / layout_of(settings).manifest(manifest.day)}   The log: {log_file}")
    with dump.open("rb") as content:
        first = next(lines(iter(partial(content.read, BLOCK), b"")), b"").decode()
    print(f"The first event: {first[:100]}...\n")
