"""A folder behind the Store contract."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from exporter.errors import DayHeldError, LostRaceError
from exporter.report import Progress, Step, no_progress
from exporter.store import ANY, Entry

READ = 1 << 20


class LocalStore:
    """A folder. An object's ETag is its size and the time it was written."""

    def __init__(self, folder: Path, progress: Progress = no_progress) -> None:
        self._folder = folder
        self._progress = progress

    def __str__(self) -> str:
        return f"folder {self._folder}"

    def read(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(), _etag(os.fstat(file.fileno()))
        except FileNotFoundError:
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

    def delete(self, name: str) -> None:
        """See Store."""
        (self._folder / name).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[Entry]:
        """See Store."""
        folder, _, start = prefix.rpartition("/")
        with contextlib.suppress(FileNotFoundError):
            for path in sorted((self._folder / folder).iterdir()):
                if path.name.startswith(start) and not path.name.startswith(".") and path.is_file():
                    found = self.stat(path.relative_to(self._folder).as_posix())
                    if found:
                        yield replace(found, metadata={"lease": "leased"}) if _is_locked(path) else found

    def stat(self, name: str) -> Entry | None:
        """See Store."""
        try:
            there = (self._folder / name).stat()
        except FileNotFoundError:
            return None
        return Entry(name, there.st_size, _etag(there))

    def stream(self, name: str) -> Iterator[bytes]:
        """See Store."""
        with (self._folder / name).open("rb") as file:
            while piece := file.read(READ):
                yield piece

    def part(self, name: str, start: int, length: int) -> bytes:
        """See Store."""
        with (self._folder / name).open("rb") as file:
            file.seek(start)
            return file.read(length)

    @contextlib.contextmanager
    def lock(self, name: str, run: str) -> Iterator[None]:
        """See Store: a lock of the operating system, so it ends with the process that holds it."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with _open_locked(path) as file:
            file.write(run.encode())
            file.flush()
            self._progress(Step.LOCKED, 0, None)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def draft(self, name: str, seen: str | None) -> "LocalDraft":
        """See Store."""
        return LocalDraft(self._folder / name, seen, self._progress)


class LocalDraft:
    """A file beside its final name, and without a name of its own where the platform allows that."""

    def __init__(self, path: Path, seen: str | None, progress: Progress = no_progress) -> None:
        self._path = path
        self._seen = seen
        self._progress = progress
        path.parent.mkdir(parents=True, exist_ok=True)
        self._named, self.file = _beside(path)

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
        os.fsync(self.file.fileno())
        there = _etag(self._path.stat()) if self._path.exists() else None
        if self._seen not in (ANY, there):
            raise LostRaceError(f"{self._path.name} was changed by another exporter since this one looked")
        if self._named is None:
            self._named = _hidden(self._path)
            descriptor = self.file.fileno()  # given twice: Python follows the link only beside a folder's descriptor
            os.link(f"/proc/self/fd/{descriptor}", self._named, src_dir_fd=descriptor, follow_symlinks=True)
        self._progress(Step.COMMITTING, 0, None)
        self._named.replace(self._path)
        self._named = None
        _fsync_folder(self._path.parent)
        self._progress(Step.COMMITTED, 0, None)
        return _etag(os.fstat(self.file.fileno()))

    def discard(self) -> None:
        """See Draft."""
        try:
            self.file.close()  # writes what is buffered, which a full disk refuses again
        finally:
            if self._named:
                self._named.unlink(missing_ok=True)
                self._named = None


def _etag(there: os.stat_result) -> str:
    return f"{there.st_size}-{there.st_mtime_ns}"


def _hidden(path: Path) -> Path:
    """The draft's name: one for each dump, so what a killed exporter left is overwritten by the next one."""
    hidden = path.with_name(f".{path.name}.draft")
    hidden.unlink(missing_ok=True)
    return hidden


def _beside(path: Path) -> tuple[Path | None, BinaryIO]:
    """A new file in the folder of ``path``: without a name (and then None), else under a hidden one."""
    unnamed: int = getattr(os, "O_TMPFILE", 0)
    if unnamed and Path("/proc/self/fd").exists():
        with contextlib.suppress(OSError):  # a file system that cannot do it
            return None, os.fdopen(os.open(path.parent, unnamed | os.O_RDWR, 0o644), "w+b", READ)
    hidden = _hidden(path)
    return hidden, hidden.open("w+b", READ)


def _fsync_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    """Whether an exporter holds the lock file; nothing else is ever locked."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _open_locked(path: Path) -> BinaryIO:
    """The lock file, locked. A file that its last holder has just removed does not count."""
    while True:
        file = path.open("a+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate(0)
                return file
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode("ascii", "replace")
            file.close()
            raise DayHeldError(
                f"{path} is held by run {holder or 'unknown'}, which is at work on this day. It is free when that run "
                "ends: wait for it, then call again",
                holder,
            ) from None
        file.close()
