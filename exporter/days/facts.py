"""What a listing tells of a day: the figures of its manifest as blob metadata. One listing is the whole coverage."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated, Self

import msgspec

from exporter.days.manifest import EMPTY, FINAL, Count, Line, Manifest, Moment, Sha256, State
from exporter.days.wording import odd_time
from exporter.store import Entry

Hours = Annotated[str, msgspec.Meta(pattern="^([0-9]{2}( [0-9]{2})*)?$", max_length=71)]


@dataclass(frozen=True)
class Facts:
    """A manifest in short; ``fewer_found`` are the events of a later export that found fewer."""

    state: State
    events: Count
    bytes: Count
    rejected: Count
    sha256: Sha256
    finished: Moment
    dump: Line = ""
    etag: Line = ""
    project: Line = ""
    unusual: Count = 0
    quiet_hours: Hours = ""
    fewer_found: Count | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The facts of ``manifest``."""
        return cls(
            state=manifest.state,
            events=manifest.events,
            bytes=manifest.size,
            rejected=manifest.rejected,
            sha256=manifest.sha256,
            finished=manifest.finished_at,
            dump=manifest.dump,
            etag=manifest.etag.strip('"'),
            project=manifest.source.project,
            unusual=manifest.unusual,
            quiet_hours=" ".join(manifest.quiet_hours),
            fewer_found=manifest.fewer_found["events"] if manifest.fewer_found else None,
        )

    def metadata(self) -> dict[str, str]:
        """As blob metadata: ASCII, and only what there is."""
        found = {name: value for name, value in vars(self).items() if value not in ("", None)}
        found["finished"] = self.finished.astimezone(UTC).isoformat(timespec="seconds")
        return {name: str(value) for name, value in found.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str] | None) -> Self | None:
        """Read a listing's metadata; None where it is not whole, and the manifest itself has to be read."""
        found = {name: text for name, text in (metadata or {}).items() if text}
        if "kept" in found:  # as the first form wrote it
            found["fewer_found"] = found.pop("kept")
        if found.get("state") == FINAL and (found.get("events"), found.get("rejected")) == ("0", "0"):
            found["state"] = EMPTY
        try:
            facts = msgspec.convert(found, cls, strict=False)
        except (msgspec.ValidationError, UnicodeEncodeError):
            return None
        return None if odd_time(facts) else facts


def proves(dump: Entry | None, facts: Facts) -> bool:
    """Whether a manifest with these facts belongs to ``dump``, as far as a listing can tell.

    A blob carries its SHA-256 in its metadata, which survives a copy. A file is told by its size: its time changes
    with every copy. What has been uploaded by hand is told by its ETag.
    """
    if dump is None:
        return False
    if dump.metadata is None:
        return dump.size == facts.bytes
    if "sha256" in dump.metadata:
        return dump.metadata["sha256"] == facts.sha256
    return same_etag(dump.etag, facts.etag)


def same_etag(one: str, other: str) -> bool:
    """Whether two ETags are the same; some come without their quotes."""
    return one.strip('"') == other.strip('"')
