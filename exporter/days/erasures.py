"""What is on record of erasures: what was asked and why, when, which days, what remains until when. Nobody's id.

A record is written before a day is touched, and again with each day, so that whoever goes on after a kill knows what
is left. One that does not fit is told, and stops nothing.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import msgspec

from exporter.days.layout import Layout
from exporter.days.manifest import Count, Day, Line, Moment
from exporter.days.wording import misfit, odd_time
from exporter.errors import DamagedError, PermanentError
from exporter.foreign import LONGEST_QUOTE, LONGEST_SENTENCE, Foreign
from exporter.store import Store

if TYPE_CHECKING:
    from exporter.days.stored import Days

FORMAT = 1
OPEN: Literal["open"] = "open"
BEGUN: Literal["begun"] = "begun"
DONE: Literal["done"] = "done"

Id = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9-]{1,80}$", description="the id of an erasure")]
MaybeSha256 = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$", description="a SHA-256, or empty")]
Told = Annotated[str, msgspec.Meta(max_length=LONGEST_SENTENCE, description="a sentence")]
Quoted = Annotated[str, msgspec.Meta(max_length=LONGEST_QUOTE, description="a line")]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ErasedDay:
    """A day of an erasure: ``open``, ``begun`` (its new text is being put in place) or ``done``.

    ``events`` and ``rejected`` are lines that are taken away, as found at first, then as done. ``before`` and ``after``
    are the dump's SHA-256, "" while the day is open. ``table``: one has to be made. ``why`` says what keeps it open.
    ``old_versions`` can still be brought back, the last of them until ``until``, None where the store does not say.
    ``manifest`` is the one to be written while the day is begun.
    """

    day: Day
    events: Count
    rejected: Count
    state: Literal["open", "begun", "done"] = OPEN
    before: MaybeSha256 = ""
    after: MaybeSha256 = ""
    table: bool = False
    why: Told = ""
    old_versions: Count = 0
    until: Moment | None = None
    manifest: dict[str, Any] | None = None


@dataclass(frozen=True)
class Erasure:
    """One request: ``by`` whom of the staff and for which ``reason``, and what became of it.

    ``ids`` counts the ids by their kind, those included that were found with them.
    """

    id: Id
    state: Literal["begun", "done"]
    reason: Quoted
    by: Quoted
    asked_at: Moment
    ids: Mapping[Line, Count]
    days: tuple[ErasedDay, ...]
    done_at: Moment | None = None
    run: Line = ""
    format: int = FORMAT

    def day(self, day: object) -> ErasedDay | None:
        """What is on record of one day."""
        return next((one for one in self.days if one.day == day), None)

    def with_day(self, changed: ErasedDay) -> "Erasure":
        """The erasure with a day as it is now."""
        others = (one for one in self.days if one.day != changed.day)
        return replace(self, days=tuple(sorted((*others, changed), key=lambda one: one.day)))

    @property
    def open_days(self) -> list[ErasedDay]:
        """Those that are not done."""
        return [one for one in self.days if one.state != DONE]

    @property
    def events(self) -> int:
        """Events that are taken away."""
        return sum(one.events for one in self.days)

    @property
    def rejected(self) -> int:
        """Rejected lines that are taken away."""
        return sum(one.rejected for one in self.days)

    @property
    def old_versions(self) -> int:
        """What can still be brought back."""
        return sum(one.old_versions for one in self.days)

    @property
    def until(self) -> datetime | None:
        """When the last of it goes; None if nothing is left, or one has no date."""
        left = [one.until for one in self.days if one.old_versions]
        return max((one for one in left if one), default=None) if all(left) else None

    def to_json(self) -> bytes:
        """The record as it is stored: UTF-8, indented."""
        document = asdict(self)
        for day in document["days"]:
            if day["manifest"] is None:
                del day["manifest"]
        return (json.dumps(document, indent=1, default=_plain, ensure_ascii=False) + "\n").encode()


def read_erasure(text: bytes, where: str, name: str, foreign: Foreign) -> Erasure:
    """Read the record of the erasure ``name``, stored as ``where``; its sentences pass the door.

    Raises:
        DamagedError: it is none, or another's.
        PermanentError: a newer format than this version knows.
    """
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise DamagedError(f"{where} is damaged: it is not a JSON object in UTF-8") from None
    number = document.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise PermanentError(f"{where} has a newer format than {FORMAT}. Update the exporter")
    try:
        found = msgspec.convert(document, Erasure)
    except msgspec.ValidationError as error:
        raise DamagedError(f"{where} is damaged: {misfit(error, Erasure)}") from None
    if odd := odd_time(found):
        raise DamagedError(f"{where} is damaged: its field `{odd}` is not a time of this age")
    if found.id != name:
        raise DamagedError(f"{where} is damaged: it speaks of another erasure")
    shown = tuple(replace(one, why=foreign.sentence(one.why)) for one in found.days)
    return replace(found, reason=foreign(found.reason), by=foreign(found.by), days=shown)


@dataclass(frozen=True)
class Erasures:
    """The records of all erasures in ``store``."""

    store: Store
    layout: Layout
    foreign: Foreign = field(default=Foreign(), repr=False, compare=False)

    @classmethod
    def of(cls, days: "Days") -> Self:
        """Those from these days."""
        return cls(days.store, days.layout, days.foreign)

    def read(self, name: str) -> tuple[Erasure, str] | None:
        """An erasure and the ETag of its record; None if there is none.

        Raises:
            DamagedError: the record does not fit.
            PermanentError: a newer format.
        """
        where = self.layout.erasure(name)
        stored = self.store.read(where)
        return (read_erasure(stored[0], where, name, self.foreign), stored[1]) if stored else None

    def write(self, erasure: Erasure, seen: str | None) -> str:
        """Put it on record, where ``seen`` is there; return the new ETag.

        Raises:
            LostRaceError: somebody else is at work on the same erasure.
        """
        return self.store.write(self.layout.erasure(erasure.id), erasure.to_json(), seen=seen, metadata={})

    def names(self) -> list[str]:
        """The ids of all erasures, oldest first."""
        found = (self.layout.erasure_of(entry.name) for entry in self.store.list(self.layout.erasures))
        return sorted(name for name in found if name)

    def newest(self, most: int) -> list[Erasure]:
        """The newest few that can be read, newest first."""
        return list(self._read(self.names()[-most:]))[::-1]

    def all(self) -> Iterator[Erasure]:
        """Every erasure that can be read, oldest first; a warning about any other."""
        return self._read(self.names())

    def _read(self, names: Iterable[str]) -> Iterator[Erasure]:
        for name in names:
            try:
                found = self.read(name)
            except PermanentError as error:
                log.warning(str(error))
                continue
            if found:
                yield found[0]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)
