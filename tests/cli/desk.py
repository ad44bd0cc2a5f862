"""A folder that someone works in, and what the command line answers there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator import Simulator
from tests.kit import KEYS, files_in

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Desk:
    """A folder that someone works in, with the environment of their shell."""

    folder: Path
    simulator: Simulator

    @property
    def data(self) -> Path:
        """The local store."""
        return self.folder / "data"

    def environment(self, **changed: str) -> dict[str, str]:
        """What a child process gets, and nothing of this machine's own settings."""
        keys = {"AMP_BASE_URL": self.simulator.url, "AMP_API_KEY": KEYS[0], "AMP_SECRET_KEY": KEYS[1]}
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(self.folder / "tmp")}
        return {**own, **keys, "EXPORT_DELAY_SECONDS": "0", "PYTHONWARNINGS": "error", **changed}

    def call(self, *words: str, **changed: str) -> "Said":
        """Call the command line and wait for its end."""
        return self.call_as(("-m", "exporter"), words, changed)

    def call_as(self, program: Sequence[str], words: Sequence[str], changed: Mapping[str, str]) -> "Said":
        """Call the command line in another way."""
        done = subprocess.run(
            [sys.executable, *program, *words],
            cwd=self.folder,
            env=self.environment(**changed),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(self, *words: str, **changed: str) -> Iterator[subprocess.Popen[str]]:
        """Call the command line and leave it at work."""
        with subprocess.Popen(
            [sys.executable, "-m", "exporter", *words],
            cwd=self.folder,
            env=self.environment(**changed),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            try:
                yield child
            finally:
                child.kill()

    def logs(self) -> str:
        """Everything in the log files."""
        return "".join(path.read_text() for path in sorted((self.folder / "logs").glob("log_*.log")))


@dataclass(frozen=True)
class Said:
    """What a call answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on stdout."""
        return json.loads(self.out)


def left(desk: Desk) -> set[str]:
    """The files of the local store and of the temp folder, hidden ones too."""
    return {*files_in(desk.data), *files_in(desk.folder / "tmp")}


def recent(number: int) -> str:
    """The day so many days before yesterday."""
    return str(datetime.now(UTC).date() - timedelta(days=number + 1))


def wait_for_a_request(desk: Desk, child: subprocess.Popen[str]) -> None:
    """Return when the exporter has asked for its first window."""
    asked = len(desk.simulator.requests)
    while len(desk.simulator.requests) == asked:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.01)


def terminal(descriptor: int) -> str:
    """Everything that a terminal is sent until the other side is gone."""
    shown = b""
    try:
        while piece := os.read(descriptor, 1 << 16):
            shown += piece
    except OSError:
        pass  # Linux says so when the last process has closed it
    finally:
        os.close(descriptor)
    return shown.decode()
