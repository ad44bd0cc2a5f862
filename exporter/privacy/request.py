"""What somebody asks for, and erasures of the same people that have not ended: their keyed hashes tell."""

import re
from dataclasses import dataclass, replace

from exporter.days.erasures import DONE, Erasure, Erasures
from exporter.errors import SettingsError
from exporter.privacy.ids import Ids
from exporter.privacy.keyed import Kept, Keyed, hash_of
from exporter.privacy.matching import Wanted
from exporter.privacy.search import Found

SHORT = 5
"""Characters of an id that any word may hold by chance."""


@dataclass(frozen=True)
class Request:
    """What somebody asks for: ``by`` whom of the staff, and for which ``reason``."""

    asked: Ids
    reason: str
    by: str

    def check(self) -> None:
        """See that reason and name hold no id: they are kept for years, and shown. A short id is none within a word.

        Raises:
            SettingsError: one does.
        """
        words = f"{self.reason}\n{self.by}".casefold()
        ids = (*self.asked.users, *self.asked.devices, *map(str, self.asked.amplitude))
        if any(_stands_in(one.casefold(), words) for one in ids):
            raise SettingsError(
                "--reason or --by holds one of the ids, and both are kept on record. Name a ticket's number instead"
            )


def _stands_in(one: str, words: str) -> bool:
    if len(one) > SHORT:
        return one in words
    return re.search(rf"(?<!\w){re.escape(one)}(?!\w)", words) is not None


@dataclass(frozen=True)
class Stopped:
    """An erasure of the same people that has not ended: its hashes, and its record if it came that far."""

    keyed: Keyed
    record: Erasure | None

    def wanted(self, asked: Ids, key: str) -> Wanted:
        """Who it is about: ids that were found with a user may stand in no event any more that tells so."""
        hashes = frozenset(self.keyed.hashes)
        return Wanted(asked, lambda spelled: hash_of(spelled, key) in hashes)

    def concerning(self, found: Found) -> Found:
        """What was found in the days before the request: later events are another request's."""
        last = self.keyed.before.date()
        days = tuple(one for one in found.days if one.day < last)
        return replace(found, days=days, archived=tuple(day for day in found.archived if day < last))


def stopped(asked: Ids, kept: Kept, records: Erasures) -> Stopped | None:
    """The oldest erasure of those ``asked`` for that has open days; None if there is none.

    Raises:
        PermanentError: the key is missing or another, or what is kept cannot be read.
    """
    return next((one for one in _of(asked, kept, records) if one.record is None or one.record.state != DONE), None)


def with_a_past(asked: Ids, kept: Kept, records: Erasures) -> list[Erasure]:
    """Their erasures that are done, but for old versions that could not be removed then."""
    found = (one.record for one in _of(asked, kept, records))
    return [record for record in found if record and record.state == DONE and record.old_versions]


def _of(asked: Ids, kept: Kept, records: Erasures) -> list[Stopped]:
    kept.check()
    hashes = {hash_of(one, kept.key) for one in asked.spelled()}
    found = []
    for entry in kept.listed():
        keyed = kept.read(entry.name)
        if hashes <= set(keyed.hashes):
            stored = records.read(keyed.erasure)
            found.append(Stopped(keyed, stored[0] if stored else None))
    return found
