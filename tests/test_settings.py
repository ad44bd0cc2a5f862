from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.layout import Layout
from exporter.errors import SettingsError
from exporter.settings import SETTING_NAMES, Settings, is_loopback, unknown_names
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
        container="amplitude",
        prefix="",
        data_dir=Path("data"),
        data_outfile="ampl_dump",
        log_dir=Path("logs"),
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
        ("EXPORT_STORAGE_CONNECTION_STRING", "UseX=true", "storage_connection_string", "UseX=true"),
        ("EXPORT_CONTAINER", "my-events-2", "container", "my-events-2"),
        ("EXPORT_PREFIX", "team/web/", "prefix", "team/web/"),
        ("EXPORT_DATA_DIR", "/var/dumps", "data_dir", Path("/var/dumps")),
        ("EXPORT_DATA_OUTFILE", "events", "data_outfile", "events"),
        ("EXPORT_LOG_DIR", "/var/log/exporter", "log_dir", Path("/var/log/exporter")),
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EXPORT_CONTAINER", "A"),
        ("EXPORT_CONTAINER", "two--hyphens"),
        ("EXPORT_CONTAINER", "-first"),
        ("EXPORT_PREFIX", "web"),
        ("EXPORT_PREFIX", "../web/"),
        ("EXPORT_PREFIX", "/web/"),
        ("EXPORT_DATA_OUTFILE", "a/b"),
        ("EXPORT_DATA_OUTFILE", "x" * 61),
        ("EXPORT_LOG_LEVEL", "LOUD"),
        ("EXPORT_MAX_ATTEMPTS", "0"),
        ("EXPORT_MAX_ATTEMPTS", "6"),
        ("EXPORT_MAX_ATTEMPTS", "five"),
        ("EXPORT_DELAY_SECONDS", "-1"),
        ("EXPORT_DELAY_SECONDS", "61"),
        ("EXPORT_DELAY_SECONDS", "nan"),
        ("EXPORT_TMP_LIMIT_MB", "99"),
        ("EXPORT_SETTLE_HOURS", "-1"),
        ("EXPORT_SETTLE_HOURS", "169"),
        ("EXPORT_LOOKBACK_DAYS", "0"),
        ("EXPORT_LOOKBACK_DAYS", "366"),
        ("EXPORT_MAX_REJECTED_PERCENT", "101"),
        ("EXPORT_MAX_REJECTED_PERCENT", "nan"),
        ("EXPORT_CONCURRENCY", "0"),
        ("EXPORT_CONCURRENCY", "5"),
        ("EXPORT_TABLES", "csv"),
        ("EXPORT_REPORT", "yes"),
        ("EXPORT_SCHEDULE", "0 2 * * *"),
    ],
)
def test_a_bad_value_is_named(name: str, text: str) -> None:
    """A value out of bounds is one problem, with the variable, the value and what the variable means."""
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"{name}: ")
    assert repr(text) in problem
    assert "It means: " in problem


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
    values = KEYS | {"EXPORT_STORAGE_CONNECTION_STRING": "AccountKey=hush-hush"}
    shown = repr(Settings.from_mapping(values)) + str(Settings.from_mapping(values))
    assert not any(secret in shown for secret in (*KEYS.values(), "hush-hush"))


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
