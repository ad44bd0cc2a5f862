"""An archive that is legal and hard to load, made by the exporter itself, and what a slow, obvious loop finds in it."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from exporter.export import export_day
from exporter.settings import Settings
from exporter.tables.columns import COLUMNS
from exporter.wiring import open_exporter
from tests.kit import KEYS, RawServer, Time, http, member, zipped
from tests.kit.odd_lines import LEGAL

EMPTY, EARLY, ODD = date(2025, 11, 4), date(2025, 11, 5), date(2025, 11, 6)
NO_DATA = b'{"error":{"http_code":404,"type":"not_found","message":"Raw data files were not found.","metadata":{}}}'
BERLIN = ZoneInfo("Europe/Berlin")
FIRST_GUESS = 20_600
"""A reader that guesses types from the first rows has guessed by then."""
LONG = 10_000_000


def event(number: int, **more: object) -> bytes:
    """An event as Amplitude writes it; other columns than the 55 come last."""
    moment = f"2025-11-06 {number % 24:02}:{number % 60:02}:{number % 59:02}.{number % 1000:03}000"
    values = dict.fromkeys(COLUMNS) | {
        "$insert_id": f"insert-{number}",
        "amplitude_id": 900_719_925_474_099_300 + number % 50,
        "app": 100,
        "city": "Köln",
        "data": {"path": "/2/httpapi", "user_properties_updated": True},
        "device_id": f"device-{number % 60}",
        "event_id": number,
        "event_properties": {"price": number % 7},
        "event_time": moment,
        "event_type": ("viewed", "bought", "left")[number % 3],
        "groups": {},
        "is_attribution_event": None,
        "location_lat": 50.9375,
        "platform": "Web",
        "server_upload_time": moment,
        "session_id": 1_762_405_200_000 + number % 40,
        "user_id": f"user-{number % 50}",
        "user_properties": {"plan": "größer"},
        "uuid": f"uuid-{number}",
    }
    return json.dumps(values | more, ensure_ascii=False, separators=(",", ":")).encode()


def early_lines() -> list[bytes]:
    """Whole numbers for long, then a fraction, a key that comes late, and another type."""
    return [
        *(event(number) for number in range(FIRST_GUESS)),
        event(30_000, event_properties={"price": 1.5, "coupon": "SAVE"}),
        event(30_001, event_properties={"price": True, "coupon": "LATE"}),
    ]


DEEP = [line for line in LEGAL if line.startswith(b'{"deep"')]
"""Deeper than Python's own reader goes, which is what tables are held against."""


def odd_lines() -> list[bytes]:
    """One of each."""
    properties = b'"event_properties":{"price":3}'
    return [
        *(event(number) for number in range(40_000, 40_300)),
        event(1, event_properties={"userId": 1, "price": 2}),
        event(2, event_properties={"userid": "x", "price": "4"}),
        event(3, User_ID="other case", new_column={"a": [1]}, event_properties={"price": 1}),
        event(40_000),
        event(40_000),
        event(4, event_time=""),
        event(5, event_time="2025:11:06 05:59:45.471635"),
        event(6, event_time="not a time"),
        event(7, event_time="2025-11-06T23:30:00Z"),
        event(8, event_time="2025-11-06 23:30:00"),
        event(9, event_time=5),
        event(10, user_id=5, city={"name": "Köln"}, paying=True, session_id=1.5, amplitude_id="900", location_lat=51),
        event(11, city='a "quoted" \\ town\t\u0000', event_properties={"text": "\u2028\u2029\u0085"}),
        event(12, event_properties={"big": 123456789012345678901234567890, "price": 1}),
        event(13, event_properties={"deep": json.loads("[" * 200 + "]" * 200)}),
        event(14, event_properties={"price": 1, "text": "x" * LONG}),
        event(15).replace(b'"price":1', b'"half":"\\ud83d and \\ud83d\\ude00","price":1'),
        event(16).replace(b'"K\xc3\xb6ln"', b'"\\ude00"'),
        event(17).replace(properties, b'"event_properties":{"price": 1.50 ,"n":1E5,"e":"\\u00e9\\/"}'),
        event(18).replace(b'"city":', b'"city":"first","city":'),
        event(19).replace(b'"price":5', b'"price":5,"price":6'),
        event(20).replace(b",", b" , ", 60),
        event(21).replace(b'"city"', b'"c\\u0069ty"'),
        event(22).replace(b'"app":100', b'"app":\r100'),
        event(23, location_lat=1e300, location_lng=-0.0, app=-1),
        event(24).replace(b'"app":100', b'"app":-0').replace(b"50.9375", b"50.93750"),
        b'{"event_type":"few columns","uuid":"uuid-few"}',
        *(line for line in LEGAL if line not in DEEP),
    ]


