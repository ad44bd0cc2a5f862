"""What every store keeps to. A test module subclasses `StoreContract` and supplies the fixture ``store``.

Restic's idea: the cases are about what a reader sees while and after something went wrong, and not about how the
store does it. A second `Store` on the same place, for two writers, is the fixture ``other``.
"""

import io
import random
import threading
from collections.abc import Iterator

import pytest

from exporter.days.layout import Layout
from exporter.errors import DayHeldError, LostRaceError, StoreError
from exporter.store import ANY, Draft, Remaining, Store
from tests.kit import DAY

LAYOUT = Layout()
DUMP, MANIFEST, LOCK = LAYOUT.dump(DAY), LAYOUT.manifest(DAY), LAYOUT.lock(DAY)
METADATA = {"sha256": "ab" * 32, "events": "3"}
PIECE_LIMIT = 32 << 20
NO_NAMES = (
    "",
    "/etc/passwd",
    "../outside",
    "manifests/../../outside",
    "manifests/..",
    "manifests//x",
    "manifests/",
    "./x",
    ".hidden",
    "manifests/.hidden",
    "nul\0byte",
    "line\nbreak",
    "..\\outside",
)
"""What no object may be called."""
NO_PREFIXES = ("/etc/", "../", "manifests/../../", "manifests//", ".hid", "nul\0", "..\\")


class BrokenBodyError(Exception):
    """What a body raises that breaks in the middle."""


class BrokenBody(io.BytesIO):
    """A body of 200,000 bytes, of which the second half cannot be read."""

    def __init__(self) -> None:
        super().__init__(b"x" * 200_000)

    def read(self, size: int | None = -1, /) -> bytes:
        """The next piece, or the error."""
        if size is None or size < 0 or self.tell() + size > 100_000:
            raise BrokenBodyError
        return super().read(size)


def names(store: Store, prefix: str) -> list[str]:
    """What a listing shows."""
    return [entry.name for entry in store.list(prefix)]


def text_of(store: Store, name: str) -> bytes:
    """The object as a reader of a big file gets it."""
    return b"".join(store.stream(name))


def written(store: Store, name: str, text: bytes, seen: str | None = None) -> str:
    """Write a dump through a draft; return its ETag."""
    draft = store.draft(name, seen)
    try:
        draft.write(0, text)
        return draft.commit(METADATA)
    finally:
        draft.discard()


