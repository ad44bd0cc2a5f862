"""What the bytes alone cost: `python -m tests.bench.floor URL MEMBERS OUT`.

A plain download of the archive, and `python -m isal.igzip` of all members to a file. Nothing is checked but gzip's CRC.
"""

import http.client
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.bench.window import WINDOW

PIECE = 1 << 20


def main(url: str, members: str, out: str) -> None:
    """Download, then inflate; the archive's file goes when it is whole."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", f"/api/2/export?{urlencode(WINDOW)}")
    archive = Path(f"{out}.zip")
    with connection.getresponse() as response, archive.open("wb") as file:
        shutil.copyfileobj(response, file, PIECE)
    archive.unlink()
    subprocess.run([sys.executable, "-m", "isal.igzip", "-d", "-o", out, members], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
