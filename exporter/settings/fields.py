"""How a setting is declared."""

from dataclasses import field
from typing import Any


def setting(
    name: str, meaning: str, default: Any = "", *, secret: bool = False, allowed: str = "", example: str = ""
) -> Any:
    """A field of `Settings`: the variable's name, what it means, and what is allowed, in words."""
    told = {"name": name, "meaning": meaning, "secret": secret, "allowed": allowed, "example": example}
    return field(default=default, repr=not secret, metadata=told)
