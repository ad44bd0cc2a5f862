"""Whom Amplitude has deleted, or will: its list of deletion jobs (User Privacy API v1).

Facts: https://amplitude.com/docs/apis/analytics/user-privacy. A job is listed by the day on which it runs, at most 30
days after it was asked for. Until it is submitted a request can be taken back. At most six months are listed at a
time, and one request a second is allowed. Version 2 of that API is about all projects of an organization, and is still
in development: an answer of its form is refused.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from http import HTTPStatus

import msgspec

from exporter.amplitude.answers import PASSING, REGIONS, FailedRequestError
from exporter.amplitude.bodies import Body
from exporter.amplitude.client import AmplitudeClient
from exporter.amplitude.retries import Tries
from exporter.clock import Deadline
from exporter.errors import PermanentError, RefusedError, RetriableError
from exporter.window import Window

PATH = "/api/2/deletions/users"
MOST_DAYS = 180
"""Days that are asked for at a time; six months are allowed, whatever those are."""
RUNS_WITHIN = timedelta(days=31)
"""A job runs so long after it was asked for, at the latest."""
PAUSE = 1.0
"""Seconds between two requests."""
LARGEST = 32 << 20
"""Bytes of an answer: more than 200,000 people."""
CERTAIN = frozenset({"submitted", "done"})
"""What a job is that nobody can take back."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deletion:
    """Somebody on the list; ``certain``: the request cannot be taken back any more.

    ``day`` is that of the last job, of the certain ones if there are any.
    """

    amplitude_id: int = field(repr=False)
    certain: bool
    day: date


class _Person(msgspec.Struct):
    amplitude_id: int | str


class _Job(msgspec.Struct):
    day: date
    status: str
    amplitude_ids: list[_Person | int]


_jobs = msgspec.json.Decoder(list[_Job]).decode


def deletions(client: AmplitudeClient, first: date, last: date, deadline: Deadline | None = None) -> list[Deletion]:
    """Everybody in the jobs that run from ``first`` to ``last``, each once.

    Raises:
        RefusedError: 401 or 403.
        RetriableError: the budget is used up, or a request took too long.
        DeadlineError: the deadline has passed.
        PermanentError: the answer is none of this API's.
    """
    found: dict[int, tuple[bool, date]] = {}
    for number, (start, end) in enumerate(_spans(first, last)):
        if number:
            client.clock.sleep(PAUSE)
        tries = client.tries(Window.of_hour(start), deadline, f"the list of deletions, {start} to {end}")
        query = {"start_day": str(start), "end_day": str(end)}
        for person, certain, day in client.get(tries, PATH, query, _read):
            found[person] = max(found.get(person, (False, date.min)), (certain, day))
    return [Deletion(person, certain, day) for person, (certain, day) in sorted(found.items())]


def _spans(first: date, last: date) -> Iterator[tuple[date, date]]:
    while first <= last:
        end = min(last, first + timedelta(days=MOST_DAYS - 1))
        yield first, end
        first = end + timedelta(days=1)


def _read(body: Body, tries: Tries) -> list[tuple[int, bool, date]]:
    """The people of an answer. Nothing of it is quoted: it is about people."""
    status = body.response.status_code
    if status != HTTPStatus.OK:
        raise _refused(status, tries)
    text = body.text(LARGEST)
    try:
        jobs = _jobs(text)
        return [
            (_number(person), job.status.lower() in CERTAIN, job.day) for job in jobs for person in job.amplitude_ids
        ]
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise FailedRequestError("the answer is no list of deletions, or not all of it") from None
    except ValueError:
        pass
    raise PermanentError(
        f"{tries.asked}: the answer has another form than that of the User Privacy API v1. Version 2, which deletes in "
        "the whole organization and is still in development, is not followed. Nothing was erased for it: set "
        "EXPORT_ERASE_FOLLOW to nothing, and erase people by a list of your own (docs/privacy.md)"
    )


def _number(person: _Person | int) -> int:
    number = int(person.amplitude_id if isinstance(person, _Person) else person)
    if number <= 0:
        raise ValueError
    return number


def _refused(status: int, tries: Tries) -> RefusedError | RetriableError | PermanentError:
    told = f"{tries.asked}: status {status}"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return RefusedError(
            f"{told}. Amplitude refuses the keys for it: look at AMP_API_KEY, AMP_SECRET_KEY, {REGIONS}"
        )
    if status in PASSING:
        return RetriableError(f"{told}, after every retry. The next night asks again")
    return PermanentError(f"{told}. Look at AMP_BASE_URL ({tries.base_url}; {REGIONS})")
