"""One call of the command line, and what its arguments mean."""

import argparse
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from exporter.clock import Clock
from exporter.errors import SettingsError
from exporter.settings import unknown_names
from exporter.window import days_to_export, yesterday_of

DONE, FAILED, WRONG = 0, 1, 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ago:
    """A day named by its distance, until a clock is at hand: ``days`` (1 or more) before today, UTC."""

    days: int


YESTERDAY = Ago(1)
Named = date | Ago
"""A day as the arguments name it."""


@dataclass(frozen=True)
class Call:
    """One call of the command line; ``program`` is how it was called, for hints that can be typed as they stand."""

    arguments: argparse.Namespace
    environment: Mapping[str, str]
    clock: Clock
    program: str = "amplitude-exporter"
    warnings: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether somebody looks at the results: a table is drawn then."""
        return sys.stdout.isatty()

    def days(self) -> list[date]:
        """The days that the arguments name, oldest first; none if they name none."""
        arguments = self.arguments
        day, first, last = getattr(arguments, "day", None), arguments.first, arguments.last
        if day and (first or last):
            raise SettingsError("--day names one day, --from and --to a range: use one of the two")
        if arguments.command == "backfill" and not last:
            last = YESTERDAY
        if bool(first) != bool(last):
            raise SettingsError("--from and --to go together")
        if not (day or first):
            return []
        try:
            return days_to_export(self.day(day or first), self.day(day or last), self.clock.now())
        except ValueError as error:
            raise SettingsError(str(error)) from None

    def day(self, named: Named) -> date:
        """A day that was named in the arguments, `yesterday` and `7-days-ago` too."""
        if isinstance(named, Ago):
            return yesterday_of(self.clock.now()) - timedelta(days=named.days - 1)
        return named

    def warn(self) -> None:
        """Log what is odd: names that look like settings and are none, a `.env` that others can read."""
        for warning in (*self.warnings, *unknown_names(self.environment)):
            log.warning(warning)
