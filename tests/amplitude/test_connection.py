import socket
import ssl
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import trustme

from exporter.amplitude import connection
from exporter.amplitude.client import AmplitudeClient
from exporter.amplitude.connection import Bounds, Timer, keepalive
from exporter.amplitude.retries import LONGEST_WAIT
from exporter.clock import Deadline
from exporter.errors import DeadlineError, ExportError, RefusedError, RetriableError
from tests.amplitude.peer import REAL, Peer, Play, drips, head_of, resets, says, stalls, waiting
from tests.kit import WHOLE_DAY, Time, archive_of, at, fetched, http

ARCHIVE = archive_of(b"{}\n")
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(ARCHIVE), ARCHIVE)
LONG = HEAD + b"Content-Length: 1000000\r\n\r\n" + ARCHIVE
NO_DATA = b"Raw data files were not found."
SLOW: dict[str, Play] = {
    "silence": stalls(),
    "100 without end": drips(drop=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers of a 100 drip": drips(b"HTTP/1.1 100 Continue\r\n", drop=b"x"),
    "the status line drips": drips(b"HTTP/1.1 200 ", drop=b"O"),
    "headers drip": drips(HEAD, b"X: ", drop=b"x"),
    "headers stall": stalls(HEAD, b"X: "),
    "an error's headers drip": drips(b"HTTP/1.1 403 Forbidden\r\nX: ", drop=b"x"),
    "the body drips": drips(LONG, drop=b"x"),
    "the body stalls": stalls(LONG),
    "a body without a length drips": drips(HEAD, b"\r\n", ARCHIVE, drop=b"x"),
    "a body without a length stalls": stalls(HEAD, b"\r\n", ARCHIVE),
    "the first bytes of a body drip": stalls(HEAD, b"\r\n", b"PK\x03"),
    "a chunk's size drips": drips(CHUNKED, CHUNK, drop=b"0"),
    "a chunk stalls": stalls(CHUNKED, CHUNK[:-10]),
    "trailers drip": drips(CHUNKED, CHUNK, b"0\r\n", drop=b"X: y\r\n"),
    "a trailer drips": drips(CHUNKED, CHUNK, b"0\r\nX: ", drop=b"y"),
}
ERRORS: dict[str, Play] = {
    "a body that is no archive drips": drips(HEAD, b"\r\n", b"<html>", drop=b"x"),
    "a body that is no archive stalls": stalls(HEAD, b"\r\n", b"<html>"),
    "an error's body drips": drips(b"HTTP/1.1 404 Not Found\r\n\r\n", drop=b"x"),
    "an error's trailers drip": drips(b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", drop=b"X: y\r\n"),
    "an error's body stalls": stalls(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n"),
}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread outlives its request; sockets left open fail the test by their ResourceWarning."""
    yield
    assert [thread.name for thread in threading.enumerate() if "amplitude" in thread.name] == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the peers' certificates."""
    return trustme.CA()


@pytest.fixture
def tls(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext:
    """A peer's TLS, which REQUESTS_CA_BUNDLE makes the client trust."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def ask(client: AmplitudeClient, seconds: float | None = None) -> None:
    """Ask for the day, with a deadline in ``seconds``."""
    deadline = Deadline(client.clock, None if seconds is None else client.clock.monotonic() + seconds)
    fetched(client, WHOLE_DAY, lambda _: None, deadline)


@pytest.mark.parametrize("play", SLOW.values(), ids=SLOW)
def test_a_call_ends_at_the_deadline_whatever_the_peer_does(play: Play) -> None:
    """In real time; a longer bound of the request changes nothing."""
    with Peer(play) as peer, waiting(peer.url) as client, pytest.raises(DeadlineError):
        ask(client, 0.15)


@pytest.mark.parametrize("play", ERRORS.values(), ids=ERRORS)
def test_a_call_that_is_refused_ends_at_the_deadline_as_well(play: Play) -> None:
    """With the error that is known by then, if no request would follow."""
    with Peer(play) as peer, waiting(peer.url) as client, pytest.raises(ExportError):
        ask(client, 0.15)


@pytest.mark.parametrize("play", (SLOW | ERRORS).values(), ids=SLOW | ERRORS)
def test_without_a_deadline_a_request_ends_at_its_bound(play: Play) -> None:
    """And the attempt with it: a peer that took an hour would take the next one."""
    with (
        Peer(play) as peer,
        waiting(peer.url, attempts=5, bounds={"request": 0.15}) as client,
        pytest.raises(ExportError) as raised,
    ):
        ask(client)
    assert not isinstance(raised.value, DeadlineError)
    assert len(peer.heads) == 1 or isinstance(raised.value, RetriableError)


@pytest.mark.parametrize("name", ["silence", "100 without end", "headers drip", "the body stalls", "trailers drip"])
def test_a_call_over_tls_ends_at_the_deadline(name: str, tls: ssl.SSLContext) -> None:
    """What is shut down is the connection below TLS."""
    with Peer(SLOW[name], tls=tls) as peer, waiting(peer.url) as client, pytest.raises(DeadlineError):
        ask(client, 0.3)


@pytest.mark.parametrize("play", [stalls(), drips(b"\x16\x03\x03\x3f\xff", drop=b"\x00")], ids=["stalls", "drips"])
def test_a_handshake_ends_at_the_deadline(play: Play, tls: ssl.SSLContext) -> None:
    """Before a byte of HTTP is spoken."""
    with Peer(play, tls=tls, early=True) as peer, waiting(peer.url) as client, pytest.raises(DeadlineError):
        ask(client, 0.15)


@pytest.mark.parametrize(
    "play", [stalls(), drips(b"HTTP/1.1 200 OK\r\n", drop=b"X: y\r\n", every=0.1)], ids=["stalls", "drips"]
)
def test_a_proxy_ends_at_the_deadline(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it opens the tunnel."""
    with Peer(play) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with waiting("https://analytics.eu.amplitude.com") as client, pytest.raises(DeadlineError):
            ask(client, 0.15)


def test_headers_without_end_are_a_failed_request() -> None:
    """However fast they come, they are not read on and on."""
    play = drips(HEAD, drop=b"X: y\r\n" * 1000)
    with Peer(play) as peer, waiting(peer.url, attempts=2) as client:
        with pytest.raises(RetriableError, match="got more than 100 headers"):
            ask(client)
        assert len(peer.heads) == 2


def test_the_deadline_passes_before_a_request_is_made() -> None:
    """Then none is."""
    with Peer(stalls()) as peer, waiting(peer.url) as client:
        tries = client.tries(WHOLE_DAY, Deadline(REAL, REAL.monotonic() - 1))
        with pytest.raises(DeadlineError):
            client.ask(tries)
    assert (peer.heads, tries.made) == ([], 0)


@pytest.mark.parametrize(
    "play",
    [
        drips(b"HTTP/1.1 403 Forbidden\r\n\r\nInvalid API Key", drop=b"."),
        stalls(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nInvalid API Key"),
        says(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nInvalid API Key"),
        says(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\nf\r\nInvalid API Key\r\n9\r\n"),
        resets(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nInvalid API Key"),
    ],
    ids=["drips", "stalls", "is short", "lacks a chunk", "is reset"],
)
def test_an_error_whose_body_breaks_off_is_still_that_error(play: Play) -> None:
    """With the words that arrived, as far as they did, in the time that there is for words."""
    with Peer(play) as peer, waiting(peer.url, attempts=2, bounds={"words": 0.15}) as client:
        with pytest.raises(RefusedError):
            ask(client)
        assert len(peer.heads) == 1


@pytest.mark.parametrize(
    "play",
    [
        stalls(b"HTTP/1.1 404 Not Found\r\n\r\n", NO_DATA),
        stalls(b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n", NO_DATA),
        says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n", NO_DATA),
        says(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n", NO_DATA, b"\r\n9\r\n"),
        resets(b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n", NO_DATA),
    ],
    ids=["stalls without a length", "stalls", "is short", "lacks a chunk", "is reset"],
)
def test_a_404_that_breaks_off_makes_no_window_empty(play: Play) -> None:
    """Not even if the words came: what else it would have said is not known."""
    with Peer(play) as peer, waiting(peer.url, attempts=2, bounds={"words": 0.15}) as client:
        with pytest.raises(RetriableError, match="did not arrive"):
            ask(client)
        assert len(peer.heads) == 2


def test_a_body_that_nobody_wants_is_not_waited_for() -> None:
    """Of a 2xx that is no answer."""
    play = stalls(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\n")
    with Peer(play) as peer, waiting(peer.url) as client, pytest.raises(RetriableError, match="status 202"):
        ask(client)


def test_time_for_one_request_is_not_taken_from_the_next() -> None:
    """Each has its bound for itself, whoever sends it again."""
    plays = iter([says(http(503)), says(http(200, ARCHIVE[:-9])), says(http(200, ARCHIVE))])

    def play(peer: socket.socket) -> None:
        threading.Event().wait(0.8)
        next(plays)(peer)

    with Peer(play) as peer, waiting(peer.url, attempts=3, bounds={"request": 2}) as client:
        tries = client.tries(WHOLE_DAY)
        client.ask(tries).archive.close()  # type: ignore[union-attr]  # there is one
        tries.again("it is cut off")
        client.ask(tries).archive.close()  # type: ignore[union-attr]
        assert len(peer.heads) == tries.made == 3


@pytest.mark.parametrize("step", ["asking", "downloading"])
def test_an_interrupt_leaves_nothing_behind(step: str) -> None:
    """Neither a thread nor a socket; and the client can be asked again."""
    stop = [True]

    def interrupt() -> None:
        if stop.pop():
            stop.append(False)
            raise KeyboardInterrupt

    with Peer(says(http(200, ARCHIVE))) as peer, waiting(peer.url, progress=at(step, interrupt)) as client:
        with pytest.raises(KeyboardInterrupt):
            ask(client)
        stop[:] = [False, False, False]
        ask(client)


def test_nothing_of_a_request_is_left_while_the_next_is_waited_for() -> None:
    """Neither its thread nor its socket: the peer sees at once that it is left."""
    left: list[bool] = []

    def sleep(_seconds: float) -> None:
        left.append(client._timer._socket is None and client._timer._thread is None)

    plays = iter([stalls(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n"), says(), says(http(200, ARCHIVE))])

    def play(peer: socket.socket) -> None:
        next(plays)(peer)

    clock = replace(REAL, sleep=sleep)
    with Peer(play) as peer, waiting(peer.url, attempts=3, clock=clock) as client:
        ask(client)
    assert left == [True, True]


def test_a_timer_never_shuts_down_another_connection_with_the_same_number() -> None:
    """It holds the connection itself, and not its number, which the system gives away again."""
    clock = Time().clock()  # which stands still: that the time is over, the timer itself must know
    timer = Timer(clock, Bounds(request=0.05))
    mine, theirs = socket.socketpair()
    timer.start(Deadline(clock), f"window {WHOLE_DAY}")
    timer.watch(mine)
    number = mine.fileno()
    mine.close()
    others = [socket.socketpair()]
    while number not in {end.fileno() for pair in others for end in pair}:
        others.append(socket.socketpair())
    theirs.settimeout(5)
    assert theirs.recv(1) == b""  # the time is over, and the connection shut down
    for one, other in others:
        one.sendall(b"alive")
        assert other.recv(5) == b"alive"
    with pytest.raises(RetriableError, match=r"still not all of the answer is here after 0\.05 s"):
        timer.check()
    timer.stop()
    for each in (theirs, *(end for pair in others for end in pair)):
        each.close()


def test_a_connection_made_too_late_is_shut_down_at_once() -> None:
    """The time passed while the name was resolved."""
    timer = Timer(REAL, Bounds(request=0))
    timer.start(Deadline(REAL), f"window {WHOLE_DAY}")
    mine, theirs = socket.socketpair()
    with mine, theirs:
        theirs.settimeout(5)
        timer.watch(mine)
        assert theirs.recv(1) == b""
        timer.stop()


def test_a_request_that_ended_in_time_stays_alone() -> None:
    """What is stopped fires no more."""
    timer = Timer(REAL, Bounds(request=1))
    timer.start(Deadline(REAL), f"window {WHOLE_DAY}")
    timer.stop()
    threading.Event().wait(1.2)
    assert not timer.fired


def test_a_request_that_ends_in_the_timers_last_moment_stays_alone() -> None:
    """The thread has waited long enough, and then the request ends before the thread can act."""
    timer = Timer(REAL, Bounds(request=0.05))
    timer.start(Deadline(REAL), f"window {WHOLE_DAY}")
    with timer._lock:
        threading.Event().wait(0.2)
        timer._ended.set()
    timer.stop()
    assert not timer.fired


def test_all_addresses_of_a_host_share_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight that do not answer take no longer than one; the first that answers is taken."""
    asked: list[tuple[Any, float]] = []

    def connect(address: Any, timeout: float, *_: Any) -> socket.socket:
        asked.append((address, timeout))
        raise ConnectionRefusedError("refused") if len(asked) == 16 else TimeoutError("timed out")

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.0.{n}", 443)) for n in range(8)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    monkeypatch.setattr(connection, "create_connection", connect)
    for words in ("no connection to analytics.eu.amplitude.com within 30 s", "ConnectionRefusedError: refused"):
        with (
            waiting("https://analytics.eu.amplitude.com", clock=Time().clock()) as client,
            pytest.raises(RetriableError, match=words),
        ):
            fetched(client)
    assert [timeout for _, timeout in asked] == [30 / 8] * 16
    assert asked[1][0] == ("10.0.0.1", 443)


def test_connecting_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address is tried for longer than there is time."""
    asked: list[float] = []

    def connect(_address: Any, timeout: float, *_: Any) -> socket.socket:
        asked.append(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(connection, "create_connection", connect)
    clock = Time().clock()
    with waiting("http://127.0.0.1:9", clock=clock) as client, pytest.raises(RetriableError):
        fetched(client, deadline=Deadline(clock, at=10))
    assert asked == [10]


@pytest.mark.parametrize("secure", [False, True])
def test_a_quiet_connection_is_kept_alive(secure: bool, tls: ssl.SSLContext) -> None:
    """After 60 s: read from the live connection."""
    options: list[int] = []

    def look() -> None:
        live = client._timer._socket
        assert live is not None
        idle = getattr(socket, "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE")
        wanted = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
        wanted += [(socket.IPPROTO_TCP, name) for name in (idle, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)]
        wanted += [(socket.IPPROTO_TCP, socket.TCP_NODELAY)]
        options.extend(live.getsockopt(*each) for each in wanted)

    with (
        Peer(says(http(200, ARCHIVE)), tls=tls if secure else None) as peer,
        waiting(peer.url, progress=at("downloading", look)) as client,
    ):
        ask(client)
    assert bool(options[0])
    assert options[1:4] == [60, 30, 5]
    assert bool(options[4])


def test_keepalive_uses_what_the_platform_has() -> None:
    """The idle time has another name on macOS; a platform without any gets the plain option."""
    linux = types.SimpleNamespace(
        IPPROTO_TCP=6, TCP_NODELAY=1, SOL_SOCKET=1, SO_KEEPALIVE=9, TCP_KEEPIDLE=4, TCP_KEEPINTVL=5, TCP_KEEPCNT=6
    )
    mac = types.SimpleNamespace(**vars(linux) | {"TCP_KEEPALIVE": 16})
    bare = types.SimpleNamespace(IPPROTO_TCP=6, TCP_NODELAY=1, SOL_SOCKET=1, SO_KEEPALIVE=9)
    plain = [(6, 1, 1), (1, 9, 1)]
    assert keepalive(linux, "linux") == [*plain, (6, 4, 60), (6, 5, 30), (6, 6, 5)]
    assert keepalive(mac, "darwin") == [*plain, (6, 16, 60), (6, 5, 30), (6, 6, 5)]
    assert keepalive(bare, "other") == plain
    assert keepalive() == keepalive(socket, sys.platform)


def test_each_request_has_a_connection_of_its_own() -> None:
    """What a server sends after an answer can never become the answer to another request."""
    more = http(404, NO_DATA).replace(b"Connection: close\r\n", b"")
    then: list[bytes] = []

    def play(peer: socket.socket) -> None:
        peer.sendall(more)
        then.append(head_of(peer))

    with Peer(play) as peer, waiting(peer.url) as client:
        ask(client)
        ask(client)
    assert len(peer.heads) == 2
    assert then == [b"", b""]
    assert all(b"Connection: close\r\n" in head for head in peer.heads)


def test_the_bounds_add_up_as_they_are_documented() -> None:
    """Five requests and four waits."""
    longest = 5 * Bounds().request + 4 * LONGEST_WAIT
    assert f"5 x {Bounds().request:,} + 4 x {LONGEST_WAIT:.0f} = {longest:,.0f} s" in str(connection.__doc__)
