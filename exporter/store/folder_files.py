"""Folders and files as the local store makes them: their owner's only, durable, and never through a link.

The data folder itself may be a link. Below it nothing is followed when something is written or removed: each level is
opened from the one above it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.errors import StoreError

FILE_MODE = 0o600
FOLDER_MODE = 0o700


@contextmanager
def opened_folder(root: Path, below: str) -> Iterator[int]:
    """A descriptor of the folder ``below`` (its name, parts between slashes, or empty) in ``root``.

    Raises:
        FileNotFoundError: there is none.
        StoreError: there is a link on the way.
    """
    descriptor = open_folder(root, below)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_folder(root: Path, below: str, *, make: bool = False) -> int:
    """As `opened_folder`, for the caller to close; with ``make`` what is missing is made, and lasts.

    Raises:
        FileNotFoundError: there is none.
        StoreError: there is a link on the way.
    """
    if make:
        _make_root(root)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for part in below.split("/") if below else ():
        above = descriptor
        try:
            if make:
                _make(part, above)
            descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        except NotADirectoryError as error:
            raise linked(root / below) from error
        finally:
            os.close(above)
    return descriptor


def linked(path: Path) -> StoreError:
    """The error about a link where something was to be written."""
    return StoreError(
        f"{path} leads through a link, or through a file in a folder's place. Below the data folder nothing is written "
        "through links: put a real folder or file there, or make the data folder itself the link"
    )


def etag_of(there: os.stat_result) -> str:
    """The ETag of a file: its size and the time it was written."""
    return f"{there.st_size}-{there.st_mtime_ns}"


def private(descriptor: int) -> None:
    """Make a file that was just made its owner's only, whatever the umask took or left."""
    os.fchmod(descriptor, FILE_MODE)


def _make_root(root: Path) -> None:
    if root.is_dir():
        return
    if root.parent != root:
        _make_root(root.parent)
    above = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _make(root.name, above)
    finally:
        os.close(above)


def _make(name: str, above: int) -> None:
    """Make one folder, if nothing has its name; the entry in the folder above survives a power cut."""
    with suppress(FileExistsError):
        os.mkdir(name, FOLDER_MODE, dir_fd=above)
        os.chmod(name, FOLDER_MODE, dir_fd=above)  # the umask may have taken the owner's own rights
        os.fsync(above)
