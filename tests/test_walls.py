"""The walls between the modules, read from their syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "exporter"
APP = REPOSITORY / "function_app.py"
SIMULATOR = PACKAGE / "simulator"
COMMAND_LINE = (PACKAGE / "__main__.py", PACKAGE / "cli")
CLOCKS = frozenset(
    f"{owner}.{name}"
    for owner, names in {
        "datetime": ("now", "utcnow", "today"),
        "date": ("today",),
        "time": ("time", "time_ns", "monotonic", "perf_counter", "sleep"),
    }.items()
    for name in names
)
ENVIRONMENT = frozenset({"os.environ", "os.environb", "os.getenv", "os.putenv"})


def modules(*places: Path) -> list[Path]:
    """Every module in the given files and folders."""
    found = [path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place])]
    return sorted(path for path in found if path.exists())


def within(path: Path, *places: Path) -> bool:
    """Whether a module is one of the files, or in one of the folders."""
    return any(place == path or place in path.parents for place in places)


def imported(path: Path) -> set[str]:
    """The full name of everything that a module imports, inside functions too: `azure.storage.blob.BlobClient`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def used(path: Path) -> set[str]:
    """Every `owner.name` that a module mentions, and what it imports from a module by name."""
    tree = ast.parse(path.read_text())
    mentioned = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return mentioned | imported(path)


def importers(library: str, *places: Path) -> Iterator[str]:
    """The modules that import a library or a part of it, by their path in the repository."""
    for path in modules(*places):
        if any(name == library or name.startswith(f"{library}.") for name in imported(path)):
            yield path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("azure.functions", set()),
        (
            "requests",
            {f"exporter/amplitude/{name}.py" for name in ("bodies", "client", "connection")}
            | {"exporter/doctor/source.py", "exporter/store/blob_transport.py"},
        ),
        (
            "urllib3",
            {f"exporter/amplitude/{name}.py" for name in ("bodies", "client", "connection", "failures", "retries")}
            | {"exporter/doctor/source.py", "exporter/foreign/addresses.py", "exporter/store/blob_transport.py"},
        ),
        ("dotenv", {"exporter/__main__.py"}),
        ("isal", {"exporter/archive/members.py"}),
        ("duckdb", {f"exporter/tables/{name}.py" for name in ("duck", "merged", "query", "write")}),
        ("fsspec", {"exporter/tables/reading.py"}),
        ("simdjson", {"exporter/archive/fast.py"}),
    ],
)
def test_a_library_has_its_place(library: str, allowed: set[str]) -> None:
    """Only these modules of the package import it, and they do."""
    assert set(importers(library, PACKAGE)) == allowed


def test_azure_stays_in_the_blob_modules() -> None:
    """Only the store for blobs, and what it is made of, imports the SDK; and what counts the app's own queue."""
    queue = "exporter/app/backlog.py"
    found = set(importers("azure", PACKAGE)) - {queue}
    assert all(name.startswith("exporter/store/blob") for name in found)
    assert "exporter/store/blob.py" in found
    assert set(importers("azure.storage.queue", PACKAGE)) == {queue}


def test_the_terminal_library_stays_in_the_command_line() -> None:
    """The app is deployed without it."""
    found = set(importers("rich", PACKAGE, APP))
    assert found
    assert all(name.startswith("exporter/cli/") for name in found)


def test_nobody_imports_the_command_line_or_the_simulator() -> None:
    """They are not deployed: only the command line's own modules may know them."""
    others = [path for path in modules(PACKAGE, APP) if not within(path, *COMMAND_LINE, SIMULATOR)]
    assert others
    for library in ("exporter.cli", "exporter.simulator", "exporter.__main__"):
        assert list(importers(library, *others)) == []


def test_the_simulator_shares_nothing_with_the_exporter() -> None:
    """A mistake of the exporter must not be repeated by the server it is tested against."""
    for path in modules(SIMULATOR):
        ours = {name for name in imported(path) if name.split(".")[0] == "exporter"}
        assert all(name.startswith("exporter.simulator.") for name in ours), path
    for library in ("requests", "urllib3", "azure", "isal"):
        assert list(importers(library, SIMULATOR)) == []


LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "clock", "window", "report", "settings", "foreign", "forget"}),
    frozenset({"amplitude", "archive", "store"}),
    frozenset({"dump"}),
    frozenset({"days"}),
    frozenset({"pages", "tables"}),
    frozenset({"privacy"}),
    frozenset({"load"}),
    frozenset({"export"}),
    frozenset({"run"}),
    frozenset({"wiring"}),
    frozenset({"doctor"}),
    frozenset({"app", "cli", "__main__"}),
)
"""The rooms from below to above: whoever stands above may know what stands below, never the other way round."""
EDGES = LEVELS[1]


