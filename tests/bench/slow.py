"""An Export API of small days whose first byte takes a while: `python -m tests.bench.slow SECONDS REPORT`.

Prints its URL. Writes into REPORT, whenever a request ends, how many there were and how many at once at most.
"""

import json
import sys
import time
from pathlib import Path

from exporter.simulator import ALWAYS, Simulator, Wire

EVENTS_PER_HOUR = 10
LOOK_SECONDS = 0.1


def small_days(seconds: float) -> Simulator:
    """What is served."""
    return Simulator(events_per_hour=EVENTS_PER_HOUR, oddities=False, faults=[Wire("silence", seconds, when=ALWAYS)])


def main(seconds: str, report: str) -> None:
    """Serve until terminated."""
    with small_days(float(seconds)) as simulator:
        sys.stdout.write(f"{simulator.url}\n{simulator.api_key}\n{simulator.secret_key}\n")
        sys.stdout.flush()
        while True:
            told = {"asked": len(simulator.requests), "at_once": simulator.most_at_once}
            Path(report).write_text(json.dumps(told))
            time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
