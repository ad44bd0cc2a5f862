"""Does Amplitude take the keys, and is it as late there as here?

One cheap request answers both: for an hour so long past that hardly a project has anything in it. Of the answer the
first bytes are read at most. Nothing that others wrote is quoted: the status says enough.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple
from urllib.request import getproxies

import requests
from urllib3.exceptions import HTTPError

from exporter.amplitude.answers import NO_DATA_WORDS
from exporter.amplitude.connection import Adapter, Bounds, Timer
from exporter.clock import Clock, Deadline
from exporter.doctor.found import FAILED, OK, WARNING, Check
from exporter.errors import RetriableError
from exporter.foreign.addresses import read
from exporter.foreign.proxies import proxy_problems
from exporter.settings import Settings
from exporter.window import OLDEST, Window

SOURCE = ("keys", "clock")
HOUR = Window(datetime.combine(OLDEST, time(), UTC), 1)
BOUNDS = Bounds(connect=5, read=5, request=8)
"""Seconds. Whatever the peer does, the request is over before the report."""
FIRST_BYTES = 2048
ZIP = b"PK"
SKEW_NOTICED = 60
SKEW_TOO_MUCH = 15 * 60
"""Seconds. Azure refuses tokens and requests whose time is further off."""


class _Answer(NamedTuple):
    """How Amplitude answered, the first bytes of its body, its date, and the time here."""

    status: int
    start: bytes
    date: str
    now: datetime


class _Session(requests.Session):
    """A session to which no answer is a redirect: even unfollowed, requests would read its body whole."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """There is none."""


def check_source(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Ask Amplitude once."""
    proxies = (
        {} if _here(settings) else {f"{scheme.upper()}_PROXY": address for scheme, address in getproxies().items()}
    )
    wrong = " ".join(proxy_problems(proxies)) if settings.api_key and settings.secret_key else "see settings"
    if wrong:
        yield Check("keys", FAILED, f"not tried: {wrong}")
        yield Check("clock", WARNING, "not compared: Amplitude was not asked")
        return
    try:
        answer = _ask(settings, clock)
    except (requests.RequestException, HTTPError, RetriableError, OSError) as error:
        yield Check("keys", FAILED, f"not tried: {_what_is_in_the_way(error, settings)} ({type(error).__name__})")
        yield Check("clock", WARNING, "not compared: Amplitude did not answer")
        return
    yield _judge_keys(answer.status, answer.start, settings)
    yield _judge_clock(answer.date, answer.now)


def _here(settings: Settings) -> str:
    """The host where Amplitude is imitated on this machine; empty for a real one."""
    address = read(settings.base_url)
    return address.host if address and address.loopback else ""


def _ask(settings: Settings, clock: Clock) -> _Answer:
    timer = Timer(clock, BOUNDS)
    no_proxy = {"no_proxy": here} if (here := _here(settings)) else {}
    with _Session() as session:
        session.auth = (settings.api_key, settings.secret_key)  # so that ~/.netrc has no say
        session.mount(f"{settings.base_url}/", Adapter(timer))
        timer.start(Deadline(clock), f"window {HOUR}")
        try:
            with session.get(
                f"{settings.base_url}/api/2/export",
                params=HOUR.wire(),
                headers={"Accept": "application/zip", "Accept-Encoding": "identity", "Connection": "close"},
                stream=True,
                timeout=(BOUNDS.connect, BOUNDS.read),
                proxies=no_proxy,
            ) as response:
                timer.check()
                now = clock.now()
                start = response.raw.read1(FIRST_BYTES, decode_content=False)
                timer.check()
                return _Answer(response.status_code, start, response.headers.get("Date", ""), now)
        finally:
            timer.stop()


def _judge_keys(status: int, start: bytes, settings: Settings) -> Check:
    result, sentence = FAILED, f"Amplitude answers with status {status}, which says nothing of the keys"
    match status:
        case HTTPStatus.OK if start.startswith(ZIP):
            result, sentence = OK, f"Amplitude takes them ({settings.base_url})"
        case HTTPStatus.NOT_FOUND if NO_DATA_WORDS.encode() in start:
            result, sentence = OK, f"Amplitude takes them ({settings.base_url})"
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            sentence = (
                f"Amplitude refuses them (status {status}). Look at AMP_API_KEY, AMP_SECRET_KEY and the region: the "
                f"project must live behind AMP_BASE_URL ({settings.base_url}; EU https://analytics.eu.amplitude.com, "
                "US https://amplitude.com)"
            )
        case HTTPStatus.TOO_MANY_REQUESTS:
            result = WARNING
            sentence = "not tried: Amplitude is busy with other requests of this project (status 429). Call again later"
        case HTTPStatus.BAD_REQUEST:
            result, sentence = WARNING, "Amplitude does not refuse them, but the request (status 400). Export a day"
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            sentence = (
                f"not tried: Amplitude answers with status {status}. Call again in some minutes, or look at "
                "https://status.amplitude.com"
            )
        case _:
            sentence += f". That is no Export API: look at AMP_BASE_URL ({settings.base_url})"
    return Check("keys", result, sentence)


def _judge_clock(told: str, now: datetime) -> Check:
    try:
        there = parsedate_to_datetime(told)
    except (ValueError, TypeError, IndexError, OverflowError):
        return Check("clock", WARNING, "not compared: the answer has no date that can be read")
    there = there if there.tzinfo else there.replace(tzinfo=UTC)
    apart = abs((now - there).total_seconds())
    sentence = f"this machine's and Amplitude's are {apart:.0f} s apart"
    if apart > SKEW_TOO_MUCH:
        return Check("clock", FAILED, f"{sentence}: Azure refuses requests of such a machine. Set the clock (NTP)")
    if apart > SKEW_NOTICED:
        return Check("clock", WARNING, f"{sentence}. Set the clock (NTP) before it is more")
    return Check("clock", OK, sentence)


def _what_is_in_the_way(error: Exception, settings: Settings) -> str:
    match error:
        case requests.exceptions.ProxyError() | requests.exceptions.InvalidProxyURL():
            return "the proxy does not let the request through. Look at HTTPS_PROXY and NO_PROXY"
        case requests.exceptions.SSLError():
            return "the certificate is not trusted. Behind a proxy that opens TLS set REQUESTS_CA_BUNDLE"
        case requests.exceptions.Timeout() | RetriableError():
            return f"Amplitude does not answer within {BOUNDS.read:g} s. Is the way out open? Does it need HTTPS_PROXY?"
        case OSError() if not isinstance(error, requests.RequestException):
            return "the file that REQUESTS_CA_BUNDLE names cannot be read"
        case _:
            return f"Amplitude cannot be reached. Look at AMP_BASE_URL ({settings.base_url}), name resolution, firewall"
