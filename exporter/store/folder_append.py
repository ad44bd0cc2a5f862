"""Lines at the end of a file that is never written anew: durable, under the folder's lock, and never through a link."""

import os
from pathlib import Path

from exporter.errors import LostRaceError
from exporter.store.folder_files import linked, open_folder
from exporter.store.folder_lock import alone

_PIECE = 1 << 16


def append_lines(root: Path, name: str, content: bytes, at: int) -> None:
    """Add ``content`` to the file whose whole lines are ``at`` bytes long. See Store.append.

    Raises:
        LostRaceError: it has another length, or is gone.
        StoreError: a link has its name.
        OSError: the system refuses; what was written of it then is no line, and is cut off by the next call.
    """
    below, _, own = name.rpartition("/")
    folder = _folder(root, below, name)
    try:
        with alone(folder):
            file = _opened(root, own, folder, name)
            try:
                if _lines_end(file) != at:
                    raise LostRaceError(f"{name} was appended to by another exporter since this one looked")
                os.ftruncate(file, at)  # what a crash left of a line
                _write(file, content)
                os.fsync(file)
            finally:
                os.close(file)
    finally:
        os.close(folder)


def length_of_lines(root: Path, name: str) -> int:
    """Bytes of a file up to its last line end; 0 where it is not there."""
    try:
        file = os.open(root / name, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        return _lines_end(file)
    finally:
        os.close(file)


def _folder(root: Path, below: str, name: str) -> int:
    try:
        return open_folder(root, below)
    except FileNotFoundError:
        raise LostRaceError(f"{name} is gone") from None


def _opened(root: Path, own: str, folder: int, name: str) -> int:
    try:
        return os.open(own, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        raise LostRaceError(f"{name} is gone") from None
    except OSError as error:
        if (root / name).is_symlink():
            raise linked(root / name) from error
        raise


def _lines_end(file: int) -> int:
    """Behind the last line end, looked for from the end on."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - _PIECE)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
