"""What `--json` prints, and what is stored, is what docs/schemas/ promises."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from exporter.cli.schemas import FAILURE, MANIFEST, TOLD, written
from exporter.simulator import FAULT_NAMES, parse_faults
from tests.cli.desk import REPOSITORY, Desk, recent
from tests.kit import DAY
from tests.kit.rules import LAYOUT

SCHEMAS = REPOSITORY / "docs/schemas"
SLOW = {"silence", "drip", "bomb", "429-date"}
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


@pytest.mark.parametrize("fault", sorted(set(FAULT_NAMES) - SLOW))
def test_output_fits_whatever_goes_wrong(desk: Desk, fault: str) -> None:
    """One fault in five answers: what the export says, what it leaves on record, and what status says of it."""
    for item in parse_faults([fault] * 5):
        desk.simulator.add(item)
    said = desk.call("export", "--day", recent(0), "--json")
    fits(said.json, "export")
    assert said.json["ok"] == (said.code == 0)
    fits(desk.call("status", "--json").json, "status")
    for folder, name in (("failures", "failure"), ("manifests", "manifest")):
        for path in Path(desk.data / folder).glob("*.json"):
            fits(json.loads(path.read_text()), name)
