"""The script that everybody writes, as this tool's first version was: `python -m tests.bench.naive URL OUT`."""

import gzip
import io
import json
import sys
import zipfile
from pathlib import Path

import requests

from tests.bench.window import WINDOW


def main(url: str, out: str) -> None:
    """Everything in memory: the archive, then every event as an object."""
    response = requests.get(f"{url}/api/2/export", params=WINDOW, auth=("key", "secret"), timeout=600)
    response.raise_for_status()
    events: list[object] = []
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        for name in archive.namelist():
            with archive.open(name) as member, gzip.open(member) as lines:
                events.extend(json.loads(line) for line in lines)
    with Path(out).open("w") as file:
        json.dump(events, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
