"""The tree of a deployment, on a worker that has nothing but Microsoft's runtime."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from exporter.simulator import Simulator
from tests.azure.azurite import Azurite
from tests.functions_host.app import App, ask, yesterday
from tests.functions_host.deployed import deploy, worker
from tests.functions_host.function import HostError
from tests.functions_host.host import Host
from tests.kit.rules import FEW_HOURS

PYTHON = sys.executable


@pytest.fixture
def app(
    make_host: Callable[..., Host], azurite: Azurite, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[App]:
    """The app with a small project and an empty container; its workers run in an environment of their own."""
    monkeypatch.setattr(sys, "executable", worker(PYTHON))  # what a host starts its worker with
    with Simulator(contents=FEW_HOURS) as simulator:
        yield App(make_host, simulator, container, azurite.blob_url)


def test_a_deployment_exports_a_day(app: App, tmp_path: Path) -> None:
    """What is deployed is enough: timer, queue, identity, dump, coverage and rerun work in it."""
    host = app.start(folder=deploy(tmp_path, PYTHON))
    host.timer("nightly").check()
    host.drain()
    app.check_whole(yesterday())
    assert ask(host, "GET", f"/{yesterday()}").json()["whole"]
    assert ask(host, "POST", f"/{yesterday()}").status_code == 202
    host.drain()
    assert app.asked(yesterday()) == 2


@pytest.mark.parametrize("module", ["msgspec", "isal", "requests", "urllib3"])
def test_a_dependency_that_is_missing_at_import_stops_the_app(app: App, tmp_path: Path, module: str) -> None:
    """The worker has no package of its own to fall back on: indexing fails and names the module."""
    with pytest.raises(HostError, match=f"No module named '{module}'"):
        app.start(folder=deploy(tmp_path, PYTHON, without=module))


@pytest.mark.parametrize("module", ["azure.identity", "azure.storage", "azure.core", "msal"])
def test_a_dependency_that_is_missing_at_the_first_call_fails_it(app: App, tmp_path: Path, module: str) -> None:
    """What is imported only when it is needed is missed then, by name."""
    host = app.start(folder=deploy(tmp_path, PYTHON, without=module))
    fired = host.timer("nightly")
    assert (fired.ok, f"No module named '{module}" in fired.error) == (False, True)
