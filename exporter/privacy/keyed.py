"""Keyed hashes of erased ids: so that no later export brings a person back, and no record names one.

A hash is HMAC-SHA-256 with EXPORT_ERASURE_KEY of an id as `Ids.spelled` writes it, its kind included. Whoever has the
key can ask whether an id is among them: the records are pseudonymous, not anonymous (ADR 23).
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

import msgspec

from exporter.days.layout import Layout
from exporter.days.manifest import Moment, Sha256
from exporter.errors import LostRaceError, PermanentError
from exporter.privacy.ids import Ids
from exporter.store import Entry, Store

FORMAT = 1
HOW_TO_MAKE_ONE = "openssl rand -base64 32"
_CHECKED = b"amplitude exporter: is this the key of the erased ids?"
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9-]{1,80}$", description="the id of an erasure")]


@dataclass(frozen=True)
class Keyed:
    """The hashes of the ids of one ``erasure``: events uploaded ``before`` it was asked for never come back.

    ``check`` tells whether a key is the one that they were made with.
    """

    erasure: Name
    before: Moment
    check: Sha256
    hashes: tuple[Sha256, ...] = field(repr=False)
    format: int = FORMAT

    @classmethod
    def of(cls, ids: Ids, erasure: str, before: datetime, key: str) -> Self:
        """What is kept of ``ids``. Their order tells nothing of them."""
        return cls(erasure, before, check_of(key), tuple(sorted(hash_of(one, key) for one in ids.spelled())))

    def to_json(self) -> bytes:
        """The record as it is stored: UTF-8, indented."""
        return (json.dumps(asdict(self) | {"before": _spelled(self.before)}, indent=1) + "\n").encode()


def hash_of(spelled: str, key: str) -> str:
    """The hash of one id, spelled with its kind: ``user_id=…``."""
    return hmac.digest(key.encode(), spelled.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()


def check_of(key: str) -> str:
    """What a record says of its key, and nothing can be had back from."""
    return hmac.digest(key.encode(), _CHECKED, hashlib.sha256).hex()


@dataclass
class Kept:
    """What is kept of erased people in ``store``. Each record is read once as long as this object lives."""

    store: Store
    layout: Layout
    key: str = field(repr=False)
    _read: dict[tuple[str, str], Keyed] = field(default_factory=dict, repr=False)

    def remember(self, ids: Ids, erasure: str, before: datetime) -> Keyed:
        """Keep the hashes of ``ids``, before any day is touched; again with the same ids, nothing changes.

        From here on no export brings them back, but one that has its day locked already: whoever erases looks at the
        days after this, and at those that are locked after their lock.

        Raises:
            PermanentError: no key, not the key of the other records, or the record is of other ids.
            StoreError: the store cannot be written.
        """
        self.check()
        if not self.key:
            raise PermanentError(f"EXPORT_ERASURE_KEY is missing: {_WHY}. Make one with `{HOW_TO_MAKE_ONE}`. {_LASTS}")
        keyed, name = Keyed.of(ids, erasure, _rounded_up(before), self.key), self.layout.keyed(erasure)
        try:
            self.store.write(name, keyed.to_json(), seen=None, metadata={"before": _spelled(keyed.before)})
        except LostRaceError:
            there = self.read(name)
            if there.hashes != keyed.hashes:
                raise PermanentError(
                    f"{name} is there already, and of other ids. Give the erasure another id"
                ) from None
            return there
        return keyed

    def listed(self) -> tuple[Entry, ...]:
        """All records, as a listing tells them."""
        return tuple(entry for entry in self.store.list(self.layout.keyed_ids) if entry.name.endswith(".json"))

    def after(self, moment: datetime, listed: Iterable[Entry]) -> tuple[Keyed, ...]:
        """The ``listed`` records of requests after ``moment``: only those are about events uploaded after it.

        Raises:
            PermanentError: there are such records, and the key is missing or not theirs, or one cannot be read.
        """
        found = (self._keyed(entry) for entry in listed if _before(entry) > moment)
        return tuple(self._checked(keyed) for keyed in found if keyed.before > moment)

    def check(self) -> int:
        """How many records there are; each can be read, and the key is theirs.

        Raises:
            PermanentError: one cannot be read, or the key is missing or not its own.
        """
        return len([self._checked(self._keyed(entry)) for entry in self.listed()])

    def _keyed(self, entry: Entry) -> Keyed:
        known = entry.name, entry.etag
        if known not in self._read:
            self._read[known] = self.read(entry.name)
        return self._read[known]

    def read(self, name: str) -> Keyed:
        """The record ``name``.

        Raises:
            PermanentError: it is not there, none, or of a newer format.
        """
        stored = self.store.read(name)
        try:
            found = msgspec.json.decode(stored[0] if stored else b"", type=Keyed)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise PermanentError(
                f"{name} is damaged: it is no record of erased ids. Without it a person might come back, so nothing "
                "is exported. Restore it, or erase that person again and delete it"
            ) from None
        if found.format != FORMAT:
            raise PermanentError(f"{name} has format {found.format}, this version knows {FORMAT}. Update the exporter")
        if name != self.layout.keyed(found.erasure):
            raise PermanentError(f"{name} is damaged: it speaks of another erasure than its name. Restore it")
        return found

    def _checked(self, keyed: Keyed) -> Keyed:
        name = self.layout.keyed(keyed.erasure)
        if not self.key:
            raise PermanentError(
                f"EXPORT_ERASURE_KEY is missing, and {name} needs it: {_WHY}. Nothing was written. Set the key "
                "that was set when that person was erased"
            )
        if not hmac.compare_digest(keyed.check, check_of(self.key)):
            raise PermanentError(
                f"EXPORT_ERASURE_KEY is not the key that {name} was made with: {_WHY}. Nothing was written. Set the "
                "key that was set when that person was erased"
            )
        return keyed


_WHY = "with it an export leaves out the people who were erased"
_LASTS = "Keep it as long as the archive: without it, days before the last erasure cannot be exported any more"


def _before(entry: Entry) -> datetime:
    """The moment of the request as the listing tells it; where it does not, the record has to be read."""
    try:
        found = datetime.fromisoformat((entry.metadata or {}).get("before", ""))
    except ValueError:
        return _LATEST
    return found if found.tzinfo else _LATEST


def _rounded_up(moment: datetime) -> datetime:
    """To whole seconds, which is how it is written."""
    return (moment + timedelta(microseconds=999_999)).replace(microsecond=0)


def _spelled(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
