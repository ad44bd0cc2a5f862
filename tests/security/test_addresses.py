"""One reading of an address: ours, the settings', and that of whatever connects to it."""

from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from exporter.errors import SettingsError
from exporter.foreign.addresses import Address, connecting, is_loopback, read
from exporter.foreign.connections import EMULATOR, connection_problem, connection_secrets
from exporter.settings import Settings
from tests.amplitude.peer import waiting

KEYS = {"AMP_API_KEY": "the-api-key", "AMP_SECRET_KEY": "the-secret-key"}
KEY = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"

TWO_WAYS = [
    "http://evil.example\\[::1]",
    "http://evil.example\\@127.0.0.1",
    "https://evil.example\\.blob.core.windows.net",
    "http://127.0.0.1?@x",
    "http://127.0.0.1#@x",
    "http://127.0.0.1@evil.example",
    "http://user@127.0.0.1",
    "http://:@127.0.0.1",
    "http://@127.0.0.1",
    "http://[::1].evil.example",
    "http://[::1",
    "http://::1",
    "http://[fe80::1%25eth0]",
    "http://[::1%25lo]",
    "http://[127.0.0.1]",
    "http://2130706433",
    "http://0x7f000001",
    "http://0x7f.0.0.1",
    "http://0177.0.0.1",
    "http://127.1",
    "http://127.0.0.1.",
    "http://127.0.0.256",
    "http://localhost.",
    "http://localhost:",
    "http://localhost:0",
    "http://localhost:080",
    "http://localhost:65536",
    "http://localhost:8080:80",
    "http://localhost:\u0663",
    "http://local\u200bhost",
    "http://\uff4cocalhost",
    "http://127\u30020\u30020\u30021",
    "https://b\u00fccher.example",
    "https://a%2eb",
    "https://a%00.b",
    "https://a b",
    "https://a\tb",
    "https://a\r\nX: y",
    "https://a..b",
    "https://-a.b",
    "https://a_b.c",
    "https://" + "a" * 64 + ".b",
    "https://" + ".".join(["a" * 60] * 5),
    "https://a/../b",
    "https://a/.",
    "https://a//b",
    "https://a/%2e%2e",
    "https://a;b",
    "https://a,b",
    "https:///a",
    "https:a",
    "//a",
    "HTTPS://a",
    " https://a",
    "https://",
    "",
]
"""What parsers read in two ways, or could."""


@pytest.mark.parametrize("url", TWO_WAYS)
def test_what_is_read_in_two_ways_is_read_in_none(url: str) -> None:
    """By nobody: the judge, the settings, Amplitude's client. A sentence tells, and quotes nothing of it."""
    assert (read(url), connecting(url), is_loopback(url)) == (None, None, False)
    for name in ("AMP_BASE_URL", "EXPORT_STORAGE_URL"):
        if url.strip() != url or not url:
            continue
        with pytest.raises(SettingsError) as caught:
            Settings.from_mapping(KEYS | {name: url})
        (line,) = str(caught.value).splitlines()
        assert line.startswith(f"{name}: ")
        assert "Write " in line
        assert "evil" not in line
    with pytest.raises(SettingsError, match="AMP_BASE_URL"), waiting(url):
        pass


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.blob.core.windows.net", Address("https", "a.blob.core.windows.net", None, "")),
        ("https://A.B:443/", Address("https", "a.b", 443, "/")),
        ("http://127.0.0.1:10000/devstoreaccount1", Address("http", "127.0.0.1", 10000, "/devstoreaccount1")),
        ("http://[::1]:8080", Address("http", "::1", 8080, "")),
        ("https://xn--bcher-kva.example", Address("https", "xn--bcher-kva.example", None, "")),
        ("https://hc-ping.com/1-2/start.x", Address("https", "hc-ping.com", None, "/1-2/start.x")),
    ],
)
def test_a_plain_address_is_read(url: str, address: Address) -> None:
    """By both."""
    assert read(url) == connecting(url) == address


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost", True),
        ("http://LOCALHOST:1", True),
        ("https://127.9.9.9", True),
        ("http://[::1]", True),
        ("http://[0:0::1]", True),
        ("http://[::ffff:127.0.0.1]", False),
        ("http://[::]", False),
        ("http://0.0.0.0", False),
        ("http://128.0.0.1", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://evil.example", False),
    ],
)
def test_this_machine_is_told_from_others(url: str, loopback: bool) -> None:
    """Whatever begins or ends like it."""
    assert is_loopback(url) is loopback


