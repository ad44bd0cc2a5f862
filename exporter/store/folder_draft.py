"""A day on its way into a folder: a file without a name where the platform has such, else one with a name of its own.

A draft is locked while its exporter lives. So the next draft of the same dump can tell what a killed one has left
from what another exporter is writing, and removes only the former.
"""

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from exporter.errors import LostRaceError, StoreError
from exporter.report import Progress, Step, no_progress
from exporter.store import ANY
from exporter.store.folder_files import FILE_MODE, etag_of, open_folder, private
from exporter.store.folder_lock import alone, held_alone, is_there

PIECE = 1 << 20
"""Bytes that are held back before they go to the file."""
DRAFT = ".draft"
"""What a hidden name ends with."""


class LocalDraft:
    """See Draft. ``name`` is a checked name; its folder is made if it is missing."""

    def __init__(self, root: Path, name: str, seen: str | None, progress: Progress = no_progress) -> None:
        below, _, self._name = name.rpartition("/")
        self._seen = seen
        self._progress = progress
        self._hidden: str | None = None
        self._folder = open_folder(root, below, make=True)
        try:
            remove_leftovers(self._folder, f".{self._name}.")
            self.file = self._unnamed() or self._named()
        except BaseException:
            self._forget()
            raise

    def write(self, hour: int, text: bytes | memoryview) -> None:  # noqa: ARG002 - a file needs no hours
        """See Draft."""
        self.file.write(text)

    def mark(self) -> int:
        """See Draft."""
        return self.file.tell()

    def back(self, mark: int) -> None:
        """See Draft."""
        self.file.seek(mark)
        self.file.truncate()

    def commit(self, metadata: Mapping[str, str]) -> str:  # noqa: ARG002 - a folder keeps no metadata
        """See Draft."""
        self.file.flush()
        descriptor = self.file.fileno()
        os.fsync(descriptor)
        if self._hidden is None:
            self._hidden = self._new_name()
            os.link(f"/proc/self/fd/{descriptor}", self._hidden, dst_dir_fd=self._folder, follow_symlinks=True)
        self._progress(Step.COMMITTING, 0, None)
        with alone(self._folder):  # no other exporter comes between the look and the rename
            there = self._etag_there()
            if self._seen not in (ANY, there):
                raise LostRaceError(f"{self._name} was changed by another exporter since this one looked")
            if there == etag_of(os.fstat(descriptor)):  # the clock has not moved on since then
                later = os.fstat(descriptor).st_mtime_ns + 1
                os.utime(descriptor, ns=(later, later))
                os.fsync(descriptor)
            os.rename(self._hidden, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._hidden = None
        os.fsync(self._folder)  # the rename, too, survives a power cut
        self._progress(Step.COMMITTED, 0, None)
        return etag_of(os.fstat(descriptor))

    def discard(self) -> None:
        """See Draft."""
        try:
            self.file.close()  # writes what is buffered, which a full disk refuses again
        finally:
            self._forget()

    def _unnamed(self) -> BinaryIO | None:
        unnamed: int = getattr(os, "O_TMPFILE", 0)
        if unnamed and Path("/proc/self/fd").exists():
            with suppress(OSError):  # a file system that cannot do it
                file = self._opened(".", unnamed)
                held_alone(file.fileno())
                return file
        return None

    def _named(self) -> BinaryIO:
        while True:
            self._hidden = self._new_name()
            file = self._opened(self._hidden, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
            if held_alone(file.fileno()) and is_there(file, self._hidden, self._folder):
                return file
            file.close()  # another exporter took it for a leftover before it was held

    def _opened(self, name: str, flags: int) -> BinaryIO:
        descriptor = os.open(name, os.O_RDWR | flags, FILE_MODE, dir_fd=self._folder)
        private(descriptor)
        return os.fdopen(descriptor, "w+b", PIECE)

    def _new_name(self) -> str:
        return f".{self._name}.{secrets.token_hex(8)}{DRAFT}"

    def _etag_there(self) -> str | None:
        try:
            there = os.stat(self._name, dir_fd=self._folder)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(there.st_mode):
            raise StoreError(f"{self._name} is there, and is no file. Move it away and call again")
        return etag_of(there)

    def _forget(self) -> None:
        """Remove the hidden name, and let go of the folder."""
        hidden, self._hidden = self._hidden, None
        folder, self._folder = self._folder, -1
        if folder < 0:
            return
        try:
            if hidden:
                with suppress(FileNotFoundError):
                    os.unlink(hidden, dir_fd=folder)
        finally:
            os.close(folder)


def remove_leftovers(folder: int, begin: str) -> None:
    """Remove what killed exporters left in ``folder`` of drafts whose hidden names begin so."""
    for name in os.listdir(folder):
        if name.startswith(begin) and name.endswith(DRAFT):
            with suppress(OSError):  # gone meanwhile, or another user's
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
                try:
                    if held_alone(descriptor):
                        os.unlink(name, dir_fd=folder)
                finally:
                    os.close(descriptor)
