import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import dump as text_of
from exporter.archive.unzip import Events
from exporter.dump import SEPARATOR, Dump
from exporter.store.folder import LocalStore
from tests.kit import dump_of

NAME = "20251106_0000_ampl_dump.json"
objects = st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.integers(), st.text(max_size=5)), max_size=3)
blocks = st.lists(st.lists(objects.map(lambda value: json.dumps(value).encode()), min_size=1, max_size=5), max_size=6)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """A folder."""
    return LocalStore(tmp_path_factory.mktemp("store"))


def events(lines: list[bytes], hour: int = 0) -> Events:
    """A block of these lines."""
    return Events(hour, b"".join(line + b"\n" for line in lines), len(lines))


def add_all(dump: Dump, found: Iterable[Events]) -> None:
    """Write these blocks."""
    for one in found:
        dump.add(one)


@settings(deadline=None)
@given(blocks)
def test_the_lines_joined_are_the_dump(store: LocalStore, parts: list[list[bytes]]) -> None:
    """However they came in blocks, not a byte of a line changes; size and SHA-256 are those of the text."""
    draft = store.draft(NAME, "*")
    dump = Dump(draft)
    add_all(dump, (events(lines, hour) for hour, lines in enumerate(parts)))
    dump.finish()
    draft.commit({})
    draft.discard()
    text = b"".join(store.stream(NAME))
    lines = [line for part in parts for line in part]
    assert text == dump_of(lines)
    assert json.loads(text) == [json.loads(line) for line in lines]
    assert (dump.size, dump.sha256) == (len(text), hashlib.sha256(text).hexdigest())


@settings(deadline=None)
@given(blocks, blocks, blocks)
def test_going_back_leaves_no_trace(
    store: LocalStore, before: list[list[bytes]], spoilt: list[list[bytes]], after: list[list[bytes]]
) -> None:
    """A window that broke off and is written again gives the text of one that did not, its hash and size too."""
    draft = store.draft(NAME, "*")
    dump = Dump(draft)
    add_all(dump, (events(lines) for lines in before))
    mark = dump.mark()
    for _ in range(2):
        add_all(dump, (events(lines) for lines in spoilt))
        dump.back(mark)
    add_all(dump, (events(lines) for lines in after))
    dump.finish()
    draft.commit({})
    draft.discard()
    text = b"".join(store.stream(NAME))
    assert text == dump_of([line for part in (*before, *after) for line in part])
    assert (dump.size, dump.sha256) == (len(text), hashlib.sha256(text).hexdigest())


@given(
    st.lists(st.sampled_from([b"{}", b'{"a":"]"}', b' {"b" : [1,2]} ', b'{"c":",\\n"}']), max_size=9),
    st.integers(1, 40),
)
def test_blocks_are_the_events(found: list[bytes], piece: int) -> None:
    """However the text is cut into pieces, its blocks are arrays that hold each event once, byte for byte, in order."""
    text = dump_of(found)
    arrays = list(text_of.blocks(text[at : at + piece] for at in range(0, len(text), piece)))
    assert all(array[:1] + array[-1:] == b"[]" for array in arrays)
    assert [event for array in arrays for event in array[1:-1].split(SEPARATOR)] == found
    assert list(text_of.lines([text])) == found


def test_progress_tells_how_much_is_written(tmp_path: Path) -> None:
    """In bytes, after every block."""
    told: list[tuple[str, int, int | None]] = []
    draft = LocalStore(tmp_path).draft(NAME, None)
    dump = Dump(draft, lambda step, done, total: told.append((step, done, total)))
    dump.add(events([b"{}"]))
    dump.add(events([b'{"a":1}']))
    draft.discard()
    assert told == [("writing", 4, None), ("writing", 13, None)]
