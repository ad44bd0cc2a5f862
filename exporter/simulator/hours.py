"""Hours as the simulator counts them: the wire's spelling, and patterns that name some of them.

On purpose no code is shared with the exporter's own windows: a mistake there must not be repeated here.
"""

import re
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
MOST_HOURS = 365 * 24
"""Amplitude answers for at most 365 days a request."""


def spelt(hour: datetime) -> str:
    """The hour as the wire writes it: `20251106T05`."""
    return f"{hour:%Y%m%dT%H}"


def parsed(text: str) -> datetime:
    """The hour written `YYYYMMDDTHH`, with exactly these digits.

    Raises:
        ValueError: it is written otherwise, or there is no such hour.
    """
    if not re.fullmatch(r"[0-9]{8}T[0-9]{2}", text):
        raise ValueError(f"{text!r} is not written YYYYMMDDTHH")
    try:
        return datetime.strptime(text, "%Y%m%dT%H").replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{text} is no hour of a day") from error


def between(first: datetime, last: datetime) -> list[datetime]:
    """Every hour from the first to the last, both included."""
    return [first + number * HOUR for number in range((last - first) // HOUR + 1)]


def names(pattern: str, hour: datetime) -> bool:
    """Whether a pattern names the hour.

    `20251106T05` names one hour, `20251106` those of a day, `05` that hour of every day, an empty one all.
    """
    text = spelt(hour)
    return text.endswith(f"T{pattern}") if len(pattern) == len("05") else text.startswith(pattern)
