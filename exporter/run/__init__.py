"""Many days: the due ones, or those that a person names. One by one, or side by side."""

from exporter.run.book import Ended, RunResult, Watch, tell_drift
from exporter.run.days import due_exported, export_days, export_due, tell_coverage
from exporter.run.side_by_side import Stop, Team, export_side_by_side

__all__ = [
    "Ended",
    "RunResult",
    "Stop",
    "Team",
    "Watch",
    "due_exported",
    "export_days",
    "export_due",
    "export_side_by_side",
    "tell_coverage",
    "tell_drift",
]
