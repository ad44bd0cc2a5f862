"""When the function app's timer comes next. Pure."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import product
from typing import Self

RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
AHEAD = 366
"""Days that are looked at: a timer of a nightly export comes sooner."""


@dataclass(frozen=True)
class Schedule:
    """`EXPORT_SCHEDULE`: second, minute, hour, day, month, weekday (0 is Sunday), UTC; each as its sorted values."""

    fields: tuple[tuple[int, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a schedule; None if it is none. The platform says what is wrong with it; the page only stays silent."""
        parts = text.split()
        try:
            return cls(tuple(_values(part, *span) for part, span in zip(parts, RANGES, strict=True)))
        except ValueError:
            return None

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after ``moment`` (aware, UTC); None if there is none within a year."""
        seconds, minutes, hours, days, months, weekdays = self.fields
        for ahead in range(AHEAD):
            day = (moment + timedelta(days=ahead)).date()
            if day.day not in days or day.month not in months or day.isoweekday() % 7 not in weekdays:
                continue
            for hour, minute, second in product(hours, minutes, seconds):
                found = datetime.combine(day, time(hour, minute, second), moment.tzinfo)
                if found > moment:
                    return found
        return None


def _values(text: str, low: int, high: int) -> tuple[int, ...]:
    """The values of a field: `*`, `5`, `1-5`, `*/15`, `10/5`, names of months and weekdays, and lists of these."""
    values: set[int] = set()
    for item in text.split(","):
        span, slash, step = item.partition("/")
        first, dash, last = span.partition("-")
        start = low if span == "*" else _value(first, high)
        end = _value(last, high) if dash else high if slash or span == "*" else start
        every = int(step) if slash else 1
        if not low <= start <= end <= high or every < 1:
            raise ValueError(item)
        values.update(range(start, end + 1, every))
    return tuple(sorted(values))


def _value(text: str, high: int) -> int:
    names = {12: MONTHS, 6: WEEKDAYS}.get(high, [])
    name = text[:3].lower()
    return names.index(name) + (high == len(MONTHS)) if name in names else int(text)
