"""Run one command and write down what it took: `python watch.py REPORT TMP COMMAND...`.

A program of its own, with few imports: the peak memory that the kernel tells of a child is never less than what its
parent had when it started it.
"""

import json
import os
import select
import sys
import time
from pathlib import Path

LOOK_MS = 20
"""How often the temp folder is looked at; what came and went between two looks is not seen."""


def temp_bytes(pid: int, folder: str) -> int:
    """Bytes on disk of all files under ``folder``: those that ``pid`` has open, named or not, and the named ones."""
    found: dict[int, int] = {}
    try:
        open_files = [entry.path for entry in os.scandir(f"/proc/{pid}/fd") if _is_under(entry.path, folder)]
    except FileNotFoundError:  # it has just ended
        open_files = []
    for path in [*open_files, *(str(Path(root, name)) for root, _, names in os.walk(folder) for name in names)]:
        try:
            there = os.stat(path)  # noqa: PTH116 - thousands of looks, and a link of /proc to be followed
        except FileNotFoundError:  # gone meanwhile
            continue
        found[there.st_ino] = there.st_blocks * 512
    return sum(found.values())


def _is_under(descriptor: str, folder: str) -> bool:
    try:
        return os.readlink(descriptor).startswith(f"{folder}/")  # noqa: PTH115 - thousands of looks
    except FileNotFoundError:
        return False


def main() -> int:
    """Run, look, write the report; return the command's exit code."""
    report, folder, *command = sys.argv[1:]
    began = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ)
    ended = select.poll()
    ended.register(os.pidfd_open(pid), select.POLLIN)
    most = 0
    while not ended.poll(LOOK_MS):
        most = max(most, temp_bytes(pid, folder))
    _, status, usage = os.wait4(pid, 0)
    figures = {
        "wall": time.monotonic() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * 1024,
        "temp": most,
    }
    Path(report).write_text(json.dumps(figures))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
