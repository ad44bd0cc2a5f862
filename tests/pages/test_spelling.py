from datetime import date

import pytest

from exporter.pages.spelling import long_day, number, size


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (4_560_000_000, "4.6 GB"),
        (1.2e15, "1,200.0 TB"),
    ],
)
def test_bytes_are_said_in_three_digits(count: float, said: str) -> None:
    """Decimal units, as storage is billed."""
    assert size(count) == said


def test_counts_and_days_are_said_as_people_write_them() -> None:
    """Thousands are set apart; a day has its month in words and no leading zero."""
    assert [number(0), number(999), number(1_234_567)] == ["0", "999", "1,234,567"]
    assert long_day(date(2025, 11, 6)) == "6 November 2025"
