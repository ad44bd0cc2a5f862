"""What requests and urllib3 log passes the door of foreign text, too: they quote headers, and what a proxy said."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.foreign import Foreign

LIBRARIES = frozenset({"requests", "urllib3"})


@contextmanager
def through(foreign: Foreign) -> Iterator[None]:
    """Whatever the libraries log meanwhile is shown as ``foreign`` gives it, without a traceback."""

    def clean(record: logging.LogRecord) -> bool:
        record.msg, record.args, record.exc_info = foreign(record.getMessage()), (), None
        return True

    # each logger, for a filter of a parent does not see what its children log
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in LIBRARIES]
    for logger in map(logging.getLogger, names):
        logger.addFilter(clean)
    try:
        yield
    finally:
        for logger in map(logging.getLogger, names):  # in one step: others may be logging, through filters of their own
            logger.filters = [each for each in logger.filters if each is not clean]