def room_of(name: str) -> str:
    """The room of a module's dotted name, without `exporter`; "" for the package itself."""
    return name.split(".")[1] if "." in name else ""


def known_rooms(path: Path) -> set[str]:
    """The rooms of the package that a module imports from, but its own."""
    own = room_of(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
    found = {room_of(name) for name in imported(path) if name.split(".")[0] == "exporter"}
    rooms = set().union(*LEVELS)
    return (found & rooms) - {own}


def room_modules(*names: str) -> list[Path]:
    """Every module of these rooms."""
    return modules(*(PACKAGE / name for name in names), *(PACKAGE / f"{name}.py" for name in names))


def test_every_room_has_a_level() -> None:
    """A new folder or module finds its place here first."""
    there = {path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    there |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert there == set().union(*LEVELS) | {"simulator"}


@pytest.mark.parametrize("level", range(len(LEVELS)))
def test_nobody_climbs(level: int) -> None:
    """What stands above is not imported from below; so there is no circle either."""
    above = set().union(*LEVELS[level + 1 :])
    for path in room_modules(*LEVELS[level]):
        assert not known_rooms(path) & above, path


@pytest.mark.parametrize("edge", sorted(EDGES))
def test_the_edges_do_not_know_each_other(edge: str) -> None:
    """Amplitude, archive and store know the small words only, and none of them the settings."""
    for path in room_modules(edge):
        assert known_rooms(path) <= LEVELS[0], path
        assert "exporter.settings.Settings" not in imported(path), path


def test_days_know_the_stores_contract_and_the_dump() -> None:
    """Not the folder, not the container, nothing of Amplitude's."""
    for path in room_modules("days"):
        assert known_rooms(path) <= LEVELS[0] | {"store", "dump"}, path
        assert not any(name.startswith("exporter.store.") and name.count(".") > 2 for name in imported(path)), path


def test_app_and_command_line_do_not_know_each_other() -> None:
    """What both need stands below them."""
    assert all("cli" not in known_rooms(path) for path in room_modules("app"))
    assert all("app" not in known_rooms(path) for path in room_modules("cli", "__main__"))


def test_only_wiring_turns_settings_into_rooms() -> None:
    """Everybody else is given values.

    The doors read the settings and hand them on; the doctor looks at them, and pages know from them what is secret.
    """
    allowed = set(room_modules("wiring", "settings", "doctor", "pages", "app", "cli", "__main__"))
    for path in modules(PACKAGE):
        if path not in allowed:
            assert "exporter.settings.Settings" not in imported(path), path


@pytest.mark.parametrize("path", [p for p in modules(PACKAGE, APP) if not within(p, SIMULATOR)], ids=str)
def test_modules_and_functions_are_short(path: Path) -> None:
    """At most 220 lines a module, 40 a function; at most ten modules stand beside the folders."""
    text = path.read_text()
    assert len(text.splitlines()) <= 220
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 40, f"{path}: {node.name}"


def test_the_front_shows_ten_modules_at_most() -> None:
    """Beside the folders, the package itself and its door."""
    assert len({path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}) <= 10


@pytest.mark.parametrize("forbidden", [CLOCKS, ENVIRONMENT], ids=["clock", "environment"])
def test_the_entry_points_read_clock_and_environment(forbidden: frozenset[str]) -> None:
    """Every other module of the exporter is given them. The simulator is a server with a clock of its own."""
    entries = (PACKAGE / "__main__.py", APP, SIMULATOR)
    for path in modules(PACKAGE):
        if not within(path, *entries):
            assert used(path) & forbidden == set(), path
    assert used(PACKAGE / "__main__.py") & forbidden


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import azure.functions as func", {"azure.functions"}),
        ("def f():\n    from azure import functions", {"azure.functions"}),
        ("from datetime import datetime\ndatetime.now()", {"datetime.datetime", "datetime.now"}),
        ("from time import sleep", {"time.sleep"}),
        ("from os import environ", {"os.environ"}),
        ("import os\nos.environ['A']", {"os", "os.environ"}),
    ],
)
def test_the_reader_of_imports_finds_them(tmp_path: Path, text: str, names: set[str]) -> None:
    """However it is written, it is found."""
    module = tmp_path / "module.py"
    module.write_text(text)
    assert used(module) == names
