"""What the ledger costs: `python -m tests.bench.ledger [LINES]` makes one, and reads it from its first line on."""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from exporter.days.chain import Change, Content
from exporter.days.layout import Layout
from exporter.days.ledger import Ledger
from exporter.store.folder import LocalStore
from tests.kit import DAY

LINES = 3000
APPENDS = 200


def main(lines: int, console: Console) -> None:
    """Tell how long a baseline, an append and a whole reading take."""
    now = datetime.now(UTC)
    made = [
        Change(DAY + timedelta(days=number), "found", Content("final", number, 10**9, f"{number:064x}"), "run-1", now)
        for number in range(lines)
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        seconds = [time.perf_counter()]
        Ledger(store, Layout().ledger).begin(made)
        seconds.append(time.perf_counter())
        ledger = Ledger(store, Layout().ledger)
        for change in made[:APPENDS]:
            ledger.append([change])
        seconds.append(time.perf_counter())
        chain = ledger.read()
        seconds.append(time.perf_counter())
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.jsonl"))
    begun, appended, read = (1000 * (end - start) for start, end in pairwise(seconds))
    console.print(f"{chain.head.number} lines, {size} bytes, breaks: {chain.breaks or 'none'}")
    console.print(
        f"baseline {begun:.0f} ms, an append {appended / APPENDS:.1f} ms, from the first line on {read:.0f} ms"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else LINES, Console())
