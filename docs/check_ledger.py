"""Check a copy of the ledger: `python check_ledger.py [--head NUMBER:HASH] FILE...`, files in the order of their years.

Python's standard library alone and nothing of the exporter: read it in five minutes, or write it anew. See ledger.md.
"""  # noqa: INP001 - one file, to be copied

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path


def check(lines: Iterable[bytes], kept: str | None = None) -> tuple[str, list[str]]:
    """The head of these lines, each with its line end, and what is wrong with them. ``kept`` is a head from before."""
    wrong, head, previous, there = [], "0:", "0" * 64, kept is None
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or (found.get("n"), found.get("previous")) != (number, previous):
            wrong.append(f"line {number} does not follow the line before it")
        previous = hashlib.sha256(line).hexdigest()
        head = f"{number}:{previous}"
        there = there or head == kept
    wrong += [] if head != "0:" else ["there is no line"]
    return head, wrong if there else [*wrong, f"the line {kept} is not there"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--head", metavar="NUMBER:HASH", help="a line that you kept: it has to be there")
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="in the order of their years")
    words = parser.parse_args()
    read = (f.read_bytes() if f.is_file() else parser.error(f"{f} is no file") for f in words.files)
    ledger = (line + b"\n" for text in read for line in text.split(b"\n")[:-1])
    last, problems = check(ledger, words.head if words.head is None else words.head.removeprefix("ledger="))
    sys.stdout.write("\n".join([*problems, f"ledger={last}", ""]))
    sys.exit(1 if problems else 0)
