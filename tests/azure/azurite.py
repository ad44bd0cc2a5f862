"""Azurite, Microsoft's storage emulator, as the tests run it: over HTTPS, with bearer tokens, in memory."""

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import parse_qs, unquote, urlsplit

import trustme

ACCOUNT = "devstoreaccount1"
# The emulator's published key, the same in every installation.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_HERE = Path(__file__).parent
_PROGRAM = _HERE.parent / "node/node_modules/.bin/azurite"
_LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at (\S+)")
_SERVICES = ("Blob", "Queue", "Table")
_START_SECONDS = 60  # a cold start of node on a busy machine takes more than 10 s


@dataclass(frozen=True)
class Sent:
    """One request, as Azurite saw it.

    Attributes:
        method: `PUT`, `GET`, ...
        path: The decoded path with the account in front: `/devstoreaccount1/<container>/<blob>`.
        comp: The query's `comp` (`block`, `blocklist`, `lease`, ...), else empty.
        length: The Content-Length, bytes.
        status: The answer's status; 0 when the client went away before its answer.
    """

    method: str
    path: str
    comp: str
    length: int
    status: int

    @classmethod
    def of(cls, line: str) -> Self:
        """The request that one line of the traffic log tells."""
        seen = json.loads(line)
        url = urlsplit(seen["target"])
        comp = parse_qs(url.query).get("comp", [""])[0]
        return cls(seen["method"], unquote(url.path), comp, seen["length"], seen["status"])


def missing() -> str | None:
    """Why Azurite cannot run here, or None when it can."""
    if shutil.which("node") is None:
        return "Azurite needs node: install node 20 or newer, then `make test`"
    if not _PROGRAM.exists():
        return "Azurite is not installed: `make test` or `npm ci --prefix tests/node` installs it"
    return None


class Azurite:
    """A running Azurite on free loopback ports; a context manager.

    Args:
        folder: An empty folder for its certificates and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.ca_file = folder / "ca.pem"
        self._folder = folder
        self._traffic = folder / "traffic.jsonl"
        self._forgotten = 0
        self._urls: dict[str, str] = {}

    @property
    def blob_url(self) -> str:
        """The blob service's URL, the account included."""
        return self._urls["Blob"]

    @property
    def queue_url(self) -> str:
        """The queue service's URL, the account included."""
        return self._urls["Queue"]

    @property
    def connection_string(self) -> str:
        """The connection string with the account's key. The SDK needs `connection_verify=str(ca_file)` beside it."""
        ends = "".join(f"{service}Endpoint={url};" for service, url in self._urls.items())
        return f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={KEY};{ends}"

    def traffic(self) -> list[Sent]:
        """Every request since the start or the last `forget_traffic()`, in the order of the answers."""
        with self._traffic.open("rb") as log:
            log.seek(self._forgotten)
            return [Sent.of(line.decode()) for line in log if line.endswith(b"\n")]

    def forget_traffic(self) -> None:
        """Lets `traffic()` begin anew."""
        self._forgotten = self._traffic.stat().st_size

    def __enter__(self) -> Self:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        certificate.private_key_pem.write_to_path(self._folder / "key.pem")
        certificate.private_key_and_cert_chain_pem.write_to_path(self._folder / "cert.pem")
        self._traffic.touch()
        with (self._folder / "azurite.log").open("w+") as console:
            self._node = self._start(console)
            try:
                self._wait(console)
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self, console: IO[str]) -> subprocess.Popen[bytes]:
        flags = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
        flags += ["--oauth", "basic", "--cert", "cert.pem", "--key", "key.pem"]
        for service in ("blob", "queue", "table"):
            flags += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
        return subprocess.Popen(
            ["node", "--require", _HERE / "traffic.cjs", _PROGRAM, *flags],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "TRAFFIC_LOG": str(self._traffic)},
            stdout=console,
            stderr=subprocess.STDOUT,
        )

    def _wait(self, console: IO[str]) -> None:
        """Returns once all services listen; their ports are the system's choice and stand in the console."""
        end = time.monotonic() + _START_SECONDS
        while len(self._urls) < len(_SERVICES):
            ended = self._node.poll() is not None or time.monotonic() > end
            said = Path(console.name).read_text()
            self._urls = {service: f"{url}/{ACCOUNT}" for service, url in _LISTENING.findall(said)}
            if ended and len(self._urls) < len(_SERVICES):
                raise RuntimeError(f"Azurite did not start: {said[-2000:]}")
            time.sleep(0.02)

    def _stop(self) -> None:
        self._node.terminate()
        try:
            self._node.wait(10)
        except subprocess.TimeoutExpired:
            self._node.kill()
            self._node.wait()
