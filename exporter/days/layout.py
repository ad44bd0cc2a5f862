"""The only code that spells a file or blob name.

The stamp in a name is the first minute of the data, UTC, so a rerun lands on the same name. The names are the
same in a folder and in a container; a prefix keeps several Amplitude projects apart.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

MANIFESTS = "manifests/"
FAILURES = "failures/"
REJECTED = "rejected/"
LOCKS = "locks/"
STOP = "stops/last.json"
TABLES = "parquet/"
MERGED = "merged/"
ERASURES = "erasures/"
KEYED = "erasures/keyed/"
REPORT = "report.html"
LEDGER = "ledger/"
DUMP_CENTURY = "20"


@dataclass(frozen=True, slots=True)
class WrongName:
    """What a record is told that names another dump; ``other_outfile``: one as another EXPORT_DATA_OUTFILE makes it."""

    text: str
    other_outfile: bool


@dataclass(frozen=True, slots=True)
class Yearly:
    """Files that are begun anew with each year."""

    stem: str

    def name(self, year: int) -> str:
        """The file of a year."""
        return f"{self.stem}{year:04}.jsonl"

    def year(self, name: str) -> int | None:
        """The year of a file, or None when it is not one of these."""
        found = re.fullmatch(rf"{re.escape(self.stem)}(\d{{4}})\.jsonl", name, re.ASCII)
        return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of one project's days; ``outfile`` is the dump name's last part, ``prefix`` goes before everything."""

    outfile: str = "ampl_dump"
    prefix: str = ""

    def dump(self, day: date) -> str:
        """The day's events, a JSON array."""
        return f"{self.prefix}{_stamp(day)}_{self.outfile}.json"

    def manifest(self, day: date) -> str:
        """Written after the dump; present means the day is whole."""
        return f"{self.prefix}{MANIFESTS}{_stamp(day)}.json"

    def rejected(self, day: date) -> str:
        """The lines of the day that are no events, one JSON object a line."""
        return f"{self.prefix}{REJECTED}{_stamp(day)}.jsonl"

    def failure(self, day: date) -> str:
        """The day's last failure; gone once the day succeeds."""
        return f"{self.prefix}{FAILURES}{_stamp(day)}.json"

    def lock(self, day: date) -> str:
        """Held by the exporter that is at work on the day."""
        return f"{self.prefix}{LOCKS}{_stamp(day)}"

    @property
    def stop(self) -> str:
        """When the chains of the app were asked to stop last."""
        return f"{self.prefix}{STOP}"

    def table(self, day: date) -> str:
        """The day's events as Parquet, derived from its dump."""
        return f"{self.prefix}{TABLES}upload_date={day}/events.parquet"

    @property
    def ledger(self) -> Yearly:
        """The list of every change to a stored day; in Blob Storage in a container of its own."""
        return Yearly(f"{self.prefix}{LEDGER}")

    @property
    def checks(self) -> Yearly:
        """When each day was read back last; beside the ledger."""
        return Yearly(f"{self.prefix}{LEDGER}checks-")

    def check_dump(self, name: str, day: date, where: str) -> WrongName:
        """What is wrong with the record ``where`` of ``day``, which names ``name`` and not this layout's dump."""
        form = rf"{re.escape(self.prefix + _stamp(day))}_[A-Za-z0-9_-]{{1,60}}\.json"
        if re.fullmatch(form, name, re.ASCII):
            return WrongName(
                f"{where} belongs to {name}, and EXPORT_DATA_OUTFILE makes it {self.dump(day)}. Set it as it was, or "
                "set EXPORT_PREFIX or EXPORT_CONTAINER for days with other names",
                other_outfile=True,
            )
        return WrongName(f"{where} is damaged: the dump that it names is not {self.dump(day)}", other_outfile=False)

    @property
    def dumps(self) -> str:
        """What every dump's name starts with, for a listing."""
        return f"{self.prefix}{DUMP_CENTURY}"

    @property
    def manifests(self) -> str:
        """What every manifest's name starts with."""
        return f"{self.prefix}{MANIFESTS}"

    @property
    def failures(self) -> str:
        """What every failure record's name starts with."""
        return f"{self.prefix}{FAILURES}"

    @property
    def locks(self) -> str:
        """What every lock's name starts with."""
        return f"{self.prefix}{LOCKS}"

    @property
    def tables(self) -> str:
        """What every table's name starts with."""
        return f"{self.prefix}{TABLES}"

    @property
    def report(self) -> str:
        """The page about the last 90 days."""
        return f"{self.prefix}{REPORT}"

    @property
    def merged(self) -> str:
        """What the names of Amplitude's exports of merged ids start with, where somebody has put them there."""
        return f"{self.prefix}{MERGED}"

    def erasure(self, erasure: str) -> str:
        """What was asked, and what became of it; nobody's id."""
        return f"{self.prefix}{ERASURES}{erasure}.json"

    @property
    def erasures(self) -> str:
        """What the names of all records of erasures start with."""
        return f"{self.prefix}{ERASURES}"

    def erasure_of(self, name: str) -> str:
        """The id of the erasure whose record has this name, "" when it is none's."""
        found = re.fullmatch(r"([A-Za-z0-9-]{1,80})\.json", name.removeprefix(self.erasures), re.ASCII)
        return found[1] if found else ""

    @property
    def rejections(self) -> str:
        """What the names of all rejected lines start with."""
        return f"{self.prefix}{REJECTED}"

    def keyed(self, erasure: str) -> str:
        """Keyed hashes of the ids of an erasure, so that nobody comes back."""
        return f"{self.prefix}{KEYED}{erasure}.json"

    @property
    def keyed_ids(self) -> str:
        """What the names of all records of keyed hashes start with."""
        return f"{self.prefix}{KEYED}"

    def table_day(self, name: str) -> date | None:
        """The day whose table has this name, or None when it is no table's."""
        found = re.fullmatch(r"upload_date=(\d{4}-\d\d-\d\d)/events\.parquet", name.removeprefix(self.tables), re.ASCII)
        try:
            return date.fromisoformat(found[1]) if found else None
        except ValueError:
            return None

    def day_of(self, name: str) -> date | None:
        """The day that ``name`` belongs to, or None when it is not one of this layout's names."""
        stem = name.removeprefix(self.prefix).rsplit("/", 1)[-1][:13]
        try:
            day = datetime.strptime(stem, "%Y%m%d_%H%M").replace(tzinfo=UTC).date()
        except ValueError:
            return None
        names = (self.dump(day), self.manifest(day), self.rejected(day), self.failure(day), self.lock(day))
        return day if name in names else None


def _stamp(day: date) -> str:
    return f"{day:%Y%m%d}_0000"
