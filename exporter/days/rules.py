"""What the store already has of a day, and what an export may do about it. The rules are pure."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from urllib.parse import urlsplit

from exporter.days.layout import Layout
from exporter.days.manifest import Failure, Manifest, Source
from exporter.errors import OtherSourceError, RetriableError
from exporter.store import Entry, Store
from exporter.window import HOURS_A_DAY


class Outcome(StrEnum):
    """What an export did to the stored day."""

    WRITTEN = "written"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    EMPTY = "empty"


@dataclass(frozen=True)
class Known:
    """A day as the store has it now; each is None if it is not there.

    ``unproven`` is the number of events in a dump that no manifest proves, left by an exporter that was stopped
    between the two.
    """

    dump: Entry | None
    manifest: Manifest | None
    manifest_etag: str | None
    failure: Failure | None
    unproven: int = 0

    @property
    def whole(self) -> bool:
        """Whether the manifest proves the dump that is there."""
        return self.manifest is not None and proves(self.dump, self.manifest.sha256, self.manifest.etag)

    @property
    def window_hours(self) -> int:
        """The widest window that may be asked for, as the last attempt left it."""
        last = self.failure or self.manifest
        return last.window_hours if last else HOURS_A_DAY

    @property
    def attempts(self) -> int:
        """Failed attempts since the last success."""
        return self.failure.attempts if self.failure else 0


NOTHING = Known(None, None, None, None)
"""Of a day that the store has nothing of, or nothing that can be read."""


def proves(dump: Entry | None, sha256: str, etag: str) -> bool:
    """Whether a manifest with this SHA-256 and dump ETag belongs to ``dump``.

    A blob carries its SHA-256 in its metadata, which survives a copy; a file is told by its size and time.
    """
    if dump is None:
        return False
    if dump.metadata and "sha256" in dump.metadata:
        return dump.metadata["sha256"] == sha256
    return dump.etag.strip('"') == etag.strip('"')


def look(store: Store, layout: Layout, day: date) -> Known:
    """Read what the store has of ``day``."""
    manifest = store.read(layout.manifest(day))
    failure = store.read(layout.failure(day))
    known = Known(
        dump=store.stat(layout.dump(day)),
        manifest=Manifest.from_json(manifest[0], layout.manifest(day)) if manifest else None,
        manifest_etag=manifest[1] if manifest else None,
        failure=Failure.from_json(failure[0], layout.failure(day)) if failure else None,
    )
    if known.dump is None or known.whole:
        return known
    return replace(known, unproven=_events_in(known.dump, store))


def _events_in(dump: Entry, store: Store) -> int:
    """As the blob's metadata says; a file's lines are counted, without those of the brackets."""
    if dump.metadata and "events" in dump.metadata:
        return int(dump.metadata["events"])
    return max(0, sum(piece.count(b"\n") for piece in store.stream(dump.name)) - 2)


def check_source(stored: Manifest | None, source: Source) -> None:
    """Refuse to write where another host or project did. An unknown project ("") is no evidence.

    ``stored`` is the manifest of the day itself, or of a neighbour in the store.

    Raises:
        OtherSourceError: the stored day came from elsewhere.
    """
    if stored is None:
        return
    hosts = _host(stored.source.url), _host(source.url)
    projects = stored.source.project, source.project
    for what, (has, asks) in (("host", hosts), ("project", projects)):
        if has and asks and has != asks:
            raise OtherSourceError(
                f"this store holds {what} {has} ({stored.dump}), and the keys are for {what} {asks}. Nothing was "
                "written. Set EXPORT_PREFIX or EXPORT_CONTAINER, so that each project has a place of its own"
            )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # no evidence either
        return ""


def decide(known: Known, new: Manifest, *, force: bool) -> Outcome:
    """What to do with a day that has been exported as ``new`` says.

    Raises:
        OtherSourceError: the stored day came from elsewhere.
        RetriableError: the stored dump lacks its manifest and holds more events than ``new``.
    """
    check_source(known.manifest, new.source)
    written = Outcome.WRITTEN if new.events else Outcome.EMPTY
    if known.dump is None:
        return written
    if proves(known.dump, new.sha256, "") or (known.whole and known.manifest and known.manifest.sha256 == new.sha256):
        return Outcome.UNCHANGED
    if not known.whole:
        if known.unproven > new.events and (not force or not new.events):
            raise RetriableError(
                f"{known.dump.name} was written by an exporter that was stopped before its manifest, and has "
                f"{known.unproven} events; Amplitude gives {new.events} now. Try again later, force the day if fewer "
                "is right, or delete the dump if the day is to be empty"
            )
        return written
    old = known.manifest
    fewer = old is not None and (new.events < old.events or hours_with_fewer(old, new))
    if fewer and (not force or not new.events):
        return Outcome.KEPT
    return Outcome.REPLACED


def hours_with_fewer(old: Manifest, new: Manifest) -> list[str]:
    """The hours that had more events before. Another hour's growth does not make up for them."""
    has = {hour: found.get("events", 0) for hour, found in new.hours.items()}
    return [hour for hour, found in old.hours.items() if has.get(hour, 0) < found.get("events", 0)]


def kept(known: Manifest, new: Manifest) -> Manifest:
    """The stored day's manifest, with a note about the export that found fewer events. Its state stays."""
    return replace(known, kept={"events": new.events, "run": new.run, "at": new.finished_at})


def says_the_same(known: Known, new: Manifest) -> bool:
    """Whether the stored manifest needs no new one for the same content."""
    old = known.manifest
    return (
        known.whole
        and old is not None
        and (old.state, old.rejected, old.kept, old.window_hours) == (new.state, new.rejected, None, new.window_hours)
    )
