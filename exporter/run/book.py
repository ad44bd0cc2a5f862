"""What becomes of the days of a run: noted as they end, told in their order."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from exporter import report
from exporter.errors import ExportError, StopError
from exporter.export import DayExported, Exporter, export_day

Ended = DayExported | ExportError
"""What became of a day."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """What became of the days of a run; ``stopped`` when no other day would do better and the rest was not tried."""

    done: tuple[DayExported, ...]
    failed: tuple[tuple[date, ExportError], ...]
    stopped: bool
    not_tried: tuple[date, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no day failed."""
        return not self.failed


class Watch:
    """Told of a run while it is under way; this one does nothing. ``hand`` is who does the work: 0, 1, ..."""

    def planned(self, days: int) -> None:
        """So many days are to be exported."""

    def begins(self, hand: int, day: date) -> None:
        """A hand begins with a day; told by its own thread."""

    def ends(self, hand: int) -> None:
        """A hand is through with its day; told by its own thread."""

    def became(self, day: date, ended: Ended) -> None:
        """What became of a day; told in the order of the days, by the thread that called the run."""


def exported(hand: int, day: date, core: Exporter, watch: Watch, *, force: bool = False) -> Ended:
    """Export a day; what goes wrong is what became of it."""
    watch.begins(hand, day)
    try:
        return export_day(day, core, force=force)
    except ExportError as error:
        return error
    finally:
        watch.ends(hand)


@dataclass
class Book:
    """What became of the days of a run. It is told in their order, whatever the order in which they end."""

    days: Sequence[date]
    watch: Watch
    _ended: dict[int, Ended] = field(default_factory=dict)
    _drifts: set[str] = field(default_factory=set)
    _told: int = 0

    def __post_init__(self) -> None:
        self.watch.planned(len(self.days))

    def note(self, number: int, ended: Ended) -> None:
        """Day ``number`` (0 is the first) has ended; once more, if it was tried once more."""
        self._ended[number] = ended
        if number < self._told:
            self._tell(number)
        while self._told in self._ended:
            self._tell(self._told)
            self._told += 1

    def closed(self) -> RunResult:
        """Tell the rest, and how the run ended."""
        for number in sorted(self._ended):
            if number >= self._told:
                self._tell(number)
        inorder = [(self.days[number], self._ended[number]) for number in sorted(self._ended)]
        failed = tuple((day, ended) for day, ended in inorder if isinstance(ended, ExportError))
        stopped = any(isinstance(error, StopError) for _, error in failed)
        left = tuple(day for number, day in enumerate(self.days) if number not in self._ended)
        if stopped:
            untried = f", {len(left)} {'day was' if len(left) == 1 else 'days were'} not tried" if left else ""
            log.error(f"the run stops here{untried}. Call it again when that is right")
        done = tuple(ended for _, ended in inorder if isinstance(ended, DayExported))
        return RunResult(done, failed, stopped, left)

    def _tell(self, number: int) -> None:
        ended = self._ended[number]
        if isinstance(ended, DayExported):
            tell_drift(ended, self._drifts)
        self.watch.became(self.days[number], ended)


def tell_drift(exported: DayExported, told: set[str]) -> None:
    """Warn of columns that are new or missing, unless that has been ``told`` already."""
    schema = exported.manifest.schema
    if schema and str(schema) not in told:
        told.add(str(schema))
        log.warning(report.schema_drift(exported.manifest.day, schema))
