"""The JSON that others read, as JSON Schemas and as tables.

`python -m exporter.cli.schemas FOLDER` writes them (`make schemas`).
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from exporter.cli.documents import DoctorDocument, ExportDocument, StatusDocument, TablesDocument, VerifyDocument
from exporter.cli.documents_of_people import ErasuresDocument, FindDocument
from exporter.days.manifest import FORMAT, OPTIONAL, Failure, Manifest

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PAGE = "README.md"
INTRODUCTION = """\
# JSON for programs

Written by `make schemas` from the types that the exporter itself uses. The `.json` files beside it are the same as
JSON Schemas, and a test holds every command's output against them. A field may be added at any time: ignore what you
do not know. If one goes or changes its meaning, `version` (of what a command prints) or `format` (of what is stored)
is raised. Days are UTC dates, moments are UTC, sizes are bytes."""
OF_MANIFESTS = (
    "`manifests/YYYYMMDD_0000.json`, written after the dump. It proves what the dump holds: a day without one is not "
    "whole."
)
TOLD: dict[str, tuple[str, str, type]] = {
    "export": ("`export`, `run` and `backfill` with `--json`", "", ExportDocument),
    "status": ("`status --json`", "", StatusDocument),
    "verify": ("`verify --json`", "", VerifyDocument),
    "doctor": ("`doctor --json`", "", DoctorDocument),
    "tables": ("`tables --json`", "", TablesDocument),
    "find": ("`find --json`", "", FindDocument),
    "erasures": ("`erasures --json`", "", ErasuresDocument),
    "manifest": (
        "The manifest of a day",
        OF_MANIFESTS,
        Manifest,
    ),
    "failure": (
        "The failure record of a day",
        "`failures/YYYYMMDD_0000.json`: the last failed attempt. It goes once the day succeeds.",
        Failure,
    ),
}
MANIFEST = {
    "format": f"of the manifest; this is {FORMAT}",
    "day": "UTC",
    "state": "provisional: it is asked for again; final: nothing more is expected; empty: Amplitude had nothing",
    "dump": "the name of the file or blob with the events",
    "events": "in the dump",
    "rejected": "lines that are no events, kept in `rejected/`",
    "bytes": "of the dump",
    "sha256": "of the dump, in hex: another one means other events",
    "hours": "for each of the 24 hours: members (files of Amplitude's archive) and events",
    "windows": "what was asked for, and how it was answered",
    "window_hours": "the widest window that worked, in hours",
    "attempts": "requests that were made",
    "retries": "of them, requests for the same window once more",
    "source": "Amplitude's side: the address that was asked, and the project that the archives tell",
    "etag": "of the dump, as the store gave it",
    "run": "the id of the run that wrote this",
    "started_at": "when the export began",
    "finished_at": "when its events were verified",
    "version": "of the exporter",
    "event_days": "events per date of their event_time; none where it has no date",
    "schema": "columns that are new, or missing, against those that Amplitude documents",
    "rejected_sha256": "of the rejected lines; empty without any",
    "unusual": "events that are legal JSON and that loaders stumble over",
    "window_days": "days in a row that this window size worked for",
    "quiet_hours": "hours that had many events the day before, and none here",
    "erased": "events of erased people that are not in the dump, as far as is known",
    "fewer_found": "a later export that found fewer events, and left the day as it was",
    "ledger": "the ledger's line about the day: its number, and the SHA-256 of its bytes (docs/ledger.md)",
}
FAILURE = {
    "format": f"of the record; this is {FORMAT}",
    "day": "UTC",
    "kind": "retriable, deadline, permanent, refused, damaged, ledger, crashed, unexpected",
    "reason": "in a sentence",
    "attempts": "since the last success",
    "window_hours": "the widest window that may be asked for next time, in hours",
    "run": "the id of the run that failed",
    "failed_at": "when",
}


def written() -> dict[str, str]:
    """Every file's name and text."""
    schemas = {name: _schema(name, kind) for name, (_, _, kind) in TOLD.items()}
    files = {f"{name}.json": json.dumps(found, indent=1, ensure_ascii=False) + "\n" for name, found in schemas.items()}
    parts = [INTRODUCTION]
    for name, (title, what, _) in TOLD.items():
        parts += [f"## {title}", *([what] if what else []), f"[{name}.json]({name}.json)", *_tables(schemas[name])]
    return files | {PAGE: "\n\n".join(parts) + "\n"}


def _schema(name: str, kind: type) -> dict[str, Any]:
    _, parts = msgspec.json.schema_components([kind])
    schema: dict[str, Any] = parts.pop(kind.__name__)
    if kind in {Manifest, Failure}:
        schema = _stored(schema, MANIFEST if kind is Manifest else FAILURE)
    return {"$schema": DIALECT, "title": TOLD[name][0].replace("`", "")} | schema | ({"$defs": parts} if parts else {})


def _stored(schema: dict[str, Any], told: Mapping[str, str]) -> dict[str, Any]:
    """What is stored: the names of the document, each with what it means, and all of them are there."""
    fields = {"bytes" if name == "size" else name: field for name, field in schema["properties"].items()}
    fields = {name: fields[name] | {"description": what} for name, what in told.items()}
    always = [name for name in fields if name not in OPTIONAL]
    return {"type": "object", "properties": fields, "required": always}


def _tables(schema: Mapping[str, Any]) -> Iterator[str]:
    """The fields of the document, then those of its parts."""
    yield _table(schema)
    for name, part in schema.get("$defs", {}).items():
        if "properties" in part:
            yield f"**{name}**: {part.get('description', '').split(chr(10))[0]}"
            yield _table(part)


def _table(schema: Mapping[str, Any]) -> str:
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        rows.append(f"| `{name}` | {_type(field)} | {field.get('description', '')} |")
    return "\n".join(rows)


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{one}`" for one in field["enum"])
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_type(field.get('items') or {'type': 'any'})}"
    return str(field.get("format", kind))


if __name__ == "__main__":
    for file, text in written().items():
        (Path(sys.argv[1]) / file).write_text(text, encoding="utf-8")
