"""Settings from the environment or `.env`: every problem named at once, secrets never shown."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from exporter.errors import SettingsError
from exporter.foreign import Foreign
from exporter.foreign.connections import connection_secrets
from exporter.foreign.proxies import proxy_problems, proxy_secrets
from exporter.settings import words
from exporter.settings.contradictions import contradictions
from exporter.settings.values import Container, DayCount, Seconds, convert, setting

MEGABYTE = 1_000_000
LEAST_TMP_MB = 100


@dataclass(frozen=True)
class Settings:
    """What can be set. The metadata of each field holds the variable's name, what it means, and what is allowed."""

    api_key: str = setting("AMP_API_KEY", "the project's API key", secret=True)
    secret_key: str = setting("AMP_SECRET_KEY", "the project's secret key", secret=True)
    base_url: str = setting(
        "AMP_BASE_URL",
        "EU residency; `https://amplitude.com` for a US project. Plain http only to this machine",
        "https://analytics.eu.amplitude.com",
    )
    storage_url: str = setting(
        "EXPORT_STORAGE_URL",
        "`https://<account>.blob.core.windows.net`: Blob Storage by managed identity. The container must exist",
    )
    storage_connection_string: str = setting(
        "EXPORT_STORAGE_CONNECTION_STRING",
        "the storage emulator (`UseDevelopmentStorage=true`); the container is created. Not together with the URL",
        secret=True,
    )
    storage_suffix: str = setting(
        "EXPORT_STORAGE_SUFFIX",
        "what follows the account in `EXPORT_STORAGE_URL`, if it is no suffix of Azure's public cloud, China's or the "
        "US government's",
    )
    container: Container = setting(
        "EXPORT_CONTAINER",
        "the container in the account",
        "amplitude",
        allowed="3 to 63 small letters, digits and single hyphens, with a letter or a digit at both ends",
    )
    ledger_container: Container = setting(
        "EXPORT_LEDGER_CONTAINER",
        "the ledger's container in the same account (docs/ledger.md); empty: the name of `EXPORT_CONTAINER` with "
        "`-ledger` behind it. Never that of another project",
        allowed="3 to 63 small letters, digits and single hyphens, with a letter or a digit at both ends",
        example="amplitude-ledger",
    )
    prefix: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_-]+/)*$", max_length=200)] = setting(
        "EXPORT_PREFIX",
        "goes before every name and ends with a slash, e.g. `web/`: keeps several Amplitude projects apart",
        allowed="at most 200 letters, digits, _ and -, in parts that end with a slash",
        example="web/",
    )
    data_dir: Path = setting("EXPORT_DATA_DIR", "the local store's folder", Path("data"))
    data_outfile: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,60}$")] = setting(
        "EXPORT_DATA_OUTFILE", "the last part of a dump's name", "ampl_dump", allowed="1 to 60 letters, digits, _ and -"
    )
    log_dir: Path | None = setting("EXPORT_LOG_DIR", "log files of command-line runs; empty: none", Path("logs"))
    log_days: DayCount = setting("EXPORT_LOG_DAYS", "days that log files are kept; 0 keeps all", 90)
    ping_url: str = setting("EXPORT_PING_URL", "told how a run starts and ends (Healthchecks)", secret=True)
    log_level: Annotated[str, msgspec.Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = setting(
        "EXPORT_LOG_LEVEL",
        "`DEBUG`, `INFO`, `WARNING` or `ERROR`",
        "INFO",
        allowed="one of DEBUG, INFO, WARNING and ERROR, in capitals",
    )
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=5)] = setting(
        "EXPORT_MAX_ATTEMPTS", "requests for one window at most, whatever goes wrong (1 to 5)", 5
    )
    delay_seconds: Seconds = setting(
        "EXPORT_DELAY_SECONDS",
        "the first wait after a 5xx or a broken body; a 429 waits twice that; each doubles",
        1.0,
    )
    tmp_limit_mb: Annotated[int, msgspec.Meta(ge=LEAST_TMP_MB)] = setting(
        "EXPORT_TMP_LIMIT_MB",
        "bound of all working files in the temp folder (`TMPDIR`); an archive gets 5/8 of it",
        400,
    )
    settle_hours: Annotated[int, msgspec.Meta(ge=0, le=168)] = setting(
        "EXPORT_SETTLE_HOURS", "hours after a day's end from which an export of it is final", 12
    )
    lookback_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = setting(
        "EXPORT_LOOKBACK_DAYS", "days before yesterday that `run` repairs, too", 7
    )
    max_rejected_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = setting(
        "EXPORT_MAX_REJECTED_PERCENT",
        "more than this and more than 10 lines rejected: the day fails; what was rejected is kept",
        1.0,
    )
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=4)] = setting(
        "EXPORT_CONCURRENCY",
        "days at once: of `run` and `backfill`, and chains in the app, whoever asked (1 to 4; Amplitude allows 5)",
        2,
    )
    tables: Annotated[str, msgspec.Meta(pattern="^parquet$")] = setting(
        "EXPORT_TABLES",
        "`parquet`: a table is made of each day that is whole (docs/tables.md); needs DuckDB",
        allowed="`parquet`, or nothing",
        example="parquet",
    )
    report: Annotated[str, msgspec.Meta(pattern="^on$")] = setting(
        "EXPORT_REPORT",
        "`on`: each night `report.html` is written into the store (docs/tables.md); needs DuckDB",
        allowed="`on`, or nothing",
        example="on",
    )
    erasure_key: Annotated[str, msgspec.Meta(pattern="^[!-~]{32,200}$")] = setting(
        "EXPORT_ERASURE_KEY",
        "the key of what is kept of erased people, so that no export brings them back; never changed (docs/privacy.md)",
        secret=True,
        allowed="32 characters or more, at random",
        example="what `openssl rand -base64 32` prints",
    )
    erase_follow: Annotated[str, msgspec.Meta(pattern="^on$")] = setting(
        "EXPORT_ERASE_FOLLOW",
        "`on`: each night Amplitude's own list of deletions is read, and who is not erased here yet is proposed "
        "(docs/privacy.md)",
        allowed="`on`, or nothing. Amplitude's User Privacy API v2 deletes in the whole organization and is still in "
        "development: it is not followed",
        example="on",
    )
    erase_confirm: Annotated[str, msgspec.Meta(pattern="^(ask|auto)$")] = setting(
        "EXPORT_ERASE_CONFIRM",
        "`ask`: a person erases who was proposed; `auto`: `run` and the app do it, where the identity may",
        "ask",
        allowed="`ask` or `auto`",
    )
    scrub_days: DayCount = setting(
        "EXPORT_SCRUB_DAYS", "each night the run reads one final day in so many back; 0: never", 30
    )
    schedule: Annotated[str, msgspec.Meta(pattern=r"^\S+( \S+){5}$")] = setting(
        "EXPORT_SCHEDULE",
        "the timer of the function app, six fields, UTC",
        "0 0 2 * * *",
        allowed="six fields with a space between them: second, minute, hour, day, month, weekday",
    )

    @classmethod
    def from_mapping(cls, values: Mapping[str, str], *, keys_needed: bool = True) -> "Settings":
        """Read and check every setting; an empty value counts as not set, but for EXPORT_LOG_DIR.

        Raises:
            SettingsError: with every problem, a line each.
        """
        hints = get_type_hints(cls, include_extras=True)
        given: dict[str, Any] = {}
        wrong: list[tuple[dataclasses.Field[Any], str]] = []
        for item in dataclasses.fields(cls):
            text = values.get(item.metadata["name"], "").strip()
            try:
                given |= {item.name: convert(text, hints[item.name])} if text else {}
            except ValueError:  # its words are the library's
                wrong.append((item, text))
        if values.get("EXPORT_LOG_DIR", "unset").strip() == "":
            given["log_dir"] = None
        settings = cls(**given)
        foreign = Foreign((*settings.secrets, *proxy_secrets(values))) if wrong else Foreign()
        problems = [words.wrong_value(item, hints[item.name], text, foreign) for item, text in wrong]
        problems += filter(None, contradictions(settings, keys_needed=keys_needed))
        problems += proxy_problems(values)
        if problems:
            raise SettingsError("\n".join(problems + unknown_names(values)))
        return settings

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown, as it is and as it is sent. For the door of foreign text."""
        pair = self.api_key, self.secret_key
        sent = *pair, ":".join(pair), *connection_secrets(self.storage_connection_string)
        return tuple(filter(None, (*sent, self.ping_url, self.erasure_key)))

    @property
    def ledger_beside(self) -> str:
        """The ledger's container: each container of days has one of its own, whatever it is called."""
        return self.ledger_container or f"{self.container}-ledger"

    @property
    def tmp_limit(self) -> int:
        """Bytes of all working files in the temp folder."""
        return self.tmp_limit_mb * MEGABYTE

    @property
    def archive_limit(self) -> int:
        """Bytes that one archive may have in the temp folder: 5/8 of the limit."""
        return self.tmp_limit * 5 // 8

    @property
    def rejected_limit(self) -> int:
        """Bytes that a day's rejected lines may take: 1/4 of the limit."""
        return self.tmp_limit // 4

    @property
    def parts_limit(self) -> int:
        """Bytes that all part files may have in the temp folder at a time: the remaining 1/8 of the limit."""
        return self.tmp_limit // 8


SETTING_NAMES = frozenset(item.metadata["name"] for item in dataclasses.fields(Settings))


def unknown_names(values: Mapping[str, str]) -> list[str]:
    """A warning for each name that looks like a setting and is none, with the nearest known one."""
    return words.unknown_names(values, SETTING_NAMES)
