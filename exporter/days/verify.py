"""Read dumps back and hold them against their manifests."""

import hashlib
from dataclasses import dataclass
from datetime import date

from exporter.days.layout import Layout
from exporter.days.manifest import Manifest
from exporter.errors import PermanentError
from exporter.store import Store


@dataclass(frozen=True)
class Verified:
    """What reading a day back showed; ``problem`` is None when the dump is what the manifest says."""

    day: date
    events: int
    size: int
    problem: str | None


def verify_day(day: date, store: Store, layout: Layout) -> Verified:
    """Compare the dump's bytes, lines and SHA-256 with the manifest. Memory does not grow with the dump.

    Raises:
        StoreError: the store cannot be read.
    """
    stored = store.read(layout.manifest(day))
    if stored is None:
        return Verified(day, 0, 0, "no manifest: the day is missing. Export it")
    try:
        manifest = Manifest.from_json(stored[0], layout.manifest(day))
    except PermanentError as error:
        return Verified(day, 0, 0, str(error))
    if store.stat(manifest.dump) is None:
        return Verified(day, 0, 0, f"{manifest.dump} is not there. Export the day again")
    digest, size, lines = hashlib.sha256(), 0, 0
    for piece in store.stream(manifest.dump):
        digest.update(piece)
        size += len(piece)
        lines += piece.count(b"\n")
    events = max(0, lines - 2)  # the brackets have lines of their own
    if (digest.hexdigest(), size, events) == (manifest.sha256, manifest.size, manifest.events):
        return Verified(day, events, size, None)
    return Verified(
        day,
        events,
        size,
        f"{manifest.dump} has {events} events, {size} bytes and SHA-256 {digest.hexdigest()}; its manifest says "
        f"{manifest.events}, {manifest.size} and {manifest.sha256}. Restore it, or export the day again",
    )
