"""A simulated day of a given size, made once: what Amplitude would send, and what an export of it must be."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from exporter.simulator import archive, events, people
from exporter.simulator.hours import HOUR

SEED, PROJECT = 7, 100011471
START = datetime(2025, 11, 6, tzinfo=UTC)
MEGABYTE = 1_000_000
SAMPLE = 2_000


@dataclass(frozen=True)
class Facts:
    """What is known of a day.

    Attributes:
        events: lines.
        bytes: of the dump.
        sha256: of the dump, worked out without the exporter.
        lines_sha256: of the lines alone, each ending with a line feed.
        archive_bytes: of the ZIP of the whole day.
        made_by: a digest of the code that made it; another one means that the day is made again.
    """

    events: int
    bytes: int
    sha256: str
    lines_sha256: str
    archive_bytes: int
    made_by: str


@dataclass(frozen=True)
class Day:
    """The files of a day in ``folder``: the ZIP, the members as one gzip file, the dump."""

    size: int
    folder: Path
    facts: Facts

    @property
    def archive(self) -> Path:
        """The ZIP of the whole day."""
        return self.folder / "day.zip"

    @property
    def members(self) -> Path:
        """All gzip members, one after the other."""
        return self.folder / "members.json.gz"

    @property
    def dump(self) -> Path:
        """The dump as it must be."""
        return self.folder / "dump.json"


def made(size: int, folder: Path) -> Day | None:
    """The day of ``size`` MB of JSON lines, if it has been made by this code."""
    path = folder / "facts.json"
    facts = Facts(**json.loads(path.read_text())) if path.exists() else None
    return Day(size, folder, facts) if facts and facts.made_by == _made_by() else None


def make(size: int, folder: Path) -> Day:
    """Make the day of ``size`` MB; an hour's part is in memory at a time. The facts are written last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.json").unlink(missing_ok=True)
    day = Day(size, folder, Facts(0, 0, "", "", 0, ""))
    source = events.Events(SEED, PROJECT, _events_per_hour(size))
    with day.dump.open("wb") as dump, day.members.open("wb") as members, zipfile.ZipFile(day.archive, "w") as packed:
        expected = _Expected(dump)
        for number in range(24):
            hour = START + number * HOUR
            lines = expected.noting(source.lines(hour, source.count(hour)))
            for member in archive.members_of_hour(source, hour, lines, odd=False):
                members.write(member.body)
                info = zipfile.ZipInfo(member.name)
                packed.writestr(info, member.body, zipfile.ZIP_DEFLATED, archive.LEVEL)
        expected.finish()
    facts = Facts(
        expected.events,
        day.dump.stat().st_size,
        expected.dump_digest.hexdigest(),
        expected.lines_digest.hexdigest(),
        day.archive.stat().st_size,
        _made_by(),
    )
    (folder / "facts.json").write_text(json.dumps(asdict(facts), indent=1))
    return Day(size, folder, facts)


class _Expected:
    """The dump as it must be, written line by line beside the archive; no code of the exporter's has a part in it."""

    def __init__(self, dump: IO[bytes]) -> None:
        self.events = 0
        self.dump_digest: Any = hashlib.sha256()
        self.lines_digest: Any = hashlib.sha256()
        self._dump = dump

    def noting(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._write(b",\n" if self.events else b"[\n", line)
            self.lines_digest.update(line + b"\n")
            self.events += 1
            yield line

    def finish(self) -> None:
        self._write(b"\n]\n" if self.events else b"[]\n")

    def _write(self, *texts: bytes) -> None:
        text = b"".join(texts)
        self._dump.write(text)
        self.dump_digest.update(text)


def _events_per_hour(size: int) -> int:
    sample = events.Events(SEED, PROJECT, SAMPLE).lines(START, SAMPLE)
    return max(1, round(size * MEGABYTE / (sum(len(line) + 1 for line in sample) / SAMPLE) / 24))


def _made_by() -> str:
    paths = (archive.__file__, events.__file__, people.__file__, __file__)
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()[:16]
