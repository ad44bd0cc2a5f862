"""What needs attention: failures, damage, gaps, odd volumes and the rest, newest first. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from exporter.days.coverage import MISSING, Coverage, Row
from exporter.pages.rejections import Rejections
from exporter.pages.volume import WEEK, WEEKS, Unusual, unusual_days

MOST_NOTES = 50
"""Entries of one kind."""


@dataclass(frozen=True)
class Gap:
    """Consecutive days that are missing; ``due``: the next run exports all of them."""

    first: date
    last: date
    due: bool


@dataclass(frozen=True)
class Attention:
    """The days that need attention, by what for; newest first."""

    failures: Sequence[Row]
    damaged: Sequence[Row]
    gaps: Sequence[Gap]
    unusual: Sequence[Unusual]
    quiet: Sequence[Row]
    fewer: Sequence[Row]
    rejections: Sequence[Rejections]
    tables_due: Sequence[date]
    never_an_event: bool

    @property
    def longest(self) -> int:
        """Entries of the kind that has most."""
        return max(
            map(len, (self.failures, self.damaged, self.gaps, self.unusual, self.quiet, self.fewer, self.rejections))
        )

    @property
    def any(self) -> bool:
        """Whether there is something."""
        return bool(self.longest or self.tables_due or self.never_an_event)

    @property
    def told(self) -> frozenset[date]:
        """Days whose failure or damage is told here, so that other places can lead to it."""
        return frozenset(row.day for rows in (self.failures, self.damaged) for row in rows[:MOST_NOTES])


def attention_of(
    coverage: Coverage,
    rows: Sequence[Row],
    rejections: Sequence[Rejections],
    due: Collection[date],
    usual: Mapping[date, float],
    tables_due: Sequence[date],
) -> Attention:
    """What needs attention among ``rows``. An odd volume does for as many weeks as it counts among the usual ones."""
    newest = list(reversed(rows))
    return Attention(
        failures=[row for row in newest if row.failure and not row.damage],
        damaged=[row for row in newest if row.damage],
        gaps=_gaps(rows, due),
        unusual=unusual_days(rows, usual, coverage.yesterday - WEEKS * WEEK),
        quiet=[row for row in newest if row.quiet_hours],
        fewer=[row for row in newest if row.fewer_found is not None],
        rejections=rejections,
        tables_due=tables_due,
        never_an_event=coverage.never_an_event,
    )


def _gaps(rows: Iterable[Row], due: Collection[date]) -> list[Gap]:
    """Missing days, newest first; a gap ends where being due does."""
    gaps: list[Gap] = []
    for row in rows:
        if row.shown != MISSING:
            continue
        before = gaps[-1] if gaps else None
        if before and before.last == row.day - timedelta(days=1) and before.due == (row.day in due):
            gaps[-1] = Gap(before.first, row.day, before.due)
        else:
            gaps.append(Gap(row.day, row.day, row.day in due))
    return gaps[::-1]
