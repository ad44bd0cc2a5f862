"""Logging of a command-line run: the console and a file, times in UTC, nothing secret."""

import logging
import time
from datetime import datetime
from pathlib import Path

from exporter.errors import SettingsError
from exporter.report import quiet_libraries

FORMAT = "%(asctime)s - %(levelname)s - %(message)s"
SHORTEST_SECRET = 4
BLANKED = "***"


class Redacted(logging.Formatter):
    """A formatter in UTC that blanks the given secrets, wherever in a line or a traceback they stand.

    No line of this project holds a secret; this is for what foreign libraries may say.
    """

    converter = staticmethod(time.gmtime)

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(FORMAT)
        self._secrets = tuple(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without secrets."""
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, BLANKED)
        return line


def setup_logging(level: str, folder: Path, now: datetime, secrets: tuple[str, ...], console: logging.Handler) -> Path:
    """Log to ``console`` and to a new file ``log_YYYYMMDD_HHMMSS.log`` in ``folder``; return its path.

    Raises:
        SettingsError: the file cannot be written.
    """
    path = folder / f"log_{now:%Y%m%d_%H%M%S}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"EXPORT_LOG_DIR: {path} cannot be written: {error.strerror}") from error
    root = logging.getLogger()
    root.setLevel(level)
    for handler in (console, file):
        handler.setFormatter(Redacted(secrets))
        root.addHandler(handler)
    quiet_libraries()
    return path
