"""Amplitude's Export API: ask for a window, and say what came.

Facts: https://amplitude.com/docs/apis/analytics/export. What a status means stands in `answers`, what an error means
in `failures`, when a request is sent again in `retries`, how it ends in time in `connection`.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO, Self
from urllib.request import getproxies

import requests
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError

from exporter.amplitude.answers import FailedRequestError, has_data
from exporter.amplitude.bodies import Body
from exporter.amplitude.connection import Adapter, Bounds, Timer
from exporter.amplitude.failures import meant, no_ca_file
from exporter.amplitude.logs import through
from exporter.amplitude.retries import ExportRetry, Tries
from exporter.clock import Clock, Deadline, Gate, OpenGate
from exporter.errors import ExportError, SettingsError
from exporter.foreign import Foreign
from exporter.foreign.addresses import connecting
from exporter.foreign.proxies import proxy_problems, proxy_secrets, proxy_shown
from exporter.report import Progress, Step, no_progress
from exporter.window import Window

EXPORT_PATH = "/api/2/export"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """How a window was answered: 200 with an archive in a temp file, or 404: Amplitude has nothing in it.

    ``archive`` is whole as HTTP tells it, it begins as a ZIP archive does, and whoever takes it closes it. ``size`` in
    bytes.
    """

    status: int
    archive: BinaryIO | None
    size: int


HOLDS_MEMBERS = b"PK\x03\x04"
"""A ZIP with something in it begins so."""
NO_DATA = Answer(HTTPStatus.NOT_FOUND, None, 0)


class _Session(requests.Session):
    """A session to which no answer is a redirect: even unfollowed, requests reads its body whole, and its address."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """There is none."""


@dataclass
class AmplitudeClient:
    """One project's Export API at ``base_url``. To be used in a `with`.

    Args:
        base_url: scheme and host, no path.
        keys: the API key and the secret key.
        attempts: requests for one window at most, over everything that can go wrong.
        delay: seconds, the first wait.
        archive_limit: bytes; a bigger archive counts as a window too big.
        clock: for the total time of a request, and to sleep.
        progress: told how many bytes have arrived.
        bounds: how long a request and its parts may take.
        gate: what everybody goes through who asks at the same time.
        secrets: what must not be shown either, beside the keys and what the proxies' addresses hold.

    Raises:
        SettingsError: the address, or a proxy that the environment names, cannot be used.
    """

    base_url: str
    keys: tuple[str, str] = field(repr=False)
    attempts: int
    delay: float
    archive_limit: int
    clock: Clock
    progress: Progress = no_progress
    bounds: Bounds = field(default=Bounds())
    secrets: tuple[str, ...] = field(default=(), repr=False)
    gate: Gate = field(default_factory=OpenGate)

    def __post_init__(self) -> None:
        address = connecting(self.base_url)
        if address is None or not address.guarded:
            raise SettingsError("AMP_BASE_URL: the keys go to a plain https:// address only, or to this machine")
        proxies = {} if address.loopback else {f"{scheme.upper()}_PROXY": url for scheme, url in getproxies().items()}
        if problems := proxy_problems(proxies):
            raise SettingsError("\n".join(problems))
        self.foreign = Foreign((*self.keys, ":".join(self.keys), *proxy_secrets(proxies), *self.secrets))
        self._proxies = {"no_proxy": address.host} if address.loopback else {}
        self._timer = Timer(self.clock, self.bounds)
        self._adapter = Adapter(self._timer)
        self._session = _Session()
        self._session.auth = self.keys  # so that ~/.netrc has no say
        self._session.headers.update({"Accept": "application/zip, application/json", "Accept-Encoding": "identity"})
        self._session.headers["Connection"] = "close"  # no answer can ever be taken for that to another request
        self._session.mount(f"{self.base_url}/", self._adapter)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.callback(self._session.close)
        self._open.enter_context(through(self.foreign))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def tries(self, window: Window, deadline: Deadline | None = None, name: str = "") -> Tries:
        """The budget of requests for ``window``: whatever goes wrong, `ask` is called with the same one again."""
        deadline = deadline or Deadline(self.clock)
        return Tries(window, self.base_url, self.attempts, self.delay, deadline, gate=self.gate, name=name)

    def ask(self, tries: Tries) -> Answer:
        """Ask for the window until a whole body is there, or Amplitude's word that there is none. Raises as `get` does.

        Raises:
            WindowTooBigError: ask for less.
        """
        return self.get(tries, EXPORT_PATH, tries.window.wire(), self._answer)

    def get[Found](
        self, tries: Tries, path: str, query: Mapping[str, str], read: Callable[[Body, Tries], Found]
    ) -> Found:
        """What ``read`` makes of the answer from ``path``, asked for as often as ``tries`` allow; it may refuse one.

        Raises:
            RefusedError: 401 or 403.
            RetriableError: the budget is used up, a request took too long, or the proxy cannot be used.
            DeadlineError: the day's deadline has passed.
            PermanentError: Amplitude says why it will not answer, or the way to it has to be looked at.
        """
        while True:
            failed: ExportError
            try:
                return self._get_once(tries, path, query, read)
            except FailedRequestError as error:
                failed = error
            except (requests.RequestException, HTTPError) as error:
                failed = meant(error, self.foreign, self._proxy())
            # not where the error is handled: a traceback would show it, and it quotes what it likes
            if not isinstance(failed, FailedRequestError):
                raise failed
            tries.again(str(failed))

    def _get_once[Found](
        self, tries: Tries, path: str, query: Mapping[str, str], read: Callable[[Body, Tries], Found]
    ) -> Found:
        self.gate.wait()
        tries.deadline.check()
        tries.made += 1
        log.info(f"asking Amplitude for {tries.asked}: request {tries.made} of {tries.total} at most")
        self.progress(Step.ASKING, 0, None)
        try:
            with self._sent(tries, path, query) as response:
                self._timer.check()
                return read(Body(response, self._timer, self.foreign), tries)
        except (requests.RequestException, HTTPError):
            self._timer.check()
            raise
        finally:
            self._timer.stop()
            self._adapter.close()

    def _sent(self, tries: Tries, path: str, query: Mapping[str, str]) -> requests.Response:
        self._timer.start(tries.deadline, tries.asked)
        self._adapter.max_retries = ExportRetry(tries.left, tries=tries, timer=self._timer)
        try:
            return self._session.get(
                f"{self.base_url}{path}",
                params=dict(query),
                stream=True,
                timeout=(self.bounds.connect, self.bounds.read),
                proxies=self._proxies,
            )
        except requests.RequestException:
            raise
        except OSError as error:  # the only one that requests lets through as it is
            raise no_ca_file(error, self.foreign) from None

    def _answer(self, body: Body, tries: Tries) -> Answer:
        if not has_data(body.response.status_code, body.words(), tries.window, self.base_url):
            return NO_DATA
        with ExitStack() as undo:
            archive = undo.enter_context(tempfile.TemporaryFile())
            undo.callback(_broke_off, archive, tries)
            for piece in body.archive(tries.window, self.archive_limit, self.progress):
                archive.write(piece)
            size = archive.tell()
            archive.seek(0)
            undo.pop_all()  # closed by who takes it
            return Answer(HTTPStatus.OK, archive, size)

    def _proxy(self) -> str:
        """Host and port of the proxy on the way to Amplitude, without its user; empty if there is none."""
        if self._proxies:
            return ""
        chosen = select_proxy(self.base_url, get_environ_proxies(self.base_url))
        return proxy_shown(chosen) if chosen else ""


def _broke_off(archive: BinaryIO, tries: Tries) -> None:
    """Note of a body that did not come to its end what it began like."""
    archive.seek(0)
    tries.broken_off |= archive.read(len(HOLDS_MEMBERS)) == HOLDS_MEMBERS
