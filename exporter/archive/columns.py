"""The columns that Amplitude is known to send, to notice when they change. Never an error."""

from collections.abc import Iterable, Mapping

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


def drift(found: Iterable[frozenset[str]]) -> Mapping[str, tuple[str, ...]]:
    """Which columns are ``new`` and which are ``missing`` in any of the lines looked at; empty if none is."""
    seen = [columns for columns in found if columns]
    new = frozenset().union(*seen) - KNOWN
    missing = KNOWN - frozenset.intersection(*seen) if seen else frozenset()
    return {kind: _named(names) for kind, names in (("new", new), ("missing", missing)) if names}


def _named(names: Iterable[str]) -> tuple[str, ...]:
    shown = ("".join(c if c.isprintable() and c != "," else "?" for c in name)[:LONGEST_NAME] for name in names)
    return tuple(sorted(shown)[:MOST_NAMES])
