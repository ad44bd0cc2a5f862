"""What can be typed about people: never an id, which others on the machine could see."""

import argparse
from pathlib import Path


def find(parser: argparse.ArgumentParser) -> None:
    """Of `find`."""
    _add_ids(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write their events there, as JSON lines")
    _add_quiet(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON; log lines go to stderr anyway")


def erase(parser: argparse.ArgumentParser) -> None:
    """Of `erase`."""
    _add_ids(parser)
    parser.add_argument("--reason", required=True, metavar="TEXT", help="kept on record: a ticket's number, no person")
    parser.add_argument("--by", metavar="NAME", help="who of you asks for it, kept on record (default: this user)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be erased, and erase nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    _add_quiet(parser)


def _add_ids(parser: argparse.ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--ids", metavar="FILE", help="one id a line: user_id=..., or - for stdin")
    whose.add_argument(
        "--from-amplitude", action="store_true", help="who is on Amplitude's list of deletions, and not erased here yet"
    )
    parser.add_argument("--devices", action="store_true", help="the devices of a user count as theirs, too")


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing unless something is wrong")
