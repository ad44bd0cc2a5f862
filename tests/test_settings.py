import base64
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.layout import Layout
from exporter.errors import SettingsError
from exporter.foreign import Foreign
from exporter.foreign.addresses import is_loopback
from exporter.settings import SETTING_NAMES, Settings, unknown_names
from exporter.wiring import layout_of

KEYS = {"AMP_API_KEY": "the-api-key", "AMP_SECRET_KEY": "the-secret-key"}


def problems(**values: str) -> list[str]:
    """The lines of the error that these values make."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_mapping(KEYS | values)
    return str(caught.value).splitlines()


def test_two_keys_are_enough() -> None:
    """With nothing but the keys, the documented defaults hold."""
    assert Settings.from_mapping(KEYS) == Settings(
        api_key="the-api-key",
        secret_key="the-secret-key",
        base_url="https://analytics.eu.amplitude.com",
        storage_url="",
        storage_connection_string="",
        storage_suffix="",
        container="amplitude",
        prefix="",
        data_dir=Path("data"),
        data_outfile="ampl_dump",
        log_dir=Path("logs"),
        log_days=90,
        ping_url="",
        log_level="INFO",
        max_attempts=5,
        delay_seconds=1,
        tmp_limit_mb=400,
        settle_hours=12,
        lookback_days=7,
        max_rejected_percent=1,
        concurrency=2,
        schedule="0 0 2 * * *",
    )


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("AMP_BASE_URL", "https://amplitude.com/", "base_url", "https://amplitude.com"),
        ("AMP_BASE_URL", "http://127.0.0.1:8080", "base_url", "http://127.0.0.1:8080"),
        ("EXPORT_STORAGE_URL", "https://a.blob.core.windows.net/", "storage_url", "https://a.blob.core.windows.net"),
        (
            "EXPORT_STORAGE_CONNECTION_STRING",
            "UseDevelopmentStorage=true;",
            "storage_connection_string",
            "UseDevelopmentStorage=true;",
        ),
        ("EXPORT_STORAGE_SUFFIX", "blob.example.net", "storage_suffix", "blob.example.net"),
        ("EXPORT_CONTAINER", "my-events-2", "container", "my-events-2"),
        ("EXPORT_LEDGER_CONTAINER", "my-ledger", "ledger_container", "my-ledger"),
        ("EXPORT_PREFIX", "team/web/", "prefix", "team/web/"),
        ("EXPORT_DATA_DIR", "/var/dumps", "data_dir", Path("/var/dumps")),
        ("EXPORT_DATA_OUTFILE", "events", "data_outfile", "events"),
        ("EXPORT_LOG_DIR", "/var/log/exporter", "log_dir", Path("/var/log/exporter")),
        ("EXPORT_LOG_DIR", "", "log_dir", None),
        ("EXPORT_LOG_DAYS", "0", "log_days", 0),
        ("EXPORT_PING_URL", "https://hc-ping.com/1-2-3", "ping_url", "https://hc-ping.com/1-2-3"),
        ("EXPORT_LOG_LEVEL", "DEBUG", "log_level", "DEBUG"),
        ("EXPORT_MAX_ATTEMPTS", " 3 ", "max_attempts", 3),
        ("EXPORT_DELAY_SECONDS", "0.5", "delay_seconds", 0.5),
        ("EXPORT_TMP_LIMIT_MB", "100", "tmp_limit_mb", 100),
        ("EXPORT_SETTLE_HOURS", "0", "settle_hours", 0),
        ("EXPORT_LOOKBACK_DAYS", "365", "lookback_days", 365),
        ("EXPORT_MAX_REJECTED_PERCENT", "0.1", "max_rejected_percent", 0.1),
        ("EXPORT_CONCURRENCY", "4", "concurrency", 4),
        ("EXPORT_TABLES", "parquet", "tables", "parquet"),
        ("EXPORT_REPORT", "on", "report", "on"),
        ("EXPORT_SCRUB_DAYS", "0", "scrub_days", 0),
        ("EXPORT_ERASURE_KEY", "x" * 22 + "0123456789", "erasure_key", "x" * 22 + "0123456789"),
        ("EXPORT_ERASE_FOLLOW", "on", "erase_follow", "on"),
        ("EXPORT_ERASE_CONFIRM", "auto", "erase_confirm", "auto"),
        ("EXPORT_SCHEDULE", "0 0 2,14 * * *", "schedule", "0 0 2,14 * * *"),
    ],
)
def test_a_setting_is_read(name: str, text: str, field: str, value: object) -> None:
    """Each variable sets its own field and no other."""
    settings = Settings.from_mapping(KEYS | {name: text})
    usual = Settings.from_mapping(KEYS)
    assert getattr(settings, field) == value
    assert {k for k, v in vars(settings).items() if v != vars(usual)[k]} == {field}


def test_every_name_is_tried_above() -> None:
    """The names are those of the two keys and of the settings that the test above reads."""
    marks = test_a_setting_is_read.pytestmark  # type: ignore[attr-defined]  # pytest puts the parameters there
    assert {case[0] for case in marks[0].args[1]} | KEYS.keys() == SETTING_NAMES


WRONG: dict[str, tuple[str, str, list[str]]] = {
    "EXPORT_CONTAINER": (
        "3 to 63 small letters, digits and single hyphens, with a letter or a digit at both ends",
        "amplitude",
        ["A", "ab", "two--hyphens", "-first", "last-", "x" * 64, "b\u00fccher"],
    ),
    "EXPORT_LEDGER_CONTAINER": (
        "3 to 63 small letters, digits and single hyphens, with a letter or a digit at both ends",
        "amplitude-ledger",
        ["A", "ab", "two--hyphens", "-first"],
    ),
    "EXPORT_PREFIX": (
        "at most 200 letters, digits, _ and -, in parts that end with a slash",
        "web/",
        ["web", "../web/", "/web/", "a b/", "x" * 200 + "/"],
    ),
    "EXPORT_DATA_DIR": ("a path of printable characters", "data", ["da\nta", "\0", "\udcff", "\x1b[2J"]),
    "EXPORT_DATA_OUTFILE": ("1 to 60 letters, digits, _ and -", "ampl_dump", ["a/b", "x" * 61, "a.json"]),
    "EXPORT_LOG_DIR": ("a path of printable characters", "logs", ["lo\rgs"]),
    "EXPORT_LOG_DAYS": ("a whole number from 0 to 36500", "90", ["-1", "36501", "a week"]),
    "EXPORT_LOG_LEVEL": ("one of DEBUG, INFO, WARNING and ERROR, in capitals", "INFO", ["LOUD", "info", "10"]),
    "EXPORT_MAX_ATTEMPTS": ("a whole number from 1 to 5", "5", ["0", "6", "five", "1.5", "9" * 5000, "inf"]),
    "EXPORT_DELAY_SECONDS": ("a number from 0 to 60", "1", ["-1", "61", "nan", "inf", "1 s", "1e999"]),
    "EXPORT_TMP_LIMIT_MB": ("a whole number of 100 or more", "400", ["99", "-1", "1GB"]),
    "EXPORT_SETTLE_HOURS": ("a whole number from 0 to 168", "12", ["-1", "169", "12h"]),
    "EXPORT_LOOKBACK_DAYS": ("a whole number from 1 to 365", "7", ["0", "366", "a week"]),
    "EXPORT_MAX_REJECTED_PERCENT": ("a number from 0 to 100", "1", ["101", "nan", "1%"]),
    "EXPORT_CONCURRENCY": ("a whole number from 1 to 4", "2", ["0", "5", "true"]),
    "EXPORT_TABLES": ("`parquet`, or nothing", "parquet", ["csv", "PARQUET", "on"]),
    "EXPORT_REPORT": ("`on`, or nothing", "on", ["yes", "1", "parquet"]),
    "EXPORT_SCRUB_DAYS": ("a whole number from 0 to 36500", "30", ["-1", "36501", "monthly"]),
    "EXPORT_ERASE_FOLLOW": (
        (
            "`on`, or nothing. Amplitude's User Privacy API v2 deletes in the whole organization and is still in "
            "development: it is not followed"
        ),
        "on",
        ["v2", "yes", "auto"],
    ),
    "EXPORT_ERASE_CONFIRM": ("`ask` or `auto`", "ask", ["yes", "never", "AUTO"]),
    "EXPORT_SCHEDULE": (
        "six fields with a space between them: second, minute, hour, day, month, weekday",
        "0 0 2 * * *",
        ["0 2 * * *", "daily", "0  0 2 * * *"],
    ),
}
"""What is allowed, an example, and wrong values."""
JUDGED_BY_THEIR_WORDS = {
    "AMP_API_KEY",
    "AMP_SECRET_KEY",
    "AMP_BASE_URL",
    "EXPORT_STORAGE_URL",
    "EXPORT_STORAGE_CONNECTION_STRING",
    "EXPORT_STORAGE_SUFFIX",
    "EXPORT_PING_URL",
    "EXPORT_ERASURE_KEY",
}
"""Keys, tested below; addresses: tests/security/test_addresses.py."""


def test_every_setting_has_wrong_values_here_or_there() -> None:
    """A new setting needs its words."""
    assert WRONG.keys() | JUDGED_BY_THEIR_WORDS == SETTING_NAMES
    assert not WRONG.keys() & JUDGED_BY_THEIR_WORDS


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (_, _, texts) in WRONG.items() for text in texts])
def test_a_wrong_value_is_told_in_words_of_settings(name: str, text: str) -> None:
    """What is allowed, what it is, an example, what it means: one printable line, and no library's word."""
    (problem,) = problems(**{name: text})
    what, example, _ = WRONG[name]
    assert problem.startswith(
        f"{name}: it is not {what} (it is '{Foreign()(text)[:60]}'). Write for example {example}. "
    )
    assert "It means: " in problem
    assert problem.isprintable()
    assert not re.search(r"Expected|`str`|`int`|`float`|regex|pattern|form is not", problem)


