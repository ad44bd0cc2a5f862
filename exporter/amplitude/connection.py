"""Connections to Amplitude that end in time, whatever the peer does, and that stay open while it thinks.

How long a call may take, by `Bounds` and the retries' numbers:

- A request ends after ``request`` seconds at the latest, counted from its first step: a `Timer` shuts its socket down.
  That holds for a handshake, for headers and trailers that drip in, for `100 Continue` without end, and for a body.
- Before there is a socket, names are resolved (by the system, within its own bound, some 30 s) and the host's addresses
  are tried, within ``connect`` seconds together.
- So five requests and the four waits between them take at most 5 x 3,600 + 4 x 120 = 18,480 s, a little over 5 hours.
- With a deadline all of this ends at the deadline. The app's is 50 minutes: ten are left to resolve a name, write the
  failure and return before the host's hour is over.
"""

import socket
import sys
import threading
from dataclasses import dataclass
from typing import Any, cast

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError
from urllib3.util.connection import allowed_gai_family, create_connection

from exporter.clock import Clock, Deadline
from exporter.errors import ExportError, RetriableError

QUIET_SECONDS = 60
"""NATs, Azure's too, forget a connection that is quiet for 4 minutes. Amplitude's first byte can take longer."""


@dataclass(frozen=True)
class Bounds:
    """Seconds. ``read`` is the longest silence; ``words`` is for an error's body, whose status is known already."""

    connect: float = 30
    read: float = 600
    request: float = 3600
    words: float = 60


class Timer:
    """Ends a request when its time is over: a thread of its own shuts the connection's socket down.

    The thread holds a duplicate of the socket, which nobody else closes: it can never shut down another connection
    that got the same number. What it shuts down is TCP, so it does not matter whether TLS is spoken over it.
    """

    def __init__(self, clock: Clock, bounds: Bounds) -> None:
        self._clock = clock
        self._bounds = bounds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._until = 0.0
        self._late: ExportError = RetriableError("no request was made")
        self.fired = False

    def start(self, deadline: Deadline, asked: str) -> None:
        """A request begins, which may take its bound, and not longer than to the deadline."""
        self.stop()
        self.fired, seconds = False, self._bounds.request
        if deadline.left() <= seconds:
            self._late = deadline.late()
        else:
            self._late = RetriableError(f"{asked}: still not all of the answer is here after {seconds:g} s")
        self._run(min(seconds, deadline.left()))

    def words_follow(self) -> None:
        """All that is still to come is what an error says: there is less time for that."""
        left = min(self._bounds.words, self.left())
        self._end()
        self._run(left)

    def left(self) -> float:
        """Seconds until the request's end."""
        return max(0.0, self._until - self._clock.monotonic())

    def watch(self, connection: socket.socket) -> None:
        """Shut ``connection`` down when the time is over, or at once if it is."""
        with self._lock:
            self._release()
            self._socket = connection.dup()
            if self.fired:
                self._shut_down()

    def check(self) -> None:
        """Raise what it means that the time is over, if it is.

        To be called before anything is believed: a cut connection looks like the end of headers, or of a body.
        """
        if self.fired or self._clock.monotonic() > self._until:
            raise self._late from None

    def stop(self) -> None:
        """The request is over. Neither thread nor socket is left."""
        try:
            self._end()
        finally:
            with self._lock:
                self._release()

    def _run(self, seconds: float) -> None:
        self._until = self._clock.monotonic() + seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._wait, args=(seconds, self._ended), name="amplitude-request-timer", daemon=True
        )
        self._thread.start()

    def _wait(self, seconds: float, ended: threading.Event) -> None:
        if ended.wait(seconds):
            return
        with self._lock:
            if not ended.is_set():
                self.fired = True
                self._shut_down()

    def _end(self) -> None:
        with self._lock:
            self._ended.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def _shut_down(self) -> None:
        if self._socket:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # the peer has closed it already
                return

    def _release(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None


def keepalive(module: Any = socket, platform: str = sys.platform) -> list[tuple[int, int, int]]:
    """The socket options of a connection: small packets at once, and a sign of life when it is quiet."""
    idle = "TCP_KEEPALIVE" if platform == "darwin" else "TCP_KEEPIDLE"
    wanted = {idle: QUIET_SECONDS, "TCP_KEEPINTVL": QUIET_SECONDS // 2, "TCP_KEEPCNT": 5}
    return [
        (module.IPPROTO_TCP, module.TCP_NODELAY, 1),
        (module.SOL_SOCKET, module.SO_KEEPALIVE, 1),
        *(
            (module.IPPROTO_TCP, getattr(module, name), value)
            for name, value in wanted.items()
            if hasattr(module, name)
        ),
    ]


class _Connection(HTTPConnection):
    """urllib3's connection, which a timer watches from its first moment, before TLS and before a proxy's tunnel."""

    timer: Timer

    def _new_conn(self) -> socket.socket:
        """Connect as urllib3 does, but within one time-out for all the host's addresses, and with keepalive."""
        try:
            found = socket.getaddrinfo(self._dns_host.strip("[]"), self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        self.timer.check()
        seconds = min(cast("float", self.timeout), self.timer.left())
        last: OSError = OSError("the name has no address")
        for *_, address in found:
            try:
                connected = create_connection(
                    (str(address[0]), int(address[1])),
                    max(seconds / len(found), 0.001),
                    self.source_address,
                    [*(self.socket_options or ()), *keepalive()],
                )
            except OSError as error:
                last = error
            else:
                self.timer.watch(connected)
                return connected
        if isinstance(last, TimeoutError):
            raise ConnectTimeoutError(self, f"no connection to {self.host} within {seconds:g} s") from last
        raise last


class _TlsConnection(_Connection, HTTPSConnection):
    """The same for https."""


class Adapter(HTTPAdapter):
    """requests' adapter, whose connections `timer` watches."""

    def __init__(self, timer: Timer) -> None:
        self._plain = type("WatchedConnection", (_Connection,), {"timer": timer})
        self._tls = type("WatchedTlsConnection", (_TlsConnection,), {"timer": timer})
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        """The pool for a request, with or without a proxy; its connections are watched."""
        pool = cast("HTTPConnectionPool", super().get_connection_with_tls_context(*args, **options))
        pool.ConnectionCls = self._tls if pool.scheme == "https" else self._plain
        return pool
