"""Many small days whose first byte takes a while, several at once: what a backfill of a quiet project is."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from azure.storage.blob import ContainerClient

from tests.azure.azurite import Azurite, missing
from tests.azure.identity import Identity
from tests.bench.measure import REPOSITORY, Run, WrongOutputError, azure_env, container_in, environment, watched
from tests.bench.results import DAYS, FIRST_BYTE_SECONDS
from tests.bench.slow import small_days
from tests.kit import DAY, dump_of

KEY = "many"
ASKED = "asked.json"


@dataclass(frozen=True)
class Way:
    """One way through the days: how many at once, and where to."""

    at_once: int
    uploads: bool = False

    @property
    def key(self) -> str:
        """Its name in the results."""
        return f"{KEY}-{self.at_once}" + ("-azurite" if self.uploads else "")

    @property
    def title(self) -> str:
        """Its name on the page."""
        return f"{self.at_once} at once, to {'Azurite' if self.uploads else 'a folder'}"


MANY = (Way(1), Way(2), Way(4), Way(4, uploads=True))


def ways() -> list[Way]:
    """Those that can be measured here."""
    return [way for way in MANY if not (way.uploads and missing())]


def measured_days(way: Way, folder: Path, turn: int, days: int = DAYS, seconds: float = FIRST_BYTE_SECONDS) -> Run:
    """Backfill the days once.

    Raises:
        WrongOutputError: it failed, a dump is wrong, or Amplitude was asked more often at once than is allowed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as around:
        place = Path(around.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        for name in ("tmp", "out", "azurite"):
            (place / name).mkdir()
        env = {"EXPORT_CONCURRENCY": str(way.at_once)}
        container = None
        if way.uploads:
            azurite = around.enter_context(Azurite(place / "azurite"))
            container = around.enter_context(container_in(azurite))
            env |= azure_env(azurite, around.enter_context(Identity()))
        words = ["backfill", "--from", str(DAY - timedelta(days=days - 1)), "--to", str(DAY), "--quiet"]
        with _serving(seconds, place) as (url, api_key, secret_key):
            env |= environment(place, url) | {"AMP_API_KEY": api_key, "AMP_SECRET_KEY": secret_key}
            figures = watched([sys.executable, "-m", "exporter", *words], place, env, way.title)
        told = json.loads((place / ASKED).read_text())
        if told["at_once"] > way.at_once:
            raise WrongOutputError(f"{way.title}: Amplitude was asked {told['at_once']} times at once")
        _check(place / "out", container, days)
    return Run(0, turn, way.key, *figures, told["asked"], 0)


def _check(out: Path, container: ContainerClient | None, days: int) -> None:
    """Every day's dump is what the simulator has, worked out here without the exporter."""
    source = small_days(0)
    for number in range(days):
        day = DAY - timedelta(days=number)
        name = f"{day:%Y%m%d}_0000_ampl_dump.json"
        found = container.download_blob(name).readall() if container else (out / name).read_bytes()
        if hashlib.sha256(found).digest() != hashlib.sha256(dump_of(source.lines(day))).digest():
            raise WrongOutputError(f"{name} is wrong")


@contextmanager
def _serving(seconds: float, place: Path) -> Iterator[list[str]]:
    """Its URL and keys; what it was asked is in ASKED afterwards."""
    words = [sys.executable, "-m", "tests.bench.slow", str(seconds), str(place / ASKED)]
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield [server.stdout.readline().strip() for _ in range(3)]
        finally:
            server.terminate()
