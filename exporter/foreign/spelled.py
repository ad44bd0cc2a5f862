"""How a secret may be spelled in foreign text, and where in the text such a spelling stands."""

import base64
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

SHORTEST_SECRET = 4
"""Characters. Blanking a shorter one would spoil half of all sentences, and guard nothing."""
_SHORTEST_CORE = 6
SHORTEST_HALF = 8
"""Characters at a text's end that are blanked where they may be the beginning of a secret."""
LAYERS = 3
_ESCAPED = re.compile(
    rb"(?:%|\\x)([0-9a-f]{2})|\\u([0-9a-f]{4})|&#x([0-9a-f]{1,6});|&#([0-9]{1,7});|&(amp|lt|gt|quot|apos);"
    rb"|\\([\"'\\/])",
    re.IGNORECASE,
)
_WHITE = b" \t\n\r\v\f"
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}


@dataclass(frozen=True, slots=True)
class Spelled:
    """Bytes that were made of a text: byte ``n`` of them stands for the text from ``edges[n]`` to ``edges[n + 1]``."""

    read: bytes
    edges: Sequence[int]

    @classmethod
    def of(cls, text: str) -> "Spelled":
        """The bytes of ``text`` itself."""
        edges = [place for place, one in enumerate(text) for _ in one.encode("utf-8", "replace")]
        return cls(text.encode("utf-8", "replace"), [*edges, len(text)])

    def undone(self) -> "Spelled":
        """The same with a layer of escapes undone: those of URLs, of JSON and Python, of HTML."""
        read, edges, end = bytearray(), list[int](), 0
        for match in _ESCAPED.finditer(self.read):
            meant = _meant(match)
            read += self.read[end : match.start()] + meant
            edges += [*self.edges[end : match.start()], *[self.edges[match.start()]] * len(meant)]
            end = match.end()
        return Spelled(bytes(read) + self.read[end:], [*edges, *self.edges[end:]])

    def find(self, needles: Iterable[bytes]) -> Iterator[tuple[int, int]]:
        """Where in the text the needles stand, in capitals or not, and with spaces between their letters or not."""
        places = [place for place, byte in enumerate(self.read) if byte not in _WHITE]
        packed = _packed(self.read)
        for needle in needles:
            start = packed.find(needle)
            while start >= 0:
                yield self.edges[places[start]], self.edges[places[start + len(needle) - 1] + 1]
                start = packed.find(needle, start + 1)
            if half := _half_at_end(packed, needle):  # somebody else cut the text: a library, a server
                yield self.edges[places[-half]], self.edges[places[-1] + 1]


def _half_at_end(packed: bytes, needle: bytes) -> int:
    """How many bytes at the end are the beginning of the needle, if they are enough to tell."""
    end = packed[-SHORTEST_HALF:]
    size = needle.rfind(end) + SHORTEST_HALF if len(end) == SHORTEST_HALF else 0
    while size >= SHORTEST_HALF:
        if packed.endswith(needle[:size]):
            return size
        size = needle.rfind(end, 0, size - 1) + SHORTEST_HALF
    return 0


def _meant(match: re.Match[bytes]) -> bytes:
    """The bytes that an escape stands for."""
    byte, unicode, hexadecimal, decimal, name, itself = match.groups()
    if byte:
        return bytes([int(byte, 16)])
    if name or itself:
        return itself or _NAMED[name.lower()]
    number = int(decimal) if decimal else int(unicode or hexadecimal, 16)
    return chr(min(number, sys.maxunicode)).encode("utf-8", "replace")


def _packed(read: bytes) -> bytes:
    return read.lower().translate(None, _WHITE)


def spellings(secret: str) -> Iterator[bytes]:
    """The secret plain, in hexadecimal, and in Base64 wherever in an encoded text it may stand."""
    if len(secret) < SHORTEST_SECRET:
        return
    raw = secret.encode("utf-8", "replace")
    yield from map(_packed, (raw, raw.replace(b" ", b"+"), raw.hex().encode()))
    spelled = Spelled.of(secret)
    for _ in range(LAYERS):  # what looks like an escape in it is undone where the text's are
        spelled = spelled.undone()
        yield _packed(spelled.read)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield from (_packed(encode(raw)), _packed(encode(raw).rstrip(b"=")))
        for shift, first in ((0, 0), (1, 2), (2, 3)):
            core = encode(bytes(shift) + raw)[first : (shift + len(raw)) * 8 // 6]
            if len(core) >= _SHORTEST_CORE:
                yield _packed(core)
