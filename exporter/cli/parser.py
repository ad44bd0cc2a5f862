"""How arguments are read: argparse, with what people and shells do."""

import argparse
import difflib
import re
from collections.abc import Iterator
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that knows what was meant, and takes no empty argument for one that was left out."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does.

        A variable of the shell that is not set leaves an empty word behind: `erase --ids "$FILE"` has to erase nobody,
        and `verify --head "$KEPT"` to prove nothing.
        """
        words = list(args or ())
        for place, word in enumerate(words):
            if not word.strip() or (word.startswith("--") and word.endswith("=")):
                where = word or (words[place - 1] if place else "the command")
                self.error(f"an argument is empty, at {where.strip()}: is a variable of the shell not set?")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what is near; exit with 2."""
        wrong = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        if wrong:
            option = wrong[1] is None or wrong[1].startswith("-")
            known = [word for word in _words(self) if word.startswith("-") is option]
            near = difflib.get_close_matches((wrong[1] or wrong[2] or "").partition("=")[0], known, 1)
            message += f". Did you mean {near[0]}?" if near else ""
        super().error(message)


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every option and command that can be typed."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        yield from action.option_strings
        if isinstance(action.choices, dict):
            for name, below in action.choices.items():
                yield name
                yield from _words(below)
        else:
            yield from map(str, action.choices or ())
