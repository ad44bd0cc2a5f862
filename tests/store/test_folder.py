import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import DayHeldError, StoreError
from exporter.store import ANY, Store, folder_lock
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
    (hidden,) = files(tmp_path)
    assert re.fullmatch(rf"\.{re.escape(DUMP)}\.[0-9a-f]{{16}}\.draft", hidden)
    draft.discard()
    assert files(tmp_path) == set()


@pytest.mark.parametrize(("step", "drafts"), [("committing", "unnamed"), ("committing", "named"), ("written", "named")])
def test_a_living_draft_of_another_process_is_left_alone(tmp_path: Path, step: str, drafts: str) -> None:
    """What another exporter is writing is no leftover: it is committed after all, and only then is it gone."""
    with stopped_at(step, tmp_path, drafts) as child:
        before = files(tmp_path)
        assert len(before) == 2
        LocalStore(tmp_path).draft(DUMP, None).discard()
        assert files(tmp_path) == before
        out, _ = child.communicate("")
    assert child.returncode == 0, out
    assert text_of(LocalStore(tmp_path), DUMP) == b"x" * 3_000_000
    assert files(tmp_path) == {DUMP}


def test_the_draft_of_an_older_exporter_is_removed(tmp_path: Path) -> None:
    """The one name that all drafts of a dump had before this version is a leftover, too; another dump's is not."""
    for name in (f".{DUMP}.draft", f".{DUMP}x.draft", f".{DUMP}.swp"):
        (tmp_path / name).touch()
    LocalStore(tmp_path).draft(DUMP, None).discard()
    assert files(tmp_path) == {f".{DUMP}x.draft", f".{DUMP}.swp"}


def test_a_new_draft_taken_for_a_leftover_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft that another exporter removed in the moment before it was held gets another name, and is whole."""
    monkeypatch.delattr(os, "O_TMPFILE")
    remove, real = [True], os.fchmod

    def removed_meanwhile(descriptor: int, mode: int) -> None:
        real(descriptor, mode)
        if remove.pop():
            for name in files(tmp_path):
                (tmp_path / name).unlink()
        remove.append(False)

    monkeypatch.setattr(os, "fchmod", removed_meanwhile)
    written(LocalStore(tmp_path), DUMP, b"[]\n")
    assert text_of(LocalStore(tmp_path), DUMP) == b"[]\n"


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


def test_looking_at_a_lock_does_not_keep_it(tmp_path: Path) -> None:
    """While somebody looks whether a lock is held, an exporter waits for them; it is not told that it is held."""
    store = LocalStore(tmp_path)
    (tmp_path / LOCK).parent.mkdir()
    with (tmp_path / LOCK).open("wb") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        threading.Timer(0.1, fcntl.flock, (looked_at, fcntl.LOCK_UN)).start()
        with store.lock(LOCK, "run-1"):
            assert (tmp_path / LOCK).read_text() == "run-1"


def test_lookers_do_not_take_each_other_for_a_holder(tmp_path: Path) -> None:
    """A lock file that somebody else looks at in this moment is not shown as held."""
    (tmp_path / LOCK).parent.mkdir()
    with (tmp_path / LOCK).open("wb") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        assert [entry.metadata for entry in LocalStore(tmp_path).list("locks/")] == [None]
        fcntl.flock(looked_at, fcntl.LOCK_EX)
        assert [entry.metadata for entry in LocalStore(tmp_path).list("locks/")] == [{"lease": "leased"}]


def test_a_lock_file_that_was_just_removed_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who locks a file that its holder removes in this moment locks the one that others will find."""
    real, remove = fcntl.flock, [True]

    def removed_before(file: int, how: int) -> None:
        if remove.pop():
            (tmp_path / LOCK).unlink()
        remove.append(False)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with LocalStore(tmp_path).lock(LOCK, "run-1"):
        assert (tmp_path / LOCK).read_text() == "run-1"
        with pytest.raises(DayHeldError, match="run-1"), LocalStore(tmp_path).lock(LOCK, "run-2"):
            pass


def test_between_look_and_rename_nobody_commits(tmp_path: Path) -> None:
    """A commit waits while another exporter is between its look at the folder and its rename."""
    reached = threading.Event()
    store = LocalStore(tmp_path, lambda step, _done, _total: reached.set() if step == "committing" else None)
    draft = store.draft(DUMP, None)
    draft.write(0, b"[]\n")
    committing = threading.Thread(target=draft.commit, args=(METADATA,))
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    committing.start()
    assert reached.wait(60)
    committing.join(0.2)
    assert store.stat(DUMP) is None
    os.close(folder)
    committing.join()
    draft.discard()
    assert store.stat(DUMP) is not None


