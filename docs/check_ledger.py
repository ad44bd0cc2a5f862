"""Check a copy of the ledger: `python check_ledger.py [--head NUMBER:HASH] FILE...`, files in the order of their years.

Python's standard library alone and nothing of the exporter: read it in five minutes, or write it anew. See ledger.md.
"""  # noqa: INP001 - one file, to be copied

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path


def check(lines: Iterable[bytes], kept: str = "") -> tuple[str, list[str]]:
    """The head of these lines, each with its line end, and what is wrong with them. ``kept`` is a head from before."""
    wrong, head, previous, there = [], "0:", "0" * 64, not kept
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
    return head, wrong if there else [*wrong, f"the line {kept} is not there"]


if __name__ == "__main__":
    words = sys.argv[1:]
    kept, files = (words[1].removeprefix("ledger="), words[2:]) if words[:1] == ["--head"] else ("", words)
    ledger = [line + b"\n" for name in files for line in Path(name).read_bytes().split(b"\n")[:-1]]
    last, problems = check(ledger, kept)
    sys.stdout.write("\n".join([*problems, f"ledger={last}", ""]))
    sys.exit(1 if problems else 0)
