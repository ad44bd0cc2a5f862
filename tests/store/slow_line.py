"""A slow line on loopback: a forwarder that lets only so many bytes a second through, all connections together."""

import contextlib
import socket
import threading
import time
from typing import Self

PIECE = 16 << 10
BUFFER = 64 << 10
"""Bytes that the forwarder's sockets hold, so that the sender feels the line's speed and not the kernel's buffers."""


class SlowLine:
    """Forwards to ``port`` of this machine; what goes there is slow, what comes back is not. A context manager.

    Args:
        port: Where the server listens.
        rate: Bytes a second, for all connections together.
    """

    def __init__(self, port: int, rate: int) -> None:
        self._port, self._rate = port, rate
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # before it listens, else it does nothing
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.port = int(self._socket.getsockname()[1])
        self._turn = threading.Lock()
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._accepting.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the test is over
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, server]
                for ends in ((client, server, self._rate), (server, client, 0)):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, rate: int) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                if rate:
                    with self._turn:
                        time.sleep(len(piece) / rate)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
