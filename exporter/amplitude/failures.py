"""What the errors of requests and urllib3 mean, in words that have passed the door of foreign text. Pure."""

import re
import ssl
from collections.abc import Iterator
from http import HTTPStatus

from urllib3.exceptions import ProxyError
from urllib3.util.ssl_match_hostname import CertificateError

from exporter.amplitude.answers import PASSING, FailedRequestError
from exporter.errors import PermanentError, RetriableError
from exporter.foreign import Foreign

_NO_CA_FILE = frozenset({"X509", "PEM"})
"""The parts of OpenSSL that complain about a file of certificates, and not about a peer."""

_TUNNEL = re.compile(r"OSError: Tunnel connection failed: (\d{3})\b")


def meant(error: Exception, foreign: Foreign, proxy: str) -> PermanentError | RetriableError:
    """What an error on the way to Amplitude means: FailedRequestError if the request may be sent again at once.

    Args:
        error: of requests or urllib3.
        foreign: the door that its words pass.
        proxy: host and port of the proxy on the way, empty if there is none.
    """
    words = in_words(error, foreign)
    chain = list(_inside(error))
    if any(isinstance(each, ssl.SSLCertVerificationError | CertificateError) for each in chain):
        return PermanentError(
            f"a certificate on the way to Amplitude is not trusted ({words}). If a proxy looks into TLS here, "
            "REQUESTS_CA_BUNDLE must name a file that holds its certificate"
        )
    if any(isinstance(each, ssl.SSLError) and each.library in _NO_CA_FILE for each in chain):
        return no_ca_file(error, foreign)
    if any(isinstance(each, ProxyError) for each in chain):
        return _proxy_failed(words, proxy)
    return FailedRequestError(words)


def no_ca_file(error: Exception, foreign: Foreign) -> PermanentError:
    """The certificates to trust cannot be read: requests tells that by an OSError of no kind."""
    return PermanentError(
        f"the certificates to trust cannot be read ({in_words(error, foreign)}). Look at REQUESTS_CA_BUNDLE (or "
        "CURL_CA_BUNDLE): it must name a readable file of PEM certificates"
    )


def in_words(error: Exception, foreign: Foreign) -> str:
    """The innermost reason of an error."""
    *_, inner = _inside(error)
    return foreign(f"{type(inner).__name__}: {inner}")


def _inside(error: Exception) -> Iterator[Exception]:
    """The error, the one that it wraps, and so on."""
    inner: object = error
    while isinstance(inner, Exception):
        yield inner
        reason = getattr(inner, "reason", None)
        inner = reason if isinstance(reason, Exception) else _first_exception(inner.args)


def _first_exception(arguments: tuple[object, ...]) -> Exception | None:
    return next((argument for argument in arguments if isinstance(argument, Exception)), None)


def _proxy_failed(words: str, proxy: str) -> PermanentError | RetriableError:
    """One request is enough: a proxy is near, and will say the same in 8 seconds."""
    named = f"the proxy of HTTPS_PROXY ({proxy or 'its address is not known'})"
    answer = _TUNNEL.match(words)
    status = int(answer[1]) if answer else 0
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return PermanentError(f"{named} wants a login ({words}). Look at the user and the password in HTTPS_PROXY")
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in PASSING:
        return PermanentError(f"{named} does not let us through to Amplitude ({words}). Look at its rules")
    return RetriableError(f"{named} cannot be used ({words}). Look at HTTPS_PROXY, or try again later")
