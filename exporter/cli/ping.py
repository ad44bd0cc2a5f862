"""Tell a service like Healthchecks how a run starts and ends, so that somebody hears of a cron job that is silent.

`EXPORT_PING_URL` gets a POST when a run has gone well, `/start` below it when one begins, `/fail` when a day failed.
The body names days and kinds of failures, and nothing else: no event, no name, no foreign text.
"""

import logging
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException

from exporter.errors import ExportError
from exporter.foreign.addresses import read
from exporter.run.book import RunResult

SECONDS = 10
MOST_DAYS = 20

log = logging.getLogger(__name__)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address may tell a secret, and where it would be told to is not known."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


class Ping:
    """Pings ``url``; nothing at all if it is empty. What goes wrong with it is a warning and stops no run."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self._url = url.rstrip("/")
        tls = ssl.create_default_context(cafile=environment.get("REQUESTS_CA_BUNDLE") or None) if url else None
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect(), urllib.request.HTTPSHandler(context=tls)]
        address = read(url)
        if address and address.loopback:
            handlers.append(urllib.request.ProxyHandler({}))
        self._open = urllib.request.build_opener(*handlers).open

    @contextmanager
    def around(self) -> Iterator[None]:
        """Tell of the start, and of what breaks the run off. A person's Ctrl-C is nobody's failure."""
        self._tell("/start")
        try:
            yield
        except ExportError as error:
            self._tell("/fail", f"the run broke off: {error.kind}")
            raise

    def end(self, result: RunResult, *, ok: bool) -> None:
        """Tell how it went."""
        failed = [f"{day} {error.kind}" for day, error in result.failed]
        named = ", ".join(failed[:MOST_DAYS]) + (", ..." if len(failed) > MOST_DAYS else "")
        told = f"{len(result.done)} days done, {len(failed)} failed" + (f": {named}" if failed else "")
        self._tell("" if ok else "/fail", told)

    def _tell(self, path: str, text: str = "") -> None:
        if not self._url:
            return
        asked = urllib.request.Request(self._url + path, data=text.encode(), method="POST")  # noqa: S310 - see Settings
        try:
            with self._open(asked, timeout=SECONDS):
                pass
        except (OSError, HTTPException, ValueError) as error:
            log.warning(f"EXPORT_PING_URL could not be told{' of ' + path[1:] if path else ''}: {_why(error)}")


def _why(error: Exception) -> str:
    """In a few words, without the address."""
    code = getattr(error, "code", None)
    return f"status {code}" if isinstance(code, int) else str(getattr(error, "reason", "") or type(error).__name__)
