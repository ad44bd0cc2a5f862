"""From what a command found to the document that it prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, cast

import msgspec

from exporter.cli.documents import (
    Day,
    DoctorDocument,
    ExportDocument,
    Exported,
    Exports,
    Failed,
    LedgerState,
    OfAnExport,
    Problem,
    Read,
    StatusDocument,
    VerifyDocument,
)
from exporter.days.audit import Audit
from exporter.days.coverage import Coverage, Row
from exporter.days.ledger import NO_LEDGER, UNKNOWN
from exporter.days.missed import missed
from exporter.days.stored import Days
from exporter.days.verify import Verified

if TYPE_CHECKING:
    from exporter.doctor.checks import Report
    from exporter.run.book import RunResult


def exports_of(result: "RunResult") -> Exports:
    """What became of the days of a run."""
    return Exports(
        done=[
            Exported(
                day=done.manifest.day,
                outcome=cast("OfAnExport", done.outcome.value),
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
    coverage: Coverage,
    rows: Sequence[Row],
    due: Sequence[date],
    problems: Sequence[tuple[date, str]] | None,
    tables_due: Sequence[date] | None,
    ledger: LedgerState,
) -> StatusDocument:
    """What `status` prints."""
    return StatusDocument(
        command="status",
        ok=not problems and (problems is None or not ledger.problems),
        newest=coverage.newest,
        missing=coverage.missing,
        due=list(due),
        problems=None if problems is None else [Problem(day=day, problem=text) for day, text in problems],
        tables_due=None if tables_due is None else list(tables_due),
        days=[Day.of(row) for row in rows],
        ledger=ledger,
    )


def ledger_state(days: Days, coverage: Coverage, year: int) -> LedgerState:
    """The ledger's head, and what is wrong with what was read of it; or that it is gone."""
    head = days.ledger.shown(year)
    gone = missed(days, coverage, year) if head == NO_LEDGER else ""
    problems = [*days.ledger.breaks, *([gone] if gone else [])]
    return LedgerState(head=None if head in {NO_LEDGER, UNKNOWN} else head, problems=problems)


@dataclass(frozen=True)
class Verification:
    """What `verify` found, in days and in the ledger."""

    days: Sequence[Verified]
    ledger: LedgerState

    @property
    def ok(self) -> bool:
        """Whether all fits."""
        return not self.ledger.problems and not any(one.problem for one in self.days)


def audit_state(audit: Audit) -> LedgerState:
    """The ledger as it was read from its first line on."""
    return LedgerState(head=str(audit.chain.head) if audit.there else None, problems=audit.problems)


def verify_document(found: Verification, repaired: Exports | None, *, ok: bool) -> VerifyDocument:
    """What `verify` prints."""
    days = [
        Read(day=one.day, events=one.events, bytes=one.size, problem=one.problem, damaged=one.damaged)
        for one in found.days
    ]
    return VerifyDocument(command="verify", ok=ok, days=days, ledger=found.ledger, repaired=repaired)


def doctor_document(found: "Report") -> DoctorDocument:
    """What `doctor` prints."""
    return msgspec.convert({"command": "doctor"} | found.plain(), DoctorDocument)
