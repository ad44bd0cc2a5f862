"""One Parquet file out of many: their row groups one after the other, and one footer that names them all.

So a day is written in pieces that fit into memory, and nothing is compressed twice. Only offsets change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from exporter.tables.thrift import BINARY, I16, I64, LIST, STRUCT, ListOf, Reader, Struct, written

MAGIC = b"PAR1"
_LENGTH = 4
# FileMetaData
_ROWS, _GROUPS, _NOTES = 3, 4, 5
# RowGroup
_COLUMNS, _GROUP_ROWS, _GROUP_START, _ORDINAL = 1, 3, 5, 7
# ColumnChunk
_CHUNK_START, _DETAILS, _OFFSETS, _INDEX = 2, 3, 4, 6
# ColumnMetaData: data pages, index pages, dictionary page, bloom filter
_STARTS = (9, 10, 11, 14)


@dataclass
class Joined:
    """A Parquet file that grows by whole files of the same columns; ``write`` takes its bytes."""

    write: Callable[[bytes], object]
    size: int = 0
    rows: int = 0
    _footer: Struct | None = None
    _groups: list[Struct] = field(default_factory=list)

    def add(self, content: bytes) -> None:
        """Append the row groups of a Parquet file."""
        length = int.from_bytes(content[-len(MAGIC) - _LENGTH : -len(MAGIC)], "little")
        ends = len(content) - len(MAGIC) - _LENGTH - length
        footer = Reader(content[ends:]).struct()
        if self._footer is None:
            self._footer = footer
            self._put(MAGIC)
        shift = self.size - len(MAGIC)
        for group in footer.get(_GROUPS).values:
            self._groups.append(self._moved(group, shift))
        self.rows += footer.get(_ROWS)
        self._put(content[len(MAGIC) : ends])

    def finish(self, notes: Mapping[str, str]) -> None:
        """Write the footer; ``notes`` are its key-value metadata."""
        assert self._footer is not None  # noqa: S101 - a day without events is a file without rows
        footer = self._footer
        footer.put(_ROWS, I64, self.rows)
        footer.put(_GROUPS, LIST, ListOf(STRUCT, self._groups))
        pairs = [Struct([(1, BINARY, name.encode()), (2, BINARY, text.encode())]) for name, text in notes.items()]
        footer.put(_NOTES, LIST, ListOf(STRUCT, pairs))
        text = written(footer)
        self._put(text + len(text).to_bytes(_LENGTH, "little") + MAGIC)

    def _moved(self, group: Struct, shift: int) -> Struct:
        group.add(_GROUP_START, shift)
        if group.get(_ORDINAL) is not None:
            group.put(_ORDINAL, I16, len(self._groups))
        for chunk in group.get(_COLUMNS).values:
            for number in (_CHUNK_START, _OFFSETS, _INDEX):
                chunk.add(number, shift)
            for number in _STARTS:
                chunk.get(_DETAILS).add(number, shift)
        return group

    def _put(self, content: bytes) -> None:
        self.write(content)
        self.size += len(content)
