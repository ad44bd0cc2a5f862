"""One call of the command line, and what its arguments mean."""

import argparse
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from exporter.clock import Clock
from exporter.days.due import yesterday_of
from exporter.errors import SettingsError
from exporter.settings import unknown_names
from exporter.window import OLDEST, days_of

DONE, FAILED, WRONG = 0, 1, 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """One call of the command line."""

    arguments: argparse.Namespace
    environment: Mapping[str, str]
    clock: Clock

    def days(self) -> list[date]:
        """The days that the arguments name, oldest first; none if they name none."""
        arguments = self.arguments
        day, first, last = getattr(arguments, "day", None), arguments.first, arguments.last
        if day and (first or last):
            raise SettingsError("--day names one day, --from and --to a range: use one of the two")
        if day:
            days = [day]
        elif first and last:
            days = days_of(first, last)
            if not days:
                raise SettingsError(f"--from {first} is after --to {last}")
        elif first or last:
            raise SettingsError("--from and --to go together")
        else:
            return []
        if days[0] < OLDEST:
            raise SettingsError(f"{days[0]} is before {OLDEST}: Amplitude has nothing so old")
        yesterday = yesterday_of(self.clock.now())
        if days[-1] > yesterday:
            raise SettingsError(
                f"{days[-1]} is not over yet (days are UTC): the newest day that can be named is {yesterday}"
            )
        return days

    def warn_of_unknown_names(self) -> None:
        """Log the names in the environment that look like settings and are none."""
        for warning in unknown_names(self.environment):
            log.warning(warning)
