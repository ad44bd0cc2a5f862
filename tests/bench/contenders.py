"""Who takes part: how each is started, and how its output is checked."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import ContainerClient

from tests.bench.day import Day

CONTAINER = "amplitude"
ONE_A_LINE = b'"$insert_id"'
"""A key that each simulated event has once, and that no value contains."""
PIECE = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a contender works.

    Attributes:
        day: what is exported.
        url: of the Export API.
        out: an empty folder for the output.
        container: an empty container, for those that need one.
    """

    day: Day
    url: str
    out: Path
    container: ContainerClient | None = None


@dataclass(frozen=True)
class Contender:
    """One way to export a day, or a part of the way.

    Attributes:
        key: its name for `--only`.
        title: its name in the results.
        words: the command, after `python -m`.
        wrong: what is wrong with the output, or None.
        uploads: it needs a container.
        memory: how many times the day's size must be free, itself and the storage emulator together.
        code: where its code is, if not here.
    """

    key: str
    title: str
    words: Callable[[Place], list[str]]
    wrong: Callable[[Place], str | None]
    uploads: bool = False
    memory: float = 0.2
    code: Path | None = None

    def command(self, place: Place) -> list[str]:
        """The whole command."""
        return [sys.executable, "-m", *self.words(place)]


def _export(_: Place) -> list[str]:
    return ["exporter", "export", "--day", "2025-11-06", "--json"]


def _difference(found: str, expected: str) -> str | None:
    return None if found == expected else f"its SHA-256 is {found}, not {expected}"


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong_lines(place: Place) -> str | None:
    return _difference(_file_sha256(place.out / "lines"), place.day.facts.lines_sha256)


def _wrong_file(place: Place) -> str | None:
    return _difference(_file_sha256(place.out / "20251106_0000_ampl_dump.json"), place.day.facts.sha256)


def _wrong_count(place: Place) -> str | None:
    """The other ways write the same events in other bytes: they are counted."""
    count, tail = 0, b""
    with (place.out / "dump.json").open("rb") as file:
        while piece := file.read(PIECE):
            text = tail + piece
            count += text.count(ONE_A_LINE)
            tail = text[-len(ONE_A_LINE) + 1 :]
    return None if count == place.day.facts.events else f"it holds {count} events, not {place.day.facts.events}"


def _wrong_blob(place: Place) -> str | None:
    assert place.container
    (name,) = [blob.name for blob in place.container.list_blobs() if blob.name.endswith("dump.json")]
    digest = hashlib.sha256()
    for piece in place.container.download_blob(name).chunks():
        digest.update(piece)
    return _difference(digest.hexdigest(), place.day.facts.sha256)


CONTENDERS = (
    Contender(
        "naive",
        "naive script",
        lambda place: ["tests.bench.naive", place.url, str(place.out / "dump.json")],
        _wrong_count,
        memory=6,
    ),
    Contender(
        "plain",
        "plain streaming",
        lambda place: ["tests.bench.plain", place.url, str(place.out / "dump.json")],
        _wrong_count,
    ),
    Contender("local", "this exporter, to a folder", _export, _wrong_file),
    Contender("azurite", "this exporter, to Azurite", _export, _wrong_blob, uploads=True, memory=3),
    Contender(
        "upload",
        "upload alone, to Azurite",
        lambda place: ["tests.bench.upload", str(place.day.dump)],
        _wrong_blob,
        uploads=True,
        memory=3,
    ),
    Contender(
        "floor",
        "floor: download, and igzip to a file",
        lambda place: ["tests.bench.floor", place.url, str(place.day.members), str(place.out / "lines")],
        _wrong_lines,
    ),
)


def before(code: Path) -> Contender:
    """This exporter as it was, with today's packages."""
    return Contender("before", "this exporter as it was before, to a folder", _export, _wrong_file, code=code)


def checked_out(revision: str, folder: Path) -> Path:
    """The exporter's code of a revision, below ``folder``."""
    repository = Path(__file__).parents[2]
    name = subprocess.run(["git", "rev-parse", revision], cwd=repository, capture_output=True, text=True, check=True)
    place = folder / f"code-{name.stdout.strip()}"
    place.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "archive", revision, "exporter"], cwd=repository, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(place)], input=archive.stdout, check=True)
    return place
