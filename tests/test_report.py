import pytest

from exporter import report
from tests.kit import DAY


def test_an_exported_day() -> None:
    """The line that alerts and workbooks read, to the letter."""
    line = report.day_exported(
        DAY,
        report.Figures(
            state="final",
            outcome="written",
            events=1234,
            bytes=56789,
            rejected=0,
            windows=1,
            requests=2,
            retries=1,
            seconds=12.34,
        ),
    )
    assert line == (
        "day exported: day=2025-11-06 state=final outcome=written events=1234 bytes=56789 rejected=0 windows=1 "
        "requests=2 retries=1 seconds=12.3"
    )


def test_a_failed_day_is_one_line() -> None:
    """The reason is free text to the end of the line, whatever line ends it came with."""
    assert report.day_failed(DAY, "retriable", "status 503,\r\n  again\u2028later") == (
        "day failed: day=2025-11-06 kind=retriable reason=status 503, again later"
    )


def test_rejected_lines() -> None:
    """Count and place, never content."""
    assert report.lines_rejected(DAY, 3, "rejected/20251106_0000.jsonl") == (
        "lines rejected: day=2025-11-06 count=3 kept=rejected/20251106_0000.jsonl"
    )


@pytest.mark.parametrize(
    ("newest", "missing", "end"),
    [
        (DAY, [], "newest=2025-11-06 due=2 done=1 failed=1 missing=0"),
        (None, [], "newest=none due=2 done=1 failed=1 missing=0"),
        (
            DAY,
            [DAY.replace(day=3), DAY.replace(day=1)],
            "newest=2025-11-06 due=2 done=1 failed=1 missing=2 first_missing=2025-11-01",
        ),
    ],
)
def test_a_run(newest: object, missing: list[object], end: str) -> None:
    """The first missing day is named only if there is one."""
    line = report.run_summary(newest, due=2, done=1, failed=1, missing=missing)  # type: ignore[arg-type]  # parameters
    assert line == f"run summary: {end}"


def test_a_queued_run() -> None:
    """What the timer put on the queue, in the same words."""
    assert report.run_queued("run-1", 3, DAY, []) == "run queued: run=run-1 days=3 newest=2025-11-06 missing=0"
    assert report.run_queued("run-1", 0, None, [DAY]) == (
        "run queued: run=run-1 days=0 newest=none missing=1 first_missing=2025-11-06"
    )


def test_drifted_columns() -> None:
    """New and missing columns by name, or `none`."""
    assert report.schema_drift(DAY, {"new": ("a", "b")}) == "schema drift: day=2025-11-06 new=a,b missing=none"
    assert report.schema_drift(DAY, {"missing": ("c",)}) == "schema drift: day=2025-11-06 new=none missing=c"
