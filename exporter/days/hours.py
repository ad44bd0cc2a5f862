"""The events of a dump per hour, where no manifest tells them: as noted beside the dump, or counted. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from exporter.errors import DamagedError

ALL_DAY = "all"
"""In place of an hour: the events of a dump whose hours cannot be told."""


class _Times(msgspec.Struct):
    server_upload_time: str = ""


_HOUR = r"(?:[01]\d|2[0-3])"
_times = msgspec.json.Decoder(_Times).decode


def note_hours(events: Mapping[str, int]) -> str:
    """The events per hour in a line of ASCII, for a dump's metadata."""
    return " ".join(f"{hour}:{count}" for hour, count in sorted(events.items()) if count)


def hours_noted(text: str) -> dict[str, int] | None:
    """Read what `note_hours` wrote; None if that is not it."""
    if not re.fullmatch(rf"{_HOUR}:\d{{1,18}}( {_HOUR}:\d{{1,18}})*", text, re.ASCII):
        return None
    return {hour: int(count) for hour, _, count in (part.partition(":") for part in text.split(" "))}


def less(had: Mapping[str, int], erased: Mapping[str, int]) -> dict[str, int]:
    """Events per hour without those that are ``erased``; what cannot be told by the hour makes no hour less."""
    total = sum(erased.values())
    return {hour: max(0, has - (total if hour == ALL_DAY else erased.get(hour, 0))) for hour, has in had.items()}


def hours_of(events: Iterable[bytes], day: date) -> dict[str, int]:
    """Count events by the hour of their ``server_upload_time``; as one figure if any of them does not tell it."""
    counts: Counter[str] = Counter()
    try:
        for event in events:
            counts[hour_of(event, day)] += 1
    except DamagedError:  # what has been counted so far is there
        counts[ALL_DAY] += 1
    return {ALL_DAY: counts.total()} if counts[ALL_DAY] else dict(counts)


def hour_of(line: bytes, day: date) -> str:
    """The hour of ``day`` that an event was uploaded in; ALL_DAY if it does not tell one."""
    try:
        time = _times(line).server_upload_time
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ALL_DAY
    return time[11:13] if re.fullmatch(rf"{day}[ T]([01]\d|2[0-3]):.*", time, re.ASCII) else ALL_DAY