ARCHIVE: Mapping[date, Sequence[bytes]] = {
    EMPTY: [],
    EARLY: early_lines(),
    ODD: [line for line in odd_lines() if b"\r" not in line],
}
"""A carriage return between two values is legal, and nobody has seen one; DuckDB's reader of text stops at it."""


def export_lines(days: Mapping[date, Sequence[bytes]], folder: Path, tables: str = "") -> None:
    """Let the exporter write these days into ``folder``."""
    for day, lines in days.items():
        text = gzip.compress(b"".join(line + b"\n" for line in lines), 1, mtime=0)
        answer = http(200, zipped([(member(day=day), text)])) if lines else http(404, NO_DATA)
        with RawServer(answer) as server:
            settings = Settings(
                api_key=KEYS[0], secret_key=KEYS[1], base_url=server.url, data_dir=folder, tables=tables
            )
            with open_exporter(settings, Time(datetime(2025, 11, 9, 2, tzinfo=UTC)).clock(), "run-1") as core:
                assert export_day(day, core).manifest.events == len(lines)


@dataclass(frozen=True)
class Figures:
    """What every way to load the archive must find."""

    events: int
    uuids: int
    types: dict[str, int]
    berlin: int
    price: float
    coupons: int
    users: int

    def printed(self) -> str:
        """One line."""
        return str(self)


def events_in(folder: Path, *, first: bool) -> Iterator[dict[str, Any]]:
    """Each event of a folder of dumps, one after the other, by Python's own JSON.

    Of a name that stands twice the ``first`` value counts, as in DuckDB, or the last one, as in most others.
    """

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(reversed(pairs) if first else pairs)

    for path in sorted(folder.glob("*_ampl_dump.json")):
        for line in path.read_bytes().split(b"\n"):
            if line not in (b"", b"[", b"]", b"[]"):
                text = line.removesuffix(b",")
                yield json.loads(text, parse_int=short_int, object_pairs_hook=members)


def short_int(text: str) -> int | str:
    """Python refuses the longest ones."""
    return int(text) if len(text) < 19 else text


def figures(folder: Path, *, first: bool = False) -> Figures:
    """The slow, obvious loop."""
    events, uuids, types, berlin, price, coupons, users = 0, set(), Counter[str](), 0, 0.0, 0, set()
    for found in events_in(folder, first=first):
        events += 1
        uuids |= {found.get("uuid")} - {None}
        types[found.get("event_type") or "none"] += 1
        berlin += day_in_berlin(found.get("event_time")) == ODD
        properties = found.get("event_properties")
        properties = properties if isinstance(properties, dict) else {}
        price += number(properties.get("price"))
        coupons += "coupon" in properties
        users |= {str(found["user_id"])} if found.get("user_id") is not None else set()
    return Figures(events, len(uuids), dict(types), berlin, round(price, 6), coupons, len(users))


def day_in_berlin(text: object) -> date | None:
    """The calendar day there, of a time in UTC; None if it is none."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC).astimezone(BERLIN).date() if moment else None


def number(value: object) -> float:
    """A price; what is none counts nothing."""
    if isinstance(value, bool):
        return 0.0
    try:
        return float(value)  # type: ignore[arg-type]  # whatever is no number is 0
    except (TypeError, ValueError):
        return 0.0
