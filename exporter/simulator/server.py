"""The HTTP side: reads requests on loopback, lets an `answer` function decide, sends what it says."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from exporter.simulator.answers import Answer
from exporter.simulator.sending import send

log = logging.getLogger(__name__)

type Ask = Callable[[str, str | None], AbstractContextManager[Answer]]
"""From a request's target and Authorization header to its answer; the context ends with its last piece."""


class Server(ThreadingHTTPServer):
    """An HTTP server on 127.0.0.1 with a thread a connection. `stop()` ends all of them."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int, ask: Ask) -> None:
        self.ask = ask
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Exchange)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="simulator")

    def start(self) -> None:
        """Answer from now on, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Break off what is under way, close every connection and wait for the threads."""
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the other end may have closed it already
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    @contextlib.contextmanager
    def connected(self, connection: socket.socket) -> Iterator[None]:
        """Know the connection while its thread lives, so that `stop` can close it."""
        with self._lock:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.discard(connection)


class _Exchange(BaseHTTPRequestHandler):
    """One connection; kept open from request to request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # small answers would wait 40 ms for the client's delayed ACK
    server_version, sys_version = "simulator", ""
    server: Server

    def handle(self) -> None:
        """Answer requests until the client or a script ends the connection."""
        # A client may go away at any time: that is its business, and part of what is tested here.
        with self.server.connected(self.connection), contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        """Answer one request."""
        with contextlib.ExitStack() as under_way:
            answer = under_way.enter_context(self.server.ask(self.path, self.headers["Authorization"]))
            send(self, answer, self.server.stopping, under_way.close)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Send http.server's own lines to logging; the query holds no secrets, headers are not logged."""
        log.debug(format, *args)
