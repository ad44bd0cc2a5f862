"""Archives as Amplitude makes them: a ZIP of gzip members, with the legal oddities seen in real ones."""

import itertools
import math
import random
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import SEEK_END
from typing import IO, Any, Literal

from exporter.simulator.events import Events
from exporter.simulator.hours import spelt
from exporter.simulator.people import one_in

PART_EVENTS = 10_000
"""The most events of one member: some 24 MB of lines, which is what is in memory at a time."""
GZIP, LEVEL = zlib.MAX_WBITS + 16, 1
DEFLATE64 = 9
"""A ZIP compression method (APPNOTE 4.4.5) that neither zipfile nor zlib can read."""
_FLAGS_AT, _METHOD_AT, _LENGTHS_AT, _HEADER = 6, 8, 26, 30
"""Places in a ZIP local file header (APPNOTE 4.3.7)."""

type Mark = Literal["none", "encrypted", "deflate64", "flipped", "unnamed"]


@dataclass(frozen=True)
class Member:
    """A file of the archive: name, gzip bytes, whether ZIP stores them, and what is wrong with its entry."""

    name: str
    body: bytes
    stored: bool = False
    mark: Mark = "none"


def members_of_hour(events: Events, hour: datetime, lines: Iterator[bytes], odd: bool) -> Iterator[Member]:
    """The hour's lines as one or several members (`odd`: with oddities); none if there are no lines."""
    rng = random.Random(f"{events.seed}/members/{spelt(hour)}")
    parts = rng.choice((1, 1, 1, 2, 3))
    size = max(1, min(PART_EVENTS, math.ceil(events.count(hour) / parts)))
    numbers = itertools.count(*rng.choice(((0, 1), (0, 1), (1, 1), (3, 2))))
    for part, batch in zip(numbers, itertools.batched(lines, size), strict=False):
        name = f"{events.project}/{events.project}_{hour:%Y-%m-%d}_{hour.hour}#{part}.json.gz"
        yield Member(name, _gzipped(batch, rng if odd else None), stored=odd and one_in(rng, 3))


def _gzipped(lines: Sequence[bytes], rng: random.Random | None) -> bytes:
    """The lines as a gzip file; with `rng`, at times a blank line, no last line end or two gzip members."""
    if rng is None:
        return gzip_of([b"\n".join(lines), b"\n"])
    blank = b"\n" if one_in(rng, 5) else b""
    end = b"" if one_in(rng, 5) else b"\n"
    if len(lines) > 1 and one_in(rng, 5):
        half = len(lines) // 2
        head = b"".join(line + b"\n" for line in lines[:half])
        return gzip_of([head, blank]) + gzip_of([b"\n".join(lines[half:]), end])
    return gzip_of([b"\n".join(lines), b"\n", blank] if blank else [b"\n".join(lines), end])


def gzip_of(pieces: Iterable[bytes]) -> bytes:
    """One gzip member of the pieces, with no time and no name in it: equal pieces make equal bytes."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    return b"".join([*map(deflate.compress, pieces), deflate.flush()])


class _Unseekable:
    """A file that cannot seek: zipfile then puts sizes behind each member, as Java's ZipOutputStream does."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, piece: bytes) -> int:
        return self._file.write(piece)

    def flush(self) -> None:
        self._file.flush()


def write_archive(file: IO[bytes], members: Iterable[Member], rng: random.Random | None) -> None:
    """Write the members behind what the file holds as a ZIP; with `rng`, at times with a folder, or as a stream."""
    streamed = rng is not None and one_in(rng, 2)
    folder = rng is not None and one_in(rng, 2)
    # zipfile closes no file that it was given, whatever its types ask for
    target: Any = _Unseekable(file) if streamed else file
    with zipfile.ZipFile(target, "w") as archive:
        for member in members:
            if folder:
                archive.writestr(zipfile.ZipInfo(member.name.split("/")[0] + "/"), b"")
                folder = False
            _write(archive, file, member, stored=member.stored and not streamed)


def _write(archive: zipfile.ZipFile, file: IO[bytes], member: Member, *, stored: bool) -> None:
    """Write one member, then make its entry as wrong as its mark says."""
    info = zipfile.ZipInfo(member.name)
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    archive.NameToInfo.pop(member.name, None)  # zipfile warns of a name that comes twice; here it is meant
    archive.writestr(info, member.body, compresslevel=LEVEL)
    match member.mark:
        case "encrypted":
            info.flag_bits |= 0x1
            _overwrite(file, info.header_offset + _FLAGS_AT, struct.pack("<H", info.flag_bits))
        case "deflate64":
            info.compress_type = DEFLATE64
            _overwrite(file, info.header_offset + _METHOD_AT, struct.pack("<H", DEFLATE64))
        case "flipped":
            file.seek(info.header_offset + _LENGTHS_AT)
            body_at = info.header_offset + _HEADER + sum(struct.unpack("<HH", file.read(4)))
            file.seek(body_at + info.compress_size // 2)
            flipped = file.read(1)[0] ^ 0xFF
            _overwrite(file, body_at + info.compress_size // 2, bytes([flipped]))
        case "unnamed":
            archive.filelist.remove(info)
        case "none":
            pass


def _overwrite(file: IO[bytes], at: int, piece: bytes) -> None:
    """Change bytes that were written, and go back to the end."""
    file.seek(at)
    file.write(piece)
    file.seek(0, SEEK_END)
