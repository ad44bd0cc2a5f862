"""Counts, bytes and days as people write them, for the page."""

from datetime import date


def number(count: float) -> str:
    """A count with separators."""
    return f"{count:,.0f}"


def size(count: float) -> str:
    """Bytes as people say them: three digits, decimal units."""
    if count < 1000:  # noqa: PLR2004 - decimal units
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if round(count) < 1000:  # noqa: PLR2004 - decimal units
            return f"{count:.{1 if round(count, 1) < 100 else 0}f} {unit}"  # noqa: PLR2004 - three digits
    return f"{count / 1000:,.1f} TB"


def long_day(day: date) -> str:
    """A day in words, e.g. 6 November 2025."""
    return f"{day.day} {day:%B %Y}"
