"""What can be typed."""

import argparse
from datetime import date

from exporter import __version__
from exporter.cli.tables import add_to as add_tables
from exporter.window import parse_day

MOST = 999_999_999

EPILOG = """\
exit codes: 0 done, 1 a day failed or is held by another run, 2 wrong usage or settings, 130 interrupted.
Settings come from the environment and from .env in the current folder; README.md lists them.
Days are UTC, written YYYY-MM-DD."""


def parse_arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 and a sentence if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m exporter",
        description="Export every raw event of an Amplitude project, day by day, unchanged and provably complete.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    export = commands.add_parser(
        "export", help="export yesterday, or the days named; a named day is always asked again"
    )
    _add_days(export)
    export.add_argument("--force", action="store_true", help="replace a stored day even if it had more events")
    _add_json(export)

    _add_json(commands.add_parser("run", help="export the days that are due, as the nightly timer does"))

    backfill = commands.add_parser("backfill", help="export the days of a range that are not final yet, oldest first")
    backfill.add_argument("--from", dest="first", type=_day, required=True, metavar="DAY", help="the first day")
    backfill.add_argument("--to", dest="last", type=_day, required=True, metavar="DAY", help="the last day")
    _add_json(backfill)

    status = commands.add_parser("status", help="show what the store holds, day by day, and the gaps")
    status.add_argument("--days", type=_positive, default=14, metavar="N", help="the last N days (default: 14)")
    _add_json(status)

    verify = commands.add_parser("verify", help="read dumps back and hold them against their manifests")
    _add_days(verify)
    verify.add_argument("--repair", action="store_true", help="export the days that do not fit again, at once")
    _add_json(verify)

    add_tables(commands, _add_days, _add_json)
    _add_simulate(commands.add_parser("simulate", help="serve a simulated Amplitude Export API on this machine"))
    commands.add_parser("demo", help="export one simulated day to demo/ and show it; needs no keys, reads no settings")
    return parser.parse_args(words)


def _add_simulate(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument("--port", type=int, default=8080, metavar="N", help="0 picks a free one (default: 8080)")
    simulate.add_argument("--events-per-hour", type=_positive, default=50, metavar="N", help="default: 50")
    simulate.add_argument("--seed", type=int, default=1, metavar="N", help="other events for another seed")
    simulate.add_argument("--project", type=_positive, default=100011471, metavar="N", help="the project's id")
    simulate.add_argument(
        "faults",
        nargs="*",
        metavar="FAULT",
        help="faults to play, once each: NAME[:VALUE][xTIMES|xall][@HH][>HOURS], e.g. 503x2 torn-line@05 '504xall>6'",
    )
    simulate.add_argument("--list-faults", action="store_true", help="name the faults and exit")


def _add_days(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", type=_day, metavar="DAY", help="one day")
    parser.add_argument("--from", dest="first", type=_day, metavar="DAY", help="the first day of a range")
    parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="the last day of a range")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON; log lines go to stderr anyway")


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(MOST)) or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1 to {MOST}")
    return int(text)
