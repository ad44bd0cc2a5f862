"""An Export API of small days whose first byte takes a while: `python -m tests.bench.slow SECONDS REPORT`.

Prints its URL and keys. Writes into REPORT, when it is terminated, how often it was asked, and how often at once at
most.
"""

import json
import signal
import sys
from pathlib import Path

from exporter.simulator import ALWAYS, Simulator, Wire

EVENTS_PER_HOUR = 10


def small_days(seconds: float) -> Simulator:
    """What is served."""
    return Simulator(events_per_hour=EVENTS_PER_HOUR, oddities=False, faults=[Wire("silence", seconds, when=ALWAYS)])


def main(seconds: str, report: str) -> None:
    """Serve until terminated."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # in every thread: it is waited for below
    with small_days(float(seconds)) as simulator:
        sys.stdout.write(f"{simulator.url}\n{simulator.api_key}\n{simulator.secret_key}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM})
        Path(report).write_text(json.dumps({"asked": len(simulator.requests), "at_once": simulator.most_at_once}))


if __name__ == "__main__":
    main(*sys.argv[1:])
