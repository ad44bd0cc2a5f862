"""The command line's entry point: the environment and the clock are read here and handed on."""

import logging
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from exporter.cli.arguments import parse_arguments
from exporter.cli.call import FAILED, WRONG, Call
from exporter.cli.commands import perform
from exporter.clock import Clock
from exporter.errors import ExportError, SettingsError

INTERRUPTED = 130


def main() -> int:
    """Run the command; return the exit code."""
    arguments = parse_arguments(sys.argv[1:])
    clock = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, sleep=time.sleep)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        environment = {} if arguments.command == "demo" else _environment()
        return perform(Call(arguments, environment, clock))
    except SettingsError as error:
        print(f"The settings or the command are wrong; nothing was done:\n{error}", file=sys.stderr)
        return WRONG
    except ExportError as error:
        print(error, file=sys.stderr)
        return FAILED
    except OSError as error:
        print(
            f"{error.filename or 'the system'}: {error.strerror}. Look at the path and its permissions", file=sys.stderr
        )
        return FAILED
    except KeyboardInterrupt:
        print(
            "Interrupted. Nothing partial is left, days that were finished stay. Call the same command again.",
            file=sys.stderr,
        )
        return INTERRUPTED
    finally:
        logging.shutdown()


def _environment() -> dict[str, str]:
    """The environment, and what `.env` adds to it; a dollar sign in a key is a dollar sign."""
    if not Path(".env").exists():
        return dict(os.environ)
    from dotenv import dotenv_values  # noqa: PLC0415 - only who has such a file needs it

    try:
        written = dotenv_values(".env", interpolate=False)
    except UnicodeDecodeError as error:
        raise SettingsError(".env is not UTF-8 text. Save it as UTF-8") from error
    return {name: value or "" for name, value in written.items()} | dict(os.environ)


if __name__ == "__main__":
    sys.exit(main())
