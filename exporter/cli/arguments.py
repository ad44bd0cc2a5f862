"""What can be typed."""

import argparse
import re
import textwrap
from collections.abc import Callable, Sequence
from datetime import time
from pathlib import Path
from typing import Any, NoReturn

from exporter import __version__
from exporter.cli.arguments_of_people import erase, find
from exporter.cli.call import YESTERDAY, Ago, Named
from exporter.cli.help import HELP
from exporter.cli.parser import Parser
from exporter.window import parse_day

MOST = 999_999_999
INSTALLED = "amplitude-exporter"

EPILOG = """\
exit codes: 0 done, 1 a day failed or is held by another run, 2 wrong usage or settings, 130 interrupted.
Settings come from the environment and from .env in the current folder; README.md lists them.
Days are UTC, written YYYY-MM-DD, yesterday or 7-days-ago. COMMAND --help has examples."""


class _PrintCompletion(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        shell: str | Sequence[Any] | None,
        _option: str | None = None,
    ) -> NoReturn:
        import shtab  # noqa: PLC0415 - once in a machine's life

        parser.prog = INSTALLED
        print(shtab.complete(parser, str(shell)))
        parser.exit()


def parse_arguments(words: list[str], program: str = INSTALLED) -> argparse.Namespace:
    """Read the command line; exits with 2 and a sentence if it is wrong."""
    parser = Parser(
        prog=program,
        description="Export every raw event of an Amplitude project, day by day, unchanged and provably complete.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=("bash", "zsh", "tcsh"),
        metavar="SHELL",
        help=f'completion for bash, zsh or tcsh, e.g. eval "$({INSTALLED} --print-completion bash)"',
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command, options in OPTIONS.items():
        told = HELP[command]
        below = commands.add_parser(
            command,
            help=told.short,
            description=textwrap.fill(told.long, 100),
            epilog=told.epilog(program, command),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        options(below)
    return parser.parse_args(words)


def _export(parser: argparse.ArgumentParser) -> None:
    _add_days(parser)
    parser.add_argument("--force", action="store_true", help="replace a stored day even if it had more events")
    _add_output(parser)


def _backfill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", type=_day, required=True, metavar="DAY", help="the first day")
    parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="the last day (default: yesterday)")
    _add_output(parser)


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=_positive, default=14, metavar="N", help="the last N days (default: 14)")
    parser.add_argument("--from", dest="first", type=_day, metavar="DAY", help="all days from this one on")
    parser.add_argument("--check", action="store_true", help="exit code 1 if something is wrong, and say what")
    parser.add_argument(
        "--by",
        type=_hour,
        default=time(6),
        metavar="HH:MM",
        help="when yesterday has to be there, UTC (default: 06:00), with --check",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the coverage page, too")
    _add_output(parser)


def _verify(parser: argparse.ArgumentParser) -> None:
    _add_days(parser)
    parser.add_argument("--all", action="store_true", help="every day on record")
    parser.add_argument("--head", metavar="NUMBER:HASH", help="prove the ledger against a line that was kept")
    parser.add_argument("--accept", action="store_true", help="you changed the days named: put that into the ledger")
    parser.add_argument("--repair", action="store_true", help="export the days that do not fit again, at once")
    _add_output(parser)


def _tables(parser: argparse.ArgumentParser) -> None:
    _add_days(parser)
    _add_json(parser)


def _sql(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", metavar="QUERY", help="default: those of stdin, each ending with ;")
    _add_days(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--csv", action="store_true", help="print the rows as CSV")
    how.add_argument("--json", action="store_true", help="print the rows as JSON")


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where it goes")


def _simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="0 picks a free one (default: 8080)")
    parser.add_argument("--events-per-hour", type=_positive, default=50, metavar="N", help="default: 50")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="other events for another seed")
    parser.add_argument("--project", type=_positive, default=100011471, metavar="N", help="the project's id")
    parser.add_argument(
        "faults",
        nargs="*",
        metavar="FAULT",
        help="faults to play: NAME[:VALUE][xTIMES|xall][@HH][>HOURS], e.g. 503x2 torn-line@05 '504xall>6'",
    )
    parser.add_argument("--list-faults", action="store_true", help="name the faults and exit")


def _add_days(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", type=_day, metavar="DAY", help="one day")
    parser.add_argument("--from", dest="first", type=_day, metavar="DAY", help="the first day of a range")
    parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="the last day of a range")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing unless something is wrong")
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON; log lines go to stderr anyway")


def _day(text: str) -> Named:
    ago = re.fullmatch(r"([1-9][0-9]{0,3})-days?-ago", text, re.ASCII)
    if ago or text == "yesterday":
        return Ago(int(ago[1])) if ago else YESTERDAY
    try:
        return parse_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _hour(text: str) -> time:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no time of a day. Write it as HH:MM, for example 06:00")
    return time.fromisoformat(text)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(MOST)) or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1 to {MOST}")
    return int(text)


OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "export": _export,
    "run": _add_output,
    "backfill": _backfill,
    "status": _status,
    "verify": _verify,
    "doctor": _add_json,
    "tables": _tables,
    "sql": _sql,
    "report": _report,
    "find": find,
    "erase": erase,
    "erasures": _add_json,
    "simulate": _simulate,
    "demo": lambda _: None,
}
"""The commands, in the order in which help shows them."""
