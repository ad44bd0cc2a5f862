# ruff: noqa: INP001 - a script, no package
"""Make the README's pictures from the real thing: `python docs/pictures/make.py` (needs chromium, about 20 s).

The page is the one that the tests look at, of 90 made-up days in all states. The terminal is the command line at
work against the simulator. `architecture.svg` is drawn by hand.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from exporter.simulator import OddLine, Simulator, Status, When  # noqa: E402 - the project is found from here on
from tests.browser.chromium import opened  # noqa: E402 - as above
from tests.browser.world import many_days, page_of, served  # noqa: E402 - as above

COLUMNS = 112
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


def make_page(chromium: str) -> None:
    """page-light.png and page-dark.png."""
    document = page_of(many_days())
    with served(lambda: document) as site, opened(chromium) as browser:
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1000, "height": 900}, color_scheme=scheme)
            page = context.new_page()
            page.goto(site.url)
            end = page.locator("section:has(#calendar)").evaluate("one => one.getBoundingClientRect().bottom")
            page.screenshot(
                path=HERE / f"page-{scheme}.png",
                full_page=True,
                clip={"x": 0, "y": 0, "width": 1000, "height": end},
            )
            context.close()


def make_terminal() -> None:
    """terminal.svg: two days, one of them with a 503 and a rejected line, and the table."""
    newest = datetime.now(UTC).date() - timedelta(days=2)
    first = newest - timedelta(days=1)
    faults = [Status(503, when=When(1, hours=f"{newest:%Y%m%d}"))]
    odd = OddLine("invalid-utf8", hours=f"{first:%Y%m%d}T09")
    with (
        Simulator(events_per_hour=300, faults=faults, contents=[odd]) as simulator,
        tempfile.TemporaryDirectory() as at,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "COLUMNS": str(COLUMNS),
            "AMP_BASE_URL": simulator.url,
            "AMP_API_KEY": simulator.api_key,
            "AMP_SECRET_KEY": simulator.secret_key,
        }
        shown = [
            f"\x1b[1m$ python -m exporter {command}\x1b[0m\n{_output(command.split(), environment, at)}"
            for command in (f"export --from {first} --to {newest}", "status")
        ]
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"), force_terminal=True)  # noqa: SIM115 - ends with us
    console.print(Text.from_ansi("\n".join(shown)))
    drawn = console.export_svg(title="amplitude exporter", theme=CALM)
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # nothing is loaded from elsewhere
    (HERE / "terminal.svg").write_text(drawn.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")


def _output(arguments: list[str], environment: dict[str, str], folder: str) -> str:
    """What a command says: the log plainly, then what it prints as on a terminal."""
    ours, theirs = pty.openpty()
    done = subprocess.run(  # noqa: S603 - the project itself
        [sys.executable, "-m", "exporter", *arguments],
        cwd=folder,
        env=environment,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    printed = b""
    try:
        while piece := os.read(ours, 65_536):
            printed += piece
    except OSError:  # how Linux tells that the other end is closed
        pass
    os.close(ours)
    return done.stderr.decode() + printed.decode().replace("\r\n", "\n")


def main() -> int:
    """Make them all; 1 without chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is not on the PATH: on Debian, apt-get install chromium", file=sys.stderr)  # noqa: T201 - a script
        return 1
    make_terminal()
    make_page(chromium)
    return 0


if __name__ == "__main__":
    sys.exit(main())
