"""The project's own app on the test host: its settings, what a test asks it, what it left in the container."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from azure.storage.blob import ContainerClient

from exporter.days.layout import Layout
from exporter.simulator import Simulator
from tests.functions_host.host import Host
from tests.functions_host.http_front import HOST_KEY
from tests.kit import dump_of

ROOT = Path(__file__).parents[2]
QUEUE = "export-days"
POISON = "export-days-poison"
LAYOUT = Layout()


def yesterday() -> date:
    """The newest day that can be exported."""
    return datetime.now(UTC).date() - timedelta(days=1)


def last_days(number: int) -> list[date]:
    """So many days up to yesterday, newest first."""
    return [yesterday() - timedelta(days=n) for n in range(number)]


@dataclass(frozen=True)
class App:
    """The app, ready to be started on hosts; its source is the simulator, its store the container.

    Attributes:
        make_host: The fixture of that name.
        blob_url: Of Azurite's blob service.
    """

    make_host: Callable[..., Host]
    simulator: Simulator
    container: ContainerClient
    blob_url: str

    def start(
        self, changed: Mapping[str, str | None] | None = None, *, folder: Path = ROOT, lock_seconds: int = 600
    ) -> Host:
        """Start a host of the app in ``folder``; failed messages come back at once.

        ``changed`` are settings beside the usual ones; those that are None are left out.
        """
        settings = {
            "AMP_API_KEY": self.simulator.api_key,
            "AMP_SECRET_KEY": self.simulator.secret_key,
            "AMP_BASE_URL": self.simulator.url,
            "EXPORT_STORAGE_URL": self.blob_url,
            "EXPORT_CONTAINER": str(self.container.container_name),
            "EXPORT_SCHEDULE": "0 0 2 * * *",
            "EXPORT_DELAY_SECONDS": "0.01",
            **(changed or {}),
        }
        given = {name: value for name, value in settings.items() if value is not None}
        return self.make_host(folder, given, lock_seconds=lock_seconds, retry_seconds=0)

    def names(self, prefix: str = "") -> list[str]:
        """What the container holds."""
        return sorted(blob.name for blob in self.container.list_blobs(name_starts_with=prefix))

    def json(self, name: str) -> dict[str, Any]:
        """A small document of the container."""
        return dict(json.loads(self.container.download_blob(name).readall()))

    def check_whole(self, day: date) -> None:
        """Assert that the day's dump holds exactly the simulator's events, and that its manifest says so."""
        assert self.container.download_blob(LAYOUT.dump(day)).readall() == dump_of(self.simulator.lines(day))
        assert self.json(LAYOUT.manifest(day))["events"] == len(self.simulator.lines(day))
        assert self.names(LAYOUT.failure(day)) == []

    def asked(self, day: date) -> int:
        """How many requests for the day Amplitude has had."""
        return sum(request.first.startswith(f"{day:%Y%m%d}") for request in self.simulator.requests)


def ask(
    host: Host, method: str, path: str = "", key: str | None = HOST_KEY, body: bytes | Mapping[str, Any] | None = None
) -> requests.Response:
    """Ask the app at `/api/exports` and what follows."""
    headers = {"x-functions-key": key} if key else {}
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    return requests.request(method, f"{host.url}/api/exports{path}", headers=headers, data=content, timeout=120)


def post(host: Host, path: str, *days: date) -> requests.Response:
    """Ask for a range of days, from the oldest of them to the newest."""
    return ask(host, "POST", path, body={"from": str(min(days)), "to": str(max(days))})


def send(host: Host, days: list[date], *, run: str = "", queue: str = QUEUE, force: bool = False) -> str:
    """Put one chain on the queue, as the app does, and return the run's id."""
    run = run or f"run-{uuid.uuid4().hex[:8]}"
    message = {"run": run, "days": [str(day) for day in days], "force": force}
    host.queues.send(queue, json.dumps(message))
    return run


def said(host: Host) -> list[str]:
    """Everything the app has logged so far."""
    return [log.message for log in host.logs if not log.system]
