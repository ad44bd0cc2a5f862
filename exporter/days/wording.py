"""What does not fit in a record, in words: the field, and what it should be. Nothing of what stands there is quoted."""

import re
from typing import Any, get_args, get_type_hints

import msgspec

_MISSING = re.compile(r"Object missing required field `(\w+)`")
_FIELD = re.compile(r" `\$\.(\w+)")
_SPELLED = {"size": "bytes"}
"""Fields that the document calls otherwise."""


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


def _meant(kind: Any) -> str:
    told = [meta.description for meta in get_args(kind)[1:] if isinstance(meta, msgspec.Meta) and meta.description]
    return told[0] if told else "as this version writes it"
