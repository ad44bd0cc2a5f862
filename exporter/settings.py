"""Settings from the environment or `.env`: every problem named at once, secrets never shown."""

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

import msgspec

from exporter.errors import SettingsError

MEGABYTE = 1_000_000

Seconds = Annotated[float, msgspec.Meta(ge=0, le=60)]


def _setting(name: str, meaning: str, default: Any = "", *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"name": name, "meaning": meaning, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """What can be set. The metadata of each field holds the variable's name and what it means."""

    api_key: str = _setting("AMP_API_KEY", "the project's API key", secret=True)
    secret_key: str = _setting("AMP_SECRET_KEY", "the project's secret key", secret=True)
    base_url: str = _setting(
        "AMP_BASE_URL",
        "EU residency; `https://amplitude.com` for a US project. Plain http only to this machine",
        "https://analytics.eu.amplitude.com",
    )
    storage_url: str = _setting(
        "EXPORT_STORAGE_URL",
        "`https://<account>.blob.core.windows.net`: Blob Storage by managed identity. The container must exist",
    )
    storage_connection_string: str = _setting(
        "EXPORT_STORAGE_CONNECTION_STRING",
        "the storage emulator (`UseDevelopmentStorage=true`); the container is created. Not together with the URL",
        secret=True,
    )
    container: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]$")] = _setting(
        "EXPORT_CONTAINER", "the container in the account", "amplitude"
    )
    prefix: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_-]+/)*$")] = _setting(
        "EXPORT_PREFIX",
        "goes before every name and ends with a slash, e.g. `web/`: keeps several Amplitude projects apart",
    )
    data_dir: Path = _setting("EXPORT_DATA_DIR", "the local store's folder", Path("data"))
    data_outfile: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,60}$")] = _setting(
        "EXPORT_DATA_OUTFILE", "the last part of a dump's name", "ampl_dump"
    )
    log_dir: Path = _setting("EXPORT_LOG_DIR", "log files of command-line runs", Path("logs"))
    log_level: Annotated[str, msgspec.Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = _setting(
        "EXPORT_LOG_LEVEL", "`DEBUG`, `INFO`, `WARNING` or `ERROR`", "INFO"
    )
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=5)] = _setting(
        "EXPORT_MAX_ATTEMPTS", "requests for one window at most, whatever goes wrong (1 to 5)", 5
    )
    delay_seconds: Seconds = _setting(
        "EXPORT_DELAY_SECONDS",
        "the first wait after a 5xx or a broken body; a 429 waits twice that; each doubles",
        1.0,
    )
    tmp_limit_mb: Annotated[int, msgspec.Meta(ge=100)] = _setting(
        "EXPORT_TMP_LIMIT_MB",
        "bound of all working files in the temp folder (`TMPDIR`); an archive gets 5/8 of it",
        400,
    )
    settle_hours: Annotated[int, msgspec.Meta(ge=0, le=168)] = _setting(
        "EXPORT_SETTLE_HOURS", "hours after a day's end from which an export of it is final", 12
    )
    lookback_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = _setting(
        "EXPORT_LOOKBACK_DAYS", "days before yesterday that `run` repairs, too", 7
    )
    max_rejected_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = _setting(
        "EXPORT_MAX_REJECTED_PERCENT",
        "more than this and more than 10 lines rejected: the day fails; what was rejected is kept",
        1.0,
    )
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=4)] = _setting(
        "EXPORT_CONCURRENCY",
        "chains that a backfill over HTTP makes (1 to 4; Amplitude allows 5 requests at once)",
        2,
    )
    tables: Annotated[str, msgspec.Meta(pattern="^parquet$")] = _setting(
        "EXPORT_TABLES", "`parquet`: a table is made of each day that is whole (docs/tables.md); needs DuckDB"
    )
    report: Annotated[str, msgspec.Meta(pattern="^on$")] = _setting(
        "EXPORT_REPORT", "`on`: each night `report.html` is written into the store (docs/tables.md); needs DuckDB"
    )
    schedule: Annotated[str, msgspec.Meta(pattern=r"^\S+( \S+){5}$")] = _setting(
        "EXPORT_SCHEDULE", "the timer of the function app, six fields, UTC", "0 0 2 * * *"
    )

    @classmethod
    def from_mapping(cls, values: Mapping[str, str], *, keys_needed: bool = True) -> "Settings":
        """Read and check every setting; an empty value counts as not set.

        Raises:
            SettingsError: with every problem, a line each.
        """
        hints = get_type_hints(cls, include_extras=True)
        given: dict[str, Any] = {}
        problems: list[str] = []
        for item in dataclasses.fields(cls):
            name, text = item.metadata["name"], values.get(item.metadata["name"], "").strip()
            if text:
                try:
                    given[item.name] = _convert(text, hints[item.name])
                except ValueError as error:
                    shown = "" if item.metadata["secret"] else f" (it is {text!r})"
                    problems.append(f"{name}: {error}{shown}. It means: {item.metadata['meaning']}")
        settings = cls(**given)
        problems += settings._contradictions(keys_needed=keys_needed)
        if problems:
            raise SettingsError("\n".join(problems + unknown_names(values)))
        return settings

    def _contradictions(self, *, keys_needed: bool) -> list[str]:
        problems = []
        for name, value in (("AMP_API_KEY", self.api_key), ("AMP_SECRET_KEY", self.secret_key)):
            if keys_needed and value.startswith("@Microsoft.KeyVault("):
                problems.append(
                    f"{name}: the Key Vault reference is not resolved yet. Look at the app's environment variables in "
                    "the portal: the identity may lack the role Key Vault Secrets User, or the secret is not there yet"
                )
            elif value and not (value.isascii() and value.isprintable()):
                problems.append(f"{name}: it holds a character that no key has. Copy it once more, without quotes")
            elif keys_needed and not value:
                problems.append(
                    f"{name} is missing. Put it into .env or the environment (Amplitude: Settings, Projects)"
                )
        problems += _url_problems("AMP_BASE_URL", self.base_url) or _path_problems("AMP_BASE_URL", self.base_url)
        if self.storage_url:
            problems += _url_problems("EXPORT_STORAGE_URL", self.storage_url)
        if self.storage_url and self.storage_connection_string:
            problems.append(
                "EXPORT_STORAGE_URL and EXPORT_STORAGE_CONNECTION_STRING are both set. Keep the URL for Azure, or the "
                "connection string for the emulator"
            )
        return problems

    @property
    def archive_limit(self) -> int:
        """Bytes that one archive may have in the temp folder: 5/8 of the limit."""
        return self.tmp_limit_mb * MEGABYTE * 5 // 8

    @property
    def rejected_limit(self) -> int:
        """Bytes that a day's rejected lines may take: 1/4 of the limit."""
        return self.tmp_limit_mb * MEGABYTE // 4

    @property
    def parts_limit(self) -> int:
        """Bytes that all part files may have in the temp folder at a time: the remaining 1/8 of the limit."""
        return self.tmp_limit_mb * MEGABYTE // 8


