"""Days held against the ledger: what was changed, deleted or added behind its back, each in a sentence.

A manifest proves its dump, and both can be written anew together. The ledger cannot, once somebody has kept its head.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from msgspec import structs

from exporter.days.chain import DELETED, Chain, Content, Entry, Head
from exporter.days.coverage import Row
from exporter.days.ledger import Ledger
from exporter.days.manifest import PROVISIONAL, Manifest
from exporter.days.recording import named_by
from exporter.days.stored import Days


class Held(NamedTuple):
    """What is wrong with a day by the ledger, "" if nothing is; ``damaged``: so the day has to be written anew."""

    problem: str = ""
    damaged: bool = False


@dataclass
class Audit:
    """The ledger as it was read from its first line on; it is read again before anything is said against a day.

    ``year`` is the one we live in, ``kept`` a head that somebody kept.
    """

    ledger: Ledger
    year: int
    kept: Head | None = None
    chain: Chain = field(default_factory=Chain)

    def __post_init__(self) -> None:
        self.chain = self.ledger.read()

    @property
    def there(self) -> bool:
        """Whether there is a ledger."""
        return self.chain.head.number > 0

    @property
    def problems(self) -> list[str]:
        """What is wrong with the ledger itself."""
        found = list(self.chain.breaks)
        if self.kept and (miss := self.chain.misses(self.kept, "--head")):
            found.append(miss)
        return found

    def told_of(self) -> set[date]:
        """The days that should be there."""
        return {day for day, line in self.chain.newest.items() if line.cause != DELETED}

    def deleted(self, day: date) -> bool:
        """Whether the day was removed on purpose."""
        line = self.chain.newest.get(day)
        return line is not None and line.cause == DELETED

    def held(self, day: date, manifest: Manifest | None) -> Held:
        """What the ledger says of a day with this manifest (None: it has none)."""
        found = self._held(day, manifest)
        if found.problem and self._moved():
            found = self._held(day, manifest)
        return found

    def _moved(self) -> bool:
        """Read the ledger again if it has grown since; return whether it has."""
        if self.ledger.head(self.year) == (self.chain.head if self.there else None):
            return False
        self.chain = self.ledger.read()
        return True

    def _held(self, day: date, manifest: Manifest | None) -> Held:
        line, sound = self.chain.newest.get(day), not self.chain.breaks
        if manifest is None:
            return Held() if line is None or line.cause == DELETED else Held(_without_day(line), damaged=sound)
        named = named_by(manifest.ledger) if manifest.ledger else None
        miss = self.chain.misses(named, f"the manifest of {day}") if named else ""
        if not self.there:
            return Held(f"{miss}. The ledger was removed" if miss else "")
        if named and named.number > self.chain.head.number:  # cut off: what is missing may be right about the day
            return Held(miss)
        problem = self._differs(day, line, manifest)
        if problem:
            return Held(problem, damaged=sound)
        if named is None and line and line.cause != "found":
            miss = f"its manifest names no line of the ledger, and line {line.n} tells of it: the manifest was changed"
        return Held(miss)

    def _differs(self, day: date, line: Entry | None, manifest: Manifest) -> str:
        if line is None:
            return f"the ledger has no line about {day}: the day did not come from an export"
        if line.cause == DELETED:
            return f"line {line.n} of the ledger says that {day} was deleted, and it is there"
        now, was = Content.of(manifest), line.content
        # One that was stopped behind its line about a second look leaves such a day. It is asked for again.
        again = manifest.state == PROVISIONAL and structs.replace(was, state=PROVISIONAL) == now
        return "" if now == was or again else self._changed(line, now)

    def _changed(self, line: Entry, now: Content) -> str:
        was = line.content
        told = ", ".join(
            f"{name} {getattr(now, name) or 'none'} where it says {getattr(was, name) or 'none'}"
            for name in Content.__struct_fields__
            if getattr(was, name) != getattr(now, name)
        )
        same = (other for other in self.chain.newest.values() if other.sha256 == now.sha256 and other.day != line.day)
        other = next(same, None) if now.sha256 != was.sha256 else None
        copied = f". These are the bytes of {other.day}, line {other.n}" if other else ""
        return (
            f"the day is not what line {line.n} of the ledger says, which was written at {line.at:%Y-%m-%d %H:%M} UTC: "
            f"{told}{copied}. It was changed by something else than an export, or an exporter was stopped between the "
            "two. Export the day again"
        )


def asked_of(audit: Audit, rows: Iterable[Row], first: date, last: date) -> list[date]:
    """The days to verify from ``first`` to ``last``: those on record and those the ledger tells of.

    One that was deleted on purpose is left out as long as nothing of it is there.
    """
    on_record = {row.day for row in rows if not audit.deleted(row.day) or row.state or row.damage}
    return sorted(day for day in on_record | audit.told_of() if first <= day <= last)


def audit_of(days: Days, year: int, kept: Head | None = None) -> Audit:
    """The ledger of ``days``, read from its first line on.

    Raises:
        StoreError: it cannot be read.
    """
    return Audit(days.ledger, year, kept)


def _without_day(line: Entry) -> str:
    return (
        f"line {line.n} of the ledger ({line.cause}, {line.at:%Y-%m-%d %H:%M} UTC) tells of {line.events} events, and "
        "the day has no manifest: it was deleted, or an exporter was stopped before it wrote it. Export the day again"
    )
