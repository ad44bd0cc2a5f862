"""One call of the command line, and what its arguments mean."""

import argparse
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from exporter.clock import Clock
from exporter.errors import SettingsError
from exporter.settings import unknown_names
from exporter.window import days_to_export

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
        if bool(first) != bool(last):
            raise SettingsError("--from and --to go together")
        if not (day or first):
            return []
        try:
            return days_to_export(day or first, day or last, self.clock.now())
        except ValueError as error:
            raise SettingsError(str(error)) from None

    def warn_of_unknown_names(self) -> None:
        """Log the names in the environment that look like settings and are none."""
        for warning in unknown_names(self.environment):
            log.warning(warning)
