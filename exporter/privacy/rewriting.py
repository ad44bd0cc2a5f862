"""A day copied without somebody's lines: every other byte stays, in its order, and is proven on the way."""

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby

from exporter.archive.careful import examine
from exporter.archive.dates import may_escape_time
from exporter.archive.unusual import is_unusual
from exporter.days.manifest import Manifest
from exporter.dump import SEPARATOR, Dump, blocks
from exporter.errors import DamagedError
from exporter.privacy.matching import Hit, Matcher


@dataclass
class Taken:
    """The events that are left out: per hour, per date of ``event_time``, and how many were unusual."""

    hours: Counter[str] = field(default_factory=Counter)
    event_days: Counter[str] = field(default_factory=Counter)
    unusual: int = 0

    @property
    def events(self) -> int:
        """All of them."""
        return self.hours.total()

    def add(self, hour: int, line: bytes) -> None:
        """Count one."""
        self.hours[f"{hour:02}"] += 1
        self.event_days[examine(line, escaped=may_escape_time(line))[0]] += 1
        self.unusual += is_unusual(line)


def copy_without(pieces: Iterable[bytes], manifest: Manifest, matcher: Matcher, dump: Dump) -> Taken:
    """Copy the day's text in ``pieces``, which ``manifest`` proves, into ``dump`` without the lines of the wanted.

    Raises:
        DamagedError: the text is not what the manifest says. Nothing of the copy may be used.
    """
    digest, taken = hashlib.sha256(), Taken()
    left = deque((int(hour), count) for hour, count in sorted(manifest.event_hours().items()) if count)
    for block in blocks(_hashed(pieces, digest)):
        hits, count = matcher.hits(block), block.count(b"\n") + 1
        if not left:
            raise _not_proven(manifest)
        hour, more = left[0]
        if count < more:  # the common case: all of one hour, and no line is looked at but theirs
            _copy(block, hits, hour, dump, taken)
            left[0] = hour, more - count
            continue
        starts = frozenset(hit.start for hit in hits)
        _copy_lines(block[1:-1].split(SEPARATOR), starts, _hours(left, count, manifest), dump, taken)
    if left or digest.hexdigest() != manifest.sha256:
        raise _not_proven(manifest)
    dump.finish()
    return taken


def without(manifest: Manifest, taken: Taken, dump: Dump) -> Manifest:
    """The manifest of the copy. It has no ETag yet, and tells of the rejected lines as before."""
    hours = {
        hour: {**found, "events": found.get("events", 0) - taken.hours[hour]} for hour, found in manifest.hours.items()
    }
    days = {day: count - taken.event_days[day] for day, count in manifest.event_days.items()}
    return replace(
        manifest,
        events=manifest.events - taken.events,
        size=dump.size,
        sha256=dump.sha256,
        hours=hours,
        event_days={day: count for day, count in days.items() if count > 0},
        unusual=max(0, manifest.unusual - taken.unusual),
        erased=manifest.erased + taken.events,
        etag="",
    )


def _copy(block: bytes, hits: list[Hit], hour: int, dump: Dump, taken: Taken) -> None:
    """What stands before, between and behind the hits of a block."""
    text, at = memoryview(block), 1
    for hit in hits:
        if hit.start > at:
            dump.add_joined(hour, text[at : hit.start - len(SEPARATOR)])
        taken.add(hour, block[hit.start : hit.end])
        at = hit.end + len(SEPARATOR)
    if at < len(block):
        dump.add_joined(hour, text[at:-1])


def _copy_lines(lines: list[bytes], starts: frozenset[int], hours: list[int], dump: Dump, taken: Taken) -> None:
    """The same where an hour ends in the block: line by line; hits begin at ``starts`` of the block."""
    places = accumulate((len(line) + len(SEPARATOR) for line in lines), initial=1)
    for hour, of_hour in groupby(zip(hours, lines, places, strict=False), lambda found: found[0]):
        kept = []
        for _, line, start in of_hour:
            if start in starts:
                taken.add(hour, line)
            else:
                kept.append(line)
        if kept:
            dump.add_joined(hour, SEPARATOR.join(kept))


def _hours(left: deque[tuple[int, int]], count: int, manifest: Manifest) -> list[int]:
    """The hours of the next ``count`` events, which are taken off what is ``left``."""
    found: list[int] = []
    while len(found) < count:
        if not left:
            raise _not_proven(manifest)
        hour, more = left.popleft()
        now = min(more, count - len(found))
        found += [hour] * now
        if more > now:
            left.appendleft((hour, more - now))
    return found


def _hashed(pieces: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _not_proven(manifest: Manifest) -> DamagedError:
    return DamagedError(
        f"{manifest.dump} is not what its manifest says, so nothing is taken out of it. Read it back with verify --day "
        f"{manifest.day}, repair it, then erase again"
    )
