"""What can be scripted to go wrong with a request: another answer, a spoilt archive, or trouble on the wire.

A fault says what goes wrong and, in its `when`, with which requests. A script is a list of them: a request
gets the first fault that is meant for it and not used up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exporter.simulator.hours import names

type SpoilKind = Literal[
    "corrupt-member", "corrupt-zip", "wrong-trailer", "truncated-member", "foreign-member", "bad-name",
    "other-hour", "same-member-twice", "path-outside", "bomb", "encrypted", "unsupported-compression",
    "reordered", "renamed-member", "folder-with-data", "missing-entry", "two-archives",
]  # fmt: skip
type WireKind = Literal[
    "truncated-zip", "short-body", "broken-off", "no-length", "chunked", "broken-chunks", "reset", "closed",
    "drip", "silence",
]  # fmt: skip


@dataclass(frozen=True)
class When:
    """The requests a fault is meant for: the first `times` (None: all) that fit.

    A request fits if its window holds an hour that the pattern `hours` names (see `hours.names`; empty: any
    window) and is wider than `wider_than` hours.
    """

    times: int | None = 1
    hours: str = ""
    wider_than: int = 0

    def fits(self, window: Sequence[datetime]) -> bool:
        """Whether the window's hours are meant."""
        return len(window) > self.wider_than and any(names(self.hours, hour) for hour in window)


ONCE = When()
ALWAYS = When(times=None)


@dataclass(frozen=True)
class TooManyRequests:
    """429; Retry-After in seconds, as an HTTP date so many seconds from now (`as_date`), or (None) absent."""

    retry_after: float | None = None
    as_date: bool = False
    when: When = ONCE


@dataclass(frozen=True)
class Status:
    """An answer with this status and, unless `body` is given, the body Amplitude or a gateway sends with it.

    200 and 404 come with a proxy's HTML page, 302 leads to a login page.
    """

    code: int
    body: bytes | None = None
    when: When = ONCE


@dataclass(frozen=True)
class TooLarge:
    """Every window wider than `hours` is too much: 400 with words of size, or 504 with a gateway's page."""

    hours: int
    code: Literal[400, 504] = 400
    when: When = ALWAYS


@dataclass(frozen=True)
class Spoilt:
    """A 200 whose archive is wrong (`reordered`: only unusual). `megabytes` is what a bomb inflates to."""

    kind: SpoilKind
    megabytes: int = 1024
    when: When = ONCE


@dataclass(frozen=True)
class Wire:
    """Trouble, or only something unusual, in how the answer is sent.

    `value` is bytes a second for `drip` and seconds for `silence`; the other kinds need none.
    """

    kind: WireKind
    value: float = 0
    when: When = ONCE


type Fault = TooManyRequests | Status | TooLarge | Spoilt | Wire


def meant_for(fault: Fault, window: Sequence[datetime]) -> bool:
    """Whether the fault is meant for a request of these hours."""
    too_wide = not isinstance(fault, TooLarge) or len(window) > fault.hours
    return too_wide and fault.when.fits(window)
