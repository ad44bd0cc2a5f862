"""What `--help` says of each command: what it does, examples, exit codes, the settings that it reads."""

from dataclasses import dataclass

AMPLITUDE = ("AMP_API_KEY", "AMP_SECRET_KEY", "AMP_BASE_URL")
STORE = (
    "EXPORT_STORAGE_URL",
    "EXPORT_STORAGE_SUFFIX",
    "EXPORT_STORAGE_CONNECTION_STRING",
    "EXPORT_CONTAINER",
    "EXPORT_LEDGER_CONTAINER",
    "EXPORT_PREFIX",
    "EXPORT_DATA_DIR",
    "EXPORT_DATA_OUTFILE",
)
WORK = (
    "EXPORT_MAX_ATTEMPTS",
    "EXPORT_DELAY_SECONDS",
    "EXPORT_TMP_LIMIT_MB",
    "EXPORT_MAX_REJECTED_PERCENT",
    "EXPORT_SETTLE_HOURS",
    "EXPORT_LOOKBACK_DAYS",
)
LOGS = ("EXPORT_LOG_DIR", "EXPORT_LOG_DAYS", "EXPORT_LOG_LEVEL")
TABLES = ("EXPORT_TABLES", "EXPORT_REPORT")
ERASED = "EXPORT_ERASURE_KEY"
FROM_AMPLITUDE = (*AMPLITUDE, "EXPORT_MAX_ATTEMPTS", "EXPORT_DELAY_SECONDS", ERASED)
EXPORTS = (*AMPLITUDE, *STORE, *WORK, *LOGS, *TABLES, "EXPORT_PING_URL", ERASED)
LOOKS = (*STORE, "EXPORT_SETTLE_HOURS", "EXPORT_LOOKBACK_DAYS", "EXPORT_LOG_LEVEL")
RESULTS = "0 done, 1 a day failed or is held by another run, 2 wrong usage or settings, 130 interrupted"


@dataclass(frozen=True)
class Help:
    """A command's help; ``examples`` are arguments and what they do."""

    short: str
    long: str
    examples: tuple[tuple[str, str], ...]
    codes: str
    settings: tuple[str, ...] = ()

    def epilog(self, program: str, command: str) -> str:
        """What stands below the options."""
        calls = [(f"{program} {command} {words}".rstrip(), what) for words, what in self.examples]
        width = max(len(call) for call, _ in calls)
        lines = [
            "examples:",
            *(f"  {call:<{width}}  # {what}" for call, what in calls),
            "",
            f"exit codes: {self.codes}.",
        ]
        if self.settings:
            lines += ["", "settings (README.md says what they mean):", *_wrapped(self.settings)]
        return "\n".join(lines)


def _wrapped(names: tuple[str, ...], width: int = 100) -> list[str]:
    lines = [" "]
    for name in names:
        if len(lines[-1]) + len(name) >= width:
            lines.append(" ")
        lines[-1] += f" {name}"
    return lines


