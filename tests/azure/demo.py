"""`make demo-azure`: one simulated day goes to Azure's storage emulator, the way it goes to Azure.

Over HTTPS, with a token of a managed identity. What stands in for Azure and for Amplitude runs on this machine until
Ctrl-C, so that the commands shown at the end work. Nothing is read from `.env`, nothing is written but `demo/azure/`.
"""

import logging
import os
import shlex
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

from azure.storage.blob import ContainerClient

from exporter.cli.logs import log_to_console, log_to_file
from exporter.cli.show import print_table
from exporter.clock import Clock
from exporter.run import export_days
from exporter.settings import Settings
from exporter.simulator import Simulator, Status
from exporter.window import yesterday_of
from exporter.wiring import new_run, open_exporter
from tests.azure.azurite import Azurite, missing
from tests.azure.identity import Identity

LOGS = Path("demo/azure/logs")
CONTAINER = "amplitude"
EVENTS_PER_HOUR = 400


def main() -> int:
    """Start what stands in, export yesterday, show what there is; return the exit code."""
    if reason := missing():
        print(reason, file=sys.stderr)  # noqa: T201 - its answer
        return 1
    clock = Clock(lambda: datetime.now(UTC), time.monotonic, time.sleep)
    day = yesterday_of(clock.now())
    with ExitStack() as running:
        azurite = running.enter_context(Azurite(Path(running.enter_context(tempfile.TemporaryDirectory()))))
        identity = running.enter_context(Identity())
        simulator = running.enter_context(Simulator(events_per_hour=EVENTS_PER_HOUR, faults=[Status(503)]))
        container = running.enter_context(
            ContainerClient.from_connection_string(
                azurite.connection_string, CONTAINER, connection_verify=str(azurite.ca_file)
            )
        )
        container.create_container()
        env = environment(azurite, identity, simulator)
        os.environ.update(env)  # the SDKs look there for the identity and the certificate
        if not export(day, env, clock):
            return 1
        show(day, container)
        if sys.stdin.isatty():
            show_commands(env)
            wait_for_ctrl_c()
        else:
            print("\nOn a terminal everything stays up until Ctrl-C, to be looked at.")  # noqa: T201 - its answer
    return 0


def environment(azurite: Azurite, identity: Identity, simulator: Simulator) -> dict[str, str]:
    """What an app in Azure finds in its environment, pointed at this machine."""
    return {
        **identity.env,
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "AZURE_CLIENT_ID": identity.client_id,
        "REQUESTS_CA_BUNDLE": str(azurite.ca_file),
        "NO_PROXY": "127.0.0.1",
        "EXPORT_STORAGE_URL": azurite.blob_url,
        "EXPORT_CONTAINER": CONTAINER,
        "EXPORT_LOG_DIR": str(LOGS),
        "AMP_BASE_URL": simulator.url,
        "AMP_API_KEY": simulator.api_key,
        "AMP_SECRET_KEY": simulator.secret_key,
    }


def export(day: date, env: dict[str, str], clock: Clock) -> bool:
    """Export the day as a function app does; return whether it is there."""
    settings = Settings.from_mapping(env)
    log_to_console(settings, logging.StreamHandler(sys.stderr))
    log_to_file(settings, clock.now())
    logging.getLogger("exporter.simulator").setLevel(logging.WARNING)
    with open_exporter(settings, clock, new_run(clock.now())) as core:
        return export_days([day], core).ok


def show(day: date, container: ContainerClient) -> None:
    """The container's listing."""
    lines = [
        (
            blob.name,
            f"{blob.size:,}",
            " ".join(f"{name}={text[:16]}" for name, text in sorted(blob.metadata.items()) if text),
        )
        for blob in container.list_blobs(include=["metadata"])
    ]
    print(f"\nA simulated day of an Amplitude project, {day} (UTC), is in {container.url}:\n")  # noqa: T201 - its answer
    print_table(("blob", "bytes", "metadata"), lines)
    print(  # noqa: T201 - its answer
        """
It was written with a token of a managed identity, as in Azure. There, EXPORT_STORAGE_URL is
https://<account>.blob.core.windows.net, and the identity has the role Storage Blob Data Contributor
on the container."""
    )


def show_commands(env: dict[str, str]) -> None:
    """What to type next."""
    settings = "\n".join(f"  export {name}={shlex.quote(value)}" for name, value in env.items())
    print(  # noqa: T201 - its answer
        f"""
While this runs, type in another terminal, in this folder:
{settings}
  .venv/bin/python -m exporter status              # what is there
  .venv/bin/python -m exporter verify              # read it back against its manifest
  .venv/bin/python -m exporter export              # once more: unchanged, nothing is sent"""
    )


def wait_for_ctrl_c() -> None:
    """Keep everything running until the user has seen enough."""
    print("\nCtrl-C ends it.", flush=True)  # noqa: T201 - its answer
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()  # noqa: T201 - the shell's prompt on a line of its own


if __name__ == "__main__":
    sys.exit(main())
