"""The command `find`: where somebody's events are, and the events themselves."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.cli.asking import ids_from, shown, told_ids
from exporter.cli.call import DONE, FAILED, Call
from exporter.cli.display import Display
from exporter.cli.documents_of_people import FindDocument, FoundDay
from exporter.cli.following import left_at_amplitude, told
from exporter.cli.logs import log_to_console, log_to_file
from exporter.cli.show import print_json, print_table
from exporter.errors import SettingsError
from exporter.privacy.ids import Ids
from exporter.privacy.matching import Wanted
from exporter.privacy.search import Found, Search, Sink
from exporter.settings import Settings
from exporter.wiring import open_days


def find(call: Call) -> int:
    """Find, tell, and write what is found; exit code 1 if a day could not be read."""
    arguments, now = call.arguments, call.clock.now()
    settings = Settings.from_mapping(call.environment, keys_needed=arguments.from_amplitude)
    display = Display(call.clock.monotonic, quiet=arguments.quiet)
    log_to_console(settings, display.console)
    log_to_file(settings, now)
    call.warn()
    asked = Ids() if arguments.from_amplitude else ids_from(arguments.ids)
    with display, open_days(settings, display.progress()) as days:
        if arguments.from_amplitude:
            listed = left_at_amplitude(settings, call.clock, days)
            print(told(listed), file=sys.stderr)
            asked = listed.left
        with Search(days, now, settings.tmp_limit, display.progress(), shown(display)) as search:
            found = _found(search, asked, call)
    if arguments.json:
        print_json(_document(found))
    elif not arguments.quiet:
        tell(found)
        if arguments.out:
            print(f"Written: {arguments.out}" if found.events else f"No event, so there is no file {arguments.out}")
        if arguments.out and found.rejected:
            print(f"Written: {_beside(arguments.out)}")
    return FAILED if found.archived else DONE


def _found(search: Search, asked: Ids, call: Call) -> Found:
    """Where they are; the lines go into the file that is named."""
    arguments = call.arguments
    ids = search.expanded(asked, devices=arguments.devices)
    if not arguments.quiet:
        print(f"Looking for {told_ids(ids)} ({len(ids) - len(asked)} found with them).", file=sys.stderr)
    if not arguments.out:
        return search.find(Wanted(ids))
    with _written(arguments.out) as events, _written(_beside(arguments.out)) as rejected:
        return search.find(Wanted(ids), events, rejected)


def tell(found: Found) -> None:
    """The table of the days, and what it does not say."""
    if found.days:
        rows = [(str(one.day), one.events, one.rejected, one.size) for one in found.days]
        print_table(("day", "events", "rejected", "bytes of the day"), rows)
    elif len(found.ids):
        print("These ids are in no event and no rejected line. Capitals count, and spaces inside an id.")
    print(f"{found.events:,} events and {found.rejected:,} rejected lines in {len(found.days)} of {found.read} days.")
    if found.silent:
        lines, them = ("line names", "it") if found.silent == 1 else ("lines name", "them")
        print(f"{found.silent:,} other rejected {lines} nobody, as torn lines do: look at {them} yourself (rejected/).")
    if found.archived:
        days = ", ".join(map(str, found.archived))
        print(f"Not read, since they lie in the archive tier: {days}. Bring them back (rehydrate), then call again.")


def _document(found: Found) -> FindDocument:
    return FindDocument(
        command="find",
        ok=not found.archived,
        user_ids=len(found.ids.users),
        amplitude_ids=len(found.ids.amplitude),
        device_ids=len(found.ids.devices),
        days=[FoundDay(day=one.day, events=one.events, rejected=one.rejected) for one in found.days],
        days_read=found.read,
        not_read=list(found.archived),
        rejected_of_nobody=found.silent,
    )


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.rejected")


@contextmanager
def _written(path: Path) -> Iterator[Sink]:
    """Takes lines into a file of its owner's, which appears when all are there; where there are none, none is left.

    What an earlier search has left under that name goes in both cases: it is somebody else's, or of another day.

    Raises:
        SettingsError: it cannot be written.
    """
    if path.exists() and not path.is_file():
        raise SettingsError(f"--out {path} cannot be written: it is there, and is no file")
    making, count = path.with_name(f".{path.name}.new"), 0
    try:
        with suppress(FileNotFoundError):
            making.unlink()
        file = os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise SettingsError(f"--out {path} cannot be written: {error.strerror}") from error

    def take(lines: list[bytes]) -> None:
        nonlocal count
        count += len(lines)
        file.write(b"".join(line + b"\n" for line in lines))

    try:
        with file:
            yield take
            file.flush()
            os.fsync(file.fileno())
        if count:
            making.replace(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        with suppress(FileNotFoundError):
            making.unlink()