class StoreContract:
    """One suite for every store."""

    def test_nothing_is_there_at_first(self, store: Store) -> None:
        """What is not there is None, an empty listing, and harmless to delete."""
        assert store.read(MANIFEST) is None
        assert store.stat(DUMP) is None
        assert names(store, LAYOUT.dumps) == names(store, LAYOUT.manifests) == []
        store.delete(MANIFEST)

    def test_purging_the_past_leaves_what_is_there(self, store: Store) -> None:
        """Old versions go, where a store has them; the object itself and others stay, and nothing need be there."""
        store.write(MANIFEST, b"one", seen=None, metadata=METADATA)
        store.write(MANIFEST, b"two", seen=ANY, metadata=METADATA)
        assert store.purge(MANIFEST) == store.purge(DUMP) == Remaining()
        assert (store.read(MANIFEST) or (b"", ""))[0] == b"two"
        with pytest.raises(StoreError):
            store.purge("../outside")

    def test_what_is_written_can_be_read(self, store: Store) -> None:
        """Content, ETag, size and listing agree after a write."""
        etag = store.write(MANIFEST, b"{}\n", seen=None, metadata=METADATA)
        assert store.read(MANIFEST) == (b"{}\n", etag)
        entry = store.stat(MANIFEST)
        assert entry is not None
        assert (entry.name, entry.size, entry.etag) == (MANIFEST, 3, etag)
        assert list(store.list(LAYOUT.manifests)) == [entry]

    def test_metadata_is_kept_whole_or_not_at_all(self, store: Store) -> None:
        """A listing shows the metadata that were written, or None; never some of them."""
        store.write(MANIFEST, b"{}", seen=None, metadata=METADATA)
        written(store, DUMP, b"[]\n")
        for entry in (*store.list(LAYOUT.manifests), *store.list(LAYOUT.dumps)):
            assert entry.metadata is None or dict(entry.metadata) == METADATA

    def test_a_body_may_be_a_file(self, store: Store) -> None:
        """A file is read to its end, with every byte kept."""
        body = bytes(range(256)) * 5000
        store.write("rejected/x", io.BytesIO(body), seen=ANY, metadata={})
        assert text_of(store, "rejected/x") == body

    def test_an_empty_object_is_an_object(self, store: Store) -> None:
        """No bytes are not the same as nothing there."""
        etag = store.write(MANIFEST, b"", seen=None, metadata={})
        assert store.read(MANIFEST) == (b"", etag)

    def test_a_broken_body_leaves_nothing(self, store: Store) -> None:
        """An incomplete write is not visible, under its name or any other."""
        with pytest.raises(BrokenBodyError):
            store.write(MANIFEST, BrokenBody(), seen=None, metadata={})
        assert store.read(MANIFEST) is None
        assert names(store, LAYOUT.manifests) == []

    def test_a_broken_body_leaves_the_old_object(self, store: Store) -> None:
        """An incomplete replacement changes nothing."""
        etag = store.write(MANIFEST, b"old", seen=None, metadata={})
        with pytest.raises(BrokenBodyError):
            store.write(MANIFEST, BrokenBody(), seen=etag, metadata={})
        assert store.read(MANIFEST) == (b"old", etag)

    def test_delete_removes_one_object(self, store: Store) -> None:
        """A deleted object is gone, its neighbours stay."""
        store.write("failures/a", b"1", seen=None, metadata={})
        store.write("failures/ab", b"2", seen=None, metadata={})
        store.delete("failures/a")
        assert store.read("failures/a") is None
        assert names(store, "failures/") == ["failures/ab"]

    def test_other_content_has_another_etag(self, store: Store) -> None:
        """Content of the same size, written at once after the other, can be told from it."""
        etags = {store.write(MANIFEST, text, seen=ANY, metadata={}) for text in (b"1", b"2", b"3")}
        assert len(etags) == 3

    @pytest.mark.parametrize("seen", [None, "1-1", '"0x8D0"'])
    def test_a_refused_write_is_not_stored(self, store: Store, seen: str | None) -> None:
        """A write that saw something else is an error, and really not stored."""
        etag = store.write(MANIFEST, b"theirs", seen=None, metadata={})
        with pytest.raises(LostRaceError):
            store.write(MANIFEST, b"ours", seen=seen, metadata={})
        assert store.read(MANIFEST) == (b"theirs", etag)

    def test_an_etag_is_good_for_one_write(self, store: Store) -> None:
        """Of two writers that saw the same, the first wins."""
        etag = store.write(MANIFEST, b"0", seen=None, metadata={})
        first = store.write(MANIFEST, b"first", seen=etag, metadata={})
        with pytest.raises(LostRaceError):
            store.write(MANIFEST, b"second", seen=etag, metadata={})
        assert store.read(MANIFEST) == (b"first", first)

    def test_what_was_seen_must_still_be_there(self, store: Store) -> None:
        """An object that was deleted since is no longer what was seen."""
        etag = store.write(MANIFEST, b"0", seen=None, metadata={})
        store.delete(MANIFEST)
        with pytest.raises(LostRaceError):
            store.write(MANIFEST, b"1", seen=etag, metadata={})
        assert store.read(MANIFEST) is None

    def test_any_writes_whatever_is_there(self, store: Store) -> None:
        """ANY creates and replaces."""
        store.write(MANIFEST, b"1", seen=ANY, metadata={})
        store.write(MANIFEST, b"2", seen=ANY, metadata={})
        assert text_of(store, MANIFEST) == b"2"

    def test_a_listing_is_in_order_and_keeps_to_its_prefix(self, store: Store) -> None:
        """Dumps are listed by date without manifests, manifests without dumps; a prefix may end inside a name."""
        for name in (
            "20251107_0000_ampl_dump.json",
            "20251106_0000_ampl_dump.json",
            "manifests/20251107_0000.json",
            "manifests/20251106_0000.json",
            "manifestsandmore",
            "failures/20251106_0000.json",
        ):
            store.write(name, b"x", seen=None, metadata={})
        assert names(store, "20") == ["20251106_0000_ampl_dump.json", "20251107_0000_ampl_dump.json"]
        assert names(store, "20251107") == ["20251107_0000_ampl_dump.json"]
        assert names(store, "manifests/") == ["manifests/20251106_0000.json", "manifests/20251107_0000.json"]
        assert names(store, "manifests/20251107") == ["manifests/20251107_0000.json"]

    def test_prefixes_keep_projects_apart(self, store: Store) -> None:
        """The listing of one prefix shows nothing of another."""
        for prefix in ("", "web/", "app/"):
            store.write(Layout(prefix=prefix).dump(DAY), b"x", seen=None, metadata={})
        for prefix in ("", "web/", "app/"):
            layout = Layout(prefix=prefix)
            assert names(store, layout.dumps) == [layout.dump(DAY)]

    def test_a_big_object_comes_in_pieces(self, store: Store) -> None:
        """A stream gives every byte, in pieces of bounded size."""
        text = random.Random(1).randbytes(1 << 20) * 40
        written(store, DUMP, text)
        pieces = list(store.stream(DUMP))
        assert max(map(len, pieces)) <= PIECE_LIMIT
        assert b"".join(pieces) == text

    def test_a_part_of_an_object_can_be_read(self, store: Store) -> None:
        """So many bytes from a place on; what would be behind the end is not there."""
        store.write("manifests/a", b"0123456789", seen=None, metadata={})
        assert store.part("manifests/a", 0, 3) == b"012"
        assert store.part("manifests/a", 4, 4) == b"4567"
        assert store.part("manifests/a", 8, 100) == b"89"

    def test_a_draft_is_not_visible_before_its_commit(self, store: Store) -> None:
        """Nobody sees any of a draft under the dump's name, or in the listing of the dumps."""
        draft = store.draft(DUMP, None)
        draft.write(0, b"[\n" * 3_000_000)
        assert store.stat(DUMP) is None
        assert store.read(DUMP) is None
        assert names(store, LAYOUT.dumps) == []
        draft.discard()
        assert names(store, LAYOUT.dumps) == []

    def test_a_commit_shows_the_whole_day(self, store: Store) -> None:
        """After the commit the text, the ETag and the listing are there, and a discard takes nothing away."""
        draft = store.draft(DUMP, None)
        for hour in range(25):
            draft.write(hour, memoryview(b"hour %d\n" % hour))
        etag = draft.commit(METADATA)
        draft.discard()
        entry = store.stat(DUMP)
        assert entry is not None
        assert entry.etag == etag
        assert text_of(store, DUMP) == b"".join(b"hour %d\n" % hour for hour in range(25))
        assert list(store.list(LAYOUT.dumps)) == [entry]

    def test_readers_see_the_old_day_until_the_commit(self, store: Store) -> None:
        """A day being replaced is the old one, then the new one."""
        etag = written(store, DUMP, b"the old day")
        draft = store.draft(DUMP, etag)
        draft.write(0, b"the new day, which is longer")
        assert text_of(store, DUMP) == b"the old day"
        draft.commit(METADATA)
        draft.discard()
        assert text_of(store, DUMP) == b"the new day, which is longer"

    def test_a_discarded_replacement_changes_nothing(self, store: Store) -> None:
        """A draft that is given up leaves the stored day with its ETag."""
        etag = written(store, DUMP, b"the old day")
        draft = store.draft(DUMP, etag)
        draft.write(5, b"something else")
        draft.discard()
        entry = store.stat(DUMP)
        assert entry is not None
        assert entry.etag == etag
        assert text_of(store, DUMP) == b"the old day"

    def test_a_discard_can_be_repeated(self, store: Store) -> None:
        """Discarding twice is harmless."""
        draft = store.draft(DUMP, None)
        draft.write(0, b"x")
        draft.discard()
        draft.discard()
        assert store.stat(DUMP) is None

    def test_a_draft_can_be_begun_again(self, store: Store) -> None:
        """What a given-up draft wrote does not get in the way of the next one."""
        draft = store.draft(DUMP, None)
        draft.write(0, b"first attempt")
        draft.discard()
        written(store, DUMP, b"second")
        assert text_of(store, DUMP) == b"second"

    def test_back_forgets_what_came_after_the_mark(self, store: Store) -> None:
        """The window that broke leaves no byte; what stood before it stays."""
        draft = store.draft(DUMP, None)
        draft.write(0, b"kept,")
        mark = draft.mark()
        draft.write(1, b"a long text that is forgotten" * 1000)
        draft.back(mark)
        draft.write(1, b"and this")
        draft.commit(METADATA)
        draft.discard()
        assert text_of(store, DUMP) == b"kept,and this"

    def test_back_to_the_beginning(self, store: Store) -> None:
        """A mark before the first byte brings back an empty draft; an earlier hour may follow."""
        draft = store.draft(DUMP, None)
        start = draft.mark()
        draft.write(23, b"late")
        draft.back(start)
        draft.write(0, b"early")
        draft.commit(METADATA)
        draft.discard()
        assert text_of(store, DUMP) == b"early"

    @pytest.mark.parametrize("seed", range(6))
    def test_any_order_of_writes_marks_and_backs(self, store: Store, seed: int) -> None:
        """Whatever is written, marked and taken back, the dump is what was left of it."""
        rng = random.Random(seed)
        draft, model = store.draft(DUMP, None), bytearray()
        play(draft, model, rng)
        draft.commit(METADATA)
        draft.discard()
        assert text_of(store, DUMP) == bytes(model)

    def test_a_draft_that_lost_the_race_is_not_stored(self, store: Store, other: Store) -> None:
        """Of two writers of a new day, the first commit stands; the other one is told."""
        ours, theirs = store.draft(DUMP, None), other.draft(DUMP, None)
        ours.write(0, b"our day")
        theirs.write(0, b"their day")
        theirs.commit(METADATA)
        with pytest.raises(LostRaceError):
            ours.commit(METADATA)
        ours.discard()
        theirs.discard()
        assert text_of(store, DUMP) == b"their day"

    def test_a_draft_does_not_replace_a_day_that_changed(self, store: Store, other: Store) -> None:
        """A day replaced since it was looked at is not replaced again."""
        etag = written(store, DUMP, b"as it was seen")
        draft = store.draft(DUMP, etag)
        draft.write(0, b"ours")
        written(other, DUMP, b"theirs", etag)
        with pytest.raises(LostRaceError):
            draft.commit(METADATA)
        draft.discard()
        assert text_of(store, DUMP) == b"theirs"

    def test_a_draft_does_not_bring_back_a_deleted_day(self, store: Store) -> None:
        """A day deleted since it was looked at is not what was seen."""
        etag = written(store, DUMP, b"as it was seen")
        draft = store.draft(DUMP, etag)
        draft.write(0, b"ours")
        store.delete(DUMP)
        with pytest.raises(LostRaceError):
            draft.commit(METADATA)
        draft.discard()
        assert store.stat(DUMP) is None

    def test_a_lock_is_held_by_one(self, store: Store, other: Store) -> None:
        """Who comes second is told which run holds the day; afterwards it is free."""
        for second in (store, other):
            with store.lock(LOCK, "run-1"):
                with pytest.raises(DayHeldError, match="run-1") as caught, second.lock(LOCK, "run-2"):
                    pass
                assert caught.value.holder == "run-1"
            with second.lock(LOCK, "run-3"):
                pass

    def test_a_lock_ends_with_an_error(self, store: Store, other: Store) -> None:
        """A failed export holds its day no longer."""
        with pytest.raises(BrokenBodyError), store.lock(LOCK, "run-1"):
            raise BrokenBodyError
        with other.lock(LOCK, "run-2"):
            pass

    def test_days_are_locked_one_by_one(self, store: Store, other: Store) -> None:
        """The lock of one day leaves the others free, and shows in no listing of dumps or manifests."""
        with store.lock(LOCK, "run-1"), other.lock(LOCK.replace("06_", "07_"), "run-2"):
            assert names(store, LAYOUT.dumps) == names(store, LAYOUT.manifests) == []

    @pytest.mark.parametrize("name", NO_NAMES)
    def test_no_name_leads_out_of_the_store(self, store: Store, name: str) -> None:
        """A name that is none is refused by everything that takes one, with one sentence that can be shown."""
        for refused in (
            lambda: store.read(name),
            lambda: store.write(name, b"x", seen=ANY, metadata={}),
            lambda: store.delete(name),
            lambda: store.purge(name),
            lambda: store.stat(name),
            lambda: list(store.stream(name)),
            lambda: store.lock(name, "run-1").__enter__(),
            lambda: store.draft(name, None),
        ):
            with pytest.raises(StoreError, match="is no name for an object of the store") as caught:
                refused()
            assert str(caught.value).isprintable()

    @pytest.mark.parametrize("prefix", NO_PREFIXES)
    def test_no_listing_leads_out_of_the_store(self, store: Store, prefix: str) -> None:
        """Nor can anything be listed that has no name in the store."""
        with pytest.raises(StoreError, match="is no name for an object of the store"):
            list(store.list(prefix))

    def test_what_is_not_there_cannot_be_streamed(self, store: Store) -> None:
        """An object that went away between two looks is the store's error, in one sentence."""
        with pytest.raises(StoreError, match="not there any more"):
            list(store.stream(DUMP))

    def test_a_part_of_a_name_is_no_object(self, store: Store) -> None:
        """Where ``a/b`` is an object, ``a`` is none, nor is what would stand below ``a/b``."""
        store.write(MANIFEST, b"{}", seen=None, metadata={})
        for name in (MANIFEST.partition("/")[0], f"{MANIFEST}/more"):
            assert store.stat(name) is None
            assert store.read(name) is None
            assert names(store, f"{name}/") == ([MANIFEST] if name in LAYOUT.manifests else [])

    def test_a_held_lock_is_seen_in_a_listing(self, store: Store, other: Store) -> None:
        """Whoever lists the locks sees which are held; a free one is not there, and none is shown as held."""
        with store.lock(LOCK, "run-1"):
            (entry,) = other.list(LAYOUT.locks)
            assert entry.name == LOCK
            assert (entry.metadata or {}).get("lease") == "leased"
        assert names(other, LAYOUT.locks) == []

    def test_lines_are_appended_in_their_order(self, store: Store, other: Store) -> None:
        """The first makes the object; whoever knows its length adds to it."""
        store.append("ledger/x.jsonl", b"one\n", at=0)
        other.append("ledger/x.jsonl", b"two\nthree\n", at=4)
        store.append("ledger/x.jsonl", b"four\n", at=14)
        assert text_of(other, "ledger/x.jsonl") == b"one\ntwo\nthree\nfour\n"
        assert store.part("ledger/x.jsonl", 4, 100) == b"two\nthree\nfour\n"

    @pytest.mark.parametrize("at", [0, 3, 5, 100])
    def test_an_append_at_another_length_adds_nothing(self, store: Store, at: int) -> None:
        """Two who have seen the same end never both add to it."""
        store.append("ledger/x.jsonl", b"one\n", at=0)
        with pytest.raises(LostRaceError):
            store.append("ledger/x.jsonl", b"two\n", at=at)
        assert text_of(store, "ledger/x.jsonl") == b"one\n"

    def test_what_is_gone_is_not_appended_to(self, store: Store) -> None:
        """Whoever removed it is found out; nothing begins in the middle."""
        store.append("ledger/y.jsonl", b"one\n", at=0)
        with pytest.raises((LostRaceError, StoreError)):
            store.append("ledger/x.jsonl", b"two\n", at=4)
        assert store.stat("ledger/x.jsonl") is None

    def test_of_many_appends_at_one_length_one_is_the_first(self, store: Store, other: Store) -> None:
        """Twenty at once, from two views: each line stands once, and all of them in the end."""
        expected = {f"line {number}\n".encode() for number in range(20)}

        def add(line: bytes) -> None:
            mine = store if len(line) % 2 else other
            while True:
                entry = mine.stat("ledger/x.jsonl")
                try:
                    mine.append("ledger/x.jsonl", line, at=entry.size if entry else 0)
                except LostRaceError:
                    continue
                else:
                    return

        threads = [threading.Thread(target=add, args=(line,)) for line in expected]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(text_of(store, "ledger/x.jsonl").splitlines(keepends=True)) == sorted(expected)

    def test_nobody_is_kept_from_a_lock_by_a_listing(self, store: Store, other: Store) -> None:
        """However often others look, a lock that nobody holds can be had."""
        over = threading.Event()
        lookers = [threading.Thread(target=looking, args=(other, over)) for _ in range(3)]
        for looker in lookers:
            looker.start()
        try:
            for number in range(30):
                with store.lock(LOCK, f"run-{number}"):
                    pass
        finally:
            over.set()
            for looker in lookers:
                looker.join()

    def test_threads_keep_each_other_from_a_lock(self, store: Store, other: Store) -> None:
        """Of the threads of one process, as of two processes, one at a time holds a lock; the others are told whose."""
        inside, most = [0], [0]
        refused: list[DayHeldError] = []

        def work(place: Store, run: str) -> None:
            try:
                with place.lock(LOCK, run):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    together.wait(60)
                    inside[0] -= 1
            except DayHeldError as error:
                refused.append(error)
                together.wait(60)

        together = threading.Barrier(4)
        threads = [threading.Thread(target=work, args=((store, other)[n % 2], f"run-{n}")) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == [1]
        assert len(refused) == 3

    def test_two_drafts_of_one_dump_do_not_meet(self, store: Store, other: Store) -> None:
        """A draft is neither disturbed nor removed by another one of the same dump, begun, given up or committed."""
        ours = store.draft(DUMP, None)
        ours.write(0, b"our first half, ")
        given_up, theirs = other.draft(DUMP, None), other.draft(DUMP, None)
        given_up.write(0, b"given up")
        theirs.write(0, b"theirs")
        given_up.discard()
        ours.write(1, b"our second half")
        ours.commit(METADATA)
        with pytest.raises(LostRaceError):
            theirs.commit(METADATA)
        ours.discard()
        theirs.discard()
        assert text_of(store, DUMP) == b"our first half, our second half"
        assert names(store, "") == [DUMP]

    def test_of_many_commits_one_is_the_first(self, store: Store, other: Store) -> None:
        """Of drafts that saw the same and are committed at the same moment, exactly one is stored."""
        drafts = [(store, other)[n % 2].draft(DUMP, None) for n in range(4)]
        together, lost = threading.Barrier(len(drafts)), []

        def commit(draft: Draft) -> None:
            together.wait(60)
            try:
                draft.commit(METADATA)
            except LostRaceError as error:
                lost.append(error)

        for number, draft in enumerate(drafts):
            draft.write(0, b"draft %d" % number)
        threads = [threading.Thread(target=commit, args=(draft,)) for draft in drafts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for draft in drafts:
            draft.discard()
        assert len(lost) == len(drafts) - 1


def looking(store: Store, over: threading.Event) -> None:
    """List the locks until it is over."""
    while not over.is_set():
        list(store.list(LAYOUT.locks))


def play(draft: Draft, model: bytearray, rng: random.Random) -> None:
    """Write the hours of a day; at random go back to where an hour began and write it, and what follows, again."""
    marks: list[tuple[int, int]] = []
    hour = 0
    for _ in range(60):
        marks = [*marks[:hour], (draft.mark(), len(model))]
        for piece in pieces(rng):
            draft.write(hour, piece)
            model += piece
        if rng.random() < 0.3:
            hour = rng.randrange(hour + 1)
            draft.back(marks[hour][0])
            del model[marks[hour][1] :]
        elif hour == 23:
            break
        else:
            hour += 1


def pieces(rng: random.Random) -> Iterator[bytes]:
    """Some texts of very different lengths."""
    for _ in range(rng.randrange(4)):
        yield rng.randbytes(rng.choice((0, 1, 100, 70_000)))
