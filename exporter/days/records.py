"""The records of a day, as they are read: checked by type, and against the names they were found under."""

from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from exporter.days.layout import Layout
from exporter.days.manifest import DAMAGED, Failure, Manifest
from exporter.errors import DamagedError, OtherSourceError
from exporter.foreign import Foreign
from exporter.store import Store
from exporter.window import HOURS_A_DAY, day_end


class ManifestRead(NamedTuple):
    """A manifest as it was read: None where it is not there or damaged, and why."""

    manifest: Manifest | None = None
    etag: str | None = None
    damage: str = ""


@dataclass(frozen=True)
class Records:
    """Manifests and failure records in ``store``, named by ``layout``; their sentences pass the door ``foreign``."""

    store: Store
    layout: Layout
    foreign: Foreign

    def manifest(self, day: date) -> ManifestRead:
        """Read the manifest of ``day``.

        Raises:
            PermanentError: its format is newer than this version.
            OtherSourceError: the store's dumps have other names.
        """
        name, etag = self.layout.manifest(day), ""
        try:
            stored = self.store.read(name)
            if stored is None:
                return ManifestRead()
            etag = stored[1]
            found = Manifest.from_json(stored[0], name, day)
        except DamagedError as error:
            entry = None if etag else self.store.stat(name)
            return ManifestRead(None, entry.etag if entry else etag, str(error))
        if found.dump != self.layout.dump(day):
            return ManifestRead(None, etag, self.other_name(found.dump, day, name))
        return ManifestRead(found, etag)

    def other_name(self, dump: str, day: date, where: str) -> str:
        """What is wrong with a record that names another dump.

        Raises:
            OtherSourceError: that dump is there: the store's days have other names.
        """
        wrong = self.layout.check_dump(dump, day, where)
        if wrong.other_outfile and self.store.stat(dump):
            raise OtherSourceError(wrong.text)
        return wrong.text

    def failure(self, day: date) -> Failure | None:
        """Read the failure record of ``day``. One that is damaged says so itself.

        Raises:
            PermanentError: its format is newer than this version.
        """
        name = self.layout.failure(day)
        try:
            stored = self.store.read(name)
            if stored is None:
                return None
            found = Failure.from_json(stored[0], name, day)
            return replace(found, reason=self.foreign.sentence(found.reason))
        except DamagedError as error:
            return Failure(day, DAMAGED, str(error), 0, HOURS_A_DAY, "", day_end(day))
