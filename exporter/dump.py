r"""The dump's text: one JSON array, one event a line. The only code that knows brackets and commas.

``[\n`` event ``,\n`` event ``\n]\n``; a day without events is ``[]\n``. No byte of an event changes.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from exporter.archive.unzip import Events
from exporter.report import Progress, Step, no_progress
from exporter.store import Draft

AFTER_THE_HOURS = 24


@dataclass(frozen=True)
class Mark:
    """A place between two windows to come back to."""

    draft: int
    digest: Any
    size: int
    empty: bool


class Dump:
    """The day's text on its way into a draft; ``size`` in bytes."""

    def __init__(self, draft: Draft, progress: Progress = no_progress) -> None:
        self.size = 0
        self._draft = draft
        self._progress = progress
        self._digest = hashlib.sha256()
        self._empty = True

    @property
    def sha256(self) -> str:
        """Of everything written so far, in hex."""
        return self._digest.hexdigest()

    def mark(self) -> Mark:
        """Where the text stands, for `back`."""
        return Mark(self._draft.mark(), self._digest.copy(), self.size, self._empty)

    def back(self, mark: Mark) -> None:
        """Forget everything written since ``mark``."""
        self._draft.back(mark.draft)
        self._digest, self.size, self._empty = mark.digest.copy(), mark.size, mark.empty

    def add(self, events: Events) -> None:
        """Append a block of events; one without any is passed over."""
        if not events.count:
            return
        self._write(events.hour, b"[\n" if self._empty else b",\n")
        self._empty = False
        joined = events.text.replace(b"\n", b",\n")
        self._write(events.hour, memoryview(joined)[: -len(b",\n")])
        self._progress(Step.WRITING, self.size, None)

    def finish(self) -> None:
        """Close the array."""
        self._write(AFTER_THE_HOURS, b"[]\n" if self._empty else b"\n]\n")

    def _write(self, hour: int, text: bytes | memoryview) -> None:
        self._draft.write(hour, text)
        self._digest.update(text)
        self.size += len(text)