def test_an_example_is_a_value_that_is_taken() -> None:
    """And gives settings."""
    for name, (_, example, _) in WRONG.items():
        Settings.from_mapping(KEYS | {name: example})


@pytest.mark.parametrize(
    "key",
    [
        "short-and-secret",
        "s3cret",
        "ab" * 16,
        "hush " * 8,
        "hüsh-hush-hush-hush-hush-hush-hush",
        "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/hush)",
    ],
)
def test_a_key_of_erased_people_is_hard_to_guess(key: str) -> None:
    """One that is short, or no key at all, is told without a letter of it, and how one is made."""
    (problem,) = problems(EXPORT_ERASURE_KEY=key)
    assert problem.startswith("EXPORT_ERASURE_KEY: ")
    assert "openssl rand -base64 32" in problem or "Key Vault reference is not resolved" in problem
    assert key not in problem
    assert "hush" not in problem


def test_a_key_of_erased_people_is_a_secret() -> None:
    """It passes no door, and stands in no text about the settings."""
    key = base64.b64encode(bytes(range(32))).decode()
    settings = Settings.from_mapping(KEYS | {"EXPORT_ERASURE_KEY": key})
    assert key in settings.secrets
    assert key not in repr(settings)
    assert Foreign(settings.secrets)(f"a server says {key}") == "a server says ***"
    assert Settings.from_mapping(KEYS | {"EXPORT_ERASURE_KEY": bytes(range(16)).hex()})


