"""What is on record of a day: the manifest proves it, the failure record says what went wrong last.

Both are small JSON documents with a format number. A reader refuses a newer format, and accepts fields that it does not
know within its own. What stands in a record is checked here, by type and against the name it was found under: a record
that does not fit is damaged, and proves nothing. So no text of a manifest can move a terminal, whoever wrote it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from exporter.days.wording import misfit, odd_time
from exporter.errors import DamagedError, PermanentError
from exporter.window import HOURS_A_DAY

FORMAT = 2
LAST_FORMAT = 9999
"""A number above it is none: 5,000 digits cannot even be printed."""
PROVISIONAL: Literal["provisional"] = "provisional"
FINAL: Literal["final"] = "final"
EMPTY: Literal["empty"] = "empty"
SETTLED = frozenset({FINAL, EMPTY})
"""The states of a day that may be loaded: nothing more is expected."""
DAMAGED = DamagedError.kind
"""The kind of a failure record that tells of stored bytes which do not fit their manifest."""
OPTIONAL = ("fewer_found", "ledger", "erased")  # fields that a manifest may lack
State = Annotated[Literal["provisional", "final", "empty"], msgspec.Meta(description="provisional, final or empty")]
Day = Annotated[date, msgspec.Meta(description="a date like 2025-11-06")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62, description="a whole number of 0 or more")]
Hour = Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3])$")]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", description="a SHA-256 in 64 small hexadecimal digits")]
Moment = Annotated[datetime, msgspec.Meta(tz=True, description="a time with its zone, like 2025-11-07T02:00:00Z")]
WindowHours = Annotated[int, msgspec.Meta(ge=1, le=HOURS_A_DAY, description="a whole number from 1 to 24")]
Line = Annotated[str, msgspec.Meta(pattern="^[ -~]*$", max_length=300, description="at most 300 ASCII characters")]
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
Column = Annotated[str, msgspec.Meta(pattern=f"^[^{_UNSEEN}]*$", max_length=99)]
Kind = Annotated[str, msgspec.Meta(pattern="^[a-z]{1,20}$", description="a word of at most 20 small letters")]


@dataclass(frozen=True)
class Source:
    """Amplitude's side: the host that was asked, and the project id found in the member names ("" if none)."""

    url: Line
    project: Line = ""


@dataclass(frozen=True)
class WindowRecord:
    """One request's window as it was answered; ``start`` and ``end`` are hours, both inclusive."""

    start: Line
    end: Line
    status: Count
    archive_bytes: Count


class FewerFound(TypedDict):
    """An export that found fewer events than are stored, and left the day as it was."""

    events: Count
    run: NotRequired[Line]
    at: NotRequired[Moment]


class LedgerLine(TypedDict):
    """The ledger's line about the day: its number, and the SHA-256 of its bytes."""

    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    sha256: Sha256


