"""`python -m tests.bench.erased`: what it costs an export to leave erased people out, if one asked after the day.

An archive of simulated events is read as an export reads it: without an erasure, with one of somebody who is not in it,
and with one of a person of it. CPU seconds of this process; the least of several turns.
"""

import argparse
import gzip
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console

from exporter.archive.rejected import RejectedLines
from exporter.archive.unzip import Tally, unzip
from exporter.forget import Forget
from exporter.privacy.filter import Filter
from exporter.privacy.ids import Ids, ids_in
from exporter.privacy.keyed import Keyed
from exporter.simulator.events import Events
from tests.kit import DAY, WHOLE_DAY, member, zipped

KEY = "a-key-of-the-benchmark-that-is-no-secret"
HOUR = 16
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Read:
    """What reading the archive took, in CPU seconds, and what was in it."""

    seconds: float
    events: int
    erased: int


def archive_of(megabytes: int) -> tuple[bytes, list[bytes]]:
    """An archive of an hour with so many MB of events, and its lines."""
    made, size = list[bytes](), 0
    for line in Events(1, 100, megabytes * 1000).lines(datetime(2025, 11, 6, HOUR, tzinfo=UTC), megabytes * 1000):
        made.append(line)
        size += len(line) + 1
        if size >= megabytes * MEGABYTE:
            break
    return zipped([(member(HOUR), gzip.compress(b"\n".join(made), 1))]), made


def read(archive: bytes, forget: Forget | None) -> Read:
    """Read it once."""
    with RejectedLines(MEGABYTE) as rejected, io.BytesIO(archive) as file:
        tally, began = Tally(rejected), time.process_time()
        for _ in unzip(file, WHOLE_DAY, tally, forget=forget):
            pass
        return Read(time.process_time() - began, tally.events.total(), tally.erased.total())


def filter_of(ids: Ids) -> Filter:
    """What leaves these people out."""
    return Filter([Keyed.of(ids, "one", datetime(2026, 1, 1, tzinfo=UTC), KEY)], KEY, DAY)


def main(words: Sequence[str] | None = None, console: Console | None = None) -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.erased")
    parser.add_argument("--size", type=int, default=100, help="MB of events (default: 100)")
    parser.add_argument("--turns", type=int, default=3, help="of each way (default: 3)")
    given, said = parser.parse_args(words), console or Console()
    archive, lines = archive_of(given.size)
    person = next(found for found in map(ids_in, lines) if found.users)
    ways = {"no erasure": None, "somebody else's": Ids(frozenset({"nobody"})), "one of 64 people's": person}
    for name, ids in ways.items():
        turns = [read(archive, filter_of(ids) if ids else None) for _ in range(given.turns)]
        best = min(turns, key=lambda turn: turn.seconds)
        assert best.events + best.erased == len(lines)
        per = best.seconds * 500 / given.size
        said.print(f"{name}: {best.seconds:.2f} s, {per:.2f} s for 500 MB, {best.erased} of {len(lines)} left out")


if __name__ == "__main__":
    main()