def test_a_quoted_value_passes_the_door() -> None:
    """A key, a proxy's password in the wrong place, whatever moves a terminal; what is long is cut after that."""
    secret, password = KEYS["AMP_SECRET_KEY"], "b33blebr0x"
    proxy = {"HTTPS_PROXY": f"http://zaphod:{password}@proxy.example:3128"}
    pair = base64.b64encode(f"{KEYS['AMP_API_KEY']}:{secret}".encode()).decode()
    for text in (secret, pair, quote(secret, safe=""), password, f"{'x' * 50}{secret}", f"\x1b]0;t\x07 \u202e{secret}"):
        (problem,) = problems(EXPORT_MAX_ATTEMPTS=text, **proxy)
        assert not any(part in problem for part in (secret[:6], pair[:12], password, "\x1b", "\u202e"))
        assert "***" in problem
    assert len(problems(EXPORT_CONTAINER="y" * 60_000)[0]) < 300


@pytest.mark.parametrize("name", ["AMP_BASE_URL", "EXPORT_STORAGE_URL"])
@pytest.mark.parametrize(
    "text",
    [
        "http://analytics.eu.amplitude.com",
        "analytics.eu.amplitude.com",
        "ftp://amplitude.com",
        "https://",
        "https://[bad",
        "https://host:port",
        "https://amplitude.com?sig=hush-hush",
        "https://amplitude.com#hush-hush",
        "https://user:hush-hush@amplitude.com",
        "user:hush-hush@amplitude.com",
        "https://user:hush-hush",
        "http://localhost.example.com",
        "http://128.0.0.1",
    ],
)
def test_an_address_must_be_plain_https(name: str, text: str) -> None:
    """Any other address is one problem; what may be a secret in it is not repeated."""
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"{name}: ")
    assert "hush-hush" not in problem