@settings(max_examples=1500)
@given(
    st.from_regex(r"https?://[a-z0-9.@:/\\\[\]%?#_~ -]{0,30}", fullmatch=True)
    | st.text(st.sampled_from("http:/s127.0[]@\\?#%x-é。 \t"), max_size=30)
)
@example("http://127.0.0.1:80/a")
@example("https://[::1]:1/")
def test_what_is_read_is_read_alike_by_all_that_connect(url: str) -> None:
    """urllib3, what requests makes of it, and the standard library's parser, which the storage SDK asks."""
    address = read(url)
    assert connecting(url) == address
    if address is None:
        return
    ours = address.scheme, address.host, address.port
    prepared = str(requests.Request("GET", url).prepare().url)
    for found in (urlsplit(url), urlsplit(prepared)):
        assert (found.scheme, found.hostname, found.port) == ours
        assert (found.username, found.password, found.query, found.fragment) == (None, None, "", "")
    parts = parse_url(prepared)
    assert (parts.scheme, str(parts.host).strip("[]"), parts.port) == ours


@pytest.mark.parametrize(
    "theirs", ["http://127.0.0.1:81", "http://evil.example:80", "https://127.0.0.1:80", "http://x@127.0.0.1:80"]
)
def test_a_parser_that_changes_its_mind_is_heard(theirs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grammar leaves no room for it today. Should a newer urllib3 read otherwise, nothing is connected to."""
    assert connecting("http://127.0.0.1:80") == read("http://127.0.0.1:80")
    monkeypatch.setattr("urllib3.util.parse_url", lambda _: parse_url(theirs))
    assert connecting("http://127.0.0.1:80") is None


STORAGE = {
    "https://myaccount1.blob.core.windows.net": "",
    "https://myaccount1.blob.core.chinacloudapi.cn/": "",
    "https://myaccount1.blob.core.usgovcloudapi.net": "",
    "https://MyAccount.blob.core.windows.net": "",
    "https://127.0.0.1:10000/devstoreaccount1": "",
    "https://localhost:10000": "",
    "http://127.0.0.1:10000/devstoreaccount1": "goes over https only",
    "http://myaccount1.blob.core.windows.net": "goes over https only",
    "https://myaccount1.blob.core.windows.net/amplitude": "a path or a port",
    "https://myaccount1.blob.core.windows.net:8443": "a path or a port",
    "https://127.0.0.1:10000/devstoreaccount1/amplitude": "one path, the emulator's account",
    "https://blob.core.windows.net": "no storage account of Azure's",
    "https://a.b.blob.core.windows.net": "no storage account of Azure's",
    "https://my-account.blob.core.windows.net": "no storage account of Azure's",
    "https://myaccount1.dfs.core.windows.net": "no storage account of Azure's",
    "https://myaccount1.blob.core.windows.net.evil.example": "no storage account of Azure's",
    "https://evilblob.core.windows.net": "no storage account of Azure's",
    "https://myaccount1.z12.blob.storage.azure.net": "no storage account of Azure's",
    "https://203.0.113.7": "no storage account of Azure's",
    "https://user:hush-hush@myaccount1.blob.core.windows.net": "a user or a password",
    "https://myaccount1.blob.core.windows.net?sig=hush-hush": "not a plain address",
}


@pytest.mark.parametrize("url", STORAGE)
def test_a_token_goes_to_azures_accounts_only(url: str) -> None:
    """Of its clouds; to this machine with the emulator's account as the path; always over TLS."""
    if not STORAGE[url]:
        assert Settings.from_mapping(KEYS | {"EXPORT_STORAGE_URL": url}).storage_url == url.rstrip("/")
        return
    with pytest.raises(SettingsError) as caught:
        Settings.from_mapping(KEYS | {"EXPORT_STORAGE_URL": url})
    assert STORAGE[url] in str(caught.value)
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://hc-ping.com/1-2", "https://hc-ping.com/1?x=hush", "https://a:hush@hc-ping.com/1", "hush"]
)
def test_an_address_to_ping_is_guarded_and_not_quoted(url: str) -> None:
    """Its path is the secret: it goes over TLS, and stands in no message."""
    with pytest.raises(SettingsError, match="EXPORT_PING_URL: ") as caught:
        Settings.from_mapping(KEYS | {"EXPORT_PING_URL": url})
    assert len(str(caught.value).splitlines()) == 1
    assert "hush" not in str(caught.value)
    assert "1-2" not in str(caught.value)


