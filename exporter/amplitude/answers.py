"""What Amplitude's answers mean: the status, and the words beside it. Pure.

A table of all of them: `tests/amplitude/test_answers.py`.
"""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus

from exporter.errors import PermanentError, RefusedError, RetriableError, WindowTooBigError
from exporter.foreign import Foreign
from exporter.window import Window

NO_DATA_WORDS = "Raw data files were not found"
SIZE_WORDS = re.compile(r"size|large|shorten|4\s*GB", re.IGNORECASE)
PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)})
"""Statuses after which the same request is sent again: they say nothing about it."""
REGIONS = "EU https://analytics.eu.amplitude.com, US https://amplitude.com"
OWN_DESTINATION = (
    "Use Amplitude's own Azure Blob Storage or S3 destination for such hours (Data, Destinations in its web app)"
)
_ZIP_BEGINS = frozenset({b"PK\x03\x04", b"PK\x05\x06"})
ZIP_BEGIN = 4
"""Bytes that tell whether a body can be a ZIP archive."""


class FailedRequestError(RetriableError):
    """No answer came, or one that is none: the request may be sent again, within the budget."""


@dataclass(frozen=True)
class Words:
    """What an answer that is no archive says: ``text`` has passed the door of foreign text.

    ``no_data``: that there is nothing in the window. ``enveloped``: in Amplitude's own form, so it is from Amplitude.
    ``whole``: the body came to its end, or as far as it is read.
    """

    text: str = ""
    no_data: bool = False
    enveloped: bool = False
    whole: bool = True


def has_data(status: int, words: Words, window: Window, base_url: str) -> bool:
    """What a status means: True, an archive follows; False, the window is empty; everything else raises.

    PASSING arrives here only after its retries.
    """
    quoted = f"status {status}" + (f", Amplitude says: {words.text}" if words.text else "")
    where = f"AMP_BASE_URL ({base_url}; {REGIONS})"
    match status:
        case HTTPStatus.OK:
            return True
        case HTTPStatus.NOT_FOUND:
            return _not_found(words, quoted, window, where)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise RefusedError(
                f"Amplitude refuses the keys ({quoted}). Look at AMP_API_KEY, AMP_SECRET_KEY and the region: the "
                f"project must live behind {where}"
            )
        case HTTPStatus.BAD_REQUEST:
            raise _bad_request(words, quoted, window)
        case HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise PermanentError(f"window {window}: {quoted}. A proxy wants a login: put it into HTTPS_PROXY")
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise RetriableError(
                f"window {window}: {quoted}, after every retry. Amplitude allows 5 requests at once, dashboards "
                "included: try again later, or lower EXPORT_CONCURRENCY"
            )
        case _ if status in PASSING:
            raise RetriableError(f"window {window}: {quoted}, after every retry. Try again later")
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            to = f" to {words.text}" if words.text else ""
            raise PermanentError(f"window {window}: status {status}, a redirect{to}. Look at {where}")
        case _ if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PermanentError(f"window {window}: {quoted}. Asking again will not help")
        case _:  # 1xx, another 2xx than 200, or nothing that HTTP knows: whatever it may be, it is not the window
            raise FailedRequestError(f"status {status}, which is no answer")


def _not_found(words: Words, quoted: str, window: Window, where: str) -> bool:
    if not words.whole:
        raise FailedRequestError(f"{quoted}, and the rest of its words did not arrive")
    if words.no_data:
        return False
    if words.enveloped:
        raise FailedRequestError(f"{quoted}, which does not say that there is no data")
    raise PermanentError(f"window {window}: {quoted}. That is no Export API: look at {where}")


def _bad_request(words: Words, quoted: str, window: Window) -> PermanentError:
    """Nobody publishes in which words a window is too big: a wider one than an hour is halved whatever they are."""
    if window.hours > 1:
        return WindowTooBigError(f"window {window}: {quoted}")
    if not words.text or SIZE_WORDS.search(words.text):
        return PermanentError(f"hour {window.first} is too big for the Export API ({quoted}). {OWN_DESTINATION}")
    return PermanentError(f"window {window}: {quoted}. Asking again will not help")


def words_of(body: bytes, whole: bool, foreign: Foreign) -> Words:
    """Amplitude's own words from its error envelope, else the start of the body as one line of text."""
    try:
        error = json.loads(body)["error"]
        parts = [error["message"], (error.get("metadata") or {}).get("details")]
        text, enveloped = ": ".join(str(part) for part in parts if part), True
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text, enveloped = re.sub(r"<[^<>]*>", " ", body.decode("utf-8", "replace")), False
    return Words(foreign(text).rstrip("."), NO_DATA_WORDS in text, enveloped, whole)


def begins_as_zip(body: bytes) -> bool:
    """Whether a body of ZIP_BEGIN bytes or more can be an archive, as far as its beginning tells."""
    return body[:ZIP_BEGIN] in _ZIP_BEGINS


def no_zip(body: bytes, foreign: Foreign) -> FailedRequestError:
    """What there is to say of a 200 with such a body: a login page, a rate limit, nothing at all."""
    shown = words_of(body, True, foreign).text or foreign(body)
    return FailedRequestError("the body is no ZIP archive: it " + (f"says: {shown}" if shown else "is empty"))
