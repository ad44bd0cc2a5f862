"""A desk at which every command can be called with secrets that are canaries, and everything that is seen there."""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from exporter import __main__ as door
from exporter.simulator import Simulator
from tests.azure.azurite import KEY as ACCOUNT_KEY
from tests.security.hostile import leaks

ALL = os.environ.get("CANARIES") == "all"
"""Whether every combination is tried: minutes in place of seconds."""
API_KEY, SECRET_KEY = "c4n4ry-4p1-k3y-0123456789", "c4n4ry+s3cr3t/k3y==&<%41>"
USER, PASSWORD = "c4n4ry-us3r", "c4n4ry@pr0xy:p4ss"
ERASURE_KEY = "c4n4ry-3r4sur3-k3y/0123456789+abcdef=="
SENT = (API_KEY, SECRET_KEY, f"{API_KEY}:{SECRET_KEY}", USER, PASSWORD, f"{USER}:{PASSWORD}", ACCOUNT_KEY)
CANARIES = (*SENT, ERASURE_KEY)
PROXY = "http://c4n4ry-us3r:c4n4ry%40pr0xy%3Ap4ss@127.0.0.1:9"


class Source(Simulator):
    """A simulator that wants the canaries for keys."""

    api_key, secret_key = API_KEY, SECRET_KEY


class Records(logging.Handler):
    """Keeps every record with all its attributes, as telemetry gets it, and its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it. The simulator is another program in real life."""
        if not record.name.startswith("exporter.simulator"):
            self.told.append(f"{logging.Formatter().format(record)} {vars(record)}")


@dataclass
class Desk:
    """Somebody's folder and environment; ``seen`` is everything that could be read so far."""

    folder: Path
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    env: dict[str, str] = field(default_factory=dict)
    further: tuple[str, ...] = ()
    seen: list[str] = field(default_factory=list)

    def call(self, *words: str, **changed: str) -> int:
        """Call the command line in this process, whose waits take no time; return its exit code."""
        with self.patch.context() as patched, self._listening():
            for name in list(os.environ):
                if name.startswith(("AMP_", "EXPORT_", "IDENTITY_", "AZURE_")):
                    patched.delenv(name)
            for name, value in (self._usual() | self.env | changed).items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["exporter", *words])
            patched.setattr(door, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: None))
            patched.chdir(self.folder)
            try:
                return door.main()
            except SystemExit as end:
                return int(end.code or 0)

    def _usual(self) -> dict[str, str]:
        return {
            "AMP_API_KEY": API_KEY,
            "AMP_SECRET_KEY": SECRET_KEY,
            "HTTPS_PROXY": PROXY,
            "HTTP_PROXY": PROXY,
            "NO_PROXY": "127.0.0.1",
            "EXPORT_LOG_LEVEL": "DEBUG",
            "EXPORT_DELAY_SECONDS": "0",
            "EXPORT_ERASURE_KEY": ERASURE_KEY,
            "EXPORT_ERASE_FOLLOW": "on",
            "EXPORT_DATA_DIR": str(self.folder / "data"),
            "EXPORT_LOG_DIR": str(self.folder / "logs"),
        }

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Hear what is logged and printed; then let logging and signals be as they were."""
        root, records = logging.getLogger(), Records()
        before, level, handler = list(root.handlers), root.level, signal.getsignal(signal.SIGTERM)
        root.addHandler(records)
        try:
            yield
        finally:
            for each in set(root.handlers) - set(before):
                root.removeHandler(each)
                each.close()
            root.setLevel(level)
            signal.signal(signal.SIGTERM, handler)
            said = self.capsys.readouterr()
            self.seen += [said.out, said.err, *records.told]

    def leaked(self) -> list[str]:
        """The canaries that can be read in anything that was seen, or lies in the folder; then forget it."""
        found = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        everything = "\n".join((*self.seen, *map(str, found), *(c.decode(errors="replace") for c in found.values())))
        assert len(everything) > 100, "nothing was seen: a canary could not be, either"
        for path in found:
            path.unlink()
        self.seen.clear()
        return leaks(everything, (*CANARIES, *self.further))


def blobs_of(container: ContainerClient) -> Iterator[str]:
    """Everything in a container: names, metadata, content."""
    for blob in container.list_blobs(include=["metadata"]):
        content = container.download_blob(blob.name).readall() if blob.size else b""
        yield f"{blob.name} {blob.metadata} {blob.content_settings} {content.decode(errors='replace')}"


def quiet(env: Mapping[str, str]) -> dict[str, str]:
    """An environment without what only this process needs."""
    return {name: value for name, value in env.items() if name not in {"PATH", "HOME"}}


Place = Callable[[str], dict[str, Any]]
