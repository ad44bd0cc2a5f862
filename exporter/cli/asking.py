"""Whose ids a command is about: from a file or standard input, never from arguments, which others can see."""

import logging
import stat
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from exporter.cli.display import Display
from exporter.errors import SettingsError
from exporter.privacy.ids import Ids, read_ids
from exporter.report import Step

STDIN = "-"
FOR_OTHERS = stat.S_IRGRP | stat.S_IROTH

log = logging.getLogger(__name__)


def ids_from(name: str) -> Ids:
    """The ids in the file ``name``, or on standard input.

    Raises:
        SettingsError: it cannot be read, or holds no ids. Nothing of it is quoted, its name neither.
    """
    if name == STDIN:
        lines = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\n")
        return read_ids(lines, "standard input")
    try:
        path = Path(name)
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if path.stat().st_mode & FOR_OTHERS:
            log.warning("the file of --ids can be read by others on this machine: chmod 600, and delete it afterwards")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no path"
        raise SettingsError(
            f"--ids names a file that cannot be read: {why}. It takes a file with one id a line, or - for standard "
            "input; ids themselves are never written as arguments"
        ) from None
    return read_ids(text.split("\n"), "the file of --ids")


def shown(display: Display) -> Callable[[date, int], None]:
    """Shows the day that is at work."""
    begun: list[date] = []

    def begins(day: date, count: int) -> None:
        if begun and day > begun[-1]:
            display.ends(0)
        else:  # the first one, or a second search begins
            display.planned(count)
        begun.append(day)
        display.begins(0, day, Step.SEARCHING)

    return begins


def told_ids(ids: Ids) -> str:
    """How many ids of each kind."""
    counts = {"user id": len(ids.users), "Amplitude id": len(ids.amplitude), "device id": len(ids.devices)}
    return ", ".join(f"{count:,} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items())
