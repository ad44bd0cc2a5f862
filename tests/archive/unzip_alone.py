"""Unzips an archive and nothing else, in a process of its own: what it takes in memory can be measured.

Prints the highest resident memory in MB before and after, and what came of it.
"""

import sys
from datetime import date
from pathlib import Path

from exporter.archive.rejected import RejectedLines
from exporter.archive.unzip import Tally, unzip
from exporter.errors import ExportError
from exporter.window import Window


def highest() -> float:
    """The most memory so far that was resident, in MB. What getrusage tells would begin with the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main(archive: str, day: str) -> None:
    """Unzip the file ``archive`` of ``day``."""
    before = highest()
    with Path(archive).open("rb") as file, RejectedLines(10**8) as rejected:
        tally = Tally(rejected)
        try:
            for events in unzip(file, Window.of_day(date.fromisoformat(day)), tally):
                del events
            outcome = f"events={tally.events.total()} rejected={rejected.count} unusual={tally.unusual}"
        except ExportError as error:
            outcome = f"{type(error).__name__}: {error}"
    print(f"{before:.1f} {highest():.1f} {outcome}")  # noqa: T201 - that is its answer


if __name__ == "__main__":
    main(*sys.argv[1:])
