"""Thrift's compact form, as far as the footer of a Parquet file needs it.

A struct is a list of fields: number, type, value. What is read and written again is the same bytes.
"""

from dataclasses import dataclass, field
from typing import Any

YES, NO, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, _MAP, STRUCT = range(1, 13)
_SEVEN, _MORE = 0x7F, 0x80
_SHORT_LIST = 15


@dataclass(slots=True)
class Struct:
    """The fields of a struct, in their order."""

    fields: list[tuple[int, int, Any]] = field(default_factory=list)

    def get(self, number: int) -> Any:
        """The value of a field; None where it is not there."""
        return next((value for found, _, value in self.fields if found == number), None)

    def put(self, number: int, kind: int, value: Any) -> None:
        """Set a field; its place is by its number."""
        self.fields = sorted([*(one for one in self.fields if one[0] != number), (number, kind, value)], key=_number)

    def add(self, number: int, more: int) -> None:
        """Add to a number that is there and is not 0 (not given)."""
        self.fields = [
            (found, kind, value + more if found == number and value else value) for found, kind, value in self.fields
        ]


@dataclass(slots=True)
class ListOf:
    """A list, or a set, of values of one type."""

    kind: int
    values: list[Any]


class Reader:
    """Reads values from bytes.

    Raises:
        ValueError, IndexError: they are none.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def struct(self) -> Struct:
        """The struct that begins here."""
        found, number = Struct(), 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            found.fields.append((number, head & 15, self._value(head & 15)))
        return found

    def _value(self, kind: int) -> Any:
        if kind in (YES, NO):
            return kind == YES
        if kind in (I16, I32, I64):
            return self._zigzag()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            return self._list()
        if kind == STRUCT:
            return self.struct()
        if kind in (BYTE, DOUBLE):
            return self._bytes(1 if kind == BYTE else 8)
        raise ValueError(f"type {kind} stands in no Parquet footer")

    def _list(self) -> ListOf:
        head = self._byte()
        kind, count = head & 15, head >> 4
        if count == _SHORT_LIST:
            count = self._varint()
        values = [self._byte() == YES if kind in (YES, NO) else self._value(kind) for _ in range(count)]
        return ListOf(kind, values)

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._content[self._at - count : self._at]

    def _varint(self) -> int:
        value, shift = 0, 0
        while (byte := self._byte()) & _MORE:
            value |= (byte & _SEVEN) << shift
            shift += 7
        return value | byte << shift

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def written(struct: Struct) -> bytes:
    """The bytes of a struct."""
    text, last = bytearray(), 0
    for number, kind, value in struct.fields:
        told = (YES if value else NO) if kind in (YES, NO) else kind
        step = number - last
        text += bytes((step << 4 | told,)) if 0 < step <= _SHORT_LIST else bytes((told,)) + _zigzag(number)
        text += b"" if kind in (YES, NO) else _value(kind, value)
        last = number
    return bytes(text) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind in (I16, I32, I64):
        return _zigzag(value)
    if kind == BINARY:
        return _varint(len(value)) + bytes(value)
    if kind in (LIST, SET):
        count = len(value.values)
        head = (
            bytes((count << 4 | value.kind,)) if count < _SHORT_LIST else bytes((0xF0 | value.kind,)) + _varint(count)
        )
        told = (
            bytes((YES if one else NO,)) if value.kind in (YES, NO) else _value(value.kind, one) for one in value.values
        )
        return head + b"".join(told)
    return written(value) if kind == STRUCT else bytes(value)


def _varint(value: int) -> bytes:
    text = bytearray()
    while value > _SEVEN:
        text.append(value & _SEVEN | _MORE)
        value >>= 7
    return bytes(text) + bytes((value,))


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else -(value << 1) - 1)


def _number(one: tuple[int, int, Any]) -> int:
    return one[0]
