"""Windows: the consecutive whole UTC hours that one request asks for."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

HOURS_A_DAY = 24
OLDEST = date(2012, 1, 1)
"""Amplitude has nothing older; a typo in a year would make every day since then a missing one."""


@dataclass(frozen=True, slots=True)
class Window:
    """``hours`` whole hours (1 to 24) of ``server_upload_time`` from ``start`` (aware, UTC, on the hour)."""

    start: datetime
    hours: int

    def __post_init__(self) -> None:
        whole = self.start == self.start.replace(minute=0, second=0, microsecond=0)
        if self.start.tzinfo is not UTC or not whole or self.start.hour + self.hours > HOURS_A_DAY or self.hours < 1:
            raise ValueError(f"not whole UTC hours of one day: {self.hours} from {self.start!r}")

    @classmethod
    def of_day(cls, day: date) -> "Window":
        """The whole day, T00 to T23."""
        return cls(datetime.combine(day, time(), UTC), HOURS_A_DAY)

    @classmethod
    def of_hour(cls, day: date) -> "Window":
        """The day's first hour."""
        return cls(datetime.combine(day, time(), UTC), 1)

    @property
    def first(self) -> str:
        """The first hour as Amplitude spells it, e.g. ``20251106T00``."""
        return self.start.strftime("%Y%m%dT%H")

    @property
    def last(self) -> str:
        """The last hour, inclusive, as Amplitude spells it, e.g. ``20251106T23``."""
        return (self.start + timedelta(hours=self.hours - 1)).strftime("%Y%m%dT%H")

    @property
    def day(self) -> date:
        """The UTC date that all the hours belong to."""
        return self.start.date()

    def wire(self) -> dict[str, str]:
        """The query of the request. Both ends are inclusive."""
        return {"start": self.first, "end": self.last}

    def holds(self, day: date, hour: int) -> bool:
        """Whether ``hour`` (0 to 23) of ``day`` is inside."""
        return day == self.day and self.start.hour <= hour < self.start.hour + self.hours

    def overlaps(self, other: "Window") -> bool:
        """Whether the two have an hour in common."""
        return any(other.holds(self.day, self.start.hour + offset) for offset in range(self.hours))

    def cut(self, hours: int) -> Iterator["Window"]:
        """The same hours in windows of at most ``hours`` (1 or more), in order."""
        for offset in range(0, self.hours, hours):
            yield Window(self.start + timedelta(hours=offset), min(hours, self.hours - offset))

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


def day_end(day: date) -> datetime:
    """The first moment after ``day``, UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def yesterday_of(now: datetime) -> date:
    """The last UTC date that is over."""
    return now.date() - timedelta(days=1)


def parse_day(text: str) -> date:
    """Read a day as a person writes it, `YYYY-MM-DD`.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text} is not a date: {error}") from None
    raise ValueError(f"{text[:40]!r} is not a day: write it as YYYY-MM-DD, for example 2025-11-06")


def days_of(first: date, last: date) -> list[date]:
    """Every day from ``first`` to ``last``, both included; empty if ``last`` is earlier."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def days_to_export(first: date, last: date, now: datetime) -> list[date]:
    """Every day from ``first`` to ``last``, both included, if each of them can be exported.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    yesterday = yesterday_of(now)
    if first > last:
        raise ValueError(f"from {first} is after to {last}")
    if first < OLDEST:
        raise ValueError(f"{first} is before {OLDEST}: Amplitude has nothing so old")
    if last > yesterday:
        raise ValueError(f"{last} is not over yet (days are UTC): the newest day to ask for is {yesterday}")
    return days_of(first, last)


def spans(days: Iterable[date]) -> list[tuple[date, date]]:
    """The first and last of each stretch of consecutive ``days``, which come oldest first."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
