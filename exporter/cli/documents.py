"""What `--json` prints, as types: a contract with whoever reads it. docs/schemas/ is generated from here.

Every document has the same envelope, and a name means the same wherever it stands. A field is added without ado; if
one goes or changes its meaning, VERSION is raised.
"""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from exporter.days.coverage import Row

VERSION: Literal[1] = 1
OfAnExport = Literal["written", "replaced", "unchanged", "kept", "empty"]


class Document(msgspec.Struct, kw_only=True):
    """The envelope."""

    version: Annotated[Literal[1], Meta(description="of this format")] = VERSION
    command: Annotated[str, Meta(description="that printed it")]
    ok: Annotated[bool, Meta(description="whether the exit code is 0")]


class Exported(msgspec.Struct, kw_only=True):
    """A day that is whole now."""

    day: Annotated[date, Meta(description="UTC")]
    outcome: Annotated[OfAnExport, Meta(description="what the export did to the stored day")]
    state: Annotated[Literal["provisional", "final", "empty"], Meta(description="as in the manifest")]
    dump: Annotated[str, Meta(description="the name of the file or blob")]
    events: Annotated[int, Meta(description="in the dump")]
    bytes: Annotated[int, Meta(description="of the dump")]
    rejected: Annotated[int, Meta(description="lines that are no events, kept aside")]
    sha256: Annotated[str, Meta(description="of the dump, in hex")]


class Failed(msgspec.Struct, kw_only=True):
    """A day that could not be exported this time."""

    day: Annotated[date, Meta(description="UTC")]
    kind: Annotated[str, Meta(description="retriable, permanent, refused, held, damaged, …")]
    reason: Annotated[str, Meta(description="in a sentence")]


class Exports(msgspec.Struct, kw_only=True):
    """What became of the days of a run, in their order."""

    done: Annotated[list[Exported], Meta(description="days that are whole now")]
    failed: Annotated[list[Failed], Meta(description="days that are not, and why")]
    not_tried: Annotated[
        list[date], Meta(description="days that were left out, because no other day would have done better")
    ]


class ExportDocument(Document, kw_only=True):
    """Printed by `export`, `run` and `backfill`."""

    done: Annotated[list[Exported], Meta(description="days that are whole now")]
    failed: Annotated[list[Failed], Meta(description="days that are not, and why")]
    not_tried: Annotated[
        list[date], Meta(description="days that were left out, because no other day would have done better")
    ]


class Failure(msgspec.Struct, kw_only=True):
    """The last failed attempt at a day."""

    kind: Annotated[str, Meta(description="as in `failed`")]
    reason: Annotated[str, Meta(description="in a sentence")]
    attempts: Annotated[int, Meta(description="since the last success")]
    failed_at: Annotated[datetime, Meta(description="UTC")]


class Day(msgspec.Struct, kw_only=True):
    """A day as the store has it."""

    day: Annotated[date, Meta(description="UTC")]
    state: Annotated[
        Literal["final", "provisional", "empty", "running", "failed", "damaged", "missing", "newer"],
        Meta(description="final, provisional and empty days are whole; newer: by a later version"),
    ]
    events: Annotated[int, Meta(description="in the dump")]
    bytes: Annotated[int, Meta(description="of the dump")]
    rejected: Annotated[int, Meta(description="lines that are no events, kept aside")]
    finished_at: Annotated[datetime | None, Meta(description="the end of the export that the manifest tells of")]
    fewer_found: Annotated[
        int | None, Meta(description="events of a later export that found fewer and left the day as it was")
    ]
    quiet_hours: Annotated[list[str], Meta(description="had many events the day before, and none now")]
    unusual: Annotated[int, Meta(description="events that are legal JSON and that loaders stumble over")]
    damage: Annotated[str | None, Meta(description="what does not fit")]
    failure: Annotated[Failure | None, Meta(description="the last one, gone once the day succeeds")]

    @classmethod
    def of(cls, row: Row) -> "Day":
        """The day of a row."""
        return msgspec.convert(row.plain(), cls)


class Problem(msgspec.Struct, kw_only=True):
    """Why `status --check` says no."""

    day: Annotated[date, Meta(description="UTC")]
    problem: Annotated[str, Meta(description="in a sentence")]


class LedgerState(msgspec.Struct, kw_only=True):
    """The list of every change to a stored day."""

    head: Annotated[str | None, Meta(description="NUMBER:HASH of its last line; null without a ledger")]
    problems: Annotated[list[str], Meta(description="what is wrong with it, a sentence each")]


class StatusDocument(Document, kw_only=True):
    """Printed by `status`."""

    newest: Annotated[date | None, Meta(description="the newest whole day")]
    missing: Annotated[list[date], Meta(description="days since the first record that are not whole")]
    due: Annotated[list[date], Meta(description="what `run` would export now, newest first")]
    problems: Annotated[list[Problem] | None, Meta(description="what `--check` found; null without it")]
    tables_due: Annotated[
        list[date] | None, Meta(description="days whose table is missing or old; null without EXPORT_TABLES")
    ]
    days: Annotated[list[Day], Meta(description="oldest first, as far back as was asked for")]
    ledger: Annotated[LedgerState, Meta(description="its head, and what is wrong in this year's file")]


class Read(msgspec.Struct, kw_only=True):
    """A day that was read back."""

    day: Annotated[date, Meta(description="UTC")]
    events: Annotated[int, Meta(description="that were found in the dump")]
    bytes: Annotated[int, Meta(description="that were found")]
    problem: Annotated[str | None, Meta(description="what is wrong; null if all is as the manifest says")]
    damaged: Annotated[bool, Meta(description="whether the day is due because of it")]


class VerifyDocument(Document, kw_only=True):
    """Printed by `verify`."""

    days: Annotated[list[Read], Meta(description="oldest first")]
    ledger: Annotated[LedgerState, Meta(description="its head, and what is wrong from its first line on")]
    repaired: Annotated[Exports | None, Meta(description="what `--repair` did; null without it")]


class Table(msgspec.Struct, kw_only=True):
    """The table of a whole day."""

    day: Annotated[date, Meta(description="UTC")]
    table: Annotated[
        Literal["made", "there", "failed"], Meta(description="there: it was of this dump already; failed: see `failed`")
    ]
    events: Annotated[int, Meta(description="in the dump")]


class TableFailed(msgspec.Struct, kw_only=True):
    """A table that could not be made."""

    day: Annotated[date, Meta(description="UTC")]
    reason: Annotated[str, Meta(description="in a sentence")]


class TablesDocument(Document, kw_only=True):
    """Printed by `tables`."""

    tables: Annotated[list[Table], Meta(description="of the days asked for, oldest first")]
    failed: Annotated[list[TableFailed], Meta(description="and why")]


class Check(msgspec.Struct, kw_only=True):
    """One check of the doctor's."""

    name: Annotated[str, Meta(description="what was checked")]
    result: Annotated[Literal["ok", "warning", "failed"], Meta(description="in one word")]
    sentence: Annotated[str, Meta(description="what was found, and what is to do")]


class DoctorDocument(Document, kw_only=True):
    """Printed by `doctor`."""

    run: Annotated[str, Meta(description="the id of this call, in what it writes and deletes")]
    checks: Annotated[list[Check], Meta(description="in their order")]


DOCUMENTS: dict[str, type[Document]] = {
    "export": ExportDocument,
    "run": ExportDocument,
    "backfill": ExportDocument,
    "status": StatusDocument,
    "verify": VerifyDocument,
    "doctor": DoctorDocument,
    "tables": TablesDocument,
}
"""The type of each command's document."""
