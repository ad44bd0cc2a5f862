"""What the commands about people print with `--json`. No document holds an id."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from exporter.cli.documents import Document
from exporter.days.erasures import Erasure


class FoundDay(msgspec.Struct, kw_only=True):
    """A day that holds lines of those who were looked for."""

    day: Annotated[date, Meta(description="UTC")]
    events: Annotated[int, Meta(description="of theirs, in the dump")]
    rejected: Annotated[int, Meta(description="of theirs, of the lines that are no events")]


class FindDocument(Document, kw_only=True):
    """Printed by `find`. It holds no id."""

    user_ids: Annotated[int, Meta(description="that were looked for")]
    amplitude_ids: Annotated[int, Meta(description="that were looked for: those asked for, and those of the users")]
    device_ids: Annotated[int, Meta(description="that were looked for; those of the users with `--devices`")]
    days: Annotated[list[FoundDay], Meta(description="days that hold anything of theirs, oldest first")]
    days_read: Annotated[int, Meta(description="days that were looked at")]
    not_read: Annotated[list[date], Meta(description="days in the archive tier, which cannot be read")]
    rejected_of_nobody: Annotated[int, Meta(description="rejected lines that name nobody: a person has to look")]


class ErasedDay(msgspec.Struct, kw_only=True):
    """A day of an erasure."""

    day: Annotated[date, Meta(description="UTC")]
    state: Annotated[Literal["open", "begun", "done"], Meta(description="done: nothing of theirs is in it")]
    events: Annotated[int, Meta(description="taken away, or found as long as it is open")]
    rejected: Annotated[int, Meta(description="the same of lines that are no events")]
    sha256_before: Annotated[str, Meta(description="of the dump; empty while the day is open")]
    sha256_after: Annotated[str, Meta(description="of the dump; empty while the day is open")]
    old_versions: Annotated[int, Meta(description="that can still be brought back")]
    until: Annotated[datetime | None, Meta(description="when the last of them is gone; null where nobody says")]
    why: Annotated[str, Meta(description="what keeps it open")]


class ErasureTold(msgspec.Struct, kw_only=True):
    """An erasure. It holds no id of a person."""

    id: Annotated[str, Meta(description="of the erasure")]
    state: Annotated[Literal["begun", "done"], Meta(description="begun: call the same command again")]
    reason: Annotated[str, Meta(description="as it was given")]
    by: Annotated[str, Meta(description="who of the staff asked for it")]
    asked_at: Annotated[datetime, Meta(description="events uploaded before never come back")]
    done_at: Annotated[datetime | None, Meta(description="when the last day was done")]
    days: Annotated[list[ErasedDay], Meta(description="oldest first")]


class ErasuresDocument(Document, kw_only=True):
    """Printed by `erasures`."""

    erasures: Annotated[list[ErasureTold], Meta(description="oldest first")]


def erasure_of(found: Erasure) -> ErasureTold:
    """What is on record of an erasure."""
    days = [
        ErasedDay(
            day=one.day,
            state=one.state,
            events=one.events,
            rejected=one.rejected,
            sha256_before=one.before,
            sha256_after=one.after,
            old_versions=one.old_versions,
            until=one.until,
            why=one.why,
        )
        for one in found.days
    ]
    return ErasureTold(
        id=found.id,
        state=found.state,
        reason=found.reason,
        by=found.by,
        asked_at=found.asked_at,
        done_at=found.done_at,
        days=days,
    )
