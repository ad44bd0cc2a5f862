"""What is known about a day: the manifest proves it, the failure record says what went wrong last.

Both are small JSON documents with a format number. A reader refuses a newer format and accepts fields it does not
know within its own.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, NotRequired, Self, TypedDict

import msgspec

from exporter.errors import PermanentError
from exporter.window import HOURS_A_DAY, day_end

FORMAT = 1
PROVISIONAL = "provisional"
FINAL = "final"

Count = Annotated[int, msgspec.Meta(ge=0)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
WindowHours = Annotated[int, msgspec.Meta(ge=1, le=HOURS_A_DAY)]


def state_at(day: date, started: datetime, settle: timedelta) -> str:
    """Final when the export of ``day`` started ``settle`` after the day's end or later, else provisional."""
    return FINAL if started >= day_end(day) + settle else PROVISIONAL


@dataclass(frozen=True)
class Source:
    """Amplitude's side: the host that was asked, and the project id found in the member names ("" if none)."""

    url: str
    project: str = ""


@dataclass(frozen=True)
class WindowRecord:
    """One request's window as it was answered; ``start`` and ``end`` are hours, both inclusive."""

    start: str
    end: str
    status: int
    archive_bytes: Count


class Kept(TypedDict):
    """An export that found fewer events than are stored, and left the day as it was."""

    events: Count
    run: NotRequired[str]
    at: NotRequired[Moment]


@dataclass(frozen=True)
class Manifest:
    """What a day's dump holds, and the proof.

    ``size`` (``bytes`` in the document) is the dump's.
    ``hours`` has an entry for each of the 24 hours. ``event_days`` counts the events per date of their
    ``event_time`` ("none" where it has no date). ``etag`` is the dump's as the store gave it. ``kept`` is set when
    a later export found fewer events and left the day as it was.
    """

    day: date
    state: str
    dump: str
    events: Count
    rejected: Count
    size: Count
    sha256: str
    hours: Mapping[str, Mapping[str, int]]
    windows: tuple[WindowRecord, ...]
    window_hours: WindowHours
    attempts: Count
    retries: Count
    source: Source
    etag: str
    run: str
    started_at: Moment
    finished_at: Moment
    version: str
    event_days: Mapping[str, int] = field(default_factory=dict)
    schema: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: Kept | None = None
    format: int = FORMAT

    def to_json(self) -> bytes:
        """The document as it is stored: UTF-8, indented, in the order of the fields."""
        document = {"format": self.format, **asdict(self)}
        document = {"bytes" if name == "size" else name: value for name, value in document.items()}
        if self.kept is None:
            del document["kept"]
        return (json.dumps(document, indent=1, default=_plain, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes, where: str) -> Self:
        """Read a stored manifest; ``where`` is its name, for the message.

        Raises:
            PermanentError: not a manifest, or a newer format than this version knows.
        """
        document = _document(text, where)
        document["size"] = document.pop("bytes", None)
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise PermanentError(
                f"{where} is not a manifest: {error}. Move it away and export the day again"
            ) from error

    def metadata(self) -> dict[str, str]:
        """What the coverage needs, as blob metadata (ASCII), so that one listing is the whole coverage."""
        return {
            "state": self.state,
            "events": str(self.events),
            "bytes": str(self.size),
            "rejected": str(self.rejected),
            "sha256": self.sha256,
            "etag": self.etag.strip('"'),
            "finished": self.finished_at.isoformat(timespec="seconds"),
            "kept": "" if self.kept is None else str(self.kept["events"]),
        }


@dataclass(frozen=True)
class Failure:
    """The last failure of a day; ``window_hours`` is the widest window that may be asked next time."""

    day: date
    kind: str
    reason: str
    attempts: Count
    window_hours: WindowHours
    run: str
    failed_at: Moment
    format: int = FORMAT

    def to_json(self) -> bytes:
        """The record as it is stored: UTF-8, indented."""
        return (json.dumps(asdict(self), indent=1, default=_plain, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes, where: str) -> Self:
        """Read a stored failure record.

        Raises:
            PermanentError: not a failure record, or a newer format than this version knows.
        """
        try:
            return msgspec.convert(_document(text, where), cls)
        except msgspec.ValidationError as error:
            raise PermanentError(
                f"{where} is not a failure record: {error}. Delete it and export the day again"
            ) from error


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)


def _document(text: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise PermanentError(f"{where} is not JSON: {error}. Move it away and export the day again") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise PermanentError(f"{where} has no format number. Move it away and export the day again")
    if document["format"] > FORMAT:
        raise PermanentError(
            f"{where} has format {document['format']}, this version knows {FORMAT}. Update the exporter"
        )
    return document
