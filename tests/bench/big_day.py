"""A big simulated day goes to Azurite: how much memory and how much of the temp folder the exporter takes.

`python -m tests.bench.big_day [EVENTS_PER_HOUR]`; 36,000 events an hour, the default, make about 2 GB of JSON. Exit
code 1 if the exporter took more than it may. Takes some minutes and, for Azurite, as much memory as the day is big.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import ContainerClient

from exporter.simulator import Simulator
from tests.azure.azurite import Azurite, missing
from tests.azure.identity import Identity

REPOSITORY = Path(__file__).parents[2]
EVENTS_PER_HOUR = 36_000
DAY = "2025-11-06"
MEGABYTE = 1_000_000
MEMORY_LIMIT = 140
TMP_LIMIT = 400
WATCH_SECONDS = 0.01


@dataclass
class Taken:
    """The most that a process took so far, in bytes; blocks of open files count, whether they have a name or not."""

    memory: int = 0
    tmp: int = 0

    def look(self, pid: int, folder: Path) -> None:
        """Measure once; a process that has ended takes nothing."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            blocks = {there.st_ino: there.st_blocks * 512 for there in _open_files(pid, folder)}
        except (FileNotFoundError, ProcessLookupError):
            return
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        self.memory = max(self.memory, int(peak[1]) * 1024 if peak else 0)
        self.tmp = max(self.tmp, sum(blocks.values()))


def _open_files(pid: int, folder: Path) -> Iterator[os.stat_result]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if descriptor.readlink().is_relative_to(folder):
                yield descriptor.stat()
        except FileNotFoundError:  # closed meanwhile
            continue


@contextmanager
def simulating(events_per_hour: int) -> Iterator[str]:
    """The URL of a simulator in a process of its own."""
    words = ["simulate", "--port", "0", "--events-per-hour", str(events_per_hour)]
    with subprocess.Popen([sys.executable, "-m", "exporter", *words], stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout
        found = re.search(r"http://\S+:\d+", simulator.stdout.readline())
        assert found
        try:
            yield found[0]
        finally:
            simulator.terminate()


def measured(env: dict[str, str], folder: Path) -> tuple[Taken, float]:
    """Export the day in a process of its own; what it took, and its seconds."""
    taken, began = Taken(), time.monotonic()
    words = [sys.executable, "-m", "exporter", "export", "--day", DAY]
    with subprocess.Popen(words, cwd=REPOSITORY, env={"PATH": os.environ["PATH"], "TMPDIR": str(folder), **env}) as one:
        while one.poll() is None:
            taken.look(one.pid, folder)
            time.sleep(WATCH_SECONDS)
    assert one.returncode == 0
    assert list(folder.iterdir()) == []
    return taken, time.monotonic() - began


def main() -> int:
    """Export, tell, judge."""
    if reason := missing():
        sys.exit(reason)
    events_per_hour = int(sys.argv[1]) if sys.argv[1:] else EVENTS_PER_HOUR
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "tmp")
        folder.mkdir()
        with (
            Azurite(Path(place)) as azurite,
            Identity() as identity,
            simulating(events_per_hour) as url,
            ContainerClient.from_connection_string(
                azurite.connection_string, "amplitude", connection_verify=str(azurite.ca_file)
            ) as container,
        ):
            container.create_container()
            env = {
                **identity.env,
                "REQUESTS_CA_BUNDLE": str(azurite.ca_file),
                "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
                "EXPORT_STORAGE_URL": azurite.blob_url,
                "EXPORT_TMP_LIMIT_MB": str(TMP_LIMIT),
                "EXPORT_LOG_DIR": str(Path(place, "logs")),
                "AMP_BASE_URL": url,
                "AMP_API_KEY": Simulator.api_key,
                "AMP_SECRET_KEY": Simulator.secret_key,
            }
            taken, seconds = measured(env, folder)
            size = sum(blob.size for blob in container.list_blobs(name_starts_with="2025"))
    memory, tmp = taken.memory / MEGABYTE, taken.tmp / MEGABYTE
    print(  # noqa: T201 - this script's result
        f"{size / MEGABYTE:,.0f} MB of JSON in {seconds:.0f} s: {memory:.0f} MB of memory at most (limit "
        f"{MEMORY_LIMIT}), {tmp:.0f} MB of working files at most (limit {TMP_LIMIT})"
    )
    return 0 if memory < MEMORY_LIMIT and tmp <= TMP_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
