"""In which days somebody's events are, as the tables tell. What they do not tell for certain is said, too."""

from collections.abc import Collection
from datetime import date
from typing import Any

from exporter.tables.query import Archive

LARGEST = 2**63 - 1
"""A table holds no larger number in a column; it stands in `other` then."""
_ODD = """
(_raw IS NOT NULL OR contains(other, '"user_id"') OR contains(other, '"amplitude_id"')
OR contains(other, '"device_id"'))
"""
"""Rows whose ids the columns do not hold as they are spelled."""
_HITS = """
(user_id IN (SELECT unnest(?::VARCHAR[])) OR amplitude_id IN (SELECT unnest(?::BIGINT[]))
OR device_id IN (SELECT unnest(?::VARCHAR[])))
"""
_TOUCHED = """
SELECT upload_date FROM deliveries WHERE user_id IN (SELECT unnest(?::VARCHAR[]))
UNION SELECT upload_date FROM deliveries WHERE amplitude_id IN (SELECT unnest(?::BIGINT[]))
UNION SELECT upload_date FROM deliveries WHERE device_id IN (SELECT unnest(?::VARCHAR[]))
"""
"""Column after column, since a single one is looked for in the file itself, and costs a tenth of reading all three."""
_BY_DAY = f"""
SELECT upload_date, count(*) FROM deliveries
WHERE upload_date IN (SELECT unnest(?::DATE[])) AND {_HITS} GROUP BY upload_date
"""
_CERTAIN = f"SELECT upload_date FROM deliveries GROUP BY upload_date HAVING NOT coalesce(bool_or({_ODD}), false)"
_IDS = "SELECT DISTINCT amplitude_id, device_id FROM deliveries WHERE user_id IN (SELECT unnest(?::VARCHAR[]))"


def certain_days(archive: Archive) -> set[date]:
    """The days of which every event's ids can be told from the columns."""
    return {day for (day,) in _rows(archive, _CERTAIN, [])}


def events_by_day(
    archive: Archive, users: Collection[str], numbers: Collection[int], devices: Collection[str]
) -> dict[date, int]:
    """How many events of theirs the days have that have any, as far as the columns tell."""
    given = [_texts(users), [one for one in numbers if one <= LARGEST], _texts(devices)]
    touched = [day for (day,) in _rows(archive, _TOUCHED, given)]
    return dict(_rows(archive, _BY_DAY, [touched, *given])) if touched else {}


def ids_of_users(archive: Archive, users: Collection[str]) -> tuple[set[int], set[str]]:
    """The Amplitude ids and device ids that stand in events of ``users``, as far as the columns tell."""
    rows = _rows(archive, _IDS, [_texts(users)])
    return {number for number, _ in rows if number}, {device for _, device in rows if device}


def _texts(texts: Collection[str]) -> list[str]:
    """Those that a database can be asked for: half an emoji stands in no column."""
    return [text for text in texts if text.encode("utf-8", "replace").decode() == text]


def _rows(archive: Archive, query: str, given: list[Any]) -> list[Any]:
    return list(archive.database.execute(query, given).fetchall())
