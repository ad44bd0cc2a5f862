"""What many tests need: a clock that does not wait, an exporter against a simulator, handmade archives and servers."""

import contextlib
import gzip
import io
import select
import socket
import struct
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Self

from exporter.amplitude.client import AmplitudeClient
from exporter.archive.fast import FastPath
from exporter.archive.rejected import RejectedLines
from exporter.archive.unzip import BOUNDS, Bounds, Tally, unzip
from exporter.clock import Clock, Deadline
from exporter.errors import BadArchiveError
from exporter.export import Exporter
from exporter.report import Progress, no_progress
from exporter.settings import Settings
from exporter.simulator import Simulator
from exporter.window import Window
from exporter.wiring import open_exporter

DAY = date(2025, 11, 6)
WHOLE_DAY = Window.of_day(DAY)
KEYS = (Simulator.api_key, Simulator.secret_key)


@dataclass
class Time:
    """A clock's time that passes only when someone sleeps, or a test says so; every wait is in ``sleeps``."""

    moment: datetime = datetime(2025, 11, 8, 2, tzinfo=UTC)
    seconds: float = 0
    sleeps: list[float] = field(default_factory=list)

    def pass_by(self, seconds: float) -> None:
        """Let so many seconds go by."""
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds

    def sleep(self, seconds: float) -> None:
        """Note the wait, and be at its end."""
        self.sleeps.append(seconds)
        self.pass_by(seconds)

    def clock(self) -> Clock:
        """The clock that tells this time."""
        return Clock(now=lambda: self.moment, monotonic=lambda: self.seconds, sleep=self.sleep)


@contextmanager
def exporting(
    source: "Simulator | RawServer", folder: Path, *, time: Time | None = None, progress: Progress = no_progress
) -> Iterator[Exporter]:
    """An exporter of the source's project into ``folder``."""
    settings = Settings(api_key=KEYS[0], secret_key=KEYS[1], base_url=source.url, data_dir=folder)
    with open_exporter(settings, (time or Time()).clock(), "run-1", progress) as core:
        yield core


@contextmanager
def asking(
    url: str,
    time: Time,
    *,
    attempts: int = 5,
    delay: float = 1,
    archive_limit: int = 10**9,
    progress: Progress = no_progress,
) -> Iterator[AmplitudeClient]:
    """A client that asks ``url`` with the simulator's keys."""
    with AmplitudeClient(
        url,
        KEYS,
        attempts=attempts,
        delay=delay,
        archive_limit=archive_limit,
        clock=time.clock(),
        progress=progress,
    ) as client:
        yield client


def checked(archive: BinaryIO) -> None:
    """Take an archive of DAY in, and raise if it is not sound."""
    with RejectedLines(10**8) as rejected:
        for _ in unzip(archive, WHOLE_DAY, Tally(rejected)):
            pass


@dataclass(frozen=True)
class Fetched:
    """How a window was answered, and what it took."""

    status: int
    archive_bytes: int
    requests: int


def fetched(
    client: AmplitudeClient,
    window: Window = WHOLE_DAY,
    take: Callable[[BinaryIO], None] = checked,
    deadline: Deadline | None = None,
) -> Fetched:
    """Ask for ``window`` until ``take`` has taken a sound archive in, as the loader does."""
    tries = client.tries(window, deadline)
    while True:
        answer = client.ask(tries)
        if answer.archive is None:
            return Fetched(answer.status, 0, tries.made)
        try:
            with answer.archive as archive:
                take(archive)
        except BadArchiveError as error:
            tries.again(str(error), error)
        else:
            return Fetched(answer.status, answer.size, tries.made)


@dataclass(frozen=True)
class Unzipped:
    """What `unzip` made of an archive."""

    text: bytes
    hours: tuple[int, ...]  # of the blocks with events
    tally: Tally
    rejected: bytes

    @property
    def lines(self) -> list[bytes]:
        """The events."""
        return self.text.split(b"\n")[:-1]


def unzipped(
    archive: bytes,
    window: Window = WHOLE_DAY,
    *,
    bounds: Bounds = BOUNDS,
    rejected_limit: int = 10**8,
    fast: FastPath | None = None,
) -> Unzipped:
    """Read ``archive`` from a real file, as the exporter does."""
    with tempfile.TemporaryFile() as file, RejectedLines(rejected_limit) as rejected:
        file.write(archive)
        tally = Tally(rejected)
        blocks = list(unzip(file, window, tally, bounds=bounds, fast=fast))
        for each in blocks:
            assert each.count == each.text.count(b"\n")
        text = b"".join(each.text for each in blocks)
        assert tally.events.total() == text.count(b"\n")
        return Unzipped(text, tuple(each.hour for each in blocks if each.count), tally, rejected.open().read())


def member(hour: int = 5, part: int = 0, *, day: date = DAY, project: int = 100) -> str:
    """A member's name as Amplitude spells it."""
    return f"{project}/{project}_{day}_{hour}#{part}.json.gz"


def zipped(members: Sequence[tuple[str, bytes]], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive of names and contents, in this order."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
            archive.NameToInfo.pop(name)  # a name that comes twice is meant
    return file.getvalue()


def archive_of(text: bytes, *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive whose only member holds ``text``."""
    return zipped([(member(), gzip.compress(text, mtime=0))], compression=compression)


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP answer's bytes; ``retry_after`` becomes Retry-After."""
    lines = [f"HTTP/1.1 {status} Said So", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if "content_length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class RawServer:
    """Gives each request the next of ``answers``, byte for byte; ``heads`` are the requests.

    Refuses connections when there are no more. Hangs up after an answer when the client does, at the latest after
    ``patience`` seconds; ``left`` tells of each request whether the client hung up first.
    """

    def __init__(self, *answers: bytes, patience: float = 0) -> None:
        self.heads: list[bytes] = []
        self.left: list[bool] = []
        self._answers, self._patience = answers, patience
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # all answers are given
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _serve(self) -> None:
        with self._socket, contextlib.suppress(OSError):  # the test is over before all answers are given
            self._answer_all()

    def _answer_all(self) -> None:
        for answer in self._answers:
            connection, _ = self._socket.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                self.heads.append(head)
                connection.sendall(answer)
                self.left.append(bool(select.select([connection], [], [], self._patience)[0]))


def overwritten(content: bytes, at: int, layout: str, *values: int) -> bytes:
    """``content`` with values packed over what stands at ``at``."""
    packed = struct.pack(layout, *values)
    return content[:at] + packed + content[at + len(packed) :]


def dump_of(lines: Sequence[bytes]) -> bytes:
    """The text of a dump that holds these events."""
    return b"[\n" + b",\n".join(lines) + b"\n]\n" if lines else b"[]\n"


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``, hidden ones too, with its content."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def at(step: str, act: Callable[[], None]) -> Progress:
    """A progress watcher that acts at every ``step``."""

    def watch(name: str, _done: int, _total: int | None) -> None:
        if name == step:
            act()

    return watch
