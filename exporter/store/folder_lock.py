"""Locks of the operating system (flock): they end with the process that holds them, and hold between threads, too.

Whoever works holds a lock alone, whoever only looks shares it for a moment. So a lock that cannot be had alone, but
can be shared, is held by nobody: somebody has only looked. See ADR 16.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from exporter.errors import DayHeldError, StoreError
from exporter.foreign import printable
from exporter.store.folder_files import FILE_MODE, linked, private

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LONGEST_RUN = 200
"""Characters of a run's id that a lock file keeps; a longer file is no lock."""
_LOOKERS_STAY = 0.01
"""Seconds; they stay for microseconds."""
_TRIES = 1000


def check_platform() -> None:
    """Say what is missing where files cannot be locked.

    Raises:
        StoreError: this is Windows.
    """
    if fcntl is None:
        raise StoreError(
            "a folder as the destination needs Linux, macOS or WSL, since Windows has no file locks of the kind that "
            "ends with its process. Set EXPORT_STORAGE_URL to write to Blob Storage, which works on Windows"
        )


def held_alone(descriptor: int) -> bool:
    """Hold the open file alone until it is closed; False if others hold or share it."""
    return _flocked(descriptor, exclusive=True)


@contextmanager
def alone(folder: int) -> Iterator[None]:
    """Wait until no other exporter is inside for this folder, and keep them out; for moments only."""
    with suppress(OSError):  # a file system that locks no folders: the day's own lock is what there is
        fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_UN)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the file alone. Looking keeps nobody from it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # gone, a link, or another user's: nothing that could be told
        return False
    try:
        return not _shared(descriptor)
    finally:
        os.close(descriptor)


def locked_file(name: str, folder: int, shown: Path, run: str) -> BinaryIO:
    """The lock file ``name`` in the folder with this descriptor, held for ``run``; ``shown`` is its path in messages.

    Raises:
        DayHeldError: another exporter holds it.
        StoreError: a link has its name.
    """
    holder = ""
    for _ in range(_TRIES):
        file = _opened(name, folder, shown)
        if held_alone(file.fileno()):
            if is_there(file, name, folder):
                file.truncate(0)
                file.write(run[:LONGEST_RUN].encode())
                return file
        elif _shared(file.fileno()):
            threading.Event().wait(_LOOKERS_STAY)
        else:
            holder = printable(file.read(LONGEST_RUN).decode("ascii", "replace"))
            file.close()
            break
        file.close()
    raise DayHeldError(
        f"{shown} is held by run {holder or 'unknown'}, which is at work on this day. It is free when that run "
        "ends: wait for it, then call again",
        holder,
    )


def _opened(name: str, folder: int, shown: Path) -> BinaryIO:
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE, dir_fd=folder)
    except OSError as error:
        if shown.is_symlink():
            raise linked(shown) from error
        raise
    with suppress(PermissionError):  # another user's, whom the folder's group lets work here, too
        private(descriptor)
    return os.fdopen(descriptor, "r+b", buffering=0)


def _shared(descriptor: int) -> bool:
    return _flocked(descriptor, exclusive=False)


def _flocked(descriptor: int, *, exclusive: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_there(file: BinaryIO, name: str, folder: int) -> bool:
    """Whether the open file still has its name: its last holder removes it, and a removed file keeps nobody out."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return False
