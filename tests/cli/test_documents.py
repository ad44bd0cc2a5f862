"""What `--json` prints, and what is stored, is what docs/schemas/ promises."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from exporter.cli.arguments import parse_arguments
from exporter.cli.call import Call
from exporter.cli.commands import perform
from exporter.cli.documents import DOCUMENTS
from exporter.cli.schemas import FAILURE, MANIFEST, TOLD, written
from exporter.simulator import FAULT_NAMES, parse_faults
from tests.cli.desk import REPOSITORY, Desk, recent
from tests.kit import DAY, Time
from tests.kit.rules import LAYOUT

SCHEMAS = REPOSITORY / "docs/schemas"
BRIEF = {"silence": "silence:0.05", "drip": "drip:5000000", "bomb": "bomb:270", "429-date": "429-date:0"}
"""Faults that would last long, with less of them."""
ENVELOPE = ("version", "command", "ok")


def fits(document: Any, name: str) -> None:
    """Hold a document against its schema, and against the rule that nothing else is in it."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.validate(document, strict(schema), format_checker=jsonschema.FormatChecker())


def strict(schema: Any) -> Any:
    """The schema, with every field that it does not name refused: a reader may meet such, this test may not."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema else {}
    return closed | {name: strict(value) for name, value in schema.items()}


def test_the_schemas_are_those_of_the_types() -> None:
    """`make schemas` has been called since the types were changed."""
    found = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.iterdir()}
    assert found == written()


def test_every_field_says_what_it_means() -> None:
    """In the documents that are printed and in those that are stored."""
    for name in TOLD:
        schema = json.loads((SCHEMAS / f"{name}.json").read_text())
        assert all(field.get("description") for field in schema["properties"].values()), name
    assert set(MANIFEST) == set(json.loads((SCHEMAS / "manifest.json").read_text())["properties"])
    assert set(FAILURE) == set(json.loads((SCHEMAS / "failure.json").read_text())["properties"])


@pytest.mark.parametrize("name", ["export", "status", "verify", "doctor"])
def test_the_envelope_is_the_same(name: str) -> None:
    """Version, command and ok, first and always."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    assert tuple(schema["properties"])[:3] == ENVELOPE


def test_every_commands_output_fits(desk: Desk) -> None:
    """Each of them over a store with whole, missing, failed and damaged days."""
    desk.call("export", "--day", recent(3))
    fits(desk.call("export", "--day", recent(2), "--json").json, "export")
    (desk.data / LAYOUT.dump(DAY)).parent.mkdir(exist_ok=True)
    dump = next(desk.data.glob(f"{recent(2).replace('-', '')}*.json"))
    dump.write_bytes(dump.read_bytes().replace(b"null", b"true"))
    fits(desk.call("verify", "--json").json, "verify")
    fits(desk.call("status", "--check", "--json").json, "status")
    fits(desk.call("verify", "--day", recent(2), "--repair", "--json").json, "verify")
    fits(desk.call("backfill", "--from", recent(1), "--to", recent(1), "--json").json, "export")
    fits(desk.call("run", "--json").json, "export")
    fits(desk.call("doctor", "--json").json, "doctor")
    for path in (desk.data / "manifests").iterdir():
        fits(json.loads(path.read_text()), "manifest")
    assert desk.call("run", "--json").json["command"] == "run"


COMMANDS = (
    ("export --day yesterday", "export"),
    ("run", "export"),
    ("backfill --from 3-days-ago", "export"),
    ("status --check", "status"),
    ("verify --all", "verify"),
    ("verify --all --repair", "verify"),
    ("tables", "tables"),
    ("doctor", "doctor"),
)


def test_every_command_with_json_is_asked() -> None:
    """None is left out below."""
    assert {words.split()[0] for words, _ in COMMANDS} == set(DOCUMENTS)


@pytest.fixture
def asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], Any]]:
    """Calls the command line in this process, with a clock that waits for nothing, and gives what it prints."""
    clock = Time(datetime(2025, 11, 8, 2, 30, tzinfo=UTC)).clock()
    environment = desk.environment(EXPORT_LOG_DIR="", EXPORT_TABLES="parquet", EXPORT_CONCURRENCY="1")
    monkeypatch.chdir(desk.folder)

    def ask(words: str) -> Any:
        call = Call(parse_arguments([*words.split(), "--json"]), environment, clock)
        code = perform(call)
        said = json.loads(capsys.readouterr().out)
        assert said["ok"] == (code == 0)
        return said

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield ask
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("fault", sorted(FAULT_NAMES))
def test_output_fits_whatever_goes_wrong(desk: Desk, asked: Callable[[str], Any], fault: str) -> None:
    """Every command, each with the fault in five answers that it gets, and what they leave on record."""
    for words, name in COMMANDS:
        for item in parse_faults([BRIEF.get(fault, fault)] * 5):
            desk.simulator.add(item)
        fits(asked(words), name)
    for folder, name in (("failures", "failure"), ("manifests", "manifest")):
        for path in Path(desk.data / folder).glob("*.json"):
            fits(json.loads(path.read_text()), name)
