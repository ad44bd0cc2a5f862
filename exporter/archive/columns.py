"""The columns that Amplitude is known to send, to notice when they change. Never an error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

KNOWN = frozenset(
    (
        "$insert_id",
        "$insert_key",
        "$schema",
        "adid",
        "amplitude_attribution_ids",
        "amplitude_event_type",
        "amplitude_id",
        "app",
        "city",
        "client_event_time",
        "client_upload_time",
        "country",
        "data",
        "data_type",
        "device_brand",
        "device_carrier",
        "device_family",
        "device_id",
        "device_manufacturer",
        "device_model",
        "device_type",
        "dma",
        "event_id",
        "event_properties",
        "event_time",
        "event_type",
        "global_user_properties",
        "group_properties",
        "groups",
        "idfa",
        "ip_address",
        "is_attribution_event",
        "language",
        "library",
        "location_lat",
        "location_lng",
        "os_name",
        "os_version",
        "partner_id",
        "paying",
        "plan",
        "platform",
        "processed_time",
        "region",
        "sample_rate",
        "server_received_time",
        "server_upload_time",
        "session_id",
        "source_id",
        "start_version",
        "user_creation_time",
        "user_id",
        "user_properties",
        "uuid",
        "version_name",
    )
)
MOST_NAMES, LONGEST_NAME = 20, 60
LONGEST_LINE = 1 << 17
"""Bytes. In a longer line no names are looked at: it may hold millions of them."""

_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass
class Columns:
    """How the names in the lines that were looked at differ from the known ones.

    ``new`` are the first MOST_NAMES, in the order of the alphabet, of those that are not known; ``most_new`` is how
    many a single line had; ``missing`` are the known ones that a line did not have.
    """

    new: set[str] = field(default_factory=set)
    most_new: int = 0
    missing: set[str] = field(default_factory=set)

    def note(self, line: bytes | memoryview) -> None:
        """Look at the names of one line; nothing if it is no JSON object, holds none, or is too long."""
        if len(line) > LONGEST_LINE:
            return
        try:
            names = _names(line).keys()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if names:
            new = set(names).difference(KNOWN)
            self.missing |= KNOWN.difference(names)
            self.most_new = max(self.most_new, len(new))
            self._keep(map(_shown, new))

    def add(self, other: "Columns") -> None:
        """Add what was found elsewhere."""
        self.missing |= other.missing
        self.most_new = max(self.most_new, other.most_new)
        self._keep(other.new)

    def _keep(self, names: Iterable[str]) -> None:
        self.new = set(sorted(self.new.union(names))[:MOST_NAMES])


def drift(columns: Columns) -> Mapping[str, tuple[str, ...]]:
    """Which columns are ``new`` and which are ``missing`` in any of the lines looked at; empty if none is.

    After MOST_NAMES new ones a last text says how many more a line had, at most.
    """
    new = tuple(sorted(columns.new))
    if columns.most_new > MOST_NAMES:
        new += (f"and {columns.most_new - MOST_NAMES} more",)
    found = {"new": new, "missing": tuple(sorted(columns.missing)[:MOST_NAMES])}
    return {kind: names for kind, names in found.items() if names}


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() and c != "," else "?" for c in name[:LONGEST_NAME])
