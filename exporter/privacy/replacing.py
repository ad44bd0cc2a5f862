"""Put a day's text without somebody's lines in place: dump, rejected lines, ledger, manifest.

What will stand is on record before anything of it is put in place, so a kill at any step leaves a day that the same
erasure finishes.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from typing import BinaryIO

from exporter.days.erasures import BEGUN, ErasedDay
from exporter.days.manifest import EMPTY, FINAL, Manifest
from exporter.days.publish import publish
from exporter.days.recording import ready
from exporter.days.rules import Decision, Neighbours, Outcome, StoredDay
from exporter.days.stored import Days
from exporter.dump import Dump, read_back
from exporter.errors import DamagedError
from exporter.privacy.book import Book, Work
from exporter.privacy.matching import Matcher
from exporter.privacy.rejections import sift
from exporter.privacy.rewriting import copy_without, without
from exporter.store import ANY, Draft


def replaced(day: date, matcher: Matcher, book: Book, work: Work) -> Manifest | None:
    """Put the locked day's text without their lines in place, unless that has been done; return what proves it then.

    None where there is no dump: only rejected lines of an attempt that failed may be there.

    Raises:
        DamagedError: the day is not whole, or not what its manifest says. It stays as it is.
        LostRaceError: somebody else changed it meanwhile.
        LedgerError: the ledger is gone.
    """
    stored, entry = work.days.stored(day), book.erasure.day(day)
    if stored.dump is None:
        _without_dump(stored, matcher, book, work)
        return None
    planned = _planned(entry, work.days, day)
    old = stored.manifest
    if planned and old and _same(planned, old):
        return old  # it was stopped behind its manifest
    ready(work.days, stored, Neighbours(), work.run_id, work.clock.now())
    with ExitStack() as undo:
        if planned and _is_committed(planned, stored, entry, work.days):
            return _finished(planned, stored, matcher, work, undo)
        if old is None or not stored.whole:
            raise _not_whole(stored, "its manifest is missing")
        draft = work.days.store.draft(work.days.layout.dump(day), stored.dump.etag)
        undo.callback(draft.discard)
        dump = Dump(draft, work.progress)
        taken = copy_without(work.days.store.stream(old.dump), old, matcher, dump)
        rejected = _sifted(day, matcher, work.days, undo)
        if old.rejected and rejected.before not in ("", old.rejected_sha256 or rejected.before):
            raise DamagedError(f"the rejected lines of {day} are not those of its manifest. Export it again first")
        if not taken.events and not rejected.taken:
            return old
        new = _settled(without(old, taken, dump) if taken.events else old, old, rejected, work)
        there = work.days.store.stat(work.days.layout.table(day)) is not None
        begun = ErasedDay(day, taken.events, rejected.taken, BEGUN, old.sha256, new.sha256, table=there)
        book.write(book.erasure.with_day(replace(begun, manifest=json.loads(new.to_json()))))
        return _published(new, stored, draft, rejected, work, writes=bool(taken.events))


def _not_whole(stored: StoredDay, why: str) -> DamagedError:
    return DamagedError(
        f"{stored.day} is not whole, so nothing is taken out of it: {stored.damage or why}. Export it again (export "
        f"--day {stored.day}), then erase again"
    )


def _without_dump(stored: StoredDay, matcher: Matcher, book: Book, work: Work) -> None:
    """Rejected lines of theirs go, of which no manifest tells. On record: as they were found, or are taken away."""
    day, store, name = stored.day, work.days.store, work.days.layout.rejected(stored.day)
    with ExitStack() as undo:
        found = _sifted(day, matcher, work.days, undo)
        if found.taken and stored.manifest_etag:
            raise _not_whole(stored, "its dump is missing")
        if found.taken and found.kept:
            store.write(name, found.file, seen=ANY, metadata={})
        elif found.taken:
            store.delete(name)
    if found.taken and book.erasure.day(day) is None:
        book.write(book.erasure.with_day(ErasedDay(day, 0, found.taken)))


def _finished(planned: Manifest, stored: StoredDay, matcher: Matcher, work: Work, undo: ExitStack) -> Manifest:
    """What is left to do behind a commit."""
    rejected = _sifted(stored.day, matcher, work.days, undo)
    if planned.rejected and rejected.after != planned.rejected_sha256:
        raise DamagedError(f"the rejected lines of {stored.day} have changed meanwhile. Export the day again first")
    draft = work.days.store.draft(work.days.layout.dump(stored.day), stored.dump.etag if stored.dump else None)
    undo.callback(draft.discard)
    return _published(planned, stored, draft, rejected, work, writes=False)


def _published(
    new: Manifest, stored: StoredDay, draft: Draft, rejected: "_Rejected", work: Work, *, writes: bool
) -> Manifest:
    etag = stored.dump.etag if stored.dump else ""
    decision = Decision(Outcome.ERASED, replace(new, etag=etag), writes_dump=writes, by=(work.run_id, work.clock.now()))
    return publish(decision, stored, draft, rejected.file if rejected.kept else None, work.days, work.progress)


def _settled(new: Manifest, old: Manifest, rejected: "_Rejected", work: Work) -> Manifest:
    """The manifest with its rejected lines as they will be. A day of nobody else becomes empty."""
    counted = bool(old.rejected)  # else the file is of an attempt that failed, and no part of the day
    new = replace(
        new,
        run=work.run_id,
        rejected=rejected.kept if counted else 0,
        rejected_sha256=rejected.after if counted and rejected.kept else "",
    )
    return replace(new, state=EMPTY) if new.state == FINAL and not (new.events or new.rejected) else new


@dataclass
class _Rejected:
    """The rejected lines without theirs, and the SHA-256 of what was there and of what will be."""

    file: BinaryIO
    kept: int
    taken: int
    before: str
    after: str


def _sifted(day: date, matcher: Matcher, days: Days, undo: ExitStack) -> _Rejected:
    name, file = days.layout.rejected(day), tempfile.TemporaryFile()  # noqa: SIM115 - closed by `undo`
    undo.callback(file.close)
    if days.store.stat(name) is None:
        return _Rejected(file, 0, 0, "", "")
    before, after = hashlib.sha256(), hashlib.sha256()
    found = sift(_watched(days.store.stream(name), before.update), matcher, file, None)
    file.seek(0)
    while piece := file.read(1 << 20):
        after.update(piece)
    file.seek(0)
    return _Rejected(file, found.kept, found.taken, before.hexdigest(), after.hexdigest())


def _watched(pieces: Iterable[bytes], tell: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        tell(piece)
        yield piece


def _planned(entry: ErasedDay | None, days: Days, day: date) -> Manifest | None:
    """The manifest that was to be written when the erasure was stopped."""
    if entry is None or entry.state != BEGUN or entry.manifest is None:
        return None
    text, where = json.dumps(entry.manifest).encode(), days.layout.manifest(day)
    return Manifest.from_json(text, f"what is on record of {where}", day)


def _same(planned: Manifest, there: Manifest) -> bool:
    return (planned.sha256, planned.rejected_sha256, planned.erased) == (
        there.sha256,
        there.rejected_sha256,
        there.erased,
    )


def _is_committed(planned: Manifest, stored: StoredDay, entry: ErasedDay | None, days: Days) -> bool:
    """Whether the day is as the erasure found it, but for its dump, which is as it is to be."""
    old = stored.manifest
    if entry is None or old is None or stored.dump is None or old.sha256 != entry.before:
        return False
    told = (stored.dump.metadata or {}).get("sha256")
    if told is None and stored.dump.size != planned.size:
        return False
    return (told or read_back(days.store.stream(stored.dump.name)).sha256) == planned.sha256
