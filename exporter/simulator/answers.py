"""Answers that are no archive, in Amplitude's words or a gateway's. Pure."""

import json
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from io import BytesIO
from typing import IO

from exporter.simulator.faults import Fault, Status, TooLarge, TooManyRequests, Wire

JSON, HTML, ZIP = "application/json", "text/html; charset=utf-8", "application/zip"
NO_DATA = "Raw data files were not found."
TOO_LARGE = "The file size of the exported data is too large. Shorten the time range. The limit is 4GB."


@dataclass(frozen=True)
class Answer:
    """A status, a body of `length` bytes (a file at its start), headers, and how it is to be sent."""

    status: int
    content_type: str
    body: IO[bytes] = field(repr=False)
    length: int
    headers: tuple[tuple[str, str], ...] = ()
    wire: Wire | None = None


def answered(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    """An answer whose body is at hand."""
    return Answer(status, content_type, BytesIO(body), len(body), headers)


def refused(status: int, details: str) -> Answer:
    """Amplitude's error envelope; the word for the status comes from HTTP."""
    phrase = HTTPStatus(status).phrase
    error = {
        "http_code": status,
        "type": phrase.lower().replace(" ", "_"),
        "message": phrase,
        "metadata": {"details": details},
    }
    return answered(status, JSON, json.dumps({"error": error}, separators=(",", ":")).encode())


def page(status: int, *headers: tuple[str, str]) -> Answer:
    """A gateway's or a proxy's HTML page."""
    title = f"{status} {HTTPStatus(status).phrase}" if status != HTTPStatus.OK else "Please wait"
    text = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    return answered(status, HTML, text.encode(), *headers)


_DETAILS = {
    400: "The parameter is not supported for this project.",
    401: "Missing or malformed credentials",
    403: "Invalid API Key",
    429: "Too many concurrent requests",
    500: "Something went wrong on our side.",
    503: "The service is not available at the moment.",
}


def scripted_answer(fault: Fault, now: float) -> Answer | None:
    """What the fault says instead of the archive; None if the archive itself is to be sent.

    Args:
        fault: the fault.
        now: seconds since the epoch on the caller's clock, for a Retry-After date.
    """
    match fault:
        case TooManyRequests():
            return replace(refused(429, _DETAILS[429]), headers=_retry_after(fault, now))
        case TooLarge(code=400):
            return refused(400, TOO_LARGE)
        case TooLarge(code=504):
            return page(504)
        case Status(code=code, body=None):
            return _usual(code)
        case Status(code=code, body=bytes(body)):
            content_type = HTML if body.startswith(b"<") else ZIP if code == HTTPStatus.OK else JSON
            return answered(code, content_type, body)
        case _:
            return None


def _retry_after(fault: TooManyRequests, now: float) -> tuple[tuple[str, str], ...]:
    """The Retry-After header, if there is to be one."""
    if fault.retry_after is None:
        return ()
    return (
        (
            "Retry-After",
            formatdate(now + fault.retry_after, usegmt=True) if fault.as_date else f"{fault.retry_after:g}",
        ),
    )


def _usual(code: int) -> Answer:
    """What comes with a status when the script does not say: a gateway's page, or the envelope."""
    if code == HTTPStatus.FOUND:
        return page(code, ("Location", "/login"))
    if code in {200, 404, 502, 504}:
        return page(code)
    return refused(code, _DETAILS.get(code, HTTPStatus(code).description or HTTPStatus(code).phrase))
