"""How a setting is declared, and how its text becomes a value."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0, le=60)]
DayCount = Annotated[int, msgspec.Meta(ge=0, le=36500)]
LONGEST_CONTAINER = 63
"""Characters of a container's name."""
Container = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]$")]


def setting(
    name: str, meaning: str, default: Any = "", *, secret: bool = False, allowed: str = "", example: str = ""
) -> Any:
    """A field of `Settings`: the variable's name, what it means, and what is allowed, in words."""
    told = {"name": name, "meaning": meaning, "secret": secret, "allowed": allowed, "example": example}
    return field(default=default, repr=not secret, metadata=told)


def convert(text: str, kind: Any) -> Any:
    """The value that a text stands for.

    Raises:
        ValueError: it stands for none.
    """
    if kind in (Path, Path | None):
        if not text.isprintable():
            raise ValueError
        return Path(text)
    value = msgspec.convert(text, kind, strict=False)
    return value.rstrip("/") if isinstance(value, str) and value.startswith(("http://", "https://")) else value