def mode(path: Path) -> int:
    """The permissions of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o277], ids=oct)
def umask(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:  # noqa: ARG001 - it is made before
    """A umask that takes nothing, the usual one, and one that takes the owner's right to write."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("drafts", ["unnamed", "named"])
def test_what_is_written_is_its_owners_only(tmp_path: Path, drafts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dumps, records, drafts and locks are 0600 and their folders 0700, whatever the umask."""
    if drafts == "named":
        monkeypatch.delattr(os, "O_TMPFILE")
    data = tmp_path / "a" / "data"
    store = LocalStore(data)
    with store.lock(LOCK, "run-1"):
        draft = store.draft(DUMP, None)
        assert stat.S_IMODE(os.fstat(draft.file.fileno()).st_mode) == 0o600
        draft.commit(METADATA)
        draft.discard()
        store.write("manifests/20251106_0000.json", b"{}", seen=None, metadata={})
        assert {mode(data / name) for name in files(data)} == {0o600}
        assert len(files(data)) == 3
    assert {mode(folder) for folder in (data.parent, data, data / "manifests", data / "locks")} == {0o700}


def test_the_mode_of_an_existing_folder_is_left(tmp_path: Path) -> None:
    """Whoever lets a group read the data folder has said so; a file in it that is replaced becomes its owner's only."""
    data = tmp_path / "data"
    (data / "locks").mkdir(parents=True)
    for path, given in ((data, 0o750), (data / "locks", 0o775)):
        path.chmod(given)
    for path in (data / DUMP, data / LOCK):
        path.touch()
        path.chmod(0o644)
    store = LocalStore(data)
    with store.lock(LOCK, "run-1"):
        assert mode(data / LOCK) == 0o600
        store.write(DUMP, b"[]\n", seen=ANY, metadata={})
    assert (mode(data), mode(data / "locks"), mode(data / DUMP)) == (0o750, 0o775, 0o600)


def test_the_data_folder_may_be_a_link(tmp_path: Path) -> None:
    """Dumps may lie on another disk: where the link points to is where they are written."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    store = LocalStore(tmp_path / "data")
    with store.lock(LOCK, "run-1"):
        written(store, DUMP, b"[]\n")
    assert files(tmp_path / "disk") == {DUMP}


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.write("manifests/x", b"x", seen=ANY, metadata={}),
        lambda store: store.draft("manifests/x", None),
        lambda store: store.delete("manifests/there"),
        lambda store: store.lock("manifests/there", "run-1").__enter__(),
        lambda store: store.lock("locks/link", "run-1").__enter__(),
        lambda store: store.lock("locks/dangling", "run-1").__enter__(),
    ],
    ids=["write", "draft", "delete", "lock", "lock-link", "lock-dangling"],
)
def test_below_the_data_folder_no_link_is_followed(tmp_path: Path, act: Callable[[LocalStore], object]) -> None:
    """A link to a folder or a lock file elsewhere is refused in one sentence; nothing there is made or changed."""
    outside, data = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    (outside / "there").write_text("as it was")
    (data / "locks").mkdir(parents=True)
    (data / "manifests").symlink_to(outside)
    (data / "locks" / "link").symlink_to(outside / "there")
    (data / "locks" / "dangling").symlink_to(outside / "not-there")
    with pytest.raises(StoreError, match="leads through a link"):
        act(LocalStore(data))
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"there": "as it was"}


def test_a_link_in_a_dumps_place_is_replaced(tmp_path: Path) -> None:
    """What a dump's name links to stays as it was; the name becomes the dump's own."""
    (tmp_path / "outside").write_text("as it was")
    data = tmp_path / "data"
    data.mkdir()
    (data / DUMP).symlink_to(tmp_path / "outside")
    store = LocalStore(data)
    found = store.stat(DUMP)
    assert found is not None
    written(store, DUMP, b"[]\n", found.etag)
    assert not (data / DUMP).is_symlink()
    store.delete(DUMP)
    assert (tmp_path / "outside").read_text() == "as it was"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "fifo"])
def test_what_is_no_file_in_a_dumps_place_is_said(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """It is no other exporter's dump, so nobody looks for one: a person has to move it away."""
    make(tmp_path / DUMP)
    store = LocalStore(tmp_path)
    assert store.stat(DUMP) is None
    with pytest.raises(StoreError, match=re.escape(f"{DUMP} is there, and is no file. Move it away")):
        written(store, DUMP, b"[]\n", None)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is made, renamed and removed, and which file or folder is synced, in order; each by its real path."""
    told: list[tuple[str, str]] = []

    def place(descriptor: int | None) -> str:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())

    def watched(name: str, tell: Callable[..., str]) -> None:
        real = getattr(os, name)

        def call(*args: Any, **options: Any) -> Any:
            told.append((name, tell(*args, **options)))
            return real(*args, **options)

        monkeypatch.setattr(os, name, call)

    watched("fsync", place)
    watched("mkdir", lambda path, _mode, *, dir_fd: f"{place(dir_fd)}/{path}")
    watched("unlink", lambda path, *, dir_fd: f"{place(dir_fd)}/{path}")
    watched("rename", lambda _old, new, *, dst_dir_fd, **_: f"{place(dst_dir_fd)}/{new}")
    return told


def test_new_folders_and_dumps_survive_a_power_cut(tmp_path: Path, synced: list[tuple[str, str]]) -> None:
    """Every folder that is made is synced into the one above it, and a dump into its folder, its bytes before."""
    store = LocalStore(tmp_path / "a" / "data")
    draft = store.draft("web/manifests/x", None)
    draft.write(0, b"[]\n")
    draft.commit(METADATA)
    draft.discard()
    data = tmp_path / "a" / "data"
    made = [("mkdir", tmp_path / "a"), ("mkdir", data), ("mkdir", data / "web"), ("mkdir", data / "web" / "manifests")]
    expected = [step for each in made for step in (each, ("fsync", each[1].parent))]
    assert synced[:8] == [(name, str(path)) for name, path in expected]
    assert [name for name, _ in synced[8:]] == ["fsync", "rename", "fsync"]
    assert "deleted" in synced[8][1], "the file itself, which has no name yet"
    assert synced[9:] == [("rename", str(data / "web/manifests/x")), ("fsync", str(data / "web/manifests"))]


def test_what_is_deleted_stays_deleted_after_a_power_cut(tmp_path: Path, synced: list[tuple[str, str]]) -> None:
    """The folder is synced after an object is removed from it, and only then."""
    store = LocalStore(tmp_path)
    store.write("failures/x", b"{}", seen=None, metadata={})
    synced.clear()
    store.delete("failures/x")
    folder = str(tmp_path / "failures")
    assert synced == [("unlink", f"{folder}/x"), ("fsync", folder)]
    store.delete("failures/x")
    assert synced[2:] == [("unlink", f"{folder}/x")]


def test_dumps_written_in_one_tick_of_the_clock_differ(tmp_path: Path) -> None:
    """A dump of the same size has another ETag than the one it replaces, even where the clock stands still."""
    store, etags = LocalStore(tmp_path), []
    for text in (b"1", b"2", b"3"):
        draft = store.draft(DUMP, ANY)
        draft.write(0, text)
        draft.file.flush()
        os.utime(draft.file.fileno(), ns=(10**18, 10**18))
        etags.append(draft.commit(METADATA))
        draft.discard()
        assert store.read(DUMP) == (text, etags[-1])
    assert etags[0] != etags[1] != etags[2]


def test_a_folder_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files cannot be locked, the store says so in one sentence and makes nothing."""
    monkeypatch.setattr(folder_lock, "fcntl", None)
    with pytest.raises(StoreError, match="needs Linux, macOS or WSL"):
        LocalStore(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_hidden_files_and_folders_are_no_objects(tmp_path: Path) -> None:
    """What other programs put beside the dumps is listed only if it could be an object, which the store would read."""
    for name in (".DS_Store", "20251106\n", "20251106\\x", "20251106\udcff"):
        (tmp_path / name).touch()
    (tmp_path / "20251106").mkdir()
    store = LocalStore(tmp_path)
    store.write(DUMP, b"[]\n", seen=None, metadata=METADATA)
    assert [entry.name for entry in store.list("")] == [DUMP]
    assert [entry.name for entry in store.list("20")] == [DUMP]


def test_a_file_in_the_data_folders_place_is_an_error(tmp_path: Path) -> None:
    """A store that cannot be read is not taken for an empty one."""
    (tmp_path / "data").touch()
    store = LocalStore(tmp_path / "data")
    for act in (lambda: store.read(DUMP), lambda: store.stat(DUMP), lambda: list(store.list(""))):
        with pytest.raises(NotADirectoryError):
            act()


def test_the_store_tells_where_it_is(tmp_path: Path) -> None:
    """Its text form names the folder, for messages."""
    assert str(LocalStore(tmp_path)) == f"folder {tmp_path}"
