"""What is deployed, and what importing it does. tests/functions_host/ runs it."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import function_app
from exporter.app.api import HEADERS
from exporter.settings import SETTING_NAMES, Settings
from exporter.store.blob_lease import LEASE_SECONDS
from tests.functions_host.deployed import ROOT, SITE, deploy
from tests.infra.promises import COMMAND_LINE_ONLY
from tests.package.pythons import python_of

FUNCTIONS = {
    "nightly",
    "scrub",
    "export_day",
    "export_day_failed",
    "rerun",
    "rerun_forced",
    "stop",
    "coverage",
    "health",
}
IMPORT = "import sys; sys.path[:0] = sys.argv[1:3]; import function_app"
LIST = "; print([function.get_function_name() for function in function_app.app.get_functions()])"


def run(python: str, tree: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code with the tree, its packages and the standard library, and no other package at all."""
    return subprocess.run(
        [python, "-I", "-S", "-B", "-c", code, tree / SITE, tree],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of a deployment, for this Python."""
    return deploy(tmp_path_factory.mktemp("deployed"), sys.executable)


# The import


def test_requirements_alone_are_enough(tree: Path) -> None:
    """With nothing but requirements.txt installed, the app and every module of its tree can be imported."""
    modules = [".".join(path.relative_to(tree).with_suffix("").parts) for path in apps_modules(tree)]
    code = f"{IMPORT}; import importlib; [importlib.import_module(name) for name in {modules}]{LIST}"
    done = run(sys.executable, tree, code)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.replace("'", '"'))) == FUNCTIONS


WITHOUT_WHEELS = {"simdjson"} if sys.version_info >= (3, 14) else set()


def test_requirements_hold_what_is_imported_late(tree: Path) -> None:
    """Imports inside of functions count, too: they would fail at the first call that comes by."""
    names = sorted(set(imported(tree)) - WITHOUT_WHEELS)
    code = f"{IMPORT}; import importlib.util; print([name for name in {names} if not importlib.util.find_spec(name)])"
    done = run(sys.executable, tree, code)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert {"azure", "msgspec", "requests"} <= set(names)


def apps_modules(tree: Path) -> list[Path]:
    """The modules of exporter/ that every app uses.

    The command line's are uploaded, too, and never imported there; those of tables only where EXPORT_TABLES or
    EXPORT_REPORT asks for them, and without DuckDB they are a warning (tests/tables/test_derive.py).
    """
    others = {"cli", "simulator", "tables", "__main__.py"}
    return [path for path in (tree / "exporter").rglob("*.py") if not others.intersection(path.parts)]


def imported(tree: Path) -> Iterator[str]:
    """The packages that the tree's own modules import, wherever in them."""
    for path in (tree / "function_app.py", *apps_modules(tree)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]


def test_the_app_loads_on_python_312(tmp_path: Path) -> None:
    """There azure-functions is 1.26 and not 2: the same app indexes."""
    old = python_of("3.12")
    if old is None:
        pytest.skip("no Python 3.12 with pip here: the app is deployed on 3.13")
    done = run(old, deploy(tmp_path, old), IMPORT + LIST + "; print(sys.version_info[:2])")
    assert done.returncode == 0, done.stderr
    names, version = done.stdout.splitlines()
    assert (set(json.loads(names.replace("'", '"'))), version) == (FUNCTIONS, "(3, 12)")


def test_the_import_is_small_and_silent(tree: Path) -> None:
    """Nothing of the command line, the simulator or the storage SDK is imported, and nobody is called."""
    events = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen"}
    watch = f"import sys; calls = []; sys.addaudithook(lambda event, _: event in {events} and calls.append(event)); "
    code = f"{watch}{IMPORT}; import json; print(json.dumps([sorted(sys.modules), calls]))"
    done = run(sys.executable, tree, code)
    assert done.returncode == 0, done.stderr
    modules, calls = json.loads(done.stdout)
    command_line = ("rich", "dotenv", "exporter.cli", "exporter.simulator")
    at_the_first_call = (
        "azure.storage",
        "azure.identity",
        "msal",
        "cryptography",
        "exporter.store.blob",
        "exporter.app.backlog",
    )
    heavy = command_line + at_the_first_call
    assert [name for name in modules if name.startswith(heavy)] == []
    assert calls == []
    assert "exporter.app.chain" in modules


# The settings of the host


def seconds(text: str) -> float:
    """A time span of host.json."""
    hours, minutes, rest = map(int, text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=rest).total_seconds()


def host_json() -> Any:
    """host.json."""
    return json.loads((ROOT / "host.json").read_text())


def test_a_day_ends_before_the_platform_ends_it() -> None:
    """The day's deadline leaves time for the last piece and the failure record."""
    limit = seconds(host_json()["functionTimeout"])
    assert limit - function_app.DAY_SECONDS >= 5 * 60


def test_the_queue_is_polled_as_the_chains_need_it() -> None:
    """One message at a time on an instance; five attempts; a failed day waits for longer than a dead one's lease."""
    queues = host_json()["extensions"]["queues"]
    assert (queues["batchSize"], queues["newBatchThreshold"], queues["maxDequeueCount"]) == (1, 0, 5)
    assert queues["messageEncoding"] == "base64"
    assert seconds(queues["visibilityTimeout"]) == 15 * 60 > LEASE_SECONDS


def test_the_platform_answers_with_the_same_promise_of_https() -> None:
    """What comes from no function, a 401 or 404 above all, has the header from the host: days there, seconds here."""
    hsts = host_json()["extensions"]["http"]["hsts"]
    assert hsts["isEnabled"]
    assert HEADERS["Strict-Transport-Security"] == f"max-age={int(hsts['maxAge']) * 24 * 3600}"


def test_a_night_has_several_chances() -> None:
    """The timer is fired again for half an hour at most, long before the next night and the alert at 06:00."""
    (nightly,) = [one for one in function_app.app.get_functions() if one.get_function_name() == "nightly"]
    retry = nightly.get_settings_dict("retry_policy") or {}
    assert 4 <= int(retry["max_retry_count"]) <= 6
    assert int(retry["max_retry_count"]) * seconds(retry["delay_interval"]) <= 30 * 60


def test_the_example_settings_are_complete() -> None:
    """The example has every setting that the app reads, with its default, and no other name."""
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    elsewhere = COMMAND_LINE_ONLY - {"EXPORT_STORAGE_CONNECTION_STRING"} | {"EXPORT_STORAGE_URL"}
    assert set(values) == SETTING_NAMES - elsewhere | {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
    given = Settings.from_mapping(values)
    assert given.storage_connection_string == values["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"
    said = replace(Settings(), api_key=given.api_key, secret_key=given.secret_key)
    assert given == replace(said, storage_connection_string=given.storage_connection_string)


def test_the_documents_list_the_functions_that_there_are() -> None:
    """What success looks like after a publish."""
    operations, readme = (ROOT / name for name in ("docs/operations.md", "README.md"))
    listed = re.search(r"a list of \*\*(\w+) functions\*\*: ([^.]*)\.", operations.read_text())
    assert listed
    assert (listed[1], set(re.findall(r"`(\w+)`", listed[2]))) == ("nine", FUNCTIONS)
    assert len(FUNCTIONS) == 9
    assert "lists nine functions" in readme.read_text()
