"""Amplitude's list of deletions, asked for over HTTP."""

import json
import logging
from datetime import date, timedelta
from itertools import pairwise

import pytest

from exporter.amplitude.deletions import MOST_DAYS, Deletion, deletions
from exporter.clock import Deadline
from exporter.errors import DeadlineError, ExportError, PermanentError, RefusedError, RetriableError
from exporter.simulator import Deletion as Listed
from exporter.simulator import OnDeletions, Simulator, Status, TooManyRequests, Wire
from tests.kit import RawServer, Time, asking, http

FIRST, LAST = date(2025, 8, 1), date(2025, 12, 1)
ANNA, BERT, CARL = 2**62 + 1, 77, 88
LIST = [
    Listed(ANNA, date(2025, 8, 1)),
    Listed(BERT, date(2025, 12, 1), "submitted"),
    Listed(CARL, date(2025, 11, 20), "staging"),
    Listed(99, date(2025, 7, 31)),
]


def asked(
    *scripted: Listed | OnDeletions, first: date = FIRST, last: date = LAST
) -> tuple[list[Deletion], Simulator, Time]:
    """What the list says, whom it was asked of, and how long that took."""
    with Simulator() as simulator, asking(simulator.url, time := Time()) as client:
        for one in scripted:
            simulator.add(one)
        return deletions(client, first, last), simulator, time


def test_everybody_on_it_is_told_once() -> None:
    """Both ends of the range belong to it; who is submitted or done cannot be taken off any more."""
    found, simulator, _ = asked(*LIST, Listed(CARL, date(2025, 11, 25), "staging"), Listed(BERT, date(2025, 8, 5)))
    assert found == [
        Deletion(BERT, True, date(2025, 12, 1)),
        Deletion(CARL, False, date(2025, 11, 25)),
        Deletion(ANNA, True, date(2025, 8, 1)),
    ]
    (request,) = simulator.requests
    assert (request.path, request.first, request.last) == ("/api/2/deletions/users", "2025-08-01", "2025-12-01")


def test_an_empty_list_is_nobody() -> None:
    """As Amplitude says it: no job is scheduled."""
    assert asked()[0] == []


def test_more_than_six_months_are_several_requests() -> None:
    """With a pause between them, and no day left out or asked for twice."""
    first = LAST - timedelta(days=2 * MOST_DAYS)
    found, simulator, time = asked(Listed(ANNA, first), Listed(BERT, LAST), first=first)
    assert {one.amplitude_id for one in found} == {ANNA, BERT}
    spans = [(date.fromisoformat(one.first), date.fromisoformat(one.last)) for one in simulator.requests]
    assert [status for one in simulator.requests if (status := one.status) != 200] == []
    assert (spans[0][0], spans[-1][1], len(spans)) == (first, LAST, 3)
    assert all(later[0] - sooner[1] == timedelta(days=1) for sooner, later in pairwise(spans))
    assert time.sleeps == [1.0, 1.0]


@pytest.mark.parametrize(
    ("faults", "sleeps"),
    [
        ([Status(503), Status(500)], [1, 2]),
        ([TooManyRequests(), TooManyRequests(7)], [2, 7]),
        ([Wire("reset"), Wire("short-body")], [1, 2]),
        ([Status(200, b"<html>please log in</html>")], [1]),
        ([Status(200, b"")], [1]),
    ],
)
def test_it_is_asked_again_as_an_export_is(faults: list[Status], sleeps: list[float]) -> None:
    """The same waits, the same budget."""
    found, simulator, time = asked(*LIST, *map(OnDeletions, faults))
    assert len(found) == 3
    assert time.sleeps == sleeps
    assert len(simulator.requests) == len(faults) + 1


@pytest.mark.parametrize(
    ("faults", "kind", "sentence"),
    [
        ([Status(503)] * 5, RetriableError, "status 503"),
        (
            [Status(200, b"<html>")] * 5,
            RetriableError,
            "5 requests failed, the last one because of: the answer is no list",
        ),
        ([Status(403)], RefusedError, "Amplitude refuses the keys"),
        ([Status(404)], PermanentError, "status 404. Look at AMP_BASE_URL"),
        ([Status(302)], PermanentError, "status 302"),
        ([Status(200, b'{"deletions":[]}')], PermanentError, "Version 2.*is not followed"),
        ([Status(200, b'[{"requestId":"1","amplitudeIds":[770077]}]')], PermanentError, "Version 2.*is not followed"),
        (
            [Status(200, b'[{"day":"2025-11-20","status":"done","amplitude_ids":["a770077@b"]}]')],
            PermanentError,
            "form",
        ),
        ([Status(200, b'[{"day":"2025-13-77","status":"done","amplitude_ids":[5]}]')], PermanentError, "form"),
        (
            [Status(200, b'[{"day":"2025-11-20","status":"done","amplitude_ids":[{"amplitude_id":0}]}]')],
            PermanentError,
            "form",
        ),
    ],
)
def test_what_it_cannot_be_is_a_sentence(
    faults: list[Status], kind: type[ExportError], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the list and the days, and quotes nothing of an answer that is about people."""
    with caplog.at_level(logging.DEBUG), pytest.raises(kind, match=sentence) as caught:
        asked(*map(OnDeletions, faults))
    assert "the list of deletions, 2025-08-01 to 2025-12-01" in str(caught.value)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("exporter.amplitude")]
    assert "770077" not in "".join(ours) + str(caught.value)


def test_ids_may_be_plain_or_text() -> None:
    """Whatever spells a whole number."""
    body = json.dumps([{"day": "2025-11-20", "status": "DONE", "amplitude_ids": [5, {"amplitude_id": "6"}], "app": 1}])
    assert asked(OnDeletions(Status(200, body.encode())))[0] == [
        Deletion(one, True, date(2025, 11, 20)) for one in (5, 6)
    ]


def test_nobody_can_be_seen() -> None:
    """Not in what a program shows of somebody on the list."""
    assert str(ANNA) not in repr(Deletion(ANNA, True, FIRST))


def test_it_ends_at_the_deadline() -> None:
    """A night has only so much time for it."""
    time = Time()
    with RawServer(*[http(503)] * 5) as server, asking(server.url, time) as client, pytest.raises(DeadlineError):
        deletions(client, FIRST, LAST, Deadline(time.clock(), 2.5))
    assert time.sleeps == [1]
