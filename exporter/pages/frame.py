"""What the page is told beside the days: where it is shown, when, and what may be said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from exporter.days.erasures import Erasure
from exporter.pages.schedule import Schedule
from exporter.pages.shown import Show

PROGRAM = "amplitude-exporter"


@dataclass(frozen=True)
class Frame:
    """Which store the page is about, when it was asked for (UTC), and how stored text is shown.

    ``schedule`` is the timer of the app that serves the page; None in a file: nobody knows what wakes the exporter.
    ``program`` is how the command line is called. ``tables_due`` are days without a table of theirs, None where none is
    asked for. ``ledger`` is its head, ``erasures`` are the newest ones, newest first.
    """

    place: str
    now: datetime
    show: Show
    schedule: Schedule | None = None
    served: bool = False
    program: str = PROGRAM
    tables_due: Sequence[date] | None = None
    ledger: str = "none"
    erasures: Sequence[Erasure] = ()

    def run_after(self, moment: datetime) -> datetime | None:
        """The first run of the timer after ``moment``, as far as it is known."""
        return self.schedule.next_after(moment) if self.schedule else None

    @property
    def next_run(self) -> str:
        """The next run as the subject of a sentence."""
        run = self.run_after(self.now)
        if run is None:
            return "The next run"
        day = "today" if run.date() == self.now.date() else f"on {run.day} {run:%B}"
        minutes = -(-(run - self.now).total_seconds() // 60)
        hours, rest = divmod(int(minutes), 60)
        away = f"{hours} h {rest} min" if hours and rest else f"{hours} h" if hours else f"{rest} min"
        return f"The next run, {day} at {run:%H:%M} UTC (in {away}),"
