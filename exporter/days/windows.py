"""How wide the windows of a day may be, from what worked before. Pure."""

from exporter.days.rules import Neighbours, StoredDay
from exporter.window import HOURS_A_DAY

GOOD_DAYS = 3
"""So many days in a row with one window size, and the next day is asked for in windows of twice that."""
REFUSED_DAYS = 30
"""So many more where that was refused: each try costs a request, and may cost an attempt."""


def first_hours(stored: StoredDay, near: Neighbours) -> int:
    """The window size (hours) to begin with: what worked last for this day, else for the day before or after it.

    A neighbour's size doubles again after GOOD_DAYS days.
    """
    last = stored.failure or stored.manifest
    if last:
        return last.window_hours
    neighbour = near.before or near.after
    if neighbour is None:
        return HOURS_A_DAY
    grown = 2 if neighbour.window_days >= GOOD_DAYS else 1
    return min(HOURS_A_DAY, neighbour.window_hours * grown)


def _last_hours(near: Neighbours) -> int:
    neighbour = near.before or near.after
    return neighbour.window_hours if neighbour else HOURS_A_DAY


def window_days(hours: int, stored: StoredDay, near: Neighbours, *, refused: bool) -> int:
    """How many days in a row windows of ``hours`` have worked for, this one included.

    Where a doubled size was refused, the next one is not tried before REFUSED_DAYS more.
    """
    if refused:
        return (1 - REFUSED_DAYS) if first_hours(stored, near) > _last_hours(near) else 1
    same_day = stored.manifest
    if same_day and same_day.window_hours == hours:
        return same_day.window_days
    neighbour = near.before or near.after
    return neighbour.window_days + 1 if neighbour and neighbour.window_hours == hours else 1
