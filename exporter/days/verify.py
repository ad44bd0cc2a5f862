"""Read dumps back and hold them against their manifests."""

import hashlib
import logging
from dataclasses import dataclass, field, replace
from datetime import date

from exporter.days.audit import Audit
from exporter.days.erased import still_there
from exporter.days.manifest import Manifest
from exporter.days.stored import Days
from exporter.dump import read_back, watched
from exporter.errors import LostRaceError, OtherSourceError, PermanentError
from exporter.forget import Forget
from exporter.store import ARCHIVED

MISSING = "no manifest: the day is missing. Export it"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verified:
    """What reading a day back showed; ``problem`` is None when everything is what the manifest says.

    ``manifest``: the day's, if dump and rejected lines are what it says. ``damaged``: what is there does not fit, so
    the day has to be rewritten. A day that is not there is only missing.
    """

    day: date
    events: int
    size: int
    problem: str | None
    damaged: bool = False
    manifest: Manifest | None = field(default=None, repr=False, compare=False)


def verify_day(day: date, days: Days, audit: Audit | None = None) -> Verified:
    """Compare the bytes of the dump and of the rejected lines with the manifest, and the manifest with the ledger.

    Memory does not grow with them. Without ``audit`` the ledger is not looked at.

    Raises:
        StoreError: the store cannot be read.
    """
    name = days.layout.manifest(day)
    while True:
        before = _etag(days, name)
        try:
            found = _verified(day, days)
        except LostRaceError:  # replaced while it was read
            continue
        if audit:
            found = _audited(found, audit)
        if found.problem is None or _etag(days, name) == before:
            return found


def _audited(found: Verified, audit: Audit) -> Verified:
    """Damage that is known without the ledger stays what is said."""
    if found.problem not in (None, MISSING):
        return found
    held = audit.held(found.day, found.manifest)
    if held.problem:
        return replace(found, problem=held.problem, damaged=held.damaged)
    return replace(found, problem=None) if found.problem and audit.deleted(found.day) else found


def _etag(days: Days, name: str) -> str:
    entry = days.store.stat(name)
    return entry.etag if entry else ""


def _verified(day: date, days: Days) -> Verified:
    try:
        read = days.manifest(day)
    except (PermanentError, OtherSourceError) as error:
        return Verified(day, 0, 0, str(error))
    manifest = read.manifest
    if manifest is None:
        return Verified(day, 0, 0, read.damage or MISSING, damaged=bool(read.damage))
    entry = days.store.stat(manifest.dump)
    if entry is None or entry.tier == ARCHIVED:
        why = "lies in the archive tier. Bring it back, then verify it" if entry else "is not there. Export the day"
        return Verified(day, 0, 0, f"{manifest.dump} {why} again")
    pieces, erased, forget = days.store.stream(manifest.dump), list[int](), _forget(day, days)
    dump = read_back(watched(pieces, forget, lambda _line: erased.append(1)) if forget else pieces)
    if (dump.sha256, dump.size, dump.events) != (manifest.sha256, manifest.size, manifest.events):
        problem = (
            f"{manifest.dump} has {dump.events} events, {dump.size} bytes and SHA-256 {dump.sha256}; its manifest says "
            f"{manifest.events}, {manifest.size} and {manifest.sha256}. Restore it, or export the day again"
        )
        return Verified(day, dump.events, dump.size, problem, damaged=True)
    if erased:
        return Verified(day, dump.events, dump.size, still_there(manifest.dump, len(erased)))
    rejected = _rejected_problem(manifest, days)
    return Verified(
        day, dump.events, dump.size, rejected, damaged=rejected is not None, manifest=None if rejected else manifest
    )


def _forget(day: date, days: Days) -> Forget | None:
    """What the day must not hold. Where that cannot be told, the bytes can be read back all the same."""
    try:
        return days.forget_on(day)
    except PermanentError as error:
        log.warning(f"{day}: whether it holds events of people who were erased is not looked at: {error}")
        return None


def _rejected_problem(manifest: Manifest, days: Days) -> str | None:
    """Without rejected lines in the day there may be those of a later attempt that failed: they prove nothing."""
    name = days.layout.rejected(manifest.day)
    if not manifest.rejected:
        return None
    if days.store.stat(name) is None:
        return f"{name} is not there; it held {manifest.rejected} lines. Restore it, or export the day again"
    digest, count = hashlib.sha256(), 0
    for piece in days.store.stream(name):
        digest.update(piece)
        count += piece.count(b"\n")
    if count == manifest.rejected and manifest.rejected_sha256 in ("", digest.hexdigest()):
        return None
    return (
        f"{name} has {count} lines and SHA-256 {digest.hexdigest()}; the day's manifest says {manifest.rejected} and "
        f"{manifest.rejected_sha256 or 'no hash'}. Restore it, or export the day again"
    )
