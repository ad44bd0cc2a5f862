"""The README's pictures, made from the real thing: `make pictures` (needs chromium, about 20 s).

The page is that of 90 made-up days, at a fixed time. The terminal is the command line at work against the simulator,
with a fixed clock. Each picture says what it was made from, so that a test can tell whether it is of today's code.
`architecture.svg` is drawn by hand, `benchmarks.svg` by `make bench`.
"""

import hashlib
import os
import pty
import re
import secrets
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from exporter.cli.arguments import INSTALLED, parse_arguments
from exporter.cli.call import Call
from exporter.cli.commands import perform
from exporter.clock import Clock
from exporter.days.manifest import FINAL, PROVISIONAL
from exporter.simulator import OddLine, Simulator, Status, When
from tests.browser.chromium import opened
from tests.browser.world import NEWEST, NOW, many_days, page_of, put_day, put_rejected, served
from tests.kit.memory import MemoryStore
from tests.kit.rules import days_on

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/pictures"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTH = 1000
COLUMNS = 104
SOURCE = b"made from"
SHOWN = (
    ["backfill", "--from", "3-days-ago"],
    ["status", "--check"],
    ["sql", "SELECT day, events, people FROM daily ORDER BY day DESC LIMIT 3"],
)
CALM = TerminalTheme(
    (27, 31, 35),
    (229, 232, 235),
    [
        (27, 31, 35),
        (224, 86, 78),
        (75, 154, 115),
        (211, 165, 44),
        (91, 151, 229),
        (170, 130, 200),
        (90, 170, 180),
        (200, 205, 210),
    ],
)


def calm_days() -> MemoryStore:
    """Ninety days as they usually are: nearly all final, two with something to look at."""
    events = {row.day: row.events for row in days_on(many_days()).coverage(NOW).rows}
    calm = MemoryStore()
    for ago in range(90):
        day = NEWEST - timedelta(days=ago)
        if ago in (18, 2):
            put_day(calm, day, 411_902 if ago == 18 else 181_340, rejected=0 if ago == 18 else 3)
        else:
            put_day(calm, day, events.get(day, 0) or 176_000 + 613 * ago, PROVISIONAL if ago == 0 else FINAL)
    put_rejected(calm, NEWEST - timedelta(days=2), ["not UTF-8 at byte 88", "not a JSON object", "not a JSON object"])
    return calm


def page_shown() -> str:
    """The page that is photographed."""
    return page_of(calm_days())


def terminal_shown() -> str:
    """What the commands print on a terminal, with its colours; warnings, too, which stay when the bars are gone."""
    fault = Status(503, when=When(1, hours=f"{NEWEST - timedelta(days=1):%Y%m%d}"))
    odd = OddLine("invalid-utf8", hours=f"{NEWEST:%Y%m%d}T09")
    with (
        Simulator(events_per_hour=300, faults=[fault], contents=[odd]) as simulator,
        tempfile.TemporaryDirectory() as at,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "COLUMNS": str(COLUMNS),
            "EXPORT_CONCURRENCY": "1",
            "AMP_BASE_URL": simulator.url,
            "AMP_API_KEY": simulator.api_key,
            "AMP_SECRET_KEY": simulator.secret_key,
        }
        return "\n".join(_asked(words, environment, at) for words in SHOWN)


def terminal_drawn(shown: str) -> str:
    """The terminal as SVG, with nothing loaded from elsewhere."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(shown))
        drawn = console.export_svg(title=INSTALLED, theme=CALM)
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    return drawn.replace("Fira Code", "DejaVu Sans Mono")


def source_of(picture: Path) -> str:
    """The hash that a PNG says it was made from; "" if it says nothing."""
    found = re.search(rb"tEXt" + SOURCE + rb"\0([0-9a-f]{64})", picture.read_bytes())
    return found[1].decode() if found else ""


def hash_of(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _asked(words: list[str], environment: dict[str, str], folder: str) -> str:
    """A command and what it says: warnings first, as on a terminal, at the time of the fixed clock."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", "from tests.pictures import command; command()", *words],
        cwd=folder,
        env=environment,
        stdout=theirs,
        stderr=subprocess.PIPE,
    ) as child:
        os.close(theirs)
        printed = b""
        try:
            while piece := os.read(ours, 65_536):
                printed += piece
        except OSError:  # how Linux tells that the other end is closed
            pass
        _, said = child.communicate()
    os.close(ours)
    warnings = [line for line in said.decode().splitlines() if " - INFO - " not in line]
    told = "".join(re.sub(r"^[\d-]{10} [\d:]{8},\d{3}", f"{NOW:%F %T},000", line) + "\n" for line in warnings)
    typed = " ".join(f'"{word}"' if " " in word else word for word in words)
    return f"\x1b[1m$ {INSTALLED} {typed}\x1b[0m\n{told}{printed.decode().replace('\r\n', '\n')}"


def command() -> None:
    """The command line with a clock that stands still, and waits for nothing; and a run's id without chance in it."""
    secrets.token_hex = lambda nbytes=None: "0" * (nbytes or 32)
    clock = Clock(now=lambda: NOW, monotonic=time.monotonic, sleep=lambda _seconds: None)
    perform(Call(parse_arguments(sys.argv[1:], INSTALLED), dict(os.environ), clock, INSTALLED))


def _photographed(document: str, chromium: str) -> None:
    with served(lambda: document) as site, opened(chromium) as browser:
        for scheme in SCHEMES:
            context = browser.new_context(viewport={"width": WIDTH, "height": 900}, color_scheme=scheme)
            page = context.new_page()
            page.goto(site.url)
            end = page.locator("section:has(#calendar)").evaluate("one => one.getBoundingClientRect().bottom")
            taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": end + 16})
            (PICTURES / f"page-{scheme}.png").write_bytes(_signed(taken, hash_of(document)))
            context.close()


def _signed(png: bytes, source: str) -> bytes:
    """The picture with a text chunk behind its header that says what it was made from."""
    header = 8 + 4 + 4 + 13 + 4  # the signature; and length, name, content and checksum of the first chunk
    chunk = b"tEXt" + SOURCE + b"\0" + source.encode()
    whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:header] + whole + png[header:]


def main() -> int:
    """Make them all; 1 without chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("chromium is not on the PATH: on Debian, apt-get install chromium\n")
        return 1
    (PICTURES / "terminal.svg").write_text(terminal_drawn(terminal_shown()), encoding="utf-8")
    _photographed(page_shown(), chromium)
    return 0


if __name__ == "__main__":
    sys.exit(main())