def test_another_cloud_is_named_by_its_suffix() -> None:
    """Azure's own zones of accounts, too; the suffix opens nothing but itself."""
    for suffix in ("z12.blob.storage.azure.net", "Blob.local.azurestack.external"):
        there = {"EXPORT_STORAGE_SUFFIX": suffix, "EXPORT_STORAGE_URL": f"https://myaccount1.{suffix}"}
        assert Settings.from_mapping(KEYS | there).storage_suffix == suffix
        with pytest.raises(SettingsError, match="no storage account"):
            Settings.from_mapping(KEYS | there | {"EXPORT_STORAGE_URL": "https://myaccount1.evil.example"})


@pytest.mark.parametrize(
    "suffix",
    ["net", ".blob.x.net", "blob.x.net.", "*.net", "https://x.net", "x.net/a", "x.net:1", "a@x.net", "1.2.3.4"],
)
def test_a_suffix_is_the_name_of_a_zone(suffix: str) -> None:
    """Two parts at least, and nothing but a name."""
    with pytest.raises(SettingsError, match="EXPORT_STORAGE_SUFFIX: it is not the end of a host's name") as caught:
        Settings.from_mapping(KEYS | {"EXPORT_STORAGE_SUFFIX": suffix})
    assert len(str(caught.value).splitlines()) == 1


ACCOUNT = f"AccountName=devstoreaccount1;AccountKey={KEY}"


@pytest.mark.parametrize(
    "text",
    [
        EMULATOR,
        f"{EMULATOR};",
        f"{ACCOUNT};BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1",
        f"{ACCOUNT};blobendpoint=https://localhost:1/devstoreaccount1;DefaultEndpointsProtocol=https;",
    ],
)
def test_a_connection_string_of_this_machine_is_taken(text: str) -> None:
    """The emulator's."""
    assert Settings.from_mapping(KEYS | {"EXPORT_STORAGE_CONNECTION_STRING": text}).storage_connection_string == text


@pytest.mark.parametrize(
    "text",
    [
        ACCOUNT,
        f"{ACCOUNT};EndpointSuffix=core.windows.net",
        f"{ACCOUNT};BlobEndpoint=http://evil.example\\[::1]",
        f"{ACCOUNT};BlobEndpoint=http://10.0.0.1/devstoreaccount1",
        f"{ACCOUNT};BlobEndpoint=http://127.0.0.1/x;BlobSecondaryEndpoint=http://evil.example",
        f"{ACCOUNT};BlobEndpoint=http://127.0.0.1?@{KEY}",
        f"SharedAccessSignature=sv=1&sig={KEY};BlobEndpoint=https://myaccount.blob.core.windows.net",
        f"UseDevelopmentStorage=yes;AccountKey={KEY}",
        f"BlobEndpoint={KEY}",
        KEY,
        f"{ACCOUNT};",
        f"x={KEY};;",
    ],
)
def test_a_key_or_a_signature_leaves_this_machine_never(text: str) -> None:
    """The string is refused with the other settings, before a request; nothing of it is quoted."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_mapping(KEYS | {"EXPORT_STORAGE_CONNECTION_STRING": text})
    (line,) = str(caught.value).splitlines()
    assert line.startswith("EXPORT_STORAGE_CONNECTION_STRING: ")
    assert EMULATOR in line
    assert KEY[:8] not in line
    assert "evil" not in line


def test_the_secrets_of_a_connection_string_are_its_key_and_its_signature() -> None:
    """The usual one of the emulator has none, and its words stay readable."""
    assert connection_secrets(EMULATOR) == ()
    assert connection_secrets("") == ()
    assert KEY in connection_secrets(f"{ACCOUNT};BlobEndpoint=http://127.0.0.1")
    assert {"sv=1&sig=ab%2B", "ab%2B"} <= set(connection_secrets("SharedAccessSignature=sv=1&sig=ab%2B;A=b"))
    assert "x%2F" in connection_secrets("BlobEndpoint=https://127.0.0.1/?sv=1&sig=x%2F;A=b")


@given(st.text(max_size=80) | st.text(st.sampled_from("BlobEndpoint=http://127.0.0.1;AccountKey="), max_size=80))
def test_any_text_is_a_connection_string_or_none(text: str) -> None:
    """Whatever stands there, it is judged in a sentence."""
    assert connection_problem(text).isprintable()
    assert all(isinstance(secret, str) and secret for secret in connection_secrets(text))
