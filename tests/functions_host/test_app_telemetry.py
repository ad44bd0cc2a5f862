"""What of the app reaches Application Insights, by Microsoft's worker and exporter, on a loopback endpoint."""

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import requests
from azure.storage.blob import ContainerClient

from exporter.simulator import OddLine, Simulator, Status, When
from tests.azure.azurite import Azurite
from tests.functions_host.app import ROOT, App, send, yesterday
from tests.functions_host.host import Host
from tests.functions_host.http_front import HOST_KEY
from tests.kit.ingestion import Ingestion
from tests.kit.rules import FEW_HOURS

NONE = "0" * 32
COMMAND_LINE_ONLY = {"run summary: newest="}
SELDOM = {"day damaged: day=", "report failed: reason=", "scrub failed: reason=", "table failed: day="}
"""What this night does not say; tests/infra holds the words."""


@pytest.fixture
def app(make_host: Callable[..., Host], azurite: Azurite, container: ContainerClient) -> Iterator[App]:
    """The app with a small project: a line of yesterday is no event, the day before cannot be had."""
    bad = yesterday() - timedelta(days=1)
    faults = [Status(400, b"unknown parameter", When(None, hours=f"{bad:%Y%m%d}"))]
    odd = OddLine("invalid-utf8", hours=f"{yesterday():%Y%m%d}T03")
    with Simulator(contents=[*FEW_HOURS, odd], faults=faults) as simulator:
        yield App(make_host, simulator, container, azurite.blob_url)


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    """A loopback endpoint."""
    with Ingestion() as running:
        yield running


def night(app: App, ingestion: Ingestion, **changed: str | None) -> Host:
    """The timer, a good day with a rejected line and a day that fails; all their lines have arrived."""
    host = app.start(ingestion.settings | changed)
    assert host.timer("nightly").ok
    send(host, [yesterday() - timedelta(days=1)], run="run-last")
    host.drain()
    ingestion.wait_for("day exported: ")
    ingestion.wait_for("day failed: ")
    return host


def spoil_ledger(azurite: Azurite, name: str) -> None:
    """Somebody adds a line that is none."""
    trusted = str(azurite.ca_file)
    with ContainerClient.from_connection_string(azurite.connection_string, name, connection_verify=trusted) as ledger:
        (lines,) = [blob.name for blob in ledger.list_blobs(name_starts_with="ledger/2")]
        with ledger.get_blob_client(lines) as blob:
            blob.append_block(b"garbage\n")


def test_every_line_an_alert_looks_for_arrives_with_its_operation(
    app: App, ingestion: Ingestion, azurite: Azurite, azure_env: dict[str, str]
) -> None:
    """What the alert rules search for is there, once, under the operation of the invocation that said it."""
    host = night(app, ingestion)
    spoil_ledger(azurite, azure_env["EXPORT_LEDGER_CONTAINER"])
    assert host.timer("scrub").ok
    ingestion.wait_for("ledger broken: ")
    said = {log.message: run.trace_parent.split("-")[1] for run in host.invocations for log in run.logs}
    alerts = (ROOT / "infra/modules/alerts.bicep").read_text()
    sought = set(re.findall(r'startswith "([^"]+)"', alerts)) - COMMAND_LINE_ONLY
    assert len(sought - SELDOM) >= 6
    for start in sought - SELDOM:
        lines = [line for line in ingestion.lines if line.message.startswith(start)]
        assert lines, start
        assert len({line.message for line in lines}) == len(lines)
        assert all(line.operation == said[line.message] for line in lines)


def test_every_line_arrives_once_and_no_other(app: App, ingestion: Ingestion) -> None:
    """No line comes without an operation id, none twice, and none from a library: sending makes no lines to send."""
    host = night(app, ingestion)
    arrived = len(ingestion.bodies)
    while len(ingestion.bodies) < arrived + 3:  # what sending might say would be among these
        assert host.timer("nightly").ok
        ingestion.wait_for(host.invocations[-1].logs[-1].message)
    said = Counter(log.message for run in host.invocations for log in run.logs if log.category.startswith("exporter"))
    assert Counter(line.message for line in ingestion.lines) == said
    assert {line.logger.split(".")[0] for line in ingestion.lines} == {"exporter"}
    assert {line.operation for line in ingestion.lines} == {run.trace_parent.split("-")[1] for run in host.invocations}


def test_a_forgotten_logger_name_makes_no_loop(app: App, ingestion: Ingestion) -> None:
    """Without the logger's name the root logger is sent; once the app is loaded no line is about sending lines."""
    host = night(app, ingestion, PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME=None)
    counts = []
    for _ in range(3):
        assert host.timer("nightly").ok
        ingestion.wait_for(host.invocations[-1].logs[-1].message)
        counts.append(sum(line.logger.startswith("azure.") and line.operation == NONE for line in ingestion.lines))
    assert counts[0] == counts[-1]


def test_nothing_secret_and_nothing_personal_is_sent(app: App, ingestion: Ingestion) -> None:
    """No key, no Authorization header, and nothing of a rejected line or of any event, in lines and spans."""
    host = night(app, ingestion)
    requests.get(f"{host.url}/api/exports?code={HOST_KEY}", timeout=60).raise_for_status()
    everything = b"\n".join(ingestion.bodies)
    keys = app.simulator.api_key, app.simulator.secret_key
    basic = base64.b64encode(":".join(keys).encode()).decode()
    for secret in (*keys, basic, HOST_KEY, "Bearer "):
        assert secret.encode() not in everything
    (rejected,) = app.names("rejected/")
    assert app.container.download_blob(rejected).readall()
    for name in (b"user_id", b"device_id", b"event_properties"):
        assert name not in everything


def test_without_the_setting_nothing_is_sent(app: App, ingestion: Ingestion) -> None:
    """Telemetry is the operator's choice: without its setting the worker sends nothing, and the app works."""
    host = app.start(
        {"APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.settings["APPLICATIONINSIGHTS_CONNECTION_STRING"]}
    )
    assert host.timer("nightly").ok
    assert [taken.fate for taken in host.drain()] == ["deleted"]
    assert ingestion.bodies == []
