"""Make a table of the dump at PATH in this process, and print its peak memory: `python -m tests.tables.alone PATH`."""

import re
import sys
from pathlib import Path

from exporter.store.folder import LocalStore
from exporter.tables.write import write_table

if __name__ == "__main__":
    path = Path(sys.argv[1])
    with path.with_suffix(".parquet").open("wb") as file:
        made = write_table(LocalStore(path.parent).stream(path.name), file.write)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())  # getrusage tells of the parent, too
    print(made.rows, int(peak[1]) * 1024 if peak else 0)  # noqa: T201 - the result
