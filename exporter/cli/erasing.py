"""The commands `erase` and `erasures`: take somebody out of the archive, and what is on record of it."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.cli.asking import STDIN, ids_from, shown, told_ids
from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.display import Display
from exporter.cli.documents import ErasuresDocument
from exporter.cli.finding import tell
from exporter.cli.logs import log_to_console, log_to_file
from exporter.cli.results import erasure_of
from exporter.cli.show import print_json, print_table, printable
from exporter.days.erasures import DONE as ALL_DONE
from exporter.days.erasures import Erasure, Erasures
from exporter.days.stored import Days
from exporter.errors import SettingsError
from exporter.foreign import Foreign
from exporter.privacy.book import Work
from exporter.privacy.erasure import Erasing, Request, Snapshot, Stopped, stopped, with_a_past
from exporter.privacy.keyed import Kept
from exporter.privacy.matching import Wanted
from exporter.privacy.search import Found, Search
from exporter.settings import Settings
from exporter.wiring import kept_in, new_run, open_days

EARLY = {"Cool": 30, "Cold": 90, "Archive": 180}
"""Days that a blob of a tier is paid for at least."""

log = logging.getLogger(__name__)


def erase(call: Call) -> int:
    """Find, ask, erase; exit code 1 if a day is not done, or the answer was no."""
    arguments = call.arguments
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    if arguments.ids == STDIN and not (arguments.yes or arguments.dry_run):
        raise SettingsError("with --ids - there is nobody to be asked: add --yes, or --dry-run to see what it would be")
    if not (settings.erasure_key or arguments.dry_run):
        raise SettingsError(
            "EXPORT_ERASURE_KEY is missing. It keeps those who are erased from coming back with a later export. Make "
            "one with `openssl rand -base64 32`, keep it as long as the archive, and set it wherever days are exported"
        )
    display = Display(call.clock.monotonic, quiet=arguments.quiet)
    log_to_console(settings, display.console)
    log_to_file(settings, call.clock.now())
    call.warn()
    request = Request(ids_from(arguments.ids), arguments.reason, _by(call))
    request.check()
    with open_days(settings, display.progress()) as days:
        return Desk(call, settings, display, days, kept_in(days, settings)).serve(request)


@dataclass(frozen=True)
class Desk:
    """Where a request is served."""

    call: Call
    settings: Settings
    display: Display
    days: Days
    kept: Kept

    def serve(self, request: Request) -> int:
        """Find, ask, erase."""
        arguments, records = self.call.arguments, Erasures(self.days.store, self.days.layout, self.days.foreign)
        since = Snapshot.of(self.days)
        was = stopped(request.asked, self.kept, records)
        past = with_a_past(request.asked, self.kept, records)
        with self.display:
            wanted, found = self._found(request, was)
        if not arguments.quiet:
            self._tell(found, was)
        if arguments.dry_run:
            print("Nothing was erased: this was a dry run.")
            return DONE
        if not (arguments.yes or self._agreed()):
            print("Nothing was erased.")
            return FAILED
        with self.display:
            work = Work(
                self.days,
                self.call.clock,
                new_run(self.call.clock.now()),
                self.display.progress(),
                derive=self.settings.tables != "",
            )
            erasing = Erasing(work, self.kept, records, shown(self.display))
            ended = [erasing.forget_past(record) for record in past]
            if found.days or was or not past:
                ended.append(self._erased(erasing, request, found, wanted, was, since))
        for one in ended:
            self._tell_end(one)
        return DONE if all(one.state == ALL_DONE for one in ended) else FAILED
