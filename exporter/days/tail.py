"""The end of the ledger as it was seen, and what there is to say where it is gone. Pure."""

from dataclasses import dataclass

from exporter.days.chain import Head, read_entry
from exporter.errors import LedgerError


@dataclass(frozen=True)
class Tail:
    """The end of the ledger as it was seen: a file, the bytes of its lines, its last line, and that line's head."""

    year: int
    length: int
    last: bytes
    head: Head

    @property
    def closed(self) -> int | None:
        """The year whose file comes next, if the last line closes this one."""
        entry = read_entry(self.last)
        return entry.at.year if entry and entry.at.year > self.year else None


def gone(name: str) -> LedgerError:
    """The error about a ledger that is not there any more."""
    return LedgerError(
        f"the ledger is gone ({name}), and stored days name its lines: it was removed, or EXPORT_LEDGER_CONTAINER or "
        "EXPORT_PREFIX is another. Nothing was written. Put it back; if it is lost for good, put an empty object of "
        "that name there, which begins a new one, and `verify` will name each day that the old one told of"
    )
