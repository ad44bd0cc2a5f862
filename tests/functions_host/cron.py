"""The host's timer schedules: NCRONTAB with six fields, numbers only, UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Self

from tests.functions_host.function import HostError

_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


@dataclass(frozen=True)
class Schedule:
    """`{second} {minute} {hour} {day} {month} {day of week}`; each field as its sorted values."""

    fields: tuple[tuple[int, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a schedule.

        Raises:
            HostError: It is none; the words are the host's.
        """
        parts = text.split()
        try:
            return cls(tuple(_values(part, *span) for part, span in zip(parts, _RANGES, strict=True)))
        except ValueError as error:
            raise HostError(
                f"The schedule expression '{text}' was not recognized as a valid cron expression"
            ) from error

    def next_after(self, moment: datetime) -> datetime:
        """The first time of the schedule after `moment` (aware, UTC).

        Raises:
            HostError: There is none in five years, such as for 30 February.
        """
        seconds, minutes, hours, days, months, weekdays = self.fields
        for ahead in range(5 * 366):
            day = (moment + timedelta(days=ahead)).date()
            if day.day not in days or day.month not in months or day.isoweekday() % 7 not in weekdays:
                continue
            for hour, minute, second in product(hours, minutes, seconds):
                found = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
                if found > moment:
                    return found
        raise HostError("The schedule never comes.")


def _values(text: str, low: int, high: int) -> tuple[int, ...]:
    """The values of one field: `*`, `5`, `1-5`, `*/15`, `10/5`, and lists of these."""
    values: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = int(first)
            end = int(last) if dash else (high if step else start)
        if not low <= start <= end <= high:
            raise ValueError(f"{item} is outside {low}-{high}")
        values.update(range(start, end + 1, int(step or 1)))
    return tuple(sorted(values))
