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
    line = report.run_summary(newest, due=2, done=1, failed=1, missing=missing, ledger="57:ab")  # type: ignore[arg-type]  # parameters
    assert line == f"run summary: {end} ledger=57:ab"


def test_a_queued_run() -> None:
    """What the timer put on the queue, in the same words."""
    assert (
        report.run_queued("run-1", 3, DAY, []) == "run queued: run=run-1 days=3 newest=2025-11-06 missing=0 ledger=none"
    )
    assert report.run_queued("run-1", 0, None, [DAY], "57:ab") == (
        "run queued: run=run-1 days=0 newest=none missing=1 first_missing=2025-11-06 ledger=57:ab"
    )


def test_the_ledger() -> None:
    """What alerts look for: it is broken, some days were read back; and the line that is worth keeping."""
    assert report.ledger_broken("line 3\nis none") == "ledger broken: reason=line 3 is none"
    assert report.ledger_begun(3, "ledger/2026.jsonl") == "ledger begun: days=3 file=ledger/2026.jsonl"
    assert report.run_ended("run-1", "57:ab") == "run ended: run=run-1 ledger=57:ab"
    done = report.Scrubbed(days=3, bytes=900, damaged=1, left=0)
    assert report.scrubbed(done, 57) == "scrub ended: days=3 bytes=900 damaged=1 left=0 ledger_lines=57"
    assert report.scrub_failed("the store\nis away") == "scrub failed: reason=the store is away"


def test_drifted_columns() -> None:
    """New and missing columns by name, or `none`."""
    assert report.schema_drift(DAY, {"new": ("a", "b")}) == "schema drift: day=2025-11-06 new=a,b missing=none"
    assert report.schema_drift(DAY, {"missing": ("c",)}) == "schema drift: day=2025-11-06 new=none missing=c"
