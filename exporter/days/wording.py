"""What does not fit in a record, in words: the field, and what it should be. Nothing of what stands there is quoted."""

import re
from datetime import datetime
from typing import Any, get_args, get_type_hints

import msgspec

_MISSING = re.compile(r"Object missing required field `(\w+)`")
_FIELD = re.compile(r" `\$\.(\w+)")
_SPELLED = {"size": "bytes"}
"""Fields that the document calls otherwise."""
_FIRST_YEAR, _LAST_YEAR = 2000, 9000


def misfit(error: msgspec.ValidationError, record: type) -> str:
    """The sentence about a document that is no ``record``; msgspec's own words name types of a language."""
    text = str(error)
    within, missing = _FIELD.search(text), _MISSING.match(text)
    hints = get_type_hints(record, include_extras=True)
    name = within[1] if within else missing[1] if missing else ""
    if name not in hints:  # a name of somebody else's is not quoted, either
        return "it is not as this version writes it"
    shown = _SPELLED.get(name, name)
    return f"its field `{shown}` is not {_meant(hints[name])}" if within else f"it has no field `{shown}`"


def odd_time(record: object) -> str:
    """The field whose time can be none: at the ends of the calendar another zone's cannot even be computed."""
    for name, value in vars(record).items():
        for each in value.values() if isinstance(value, dict) else (value,):
            if isinstance(each, datetime) and not _FIRST_YEAR <= each.year <= _LAST_YEAR:
                return name
    return ""


def _meant(kind: Any) -> str:
    told = [meta.description for meta in get_args(kind)[1:] if isinstance(meta, msgspec.Meta) and meta.description]
    return told[0] if told else "as this version writes it"
