"""Measure one contender once: in a process of its own, watched from outside, its output checked."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import ContainerClient

from tests.azure.azurite import Azurite
from tests.azure.identity import Identity
from tests.bench.contenders import CONTAINER, Contender, Place
from tests.bench.day import MEGABYTE, Day

REPOSITORY = Path(__file__).parents[2]


class WrongOutputError(Exception):
    """A contender failed, or its output is not the day."""


@dataclass(frozen=True)
class Run:
    """One measurement.

    Attributes:
        size: MB of JSON lines.
        turn: measurements of the same turn and size were made right after each other and may be compared.
        contender: its key.
        wall: seconds.
        cpu: seconds, user and system, its own children included.
        memory: peak, bytes.
        temp: the most that working files took, bytes on disk.
        asked: requests to the Export API.
        stored: requests to the storage.
    """

    size: int
    turn: int
    contender: str
    wall: float
    cpu: float
    memory: int
    temp: int
    asked: int
    stored: int


def too_little_memory(contender: Contender, size: int) -> str | None:
    """Why a contender cannot take part with this size here, or None."""
    needed = int(contender.memory * size * MEGABYTE)
    meminfo = Path("/proc/meminfo").read_text()
    free = int(meminfo.partition("MemAvailable:")[2].split()[0]) * 1024
    if needed <= free:
        return None
    return f"needs some {needed / 1e9:.0f} GB of memory, {free / 1e9:.0f} GB are free"


def measured(contender: Contender, day: Day, turn: int) -> Run:
    """Run ``contender`` once.

    Raises:
        WrongOutputError: it failed, or its output is wrong.
    """
    with ExitStack() as around:
        folder = Path(around.enter_context(tempfile.TemporaryDirectory(dir=day.folder)))
        for name in ("tmp", "out", "azurite"):
            (folder / name).mkdir()
        url, requests = around.enter_context(_serving(day, folder))
        env = environment(folder, url)
        if contender.code:
            env["PYTHONPATH"] = str(contender.code)
        azurite = around.enter_context(Azurite(folder / "azurite")) if contender.uploads else None
        container = around.enter_context(container_in(azurite)) if azurite else None
        if azurite:
            identity = around.enter_context(Identity())
            env |= azure_env(azurite, identity)
        place = Place(day, url, folder / "out", container)
        before = len(azurite.traffic()) if azurite else 0
        _warm(folder / "warm", day.size)
        figures = watched(contender.command(place), folder, env, contender.title)
        stored = len(azurite.traffic()) - before if azurite else 0
        asked = len(requests.read_text().splitlines())
        if wrong := contender.wrong(place):
            raise WrongOutputError(f"{contender.title}, {day.size} MB: the output is wrong: {wrong}")
    return Run(day.size, turn, contender.key, *figures, asked, stored)


def measured_start(folder: Path, turn: int) -> Run:
    """The command line alone: its imports, the settings, a look into an empty folder."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        here = Path(place)
        (here / "tmp").mkdir()
        command = [sys.executable, "-m", "exporter", "status"]
        figures = watched(command, here, environment(here, "http://127.0.0.1:9"), "start-up")
    return Run(0, turn, "start", *figures, 0, 0)


def watched(command: list[str], folder: Path, env: dict[str, str], title: str) -> tuple[float, float, int, int]:
    """Run a command to its end; its wall and CPU seconds, peak memory and the most that ``folder``/tmp held."""
    report, said = folder / "report.json", folder / "said"
    watch = [sys.executable, "-I", "-S", str(Path(__file__).with_name("watch.py")), str(report), str(folder / "tmp")]
    with said.open("wb") as output:
        done = subprocess.run([*watch, *command], cwd=folder, env=env, stdout=output, stderr=output, check=False)
    if done.returncode:
        raise WrongOutputError(f"{title} failed: {said.read_text(errors='replace')[-2000:]}")
    figures = json.loads(report.read_text())
    return figures["wall"], figures["cpu"], figures["memory"], figures["temp"]


def _warm(path: Path, size: int) -> None:
    """Write and delete as much as everybody will: what a virtual machine's memory costs at its first use is nobody's.

    Without it the same contender takes up to three times the CPU, by what ran before.
    """
    piece = bytes(MEGABYTE)
    with path.open("wb") as file:
        for _ in range(2 * size):
            file.write(piece)
    path.unlink()


def environment(folder: Path, url: str) -> dict[str, str]:
    """All that a contender finds in its environment; nothing of the person's own settings."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "TMPDIR": str(folder / "tmp"),
        "AMP_BASE_URL": url,
        "AMP_API_KEY": "key",
        "AMP_SECRET_KEY": "secret",
        "EXPORT_DATA_DIR": str(folder / "out"),
        "EXPORT_LOG_DIR": str(folder / "logs"),
    }


def azure_env(azurite: Azurite, identity: Identity) -> dict[str, str]:
    """How the SDK finds the stand-ins."""
    return {
        **identity.env,
        "REQUESTS_CA_BUNDLE": str(azurite.ca_file),
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "EXPORT_STORAGE_URL": azurite.blob_url,
        "EXPORT_CONTAINER": CONTAINER,
    }


@contextmanager
def container_in(azurite: Azurite) -> Iterator[ContainerClient]:
    """A container for the dumps."""
    with ContainerClient.from_connection_string(
        azurite.connection_string, CONTAINER, connection_verify=str(azurite.ca_file)
    ) as container:
        container.create_container()
        yield container


@contextmanager
def _serving(day: Day, folder: Path) -> Iterator[tuple[str, Path]]:
    """The URL of an Export API in a process of its own, and the file that gets a line for each request."""
    requests = folder / "requests"
    words = [sys.executable, "-m", "tests.bench.server", str(day.archive), str(requests)]
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip(), requests
        finally:
            server.terminate()
