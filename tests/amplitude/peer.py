"""A server on loopback that does with a connection what a test says, in real time, and a client that waits for it."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Self

from exporter.amplitude.client import AmplitudeClient
from exporter.amplitude.connection import Bounds
from exporter.clock import Clock
from tests.kit import KEYS

PATIENCE = 5
"""Seconds after which a peer gives up what it plays: who does not end in time fails a test, and does not hang it."""
REAL = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, sleep=time.sleep)

type Play = Callable[[socket.socket], None]


class Peer:
    """Plays ``play`` with every connection, one after the other, after it has read the request's head.

    With ``tls`` it speaks TLS; with ``early`` it plays before a byte is read, and before TLS. A client that had to be
    left fails the test.
    """

    def __init__(self, play: Play, *, tls: ssl.SSLContext | None = None, early: bool = False) -> None:
        self.heads: list[bytes] = []
        self._gave_up = False
        self._play, self._tls, self._early = play, tls, early
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, name="peer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        assert not self._gave_up, f"the client was still there after {PATIENCE} s"

    def _serve(self) -> None:
        with self._socket, contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.settimeout(PATIENCE)
                with connection, contextlib.suppress(OSError):  # the client is gone
                    try:
                        self._meet(connection)
                    except TimeoutError:
                        self._gave_up = True

    def _meet(self, connection: socket.socket) -> None:
        if self._early:
            self._play(connection)
            return
        with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as spoken:
            self.heads.append(head_of(spoken))
            self._play(spoken)


def head_of(connection: socket.socket) -> bytes:
    """A request's head."""
    head = b""
    while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
        head += more
    return head


def drips(*begin: bytes, drop: bytes, every: float = 0.01) -> Play:
    """Send the beginning, and then the drop again and again until the client is gone."""

    def play(connection: socket.socket) -> None:
        connection.sendall(b"".join(begin))
        for _ in range(int(PATIENCE / every)):
            connection.sendall(drop)
            time.sleep(every)
        raise TimeoutError

    return play


def stalls(*begin: bytes) -> Play:
    """Send the beginning, and then nothing until the client is gone."""

    def play(connection: socket.socket) -> None:
        connection.sendall(b"".join(begin))
        while connection.recv(4096):
            pass

    return play


def says(*all_of_it: bytes) -> Play:
    """Send it and hang up."""
    return lambda connection: connection.sendall(b"".join(all_of_it))


def resets(*begin: bytes) -> Play:
    """Send the beginning, wait until it has arrived, and reset the connection."""

    def play(connection: socket.socket) -> None:
        connection.sendall(b"".join(begin))
        time.sleep(0.05)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return play


@contextlib.contextmanager
def waiting(url: str, **options: Any) -> Iterator[AmplitudeClient]:
    """A client of ``url`` with the real clock and one request at most, unless ``options`` say otherwise."""
    bounds = Bounds(**{"request": 60, "words": 60} | options.pop("bounds", {}))
    defaults: dict[str, Any] = {"attempts": 1, "delay": 0, "archive_limit": 10**9, "clock": REAL}
    with AmplitudeClient(url, options.pop("keys", KEYS), bounds=bounds, **defaults | options) as client:
        yield client
