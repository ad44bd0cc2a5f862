"""A ledger that is not there, and should be: what those say who only look."""

from itertools import islice

from exporter.days.coverage import Coverage
from exporter.days.stored import Days

LOOKED_AT = 8
"""Whole days whose manifests are asked, newest first. Each exported since there is a ledger names a line of it."""


def missed(days: Days, coverage: Coverage, year: int) -> str:
    """What is wrong where there is no ledger and stored days name its lines; "" where it is there, or never was one.

    An export would stop with LedgerError. ``year`` is now's.

    Raises:
        StoreError: the store cannot be read.
    """
    if days.ledger.look(year) is not None:
        return ""
    whole = (row.day for row in reversed(coverage.rows) if row.whole and not row.newer)
    for day in islice(whole, LOOKED_AT):
        found = days.manifest(day).manifest
        if found and found.ledger:
            return (
                f"it is gone ({days.layout.ledger.name(year)}), and the manifest of {day} names line "
                f"{found.ledger['number']} of it. Put it back: until then every export stops (docs/ledger.md)"
            )
    return ""
