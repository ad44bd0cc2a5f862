"""What `--json` prints, as types: a contract with whoever reads it. docs/schemas/ is generated from here.

Every document has the same envelope, and a name means the same wherever it stands. A field is added without ado; if
one goes or changes its meaning, VERSION is raised.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from exporter.days.coverage import Coverage, Row
from exporter.days.verify import Verified

if TYPE_CHECKING:
    from exporter.run.book import RunResult

VERSION: Literal[1] = 1


class Document(msgspec.Struct, kw_only=True):
    """The envelope."""

    version: Annotated[Literal[1], Meta(description="of this format")] = VERSION
    command: Annotated[str, Meta(description="that printed it")]
    ok: Annotated[bool, Meta(description="whether the exit code is 0")]


class Exported(msgspec.Struct, kw_only=True):
    """A day that is whole now."""

    day: Annotated[date, Meta(description="UTC")]
    outcome: Annotated[
        Literal["written", "replaced", "unchanged", "kept", "empty"],
        Meta(description="what the export did to the stored day"),
    ]
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
        Literal["final", "provisional", "empty", "running", "failed", "damaged", "missing"],
        Meta(description="in one word; final, provisional and empty days are whole"),
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


class StatusDocument(Document, kw_only=True):
    """Printed by `status`."""

    newest: Annotated[date | None, Meta(description="the newest whole day")]
    missing: Annotated[list[date], Meta(description="days since the first record that are not whole")]
    due: Annotated[list[date], Meta(description="what `run` would export now, newest first")]
    problems: Annotated[list[Problem] | None, Meta(description="what `--check` found; null without it")]
    days: Annotated[list[Day], Meta(description="oldest first, as far back as was asked for")]


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
    repaired: Annotated[Exports | None, Meta(description="what `--repair` did; null without it")]


DOCUMENTS: dict[str, type[Document]] = {
    "export": ExportDocument,
    "run": ExportDocument,
    "backfill": ExportDocument,
    "status": StatusDocument,
    "verify": VerifyDocument,
}
"""The type of each command's document."""


def exports_of(result: "RunResult") -> Exports:
    """What became of the days of a run."""
    return Exports(
        done=[
            Exported(
                day=done.manifest.day,
                outcome=done.outcome.value,
                state=done.manifest.state,
                dump=done.manifest.dump,
                events=done.manifest.events,
                bytes=done.manifest.size,
                rejected=done.manifest.rejected,
                sha256=done.manifest.sha256,
            )
            for done in result.done
        ],
        failed=[Failed(day=day, kind=error.kind, reason=str(error)) for day, error in result.failed],
        not_tried=list(result.not_tried),
    )


def export_document(command: str, result: "RunResult") -> ExportDocument:
    """What `export`, `run` and `backfill` print."""
    found = exports_of(result)
    return ExportDocument(
        command=command, ok=result.ok, done=found.done, failed=found.failed, not_tried=found.not_tried
    )


def status_document(
    coverage: Coverage, rows: Sequence[Row], due: Sequence[date], problems: Sequence[tuple[date, str]] | None
) -> StatusDocument:
    """What `status` prints."""
    return StatusDocument(
        command="status",
        ok=not problems,
        newest=coverage.newest,
        missing=coverage.missing,
        due=list(due),
        problems=None if problems is None else [Problem(day=day, problem=text) for day, text in problems],
        days=[Day.of(row) for row in rows],
    )


def verify_document(found: Iterable[Verified], repaired: Exports | None, *, ok: bool) -> VerifyDocument:
    """What `verify` prints."""
    days = [
        Read(day=one.day, events=one.events, bytes=one.size, problem=one.problem, damaged=one.damaged) for one in found
    ]
    return VerifyDocument(command="verify", ok=ok, days=days, repaired=repaired)
