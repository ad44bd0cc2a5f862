"""Stored text on its way out: what is on record was checked when it was written, and passes the door again.

A record may be older than the door, or somebody else's.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from exporter.foreign import Foreign
from exporter.settings import Settings

LONGEST_READ = 4000
LONGEST = 1000
"""Characters of a stored text that are shown: a sentence of ours, and at most one quotation in it."""

Show = Callable[[str], str]
"""Gives a stored text as it may be shown."""


def showing(settings: Settings) -> Show:
    """Shows stored text in one line of printable characters, without what the settings keep secret."""
    foreign = Foreign(settings.secrets)

    @cache
    def show(text: str) -> str:
        line = "".join(one if one.isprintable() else " " for one in text[:LONGEST_READ])
        shown = foreign.blanked(" ".join(line.split()))
        return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."

    return show


def show_record(record: Mapping[str, Any], show: Show) -> dict[str, Any]:
    """A record for JSON with every text in it shown, whatever it is called and however deep it stands."""
    return {name: _show_value(value, show) for name, value in record.items()}


def _show_value(value: Any, show: Show) -> Any:
    match value:
        case str():
            return show(value)
        case dict():
            return {show(name): _show_value(inner, show) for name, inner in value.items()}
        case list() | tuple():
            return [_show_value(inner, show) for inner in value]
        case _:
            return value
