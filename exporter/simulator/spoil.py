"""Spoilt archives: what each kind of `Spoilt` does to the members. It is the first member that suffers."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from exporter.simulator.archive import Member, gzip_of
from exporter.simulator.faults import Fault, Spoilt

_GZIP_TRAILER = 8
"""CRC-32 and length, four bytes each (RFC 1952)."""
_DEEP = _GZIP_TRAILER + 30
"""So far from its end a member is inside a deflate stream, with nearly all of its lines before it."""
_MEGABYTE_LINES = b" " * (2**20 - 1) + b"\n"


def spoilt(fault: Spoilt, members: Iterator[Member]) -> Iterator[Member]:
    """The members with the fault in them; an archive without members stays as it is.

    Of `two-archives` they are all sound: `in_archives` says which stands where.
    """
    if fault.kind == "reordered":
        yield from reversed(list(members))
        return
    if fault.kind == "two-archives":
        yield from members
        return
    for first in members:
        if fault.kind == "bomb":
            yield _bomb(first, fault.megabytes)
        else:
            yield from _SPOILT[fault.kind](first)
        break
    yield from members


def in_archives(fault: Fault | None, members: Iterator[Member]) -> list[Iterator[Member]]:
    """The members of each archive of the answer: of one, or of two that stand end to end, each whole."""
    if isinstance(fault, Spoilt) and fault.kind == "two-archives":
        return [islice(members, 1), members]
    return [members]


def _flipped(body: bytes, from_end: int) -> bytes:
    """The bytes with all bits of one of them, counted from the end, turned over."""
    at = len(body) - from_end
    return body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]


def _bomb(member: Member, megabytes: int) -> Member:
    """The member, and after its lines few bytes that are many lines of blanks, as small gzip members."""
    return replace(member, body=member.body + gzip_of([_MEGABYTE_LINES]) * megabytes)


def _other_hour(member: Member) -> Member:
    """The member under the name of an hour years ago, which no window of today holds."""
    return replace(member, name=re.sub(r"_\d{4}-", "_2001-", member.name))


_SPOILT: dict[str, Callable[[Member], tuple[Member, ...]]] = {
    "corrupt-member": lambda first: (replace(first, body=_flipped(first.body, _DEEP)),),
    "corrupt-zip": lambda first: (replace(first, mark="flipped"),),
    "wrong-trailer": lambda first: (replace(first, body=_flipped(first.body, _GZIP_TRAILER)),),
    "truncated-member": lambda first: (replace(first, body=first.body[:-_DEEP]),),
    "foreign-member": lambda first: (first, Member("readme.txt", b"Exported by Amplitude.\n")),
    "bad-name": lambda first: (first, replace(first, name="export-of-today.json.gz")),
    "other-hour": lambda first: (first, _other_hour(first)),
    "same-member-twice": lambda first: (first, first),
    "renamed-member": lambda first: (replace(first, name=first.name.replace(".json.gz", ".JSON.GZ")),),
    "folder-with-data": lambda first: (replace(first, name=first.name.removesuffix(".json.gz") + "/"),),
    "missing-entry": lambda first: (replace(first, mark="unnamed"),),
    "path-outside": lambda first: (first, replace(first, name="../../etc/x.json.gz")),
    "encrypted": lambda first: (replace(first, mark="encrypted"),),
    "unsupported-compression": lambda first: (replace(first, mark="deflate64"),),
}
