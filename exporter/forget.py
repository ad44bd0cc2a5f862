"""How people are forgotten who were erased, for rooms that do not know who they are."""

from collections.abc import Callable
from datetime import date

Forget = Callable[[bytes, int | None], tuple[bytes, list[bytes]]]
r"""Takes the lines of erased people out of a block of a day's lines, each with its ``\n``.

It gives the block with blank lines in their place, so that the numbers of the others stay, and those lines. The number
is the hour that they were uploaded in, None where it is not known.
"""

ForgetOn = Callable[[date], Forget | None]
"""What is to be forgotten of a day's lines, None for nothing. Raises PermanentError where that cannot be told."""


def nothing(_day: date) -> None:
    """Nobody was erased."""
