"""What an erasure works with, and its record as it grows."""

from dataclasses import dataclass

from exporter.clock import Clock
from exporter.days.erasures import Erasure, Erasures
from exporter.days.stored import Days
from exporter.errors import LostRaceError, PermanentError
from exporter.report import Progress, Step, no_progress

PATIENCE = 600.0
"""Seconds for which a day that another exporter holds is waited for."""


@dataclass(frozen=True)
class Work:
    """What an erasure works with, in run ``run_id``; ``derive``: every day has a table."""

    days: Days
    clock: Clock
    run_id: str
    progress: Progress = no_progress
    derive: bool = False
    patience: float = PATIENCE


@dataclass
class Book:
    """The record of the erasure that is at work, as it was written last."""

    records: Erasures
    erasure: Erasure
    etag: str | None
    progress: Progress = no_progress

    def write(self, erasure: Erasure) -> None:
        """Put it on record.

        Raises:
            LostRaceError: somebody else is at work on the same erasure.
        """
        self.progress(Step.NOTING, 0, None)
        try:
            self.etag = self.records.write(erasure, self.etag)
        except LostRaceError as error:
            raise PermanentError(
                f"erasure {erasure.id} is being worked on by somebody else, who goes on. Look at `erasures`, and call "
                "again if it ends unfinished"
            ) from error
        self.erasure = erasure
        self.progress(Step.NOTED, 0, None)
