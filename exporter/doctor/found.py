"""What a check found."""

from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "failed"


@dataclass(frozen=True)
class Check:
    """One check: its name, its result (ok, warning or failed), and a sentence that says what was found or is to do."""

    name: str
    result: str
    sentence: str
