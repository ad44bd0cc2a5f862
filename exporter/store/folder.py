"""A folder behind the Store contract."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from exporter.errors import LostRaceError
from exporter.report import Progress, Step, no_progress
from exporter.store import LARGEST_READ, Entry, Remaining, gone, too_large
from exporter.store.folder_append import append_lines, length_of_lines
from exporter.store.folder_draft import DRAFT, LocalDraft, remove_leftovers
from exporter.store.folder_files import etag_of, open_folder, opened_folder
from exporter.store.folder_lock import LONGEST_RUN, check_platform, is_locked, locked_file
from exporter.store.names import checked, checked_prefix, is_name

READ = 1 << 20


class LocalStore:
    """A folder. An object's ETag is its size and the time it was written.

    Raises:
        StoreError: the platform cannot lock files.
    """

    def __init__(self, folder: Path, progress: Progress = no_progress) -> None:
        check_platform()
        self._folder = folder
        self._progress = progress

    def __str__(self) -> str:
        return f"folder {self._folder}"

    def read(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""
        with self._if_there(), self._path(name).open("rb") as file:
            there = os.fstat(file.fileno())
            if there.st_size > LARGEST_READ:
                raise too_large(name, there.st_size)
            return file.read(), etag_of(there)
        return None

    def write(self, name: str, content: bytes | BinaryIO, *, seen: str | None, metadata: Mapping[str, str]) -> str:
        """See Store; a folder keeps no metadata."""
        draft = self.draft(name, seen)
        try:
            if isinstance(content, bytes):
                draft.write(0, content)
            else:
                shutil.copyfileobj(content, draft.file)
            return draft.commit(metadata)
        finally:
            draft.discard()

    def append(self, name: str, content: bytes, *, at: int) -> None:
        """See Store."""
        if at == 0:  # in one step, so that a crash leaves no half of it
            there = self._entry(self._path(name))
            if there and length_of_lines(self._folder, name):
                raise LostRaceError(f"{name} was begun by another exporter since this one looked")
            self.write(name, content, seen=there.etag if there else None, metadata={})
        else:
            append_lines(self._folder, checked(name), content, at)

    def delete(self, name: str) -> None:
        """See Store."""
        below, _, own = checked(name).rpartition("/")
        with contextlib.suppress(FileNotFoundError), opened_folder(self._folder, below) as folder:
            os.unlink(own, dir_fd=folder)
            os.fsync(folder)  # else a power cut brings it back

    def purge(self, name: str) -> Remaining:
        """See Store; a folder keeps nothing."""
        checked(name)
        return Remaining()

    def sweep(self, prefix: str) -> None:
        """See Store."""
        start = checked_prefix(prefix)
        for path in [*self._folder.rglob(f".*{DRAFT}")]:
            below, slash, own = path.relative_to(self._folder).as_posix().rpartition("/")
            if f"{below}{slash}{own[1:]}".startswith(start):
                with contextlib.suppress(FileNotFoundError), opened_folder(self._folder, below) as folder:
                    remove_leftovers(folder, own)

    def list(self, prefix: str, most: int | None = None) -> Iterator[Entry]:
        """See Store."""
        return islice(self._listed(prefix), most)

    def _listed(self, prefix: str) -> Iterator[Entry]:
        folder, _, start = checked_prefix(prefix).rpartition("/")
        with self._if_there():
            for path in sorted((self._folder / folder).iterdir()):
                if path.name.startswith(start) and is_name(path.name):
                    found = self._entry(path)
                    if found:
                        held = found.size <= LONGEST_RUN and is_locked(path)
                        yield replace(found, metadata={"lease": "leased"}) if held else found

    def stat(self, name: str) -> Entry | None:
        """See Store."""
        return self._entry(self._path(name))

    def stream(self, name: str) -> Iterator[bytes]:
        """See Store."""
        with self._if_there(), self._path(name).open("rb") as file:
            while piece := file.read(READ):
                yield piece
            return
        raise gone(name)

    def part(self, name: str, start: int, length: int) -> bytes:
        """See Store."""
        with (self._folder / name).open("rb") as file:
            file.seek(start)
            return file.read(length)

    @contextlib.contextmanager
    def lock(self, name: str, run: str) -> Iterator[None]:
        """See Store: a lock of the operating system, so it ends with the process that holds it."""
        below, _, own = checked(name).rpartition("/")
        folder = open_folder(self._folder, below, make=True)
        try:
            with locked_file(own, folder, self._folder / name, run):
                self._progress(Step.LOCKED, 0, None)
                try:
                    yield
                finally:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(own, dir_fd=folder)
        finally:
            os.close(folder)

    def draft(self, name: str, seen: str | None, *, afresh: bool = False) -> LocalDraft:  # noqa: ARG002 - a file always is
        """See Store."""
        return LocalDraft(self._folder, checked(name), seen, self._progress)

    def _path(self, name: str) -> Path:
        return self._folder / checked(name)

    @contextlib.contextmanager
    def _if_there(self) -> Iterator[None]:
        """Go on behind the block where an object is not there; a file in the data folder's own place is an error."""
        try:
            yield
        except (FileNotFoundError, IsADirectoryError):
            return
        except NotADirectoryError:
            if not self._folder.is_dir():
                raise

    def _entry(self, path: Path) -> Entry | None:
        with self._if_there():
            there = path.stat()
            if stat.S_ISREG(there.st_mode):
                return Entry(path.relative_to(self._folder).as_posix(), there.st_size, etag_of(there))
        return None