HELP = {
    "export": Help(
        "export yesterday, or the days named; a named day is always asked again",
        "Export yesterday (UTC), or the days named, one after the other. A named day is asked for again, final or not; "
        "what is stored is replaced in one step, and never by fewer events unless forced.",
        (("", "yesterday"), ("--from 5-days-ago --to yesterday", "five days")),
        RESULTS,
        EXPORTS,
    ),
    "run": Help(
        "export the days that are due, as the nightly timer does",
        "Export what is due, newest first, several days at once: yesterday, and what is missing, failed or to be "
        "looked at again in the lookback. Made for cron.",
        (("", "what is due"), ("--quiet", "the same from cron: says nothing unless something is wrong")),
        RESULTS,
        (*EXPORTS, "EXPORT_CONCURRENCY", "EXPORT_SCRUB_DAYS", "EXPORT_ERASE_FOLLOW", "EXPORT_ERASE_CONFIRM"),
    ),
    "backfill": Help(
        "export the days of a range that are not final yet, oldest first",
        "Export the days of a range that are neither final nor empty yet, oldest first, several at once. Interrupted "
        "or not: call it again, and it goes on where it stopped.",
        (("--from 30-days-ago", "until yesterday"), ("--from 2026-01-01 --to 2026-06-30", "half a year")),
        RESULTS,
        (*EXPORTS, "EXPORT_CONCURRENCY"),
    ),
    "status": Help(
        "show what the store holds, day by day, and the gaps",
        "Show the last days, and all failures and gaps, however old. With --check the exit code tells whether all is "
        "well: yesterday is there, no day of the lookback is missing or failed, none is damaged.",
        (
            ("--check --quiet", "did it work? says only what is wrong"),
            ("--html coverage.html", "the page for a browser"),
        ),
        "0 done (and all is well, with --check), 1 something is wrong, 2 wrong usage or settings",
        LOOKS,
    ),
    "verify": Help(
        "read dumps back and hold them against their manifests",
        "Read dumps and rejected lines back (default: the lookback), hold each day against the ledger, and the ledger "
        "against itself. What does not fit is put on record as damaged, which makes the day due.",
        (
            ("--all", "every day on record"),
            ("--day yesterday --repair", "and export it again if it does not fit"),
            ("--day 2025-11-06 --accept", "a backup was restored, or the day deleted, on purpose"),
            ("--all --head 57:9f86d081…", "prove that nothing up to a line that you kept was changed"),
        ),
        "0 all fits, 1 something does not, 2 wrong usage or settings, 130 interrupted",
        (*LOOKS, *(name for name in EXPORTS if name not in LOOKS)),
    ),
    "doctor": Help(
        "check settings, keys, store, room and clock without exporting a day",
        "Check in ten seconds what an export needs: settings, keys, clock, the store and the rights in it, room for "
        "working files. No day is exported, and nothing is left behind.",
        (("", "is all as it should be?"), ("--json", "the same for programs")),
        "0 an export can begin, 1 a check failed, 2 wrong usage",
        tuple(name for name in EXPORTS if name not in {"EXPORT_PING_URL", *LOGS}),
    ),
    "tables": Help(
        "make the Parquet tables of whole days that have none, or an old one",
        "Make the Parquet tables of whole days that have none, or one of an older dump. Needs DuckDB: docs/tables.md "
        "says how to install it.",
        (("", "every whole day"), ("--from 5-days-ago --to yesterday", "five days")),
        "0 done, 1 a table could not be made, 2 wrong usage or settings, 130 interrupted",
        (*(name for name in LOOKS if name != "EXPORT_LOG_LEVEL"), *LOGS, ERASED),
    ),
    "sql": Help(
        "ask the archive in SQL: views events, sessions, people, daily (docs/tables.md)",
        "Ask the archive in SQL; without QUERY those of standard input. Reads only. Needs DuckDB.",
        (
            ('"SELECT event_type, count(*) FROM events GROUP BY ALL"', "all days"),
            ('--day yesterday --csv "FROM daily"', "one day, as CSV"),
        ),
        "0 done, 1 the store cannot be read or DuckDB is missing, 2 wrong usage, settings or query, 130 interrupted",
        (*LOOKS, "EXPORT_TMP_LIMIT_MB"),
    ),
    "report": Help(
        "write one HTML page about the last 90 days",
        "Write one HTML page about the last 90 days: people, events, who comes back. Needs DuckDB.",
        (("--out report.html", "for a browser"), ("--out ~/www/amplitude.html", "where a web server finds it")),
        "0 done, 1 the store cannot be read or DuckDB is missing, 2 wrong usage or settings, 130 interrupted",
        (*LOOKS, "EXPORT_TMP_LIMIT_MB"),
    ),
    "find": Help(
        "find a person in every day: how many events, and the events themselves",
        "Find people by their ids, which come from a file or from standard input, never from arguments: user_id=..., "
        "amplitude_id=... or device_id=..., one a line. Of a user the Amplitude ids are found first. Reads only.",
        (
            ("--ids ids.txt", "in which days, and how many"),
            ("--ids ids.txt --out events.jsonl", "and their events, in a file of its owner's"),
        ),
        "0 done, 1 a day could not be read, 2 wrong usage or settings, 130 interrupted",
        (*LOOKS, "EXPORT_TMP_LIMIT_MB", "EXPORT_LOG_DIR", "EXPORT_LOG_DAYS", *FROM_AMPLITUDE),
    ),
    "erase": Help(
        "erase a person from every day, for good",
        "Find people by their ids, ask once, and take their lines out of every day: events, rejected lines, tables, "
        "old versions. No later export brings them back. Interrupted or not: call it again, and it goes on. "
        "docs/privacy.md has the procedure.",
        (
            ("--ids ids.txt --reason ticket-4711 --dry-run", "what would be erased"),
            ("--ids ids.txt --reason ticket-4711", "asks, and erases"),
            ("--from-amplitude --reason ticket-4711", "whom Amplitude has deleted, and who is still here"),
        ),
        "0 done, 1 a day is not done yet or the answer was no, 2 wrong usage or settings, 130 interrupted",
        (
            *LOOKS,
            "EXPORT_TMP_LIMIT_MB",
            "EXPORT_LOG_DIR",
            "EXPORT_LOG_DAYS",
            "EXPORT_TABLES",
            *FROM_AMPLITUDE,
        ),
    ),
    "erasures": Help(
        "list what was erased: when, why, which days, what remains until when",
        "List the erasures on record, oldest first. No record names a person.",
        (("", "all of them"), ("--json", "the same for programs, with every day")),
        "0 done, 2 wrong usage or settings",
        STORE,
    ),
    "simulate": Help(
        "serve a simulated Amplitude Export API on this machine",
        "Serve an Export API with made-up events, and with faults if they are named. What is wrong with an answer is "
        "played once, or as often as xTIMES says; what is wrong with lines and hours stands in every answer.",
        (("--port 8080", "until Ctrl-C"), ("503x2 torn-line@05", "two refusals, and a torn line in an hour")),
        "0 done, 2 wrong usage",
    ),
    "demo": Help(
        "export one simulated day to demo/ and show it; needs no keys, reads no settings",
        "Export one simulated day to demo/ and show it. Needs no keys, reads no settings, touches no other folder.",
        (("", "a first look"),),
        "0 done, 1 it failed, 130 interrupted",
    ),
}
"""Of every command."""
