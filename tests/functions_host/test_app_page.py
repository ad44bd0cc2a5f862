"""The coverage function's two faces, on Microsoft's worker."""

from collections.abc import Callable, Iterator

import pytest
import requests
from azure.storage.blob import BlobLeaseClient, ContainerClient

from exporter.pages import page
from exporter.simulator import OddLine, Simulator
from tests.azure.azurite import Azurite
from tests.functions_host.app import LAYOUT, App, last_days, send, yesterday
from tests.functions_host.host import Host
from tests.functions_host.http_front import HOST_KEY
from tests.kit.rules import FEW_HOURS

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.fixture
def app(make_host: Callable[..., Host], azurite: Azurite, container: ContainerClient) -> Iterator[App]:
    """The app with a small project: one line of yesterday is no event."""
    odd = OddLine("invalid-utf8", hours=f"{yesterday():%Y%m%d}T03")
    with Simulator(contents=[*FEW_HOURS, odd]) as simulator:
        yield App(make_host, simulator, container, azurite.blob_url)


def ask(host: Host, accept: str, path: str = "") -> requests.Response:
    """Ask for the coverage as a browser does: the key in the address."""
    headers = {"Accept": accept}
    return requests.get(f"{host.url}/api/exports{path}?code={HOST_KEY}", headers=headers, timeout=60)


def test_a_browser_gets_the_page_and_a_program_the_same_rows_as_json(app: App) -> None:
    """By the Accept header alone; neither is kept in a cache, and the page comes with its policy."""
    host = app.start()
    send(host, last_days(2))
    host.drain()
    shown, plain = ask(host, BROWSER), ask(host, "*/*")
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert {name: shown.headers[name] for name in page.headers()} == page.headers()
    assert {answer.headers["Cache-Control"] for answer in (shown, plain)} == {"no-store"}
    assert '<h2 id="fresh">Yesterday is there, ' in shown.text
    assert plain.headers["Content-Type"].startswith("application/json")
    for row in plain.json()["days"]:
        assert f"<tr id=d{row['day']}>" in shown.text
        assert f"<td>{row['events']:,}<td>" in shown.text
    assert "line 1: not UTF-8" in shown.text
    assert HOST_KEY not in shown.text


def test_a_day_is_json_for_everyone(app: App) -> None:
    """One day's manifest has no page, and an unknown day is a plain 404."""
    answer = ask(app.start(), BROWSER, f"/{yesterday()}")
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (404, "application/json")


def test_a_held_day_is_shown_as_running(app: App) -> None:
    """As long as its lease is held, and no longer."""
    host = app.start()
    blob = app.container.get_blob_client(LAYOUT.lock(yesterday()))
    blob.upload_blob(b"")
    lease = BlobLeaseClient(blob)
    lease.acquire(lease_duration=60)
    assert "Yesterday is being exported" in ask(host, BROWSER).text
    lease.release()
    assert "Yesterday is being exported" not in ask(host, BROWSER).text
