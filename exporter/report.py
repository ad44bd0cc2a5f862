"""What the exporter tells: its steps while it is at work, and the log lines that operators and alerts look for.

The shape of the log lines is a promise: infra/ queries for it.
"""

import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum

from exporter import __version__

NEVER_AN_EVENT = (
    "no event in any day so far: are these the keys of the project that receives the events, and not of a portfolio?"
)


class Step(StrEnum):
    """The steps of an export, in their order; then those of a table, and of an erasure.

    Before and after each effect there is one, so that a test can stop an exporter at any of them.
    """

    LOCKED = "locked"
    ASKING = "asking"
    DOWNLOADING = "downloading"
    UNZIPPING = "unzipping"
    WRITING = "writing"
    STAGING = "staging"
    STAGED = "staged"
    COMMITTING = "committing"
    COMMITTED = "committed"
    REJECTING = "rejecting"
    RECORDING = "recording"
    RECORDED = "recorded"
    PROVING = "proving"
    PROVEN = "proven"
    DERIVING = "deriving"
    DERIVED = "derived"
    SEARCHING = "searching"
    REMEMBERED = "remembered"
    NOTING = "noting"
    NOTED = "noted"
    CLEARING = "clearing"
    PURGING = "purging"
    PURGED = "purged"


Progress = Callable[[Step, int, int | None], None]
"""Told at every step: which one, how much is done, how much there is (None: unknown)."""


def no_progress(_step: Step, _done: int = 0, _total: int | None = None) -> None:
    """Nobody is told."""


def program() -> str:
    """One line a run: what is at work, and on which Python."""
    return f"program: exporter={__version__} python={platform.python_version()} platform={platform.system().lower()}"


@dataclass(frozen=True)
class Figures:
    """What became of a day, and what it took; ``outcome`` and ``state`` are words, ``seconds`` is the whole export."""

    state: str
    outcome: str
    events: int
    bytes: int
    rejected: int
    windows: int
    requests: int
    retries: int
    seconds: float


def day_exported(day: date, figures: Figures) -> str:
    """One line for each day that was exported, whatever the outcome."""
    told = asdict(figures) | {"seconds": f"{figures.seconds:.1f}"}
    return f"day exported: day={day} " + " ".join(f"{name}={value}" for name, value in told.items())


def day_failed(day: date, kind: str, reason: str) -> str:
    """One line for each failed attempt at a day."""
    return f"day failed: day={day} kind={kind} reason={' '.join(reason.split())}"


def day_damaged(day: date, damage: str) -> str:
    """One line a run for each day whose records or bytes do not fit. It is due, and will be rewritten."""
    return f"day damaged: day={day} reason={' '.join(damage.split())}"


def days_ignored(days: Sequence[date]) -> str:
    """One line a run about records of days that cannot be."""
    return f"days ignored: count={len(days)} first={days[0]} last={days[-1]}: not over yet, or older than Amplitude"


def ledger_broken(reason: str) -> str:
    """One line a run for each place where the ledger does not fit. Exports go on behind it, and heal nothing."""
    return f"ledger broken: reason={' '.join(reason.split())}"


@dataclass(frozen=True)
class Scrubbed:
    """What reading some of the final days back took, and found; ``left`` of the night's share were not reached."""

    days: int
    bytes: int
    damaged: int
    left: int


def scrubbed(done: Scrubbed, ledger_lines: int) -> str:
    """One line a night about the days that were read back, and the ledger, which was read from its first line on."""
    counts = " ".join(f"{name}={value}" for name, value in asdict(done).items())
    return f"scrub ended: {counts} ledger_lines={ledger_lines}"


def scrub_failed(reason: str) -> str:
    """One line when final days could not be read back. The next night goes on with them."""
    return f"scrub failed: reason={' '.join(reason.split())}"


def ledger_begun(days: int, name: str) -> str:
    """One line in a store's life: the days that were there before its ledger."""
    return f"ledger begun: days={days} file={name}"


