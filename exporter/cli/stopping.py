"""Hang up, when a person has had enough."""

import contextlib
import logging
import os
import socket
import stat
from pathlib import Path

DESCRIPTORS = Path("/dev/fd")
"""Every POSIX system that is supported lists a process's own descriptors here."""


def hang_up() -> None:
    """Break off every TCP connection of this process, and log nothing from here on.

    A thread that waits for a first byte waits for ten minutes, and nothing else wakes it: requests and urllib3 do not
    give the connection away on which they wait. What breaks is not of interest any more, so it is not logged.
    """
    logging.disable(logging.CRITICAL)
    for descriptor in [int(path.name) for path in DESCRIPTORS.iterdir()]:
        with contextlib.suppress(OSError):  # closed by now
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                _shut(descriptor)


def _shut(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family in {socket.AF_INET, socket.AF_INET6} and connection.type == socket.SOCK_STREAM:
            connection.shutdown(socket.SHUT_RDWR)
