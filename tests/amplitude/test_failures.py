import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from exporter.errors import PermanentError, RetriableError, SettingsError
from tests.amplitude.peer import Peer, Play, head_of, resets, says, waiting
from tests.kit import Time, archive_of, fetched, http

AMPLITUDE = "https://analytics.eu.amplitude.com"
GOOD = says(http(200, archive_of(b"{}\n")))

type Trust = Callable[[str], None]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the proxies that a test names."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Trust:
    """Set REQUESTS_CA_BUNDLE."""
    return lambda path: monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)


def server_of(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    """The TLS of a server of this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def error_of(url: str) -> Exception:
    """What comes of asking, and that it was asked once: five are allowed, and no wait is needed to know."""
    time = Time()
    with waiting(url, attempts=5, delay=1, clock=time.clock()) as client, pytest.raises(Exception) as raised:  # noqa: PT011 - looked at by who calls
        fetched(client)
    assert time.sleeps == []
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value


@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.example"])
def test_a_certificate_that_fails_names_the_setting_at_once(name: str, trust: Trust, tmp_path: Path) -> None:
    """Of an authority that is not trusted, or for another name."""
    authority = trustme.CA()
    if name != "127.0.0.1":
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        trust(str(tmp_path / "ca.pem"))
    with Peer(GOOD, tls=server_of(authority, name)) as peer:
        error = error_of(peer.url)
    assert type(error) is PermanentError
    assert "a certificate on the way to Amplitude is not trusted (SSLCertVerificationError: " in str(error)
    assert "REQUESTS_CA_BUNDLE must name a file" in str(error)
    assert "\n" not in str(error)


def test_a_certificate_of_our_own_is_trusted(trust: Trust, tmp_path: Path) -> None:
    """Which REQUESTS_CA_BUNDLE names, on this machine too."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trust(str(tmp_path / "ca.pem"))
    with Peer(GOOD, tls=server_of(authority)) as peer, waiting(peer.url) as client:
        assert fetched(client).requests == 1


@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nnonsense\n"])
def test_a_file_of_certificates_that_cannot_be_read_is_named_at_once(
    content: bytes | None, trust: Trust, tmp_path: Path
) -> None:
    """Missing, or not a file of certificates."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    trust(str(file))
    with Peer(GOOD, tls=server_of(trustme.CA())) as peer:
        error = error_of(peer.url)
        assert peer.heads == []
    assert type(error) is PermanentError
    assert "the certificates to trust cannot be read" in str(error)
    assert "REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE): it must name a readable file" in str(error)


@pytest.mark.parametrize(
    ("answer", "kind", "shown"),
    [
        ("407 Proxy Authentication Required", PermanentError, "wants a login"),
        ("403 Forbidden", PermanentError, "does not let us through to Amplitude"),
        ("404 No", PermanentError, "does not let us through to Amplitude"),
        ("408 Slow", RetriableError, "cannot be used"),
        ("429 Many", RetriableError, "cannot be used"),
        ("502 Bad Gateway", RetriableError, "cannot be used"),
        ("503 Busy", RetriableError, "cannot be used"),
        ("302 Elsewhere", RetriableError, "cannot be used"),
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_named_and_asked_once(
    answer: str, kind: type[Exception], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variable, host and port, and not by user and password. What may pass is for the next attempt."""
    with Peer(says(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://hans:quix%23@127.0.0.1:{proxy.port}")
        error = error_of(AMPLITUDE)
        (head,) = proxy.heads
    assert b"Proxy-Authorization: Basic aGFuczpxdWl4Iw==\r\n" in head
    assert b"Authorization: Basic" not in head.replace(b"Proxy-Authorization", b"")  # the keys are for Amplitude
    assert type(error) is kind
    assert f"the proxy of HTTPS_PROXY (127.0.0.1:{proxy.port}) {shown}" in str(error)
    assert f"(OSError: Tunnel connection failed: {answer})" in str(error)
    assert "HTTPS_PROXY" in str(error)
    for part in ("hans", "quix", "aGFuczpxdWl4"):
        assert part not in str(error)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_not_there_is_named_and_asked_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be back for the next attempt."""
    monkeypatch.setenv(name, "http://hans:quix@127.0.0.1:9")
    error = error_of(AMPLITUDE)
    assert type(error) is RetriableError
    assert "the proxy of HTTPS_PROXY (127.0.0.1:9) cannot be used (ConnectionRefusedError: " in str(error)
    assert "quix" not in str(error)


def test_a_certificate_of_a_proxy_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks into TLS with a certificate of its own, or speaks TLS itself."""
    with Peer(GOOD, tls=server_of(trustme.CA())) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        own = error_of(AMPLITUDE)
    tls = server_of(trustme.CA(), "analytics.eu.amplitude.com")

    def look_into(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        tls.wrap_socket(connection, server_side=True)

    with Peer(look_into) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        theirs = error_of(AMPLITUDE)
    for error in (own, theirs):
        assert type(error) is PermanentError
        assert "REQUESTS_CA_BUNDLE must name a file" in str(error)


def test_a_request_through_a_tunnel(trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy sees the host, Amplitude sees the keys."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trust(str(tmp_path / "ca.pem"))
    tls = server_of(authority, "analytics.eu.amplitude.com")
    inner: list[bytes] = []

    def tunnel(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with tls.wrap_socket(connection, server_side=True) as spoken:
            inner.append(head_of(spoken))
            GOOD(spoken)

    with Peer(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with waiting(AMPLITUDE) as client:
            assert fetched(client).requests == 1
        (outer,) = proxy.heads
    assert outer.startswith(b"CONNECT analytics.eu.amplitude.com:443 HTTP/1.")
    assert b"Basic" not in outer
    assert b"Authorization: Basic" in inner[0]


def test_a_proxy_that_cannot_be_read_is_refused_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word of its password; on the way to this machine there is none."""
    monkeypatch.setenv("HTTPS_PROXY", "http://hans:qu#ix@proxy:3128")
    with pytest.raises(SettingsError) as raised, waiting(AMPLITUDE):
        pass
    assert str(raised.value).startswith("HTTPS_PROXY: it is not an address of the form")
    with Peer(GOOD) as peer, waiting(peer.url) as client:
        assert fetched(client).requests == 1


@pytest.mark.parametrize("play", [says(), resets(), says(b"nonsense\r\n\r\n")], ids=["closed", "reset", "nonsense"])
def test_what_may_pass_is_asked_again(play: Play) -> None:
    """An error of the connection itself says nothing about a certificate or a proxy."""
    with Peer(play) as peer, waiting(peer.url, attempts=3) as client:
        with pytest.raises(RetriableError, match="3 requests failed"):
            fetched(client)
        assert len(peer.heads) == 3


def test_the_keys_are_not_replaced_by_those_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """~/.netrc is for other programs."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login mallory password quix\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with Peer(GOOD) as peer, waiting(peer.url) as client:
        fetched(client)
        (head,) = peer.heads
    assert b"Authorization: Basic bWFsbG9yeTpxdWl4" not in head
    assert b"Authorization: Basic" in head