@pytest.mark.parametrize(
    "url", ["http://localhost", "http://localhost:8080/", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:8080"]
)
def test_http_is_allowed_to_this_machine(url: str) -> None:
    """Loopback needs no encryption."""
    assert is_loopback(url)
    assert Settings.from_mapping(KEYS | {"AMP_BASE_URL": url}).base_url == url.rstrip("/")


def test_every_problem_is_named_at_once() -> None:
    """One error carries all of them, a line each."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_mapping(
            {
                "AMP_API_KEY": "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)",
                "AMP_BASE_URL": "http://example.com",
                "EXPORT_MAX_ATTEMPTS": "9",
                "EXPORT_CONTAINER": "NO",
                "EXPORT_STORAGE_URL": "https://a.blob.core.windows.net",
                "EXPORT_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true",
            }
        )
    lines = str(caught.value).splitlines()
    assert len(lines) == 6
    named = {word.rstrip(":") for line in lines for word in line.split() if word.startswith(("AMP_", "EXPORT_"))}
    assert named >= {"AMP_API_KEY", "AMP_SECRET_KEY", "AMP_BASE_URL", "EXPORT_MAX_ATTEMPTS", "EXPORT_CONTAINER"}
    assert named >= {"EXPORT_STORAGE_URL", "EXPORT_STORAGE_CONNECTION_STRING"}


def test_the_ledger_needs_a_container_of_its_own() -> None:
    """One that can keep what is in it for good."""
    (problem,) = problems(EXPORT_CONTAINER="web", EXPORT_LEDGER_CONTAINER="web")
    assert problem.startswith("EXPORT_LEDGER_CONTAINER and EXPORT_CONTAINER are the same. ")


def test_each_container_has_a_ledger_of_its_own() -> None:
    """Two projects that shared one would each find the other's days in it, and write all of theirs anew for ever."""
    assert Settings().ledger_beside == "amplitude-ledger"
    assert Settings.from_mapping({"EXPORT_CONTAINER": "web"}, keys_needed=False).ledger_beside == "web-ledger"
    assert Settings(ledger_container="other").ledger_beside == "other"
    (problem,) = problems(EXPORT_CONTAINER="x" * 57)
    assert problem.startswith("EXPORT_CONTAINER is too long for its ledger's container")
    long = {"EXPORT_CONTAINER": "x" * 57, "EXPORT_LEDGER_CONTAINER": "other"}
    assert Settings.from_mapping(long, keys_needed=False).ledger_beside == "other"


def test_missing_keys_are_two_problems() -> None:
    """An empty value counts as not set."""
    assert [line.split()[0] for line in problems(AMP_API_KEY=" ", AMP_SECRET_KEY="")] == [
        "AMP_API_KEY",
        "AMP_SECRET_KEY",
    ]


def test_some_commands_need_no_keys() -> None:
    """Without `keys_needed`, nothing has to be set."""
    assert Settings.from_mapping({}, keys_needed=False) == Settings()


def test_an_unresolved_key_vault_reference_is_named() -> None:
    """The text that stands in for a secret is no key, and is not repeated; who needs no key is not bothered."""
    values = KEYS | {"AMP_SECRET_KEY": "@Microsoft.KeyVault(VaultName=v;SecretName=hush-hush)"}
    with pytest.raises(SettingsError, match=r"AMP_SECRET_KEY: the Key Vault reference is not resolved") as caught:
        Settings.from_mapping(values)
    assert "hush-hush" not in str(caught.value)
    assert Settings.from_mapping(values, keys_needed=False).api_key == KEYS["AMP_API_KEY"]


def test_a_key_with_a_foreign_character_is_named() -> None:
    """A dash or a quote that a text program has made nicer is no part of a key, and is not repeated."""
    with pytest.raises(SettingsError, match="AMP_API_KEY: it holds a character that no key has") as caught:
        Settings.from_mapping(KEYS | {"AMP_API_KEY": "hush\u2026hush"})
    assert "hush" not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    """Keys and the connection string are left out of what a log or a traceback may show."""
    there = "AccountName=a;AccountKey=hush-hush;BlobEndpoint=http://127.0.0.1/a"
    values = KEYS | {"EXPORT_STORAGE_CONNECTION_STRING": there}
    shown = repr(Settings.from_mapping(values)) + str(Settings.from_mapping(values))
    assert not any(secret in shown for secret in (*KEYS.values(), "hush-hush"))


def test_the_secrets_are_named_for_the_door() -> None:
    """Keys, the pair that is sent, the account's key, a signature."""
    there = "AccountName=a;AccountKey=hush-hush;BlobEndpoint=http://127.0.0.1/a"
    found = Settings.from_mapping(KEYS | {"EXPORT_STORAGE_CONNECTION_STRING": there}).secrets
    assert set(found) == {*KEYS.values(), ":".join(KEYS.values()), there, "hush-hush"}


def test_secrets_are_in_no_error() -> None:
    """A problem elsewhere does not bring the keys along."""
    (problem,) = problems(EXPORT_MAX_ATTEMPTS="9")
    assert not any(secret in problem for secret in KEYS.values())


@given(st.dictionaries(st.sampled_from(sorted(SETTING_NAMES)), st.text(max_size=30), max_size=6))
def test_any_text_gives_settings_or_the_settings_error(values: dict[str, str]) -> None:
    """Whatever stands in the environment, there is no other error."""
    try:
        settings = Settings.from_mapping(values, keys_needed=False)
    except SettingsError as error:
        assert str(error)  # noqa: PT017 - both ways are right, this one needs a sentence
    else:
        assert settings.max_attempts in range(1, 6)


def test_unknown_names_are_told_with_the_nearest() -> None:
    """A name that looks like a setting and is none gets a warning; other names are none of our business."""
    values = {"EXPORT_LOOKBACK": "1", "AMP_APIKEY": "x", "EXPORT_MAX_ATTEMPTS": "5", "PATH": "/bin", "MY_EXPORT_X": ""}
    assert unknown_names(values) == [
        "AMP_APIKEY is not a setting of this exporter, did you mean AMP_API_KEY?",
        "EXPORT_LOOKBACK is not a setting of this exporter, did you mean EXPORT_LOOKBACK_DAYS?",
    ]


def test_an_odd_name_is_told_in_a_line() -> None:
    """Whatever it holds, and however long it is."""
    for warning in unknown_names({"EXPORT_\x1b[2J\nX\u202e": "", "AMP_" + "A" * 60_000: ""}):
        assert warning.isprintable()
        assert len(warning) < 150


def test_a_name_near_to_none_is_told_without_a_guess() -> None:
    """There is not always a nearest name."""
    assert unknown_names({"AMP_1234567890_1234567890": ""}) == [
        "AMP_1234567890_1234567890 is not a setting of this exporter"
    ]


@given(st.integers(min_value=100, max_value=100_000))
def test_the_temp_limit_is_shared_out(megabytes: int) -> None:
    """Archive, rejected lines and parts together never exceed the limit; the archive gets 5/8 of it."""
    settings = Settings(tmp_limit_mb=megabytes)
    shares = settings.archive_limit, settings.rejected_limit, settings.parts_limit
    assert sum(shares) <= megabytes * 1_000_000
    assert settings.archive_limit == megabytes * 625_000


def test_the_layout_follows_the_settings() -> None:
    """Prefix and file name reach the names."""
    assert layout_of(Settings(data_outfile="events", prefix="web/")) == Layout("events", "web/")
