import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.errors import DayHeldError
from exporter.store import Store
from exporter.store.folder import LocalStore
from tests.kit.memory import MemoryStore
from tests.store.contract import DUMP, LOCK, METADATA, StoreContract, text_of, written

REPOSITORY = Path(__file__).parents[2]
CHILD = """
import os, sys
from pathlib import Path
from exporter.store.folder import LocalStore

def reached(step, done, total=None):
    if step == sys.argv[2]:
        print(step, flush=True)
        sys.stdin.read()

if sys.argv[3] == "named":
    del os.O_TMPFILE
store = LocalStore(Path(sys.argv[1]), reached)
with store.lock("locks/20251106_0000", "run-child"):
    draft = store.draft("20251106_0000_ampl_dump.json", None)
    draft.write(0, b"x" * 3_000_000)
    draft.file.flush()
    reached("written", 0)
    draft.commit({})
    reached("returned", 0)
"""


class TestLocalStore(StoreContract):
    """The contract on a folder."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """A store in a folder that is not there yet."""
        return LocalStore(tmp_path / "data")

    @pytest.fixture
    def other(self, tmp_path: Path) -> Store:
        """Another exporter's view of the folder."""
        return LocalStore(tmp_path / "data")


class TestLocalStoreWithNamedDrafts(TestLocalStore):
    """The contract where the file system has no unnamed files."""

    @pytest.fixture(autouse=True)
    def _named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "O_TMPFILE")


class TestMemoryStore(StoreContract):
    """The contract on the store that other tests use, so that they may trust it."""

    @pytest.fixture
    def store(self) -> Store:
        """An empty store."""
        return MemoryStore()

    @pytest.fixture
    def other(self, store: Store) -> Store:
        """There is no second view of a dictionary."""
        return store


def files(folder: Path) -> set[str]:
    """Every file below a folder, hidden ones too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def stopped_at(step: str, folder: Path, drafts: str = "unnamed") -> Iterator[subprocess.Popen[str]]:
    """A child process that writes a day and has just reached ``step``; it waits there."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), step, drafts],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == f"{step}\n"
        yield child
        child.kill()


def kill(child: subprocess.Popen[str]) -> None:
    """Kill -9."""
    child.send_signal(signal.SIGKILL)
    child.wait()


def test_a_draft_has_no_name(tmp_path: Path) -> None:
    """While a day is written, the folder holds no file of it, not even a hidden one."""
    draft = LocalStore(tmp_path).draft(DUMP, None)
    draft.write(0, b"x" * 100_000)
    assert files(tmp_path) == set()
    draft.discard()


def test_a_discarded_named_draft_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where drafts need a name, it is a hidden one that a discard takes away."""
    monkeypatch.delattr(os, "O_TMPFILE")
    draft = LocalStore(tmp_path).draft(DUMP, None)
    assert files(tmp_path) == {f".{DUMP}.draft"}
    draft.discard()
    assert files(tmp_path) == set()


@pytest.mark.parametrize("step", ["locked", "written"])
def test_kill_while_writing_leaves_no_file(tmp_path: Path, step: str) -> None:
    """An exporter killed before its commit leaves nothing but its lock file."""
    with stopped_at(step, tmp_path) as child:
        kill(child)
    assert files(tmp_path) == {LOCK}


@pytest.mark.parametrize(("step", "drafts"), [("committing", "unnamed"), ("committing", "named"), ("written", "named")])
def test_kill_before_the_rename_shows_nothing(tmp_path: Path, step: str, drafts: str) -> None:
    """What an exporter killed just before the rename leaves is invisible, and gone after the next export."""
    with stopped_at(step, tmp_path, drafts) as child:
        kill(child)
    store = LocalStore(tmp_path)
    assert store.stat(DUMP) is None
    assert list(store.list("")) == []
    with store.lock(LOCK, "run-2"):
        written(store, DUMP, b"[]\n")
    assert files(tmp_path) == {DUMP}


def test_kill_after_the_rename_shows_the_whole_day(tmp_path: Path) -> None:
    """An exporter killed just after the rename leaves the whole text, and nothing else."""
    with stopped_at("committed", tmp_path) as child:
        kill(child)
    assert text_of(LocalStore(tmp_path), DUMP) == b"x" * 3_000_000
    assert files(tmp_path) == {DUMP, LOCK}


def test_a_lock_is_seen_by_other_processes_and_ends_with_its_own(tmp_path: Path) -> None:
    """A running exporter holds its day against another process; a killed one does not."""
    store = LocalStore(tmp_path)
    with stopped_at("written", tmp_path) as child:
        with pytest.raises(DayHeldError, match="run-child") as caught, store.lock(LOCK, "run-2"):
            pass
        assert caught.value.holder == "run-child"
        kill(child)
    with store.lock(LOCK, "run-2"):
        assert (tmp_path / LOCK).read_text() == "run-2"
    assert files(tmp_path) == set()


def test_a_lock_file_removed_by_its_holder_is_not_locked_by_the_next(tmp_path: Path) -> None:
    """Who opened the file just before its holder removed it takes the lock on a file that others can see."""
    store = LocalStore(tmp_path)
    for run in ("run-1", "run-2"):
        with store.lock(LOCK, run):
            assert (tmp_path / LOCK).read_text() == run
            with pytest.raises(DayHeldError), LocalStore(tmp_path).lock(LOCK, "run-3"):
                pass


def test_others_may_read_a_dump(tmp_path: Path) -> None:
    """A dump has the permissions of an ordinary file, though it was written without a name."""
    mask = os.umask(0o027)
    try:
        written(LocalStore(tmp_path), DUMP, b"[]\n")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / DUMP).stat().st_mode) == 0o640


def test_hidden_files_and_folders_are_no_objects(tmp_path: Path) -> None:
    """What other programs put beside the dumps is listed only if it could be an object."""
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "20251106").mkdir()
    store = LocalStore(tmp_path)
    store.write(DUMP, b"[]\n", seen=None, metadata=METADATA)
    assert [entry.name for entry in store.list("")] == [DUMP]
    assert [entry.name for entry in store.list("20")] == [DUMP]


def test_the_store_tells_where_it_is(tmp_path: Path) -> None:
    """Its text form names the folder, for messages."""
    assert str(LocalStore(tmp_path)) == f"folder {tmp_path}"