def lines_rejected(day: date, count: int, name: str) -> str:
    """One line for each export that rejected lines; ``name`` is where they are. Never their content."""
    return f"lines rejected: day={day} count={count} kept={name}"


def hours_quiet(day: date, hours: Sequence[str], state: str) -> str:
    """One line for each export in which busy hours of the day before have no event."""
    then = "it is asked for again, for a week" if state == "provisional" else "export it again if that is wrong"
    return f"hours quiet: day={day} hours={','.join(hours)}: many events the day before, and none now; {then}"


def table_written(day: date, rows: int, size: int, raw: int) -> str:
    """One line for each table; ``raw`` rows keep their whole line, since a value of theirs cannot be held."""
    return f"table written: day={day} rows={rows} bytes={size} raw={raw}"


def table_failed(day: date, reason: str) -> str:
    """One line for each table that could not be made. The day is whole without it, and it is due."""
    return f"table failed: day={day} reason={' '.join(reason.split())}"


def day_erased(day: date, events: int, rejected: int) -> str:
    """One line for each day that an erasure has taken lines from. Of whom is told nowhere."""
    return f"day erased: day={day} events={events} rejected={rejected}"


def day_not_erased(day: date, reason: str) -> str:
    """One line for each day that an erasure could not change. The erasure stays open until it can."""
    return f"day not erased: day={day} reason={' '.join(reason.split())}"


def erasure_ended(erasure: str, *, days: int, events: int, rejected: int, open_days: int, kept: int) -> str:
    """The last line of an erasure; ``open_days`` are not done yet, ``kept`` old versions are not gone yet."""
    told = f"days={days} events={events} rejected={rejected} open={open_days} old_versions={kept}"
    return f"erasure ended: id={erasure} {told}"


def deletions_listed(count: int, erased: int, waiting: int, left: int) -> str:
    """One line a night about Amplitude's list of deletions: how many are ``left`` to be erased here. Nobody's id."""
    return f"deletions listed: count={count} erased={erased} waiting={waiting} left={left}"


def deletions_failed(reason: str) -> str:
    """One line when the list could not be read, or followed. The next night tries again."""
    return f"deletions failed: reason={' '.join(reason.split())}"


def report_failed(reason: str) -> str:
    """One line when the nightly report could not be written; the one of the night before stays."""
    return f"report failed: reason={' '.join(reason.split())}"


def run_summary(
    newest: date | None, *, due: int, done: int, failed: int, missing: Sequence[date], ledger: str = "none"
) -> str:
    """The last line of a run on the command line. Whoever keeps it can prove later that nothing older was changed."""
    counts = f"due={due} done={done} failed={failed}"
    return f"run summary: newest={newest or 'none'} {counts}{_missing(missing)} ledger={ledger}"


def run_queued(run: str, days: int, newest: date | None, missing: Sequence[date], ledger: str = "none") -> str:
    """What was put on the queue; ``missing`` are the days since the first record that no chain will bring."""
    return f"run queued: run={run} days={days} newest={newest or 'none'}{_missing(missing)} ledger={ledger}"


def run_ended(run: str, ledger: str) -> str:
    """The last line of a chain in the app, and of days that a person named."""
    return f"run ended: run={run} ledger={ledger}"


def schema_drift(day: date, schema: Mapping[str, Sequence[str]]) -> str:
    """Said once a run when the columns are not the known ones; ``schema`` names the ``new`` and ``missing`` ones."""
    new, missing = (",".join(schema.get(kind, ())) or "none" for kind in ("new", "missing"))
    return f"schema drift: day={day} new={new} missing={missing}"


def _missing(days: Sequence[date]) -> str:
    return f" missing={len(days)}" + (f" first_missing={min(days)}" if days else "")


def quiet_libraries() -> None:
    """Foreign libraries log what this project says itself, and each of their own requests."""
    for name, level in (("azure", logging.WARNING), ("msal", logging.WARNING), ("urllib3", logging.ERROR)):
        logging.getLogger(name).setLevel(level)
