"""Logging of the command line: the console and a file, times in UTC, nothing secret."""

import logging
import os
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper
from pathlib import Path

from exporter.errors import SettingsError
from exporter.foreign import Foreign
from exporter.report import quiet_libraries
from exporter.settings import Settings

FORMAT = "%(asctime)s - %(levelname)s - %(message)s"
STAMP = "%Y%m%d_%H%M%S"
NAME = re.compile(r"log_([0-9]{8}_[0-9]{6})\.log")

log = logging.getLogger(__name__)


class Redacted(logging.Formatter):
    """A formatter in UTC that blanks the given secrets, wherever in a line or a traceback and however they stand there.

    No line of this project holds a secret; this is for what foreign libraries may say.
    """

    converter = staticmethod(time.gmtime)

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(FORMAT)
        self._foreign = Foreign(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without secrets."""
        return self._foreign.blanked(super().format(record))


class LogFile(logging.FileHandler):
    """A log file that only its owner can read. One that cannot be written any more says so once, and is left alone."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, "ab"), encoding=self.encoding)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name and form
        """Say in one sentence what the system refused; the run goes on without the file."""
        error = sys.exc_info()[1]
        logging.getLogger().removeHandler(self)
        why = error.strerror if isinstance(error, OSError) else error
        log.warning(f"{self.baseFilename}: {why}. The run goes on, and its log file ends here")


def log_to_console(settings: Settings, console: logging.Handler) -> None:
    """Log to ``console``, as loud as the settings say, and to no other one."""
    root = logging.getLogger()
    for other in [one for one in root.handlers if isinstance(one.formatter, Redacted) and not isinstance(one, LogFile)]:
        root.removeHandler(other)
    root.setLevel(settings.log_level)
    console.setFormatter(Redacted(settings.secrets))
    root.addHandler(console)
    quiet_libraries()


def log_to_file(settings: Settings, now: datetime) -> Path | None:
    """Log to a new file, too, and remove those that are too old; its path, or None if none is wanted.

    Raises:
        SettingsError: the file cannot be written.
    """
    folder = settings.log_dir
    if folder is None:
        return None
    path = folder / f"log_{now:{STAMP}}.log"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = LogFile(path, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"EXPORT_LOG_DIR: {path} cannot be written: {error.strerror}") from error
    file.setFormatter(Redacted(settings.secrets))
    logging.getLogger().addHandler(file)
    if settings.log_days:
        _remove_old(folder, now - timedelta(days=settings.log_days))
    return path


def _remove_old(folder: Path, oldest: datetime) -> None:
    """The name tells a file's age. What cannot be removed is said, and no more."""
    for path in folder.iterdir():
        stamp = NAME.fullmatch(path.name)
        try:
            if stamp and datetime.strptime(stamp[1], STAMP).replace(tzinfo=UTC) < oldest:
                path.unlink(missing_ok=True)
        except (OSError, ValueError) as error:  # a date that is none: not a file of ours
            log.debug(f"{path} was not removed: {error}")
