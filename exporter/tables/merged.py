"""People whom Amplitude has merged: its "merged IDs" export, where somebody has put it beside the days."""

import gzip
import zlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.days.stored import Days
from exporter.errors import PermanentError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES = """
CREATE TABLE merged_ids (id BIGINT, into_id BIGINT);
CREATE VIEW merged AS
WITH RECURSIVE chain AS (
    SELECT id, into_id AS person, 1 AS step FROM merged_ids
    UNION
    SELECT chain.id, merged_ids.into_id, step + 1 FROM chain JOIN merged_ids ON merged_ids.id = chain.person
    WHERE step < 100 AND merged_ids.into_id <> chain.id
)
SELECT id, arg_max(person, step) AS person FROM chain GROUP BY id;
"""
"""Whom an id ends up as: a merged id can be merged again."""


class _Merge(msgspec.Struct):
    amplitude_id: int
    merged_amplitude_id: int


_decode = msgspec.json.Decoder(_Merge, strict=False).decode


def merged_in(days: Days, database: "DuckDBPyConnection") -> None:
    """Put the merged ids of the store into ``database``; none where there are none.

    Raises:
        PermanentError: a file is not what Amplitude exports.
    """
    database.execute(TABLES)
    merges = sorted(_merges(days), key=lambda merge: str(merge[2]))
    latest = {one: into for one, into, _ in merges}
    if latest:
        database.execute(
            "INSERT INTO merged_ids SELECT unnest(?::BIGINT[]), unnest(?::BIGINT[])",
            [list(latest), list(latest.values())],
        )


def merged_with(numbers: Collection[int], days: Days) -> set[int]:
    """Amplitude ids that are the same people's as ``numbers``, these included: who was merged, and into whom.

    Raises:
        PermanentError: a file is not what Amplitude exports.
    """
    beside: dict[int, set[int]] = {}
    for one, into, _ in _merges(days):
        beside.setdefault(one, set()).add(into)
        beside.setdefault(into, set()).add(one)
    found, ahead = set(numbers), list(numbers)
    while ahead:
        new = beside.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found


def _merges(days: Days) -> Iterator[tuple[int, int, Any]]:
    for entry in days.store.list(days.layout.merged):
        content = b"".join(days.store.stream(entry.name))
        try:
            text = gzip.decompress(content) if entry.name.endswith(".gz") else content
            for line in text.split(b"\n"):
                if line.strip():
                    found = _decode(line)
                    yield found.amplitude_id, found.merged_amplitude_id, entry.name
        except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
            raise PermanentError(
                f"{entry.name} is no export of merged ids (JSON lines, .gz or not): {error}. Move it elsewhere"
            ) from error
