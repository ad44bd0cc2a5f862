"""The Export API as far as the benchmark needs it: `python -m tests.bench.server ARCHIVE LOG`.

Any window is answered with a ZIP of its hours, put together from the day's ready one, so that serving costs next to
nothing. Prints its URL; writes a line for each request into LOG.
"""

import re
import struct
import sys
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CENTRAL, END = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
"""An entry and the end of a ZIP's directory (APPNOTE 4.3.12 and 4.3.16)."""
FIRST_OF_JANUARY_1980 = 33


@dataclass(frozen=True)
class Slice:
    """A part of the day's ZIP, and the directory that makes it a ZIP of its own."""

    start: int
    length: int
    directory: bytes


class Server(ThreadingHTTPServer):
    """Serves one day on a free port of loopback."""

    def __init__(self, archive: Path, requests: Path) -> None:
        self.archive, self.requests = archive, requests
        requests.touch()
        with zipfile.ZipFile(archive) as opened:
            self._members, self._end = opened.infolist(), opened.start_dir
        super().__init__(("127.0.0.1", 0), _Exchange)

    def window(self, first: int, last: int) -> Slice | None:
        """The ZIP of the hours from ``first`` to ``last``, both included; None if they hold nothing."""
        wanted = [info for info in self._members if first <= _hour(info.filename) <= last]
        if not wanted:
            return None
        later = [info.header_offset for info in self._members if _hour(info.filename) > last]
        start, end = wanted[0].header_offset, min([*later, self._end])
        entries = b"".join(_entry(info, info.header_offset - start) for info in wanted)
        closing = END.pack(b"PK\x05\x06", 0, 0, len(wanted), len(wanted), len(entries), end - start, 0)
        return Slice(start, end - start, entries + closing)


def _hour(name: str) -> int:
    found = re.search(r"_(\d+)#", name)
    assert found, name
    return int(found[1])


def _entry(info: zipfile.ZipInfo, offset: int) -> bytes:
    name = info.filename.encode()
    sizes = (info.CRC, info.compress_size, info.file_size, len(name))
    head = (b"PK\x01\x02", 20, 20, info.flag_bits, info.compress_type, 0, FIRST_OF_JANUARY_1980)
    return CENTRAL.pack(*head, *sizes, 0, 0, 0, 0, 0, offset) + name


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        found = self.server.window(int(query["start"][0][-2:]), int(query["end"][0][-2:]))
        with self.server.requests.open("a") as log:
            log.write(f"{self.path}\n")
        if found is None:
            self.send_error(404, "Raw data files were not found.")
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(found.length + len(found.directory)))
        self.end_headers()
        try:
            with self.server.archive.open("rb") as archive:
                self.connection.sendfile(archive, found.start, found.length)
            self.wfile.write(found.directory)
        except ConnectionError:  # the window was too big for the client
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """The line that is printed is enough."""


def main() -> None:
    """Serve until terminated."""
    with Server(*map(Path, sys.argv[1:])) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