@dataclass(frozen=True)
class Manifest:
    """What a day's dump holds, and the proof.

    ``size`` (``bytes`` in the document) is the dump's.
    ``hours`` has an entry for each of the 24 hours. ``event_days`` counts the events per date of their
    ``event_time`` ("none" where it has no date). ``etag`` is the dump's as the store gave it. ``rejected_sha256`` is
    that of the rejected lines as they are stored ("" without any). ``unusual`` counts events that are legal JSON and
    that loaders stumble over. ``window_days`` counts the days in a row that the window size worked for
    (below 1: a doubled one was refused).
    ``erased`` counts events of erased people that are not in the dump, as far as is known, and in no other figure.
    ``quiet_hours`` had many events the day before and have none. ``fewer_found`` is set when a later export found
    fewer events and left the day as it was.
    """

    day: Day
    state: State
    dump: Line
    events: Count
    rejected: Count
    size: Count
    sha256: Sha256
    hours: Mapping[Hour, Mapping[Line, Count]]
    windows: tuple[WindowRecord, ...]
    window_hours: WindowHours
    attempts: Count
    retries: Count
    source: Source
    etag: Line
    run: Line
    started_at: Moment
    finished_at: Moment
    version: Line
    event_days: Mapping[Line, Count] = field(default_factory=dict)
    schema: Mapping[Line, tuple[Column, ...]] = field(default_factory=dict)
    rejected_sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$", description="a SHA-256, or empty")] = ""
    unusual: Count = 0
    window_days: Annotated[int, msgspec.Meta(ge=-1000, le=100_000)] = 1
    quiet_hours: tuple[Hour, ...] = ()
    erased: Count = 0
    fewer_found: FewerFound | None = None
    ledger: LedgerLine | None = None
    format: int = FORMAT

    def to_json(self) -> bytes:
        """The document as it is stored: UTF-8, indented, in the order of the fields."""
        found = {name: value for name, value in asdict(self).items() if value or name not in OPTIONAL}
        document = {"format": FORMAT} | {"bytes" if name == "size" else name: value for name, value in found.items()}
        return (json.dumps(document | {"format": FORMAT}, indent=1, default=_plain, ensure_ascii=False) + "\n").encode()

    @staticmethod
    def from_json(text: bytes, where: str, day: date) -> "Manifest":
        """Read the manifest of ``day``, stored as ``where``.

        Raises:
            DamagedError: it is none, or another day's.
            PermanentError: a newer format than this version knows.
        """
        document = _document(text, where)
        if document["format"] == 1:
            _upgrade(document)
        if "bytes" in document:
            document["size"] = document.pop("bytes")
        found = _converted(document, Manifest, where, day)
        if sum(found.event_hours().values()) != found.events:
            raise DamagedError(f"{where} is damaged: the events of its hours do not add up to those of the day")
        return found

    def event_hours(self) -> dict[str, int]:
        """Events per hour."""
        return {hour: found.get("events", 0) for hour, found in self.hours.items()}


@dataclass(frozen=True)
class Failure:
    """The last failure of a day; ``window_hours`` is the widest window that may be asked next time.

    ``reason`` may quote what others wrote, and whoever can write to the store can have written it: `Days.failure` lets
    it pass the door of foreign text.
    """

    day: Day
    kind: Kind
    reason: str
    attempts: Count
    window_hours: WindowHours
    run: Line
    failed_at: Moment
    format: int = FORMAT

    def to_json(self) -> bytes:
        """The record as it is stored: UTF-8, indented."""
        return (json.dumps(asdict(self), indent=1, default=_plain, ensure_ascii=False) + "\n").encode()

    @staticmethod
    def from_json(text: bytes, where: str, day: date) -> "Failure":
        """Read the failure record of ``day``, stored as ``where``.

        Raises:
            DamagedError: it is none, or another day's.
            PermanentError: a newer format than this version knows.
        """
        return _converted(_document(text, where), Failure, where, day)


def _upgrade(document: dict[str, Any]) -> None:
    """Format 1 had `kept`, and called a day final when Amplitude had nothing in it."""
    if "kept" in document:
        document["fewer_found"] = document.pop("kept")
    if document.get("state") == FINAL and not document.get("events") and not document.get("rejected"):
        document["state"] = EMPTY


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)


def _document(text: bytes, where: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise DamagedError(f"{where} is damaged: it is not a JSON object in UTF-8") from None
    number = document.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= LAST_FORMAT:
        raise DamagedError(f"{where} is damaged: it has no format number")
    if number > FORMAT:
        raise PermanentError(f"{where} has format {number}, this version knows {FORMAT}. Update the exporter")
    return document


def _converted[Record: (Manifest, Failure)](
    document: dict[str, Any], kind: type[Record], where: str, day: date
) -> Record:
    try:
        found = msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise DamagedError(f"{where} is damaged: {misfit(error, kind)}") from None  # its words quote what they like
    if name := odd_time(found):
        raise DamagedError(f"{where} is damaged: its field `{name}` is not a time of this age")
    if found.day != day:
        raise DamagedError(f"{where} is damaged: it speaks of {found.day}, and its name of {day}")
    return found
