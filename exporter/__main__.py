"""The command line's entry point: the environment and the clock are read here and handed on."""

import sys

if sys.version_info < (3, 12):  # noqa: UP036 - who has an older Python is to read a sentence, not a traceback
    sys.exit("amplitude-exporter needs Python 3.12 or newer, and this is " + sys.version.split()[0])

import logging
import os
import signal
import stat
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from exporter.cli.arguments import parse_arguments
from exporter.cli.call import DONE, FAILED, WRONG, Call
from exporter.cli.commands import perform
from exporter.clock import Clock
from exporter.errors import ExportError, SettingsError

INTERRUPTED = 130
WRITTEN = Path(".env")
FOR_OTHERS = stat.S_IRGRP | stat.S_IROTH


def main() -> int:
    """Run the command; return the exit code."""
    program = _program()
    clock = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, sleep=time.sleep)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        arguments = parse_arguments(sys.argv[1:], program)
        environment, warnings = ({}, ()) if arguments.command == "demo" else _environment()
        code = perform(Call(arguments, environment, clock, program, warnings))
        sys.stdout.flush()
    except SettingsError as error:
        code = _say(f"The settings or the command are wrong; nothing was done:\n{error}", WRONG)
    except ExportError as error:
        code = _say(str(error), FAILED)
    except BrokenPipeError:  # `status | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    except OSError as error:
        place = error.filename or "the system"
        code = _say(f"{place}: {error.strerror}. Look at the path and its permissions", FAILED)
    except KeyboardInterrupt:
        code = _say(
            "Interrupted. Nothing partial is left, days that were finished stay. Call the same command again.",
            INTERRUPTED,
        )
        if threading.active_count() > 1:  # somebody waits for what cannot be broken off; nothing holds what is visible
            sys.stdout.flush()
            os._exit(code)
    finally:
        logging.shutdown()
    return code


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr, flush=True)
    return code


def _program() -> str:
    """How the command line was called, for hints that can be typed as they stand."""
    name = Path(sys.argv[0]).name
    return f"{sys.orig_argv[0]} -m exporter" if name == "__main__.py" else name


def _environment() -> tuple[dict[str, str], tuple[str, ...]]:
    """The environment, and what `.env` adds to it (a dollar sign in a key is a dollar sign); and warnings about it."""
    if not WRITTEN.exists():
        return dict(os.environ), ()
    from dotenv import dotenv_values  # noqa: PLC0415 - only who has such a file needs it

    try:
        written = dotenv_values(WRITTEN, interpolate=False)
    except UnicodeDecodeError as error:
        raise SettingsError(".env is not UTF-8 text. Save it as UTF-8") from error
    mode = WRITTEN.stat().st_mode
    others = (f".env can be read by others on this machine: chmod 600 {WRITTEN}",) if mode & FOR_OTHERS else ()
    return {name: value or "" for name, value in written.items()} | dict(os.environ), others


if __name__ == "__main__":
    sys.exit(main())
