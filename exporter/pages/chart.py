"""Events a day as bars. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from exporter.days.coverage import Row

HEIGHT = 120
CLIPPED_FROM = 1.5
"""A day with so many times more events than nineteen of twenty others is an outlier: it makes no other bar small."""


@dataclass(frozen=True)
class Bar:
    """A day; ``height`` of HEIGHT, at least 1 where there is anything; ``usual`` is the height of what is usual."""

    row: Row
    height: int
    clipped: bool
    usual: int | None


@dataclass(frozen=True)
class Chart:
    """Events of each day; ``top`` is what HEIGHT stands for."""

    top: int
    bars: tuple[Bar, ...]

    @property
    def clipped(self) -> list[Row]:
        """The days whose bar is cut off, newest first."""
        return [bar.row for bar in reversed(self.bars) if bar.clipped]


def chart_of(rows: Sequence[Row], usual: Mapping[date, float]) -> Chart:
    """The chart of ``rows``, whose outliers are cut off."""
    events = sorted(found for row in rows if (found := _events(row)))
    ordinary = events[(len(events) - 1) * 19 // 20] if events else 1
    top = events[-1] if events and events[-1] <= CLIPPED_FROM * ordinary else ordinary * 5 // 4
    top = max(top, 1)
    return Chart(top, tuple(_bar(row, top, usual.get(row.day)) for row in rows))


def _bar(row: Row, top: int, usual: float | None) -> Bar:
    events = _events(row)
    height = min(HEIGHT, -(-HEIGHT * events // top))
    line = None if usual is None or usual > top else round(HEIGHT * usual / top)
    return Bar(row, height, events > top, line)


def _events(row: Row) -> int:
    return row.events if row.whole else 0
