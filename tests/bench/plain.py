"""Plain streaming with the standard library: `python -m tests.bench.plain URL OUT`. An event in memory at a time."""

import gzip
import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import requests

from tests.bench.window import WINDOW

PIECE = 1 << 20


def main(url: str, out: str) -> None:
    """The archive goes to a temp file, its lines one by one through json."""
    with (
        tempfile.TemporaryFile() as spooled,
        requests.get(
            f"{url}/api/2/export", params=WINDOW, auth=("key", "secret"), timeout=600, stream=True
        ) as response,
        Path(out).open("w") as file,
    ):
        response.raise_for_status()
        shutil.copyfileobj(response.raw, spooled, PIECE)
        file.write("[")
        for number, line in enumerate(_lines(spooled)):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(json.loads(line)))
        file.write("\n]\n")


def _lines(spooled: IO[bytes]) -> Iterator[bytes]:
    with zipfile.ZipFile(spooled) as archive:
        for name in archive.namelist():
            with archive.open(name) as member, gzip.open(member) as lines:
                yield from lines


if __name__ == "__main__":
    main(*sys.argv[1:])