SETTING_NAMES = frozenset(item.metadata["name"] for item in dataclasses.fields(Settings))


def unknown_names(values: Mapping[str, str]) -> list[str]:
    """A warning for each name that looks like a setting and is none, with the nearest known one."""
    warnings = []
    for name in sorted(values):
        if name.startswith(("EXPORT_", "AMP_")) and name not in SETTING_NAMES:
            near = difflib.get_close_matches(name, SETTING_NAMES, 1)
            hint = f", did you mean {near[0]}?" if near else ""
            warnings.append(f"{name} is not a setting of this exporter{hint}")
    return warnings


def is_loopback(url: str) -> bool:
    """Whether ``url`` points at this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _convert(text: str, kind: Any) -> Any:
    if kind is Path:
        return Path(text)
    try:
        value = msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        raise ValueError("this form is not allowed" if "matching regex" in text else text) from None
    return value.rstrip("/") if isinstance(value, str) and re.match("https?://", value) else value


def _path_problems(name: str, url: str) -> list[str]:
    path = urlsplit(url).path
    return [f"{name}: write scheme and host only, without {path}"] if path not in ("", "/") else []


def _url_problems(name: str, url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only here, and only here is it checked
    except ValueError:
        return [f"{name}: it cannot be read as an address. Write https:// and a host, without a path"]
    if parts.username or parts.password:
        return [
            f"{name}: a URL with a user or a password in it is refused. Keys go into AMP_API_KEY and AMP_SECRET_KEY"
        ]
    if parts.scheme == "https" and parts.hostname and not parts.query and not parts.fragment:
        return []
    if parts.scheme == "http" and is_loopback(url):
        return []
    shown = f" (its host is {parts.hostname})" if parts.hostname else ""  # the rest may hold a secret
    return [f"{name}: not a plain https:// address{shown}; http is allowed to this machine only"]
