"""The commands `erase` and `erasures`: take somebody out of the archive, and what is on record of it."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from exporter.cli.asking import STDIN, ids_from, shown, told_ids
from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.display import Display
from exporter.cli.documents_of_people import ErasuresDocument, erasure_of
from exporter.cli.finding import tell
from exporter.cli.following import left_at_amplitude, told
from exporter.cli.logs import log_to_console, log_to_file
from exporter.cli.show import print_json, print_table, printable
from exporter.days.erasures import DONE as ALL_DONE
from exporter.days.erasures import Erasure, Erasures
from exporter.days.stored import Days
from exporter.errors import SettingsError
from exporter.pages.spelling import size
from exporter.privacy.book import Work
from exporter.privacy.erasure import Erasing, Snapshot
from exporter.privacy.follow import grouped
from exporter.privacy.ids import Ids
from exporter.privacy.keyed import Kept
from exporter.privacy.matching import Wanted
from exporter.privacy.request import Request, Stopped, stopped, with_a_past
from exporter.privacy.search import Found, Search
from exporter.settings import Settings
from exporter.wiring import kept_in, new_run, open_days

EARLY = {"Cool": 30, "Cold": 90, "Archive": 180}
"""Days that a blob of a tier is paid for at least."""


def erase(call: Call) -> int:
    """Find, ask, erase; exit code 1 if a day is not done, or the answer was no."""
    arguments = call.arguments
    settings = Settings.from_mapping(call.environment, keys_needed=arguments.from_amplitude)
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
    request = Request(Ids() if arguments.from_amplitude else ids_from(arguments.ids), arguments.reason, _by(call))
    request.check()
    with open_days(settings, display.progress()) as days:
        desk = Desk(call, settings, display, days, kept_in(days, settings))
        return desk.follow(request) if arguments.from_amplitude else desk.serve(request)


@dataclass(frozen=True)
class Desk:
    """Where a request is served."""

    call: Call
    settings: Settings
    display: Display
    days: Days
    kept: Kept

    def follow(self, request: Request) -> int:
        """The same for everybody on Amplitude's list of deletions who is left."""
        found = left_at_amplitude(self.settings, self.call.clock, self.days)
        print(told(found))
        records = Erasures.of(self.days)
        asked = [replace(request, asked=ids) for ids in grouped(found.left, self.kept, records)]
        for one in asked:
            one.check()
        return max(map(self.serve, asked), default=DONE)

    def serve(self, request: Request) -> int:
        """Find, ask, erase."""
        arguments, records = self.call.arguments, Erasures.of(self.days)
        since, was = Snapshot.of(self.days), stopped(request.asked, self.kept, records)
        past = with_a_past(request.asked, self.kept, records)
        with self.display:
            wanted, every = self._found(request, was)
        found = was.concerning(every) if was else every
        replace(request, asked=found.ids).check()
        if not arguments.quiet:
            self._tell(request, found, was)
        if arguments.dry_run:
            print("Nothing was erased: this was a dry run.")
            return DONE
        if not (arguments.yes or _agreed()):
            print("Nothing was erased.")
            return FAILED
        with self.display:
            erasing = self._erasing(records)
            ended = [erasing.forget_past(record) for record in past]
            if found.days or was or not past:
                book = erasing.book(request, found, was)
                ended.append(erasing.carry_out(book, wanted, since))
        for one in ended:
            self._tell_end(one)
        if not all(one.state == ALL_DONE for one in ended):
            return FAILED
        return DONE if found.days == every.days else self.serve(request)  # what came after it is a new erasure's

    def _found(self, request: Request, was: Stopped | None) -> tuple[Wanted, Found]:
        now, limit, progress = self.call.clock.now(), self.settings.tmp_limit, self.display.progress()
        with Search(self.days, now, limit, progress, shown(self.display)) as search:
            if was:
                wanted = was.wanted(request.asked, self.kept.key)
                return wanted, search.find(wanted)
            wanted = Wanted(search.expanded(request.asked, devices=self.call.arguments.devices))
            return wanted, search.find(wanted)

    def _erasing(self, records: Erasures) -> Erasing:
        work = Work(
            self.days,
            self.call.clock,
            new_run(self.call.clock.now()),
            self.display.progress(),
            derive=bool(self.settings.tables),
        )
        return Erasing(work, self.kept, records, shown(self.display))

    def _tell(self, request: Request, found: Found, was: Stopped | None) -> None:
        """The figures, before anybody is asked."""
        if was:
            print(f"Erasure {was.keyed.erasure} of {was.keyed.before:%Y-%m-%d %H:%M} UTC has not ended, and goes on.")
        else:
            print(f"Looked for {told_ids(found.ids)} ({len(found.ids) - len(request.asked)} found with them).")
        tell(found)
        print(f"To be written anew: {size(sum(one.size for one in found.days))}.")
        for line in cost(found):
            print(line)

    def _tell_end(self, one: Erasure) -> None:
        """What has become of it; of what is not done, why."""
        for day in one.open_days:
            print(printable(f"{day.day} is not done: {day.why or 'it was not reached'}"))
        if one.state != ALL_DONE:
            print(f"Erasure {one.id} has not ended: {len(one.open_days)} days are left. Call the same command again.")
        elif not self.call.arguments.quiet:
            print(f"Erasure {one.id} is done: {one.events:,} events and {one.rejected:,} rejected lines are gone.")
        if one.old_versions:
            until = f"the last of them until {one.until:%Y-%m-%d}" if one.until else "until somebody removes them"
            print(f"{one.old_versions:,} old versions can still be brought back, {until} (docs/privacy.md).")


def cost(found: Found) -> Iterator[str]:
    """What an account bills for rewriting blobs of the cooler tiers."""
    for tier, least in EARLY.items():
        days = [one for one in found.days if one.tier == tier]
        if days:
            yield (
                f"{len(days)} of these days lie in the {tier.lower()} tier ({size(sum(one.size for one in days))}): "
                f"reading them is billed, and an early deletion of each that is younger than {least} days there."
            )


def _agreed() -> bool:
    """Whether somebody says yes."""
    try:
        return input("Erase this for good? Nothing brings it back. Type yes: ").strip().lower() == "yes"
    except EOFError:
        return False


def _by(call: Call) -> str:
    """Who of the staff asks: as they say, else the user of this machine."""
    names = (call.arguments.by, *(call.environment.get(name) for name in ("LOGNAME", "USER", "USERNAME")))
    return next(filter(None, names), "unknown")


def erasures(call: Call) -> int:
    """List what is on record."""
    settings = Settings.from_mapping(call.environment, keys_needed=False)
    log_to_console(settings, logging.StreamHandler(sys.stderr))
    call.warn()
    with open_days(settings) as days:
        found = list(Erasures.of(days).all())
    if call.arguments.json:
        print_json(ErasuresDocument(command="erasures", ok=True, erasures=[erasure_of(one) for one in found]))
        return DONE
    if not found:
        print("Nobody was erased so far.")
        return DONE
    rows = [
        (
            one.id,
            one.state,
            f"{one.asked_at:%Y-%m-%d}",
            len(one.days),
            one.events,
            one.rejected,
            left_of(one),
            one.reason,
        )
        for one in found
    ]
    print_table(("erasure", "state", "asked", "days", "events", "rejected", "old versions", "reason"), rows)
    return DONE


def left_of(one: Erasure) -> str:
    """What can still be brought back."""
    if not one.old_versions:
        return "none"
    return f"{one.old_versions:,}" + (f" until {one.until:%Y-%m-%d}" if one.until else "")
