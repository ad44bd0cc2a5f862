"""Does Amplitude take the keys, and is it as late there as here?

One cheap request answers both: for an hour so long past that hardly a project has anything in it. Of the answer the
first bytes are read at most. Nothing that others wrote is quoted: the status says enough.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from exporter.amplitude.answers import NO_DATA_WORDS
from exporter.clock import Clock
from exporter.doctor.found import FAILED, OK, WARNING, Check
from exporter.settings import Settings, is_loopback
from exporter.window import OLDEST, Window

SOURCE = ("keys", "clock")
HOUR = Window(datetime.combine(OLDEST, time(), UTC), 1)
WAIT = 5
"""Seconds, for the connection and for each piece of the answer."""
FIRST_BYTES = 2048
ZIP = b"PK"
SKEW_NOTICED = 60
SKEW_TOO_MUCH = 15 * 60
"""Seconds. Azure refuses tokens and requests whose time is further off."""


def check_source(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Ask Amplitude once."""
    if not (settings.api_key and settings.secret_key):
        yield Check("keys", FAILED, "not tried: see settings")
        yield Check("clock", WARNING, "not compared: Amplitude was not asked")
        return
    try:
        with requests.Session() as session:
            session.auth = (settings.api_key, settings.secret_key)
            session.trust_env = not is_loopback(settings.base_url)  # no proxy on the way to this machine
            response = session.get(
                f"{settings.base_url}/api/2/export",
                params=HOUR.wire(),
                headers={"Accept": "application/zip", "Accept-Encoding": "identity"},
                stream=True,
                timeout=(WAIT, WAIT),
                allow_redirects=False,
            )
            with response:
                now = clock.now()
                start = response.raw.read1(FIRST_BYTES, decode_content=False)
    except (requests.RequestException, OSError, ValueError) as error:
        yield Check("keys", FAILED, f"not tried: {_what_is_in_the_way(error, settings)} ({type(error).__name__})")
        yield Check("clock", WARNING, "not compared: Amplitude did not answer")
        return
    yield _judge_keys(response.status_code, start, settings)
    yield _judge_clock(response.headers.get("Date", ""), now)


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
        case requests.exceptions.Timeout():
            return f"Amplitude does not answer within {WAIT} s. Is the way out open, or does it need HTTPS_PROXY?"
        case _:
            return f"Amplitude cannot be reached. Look at AMP_BASE_URL ({settings.base_url}), name resolution, firewall"
