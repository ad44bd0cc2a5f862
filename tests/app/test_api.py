"""What the HTTP functions read and answer, without HTTP. functions_host/ has the rest."""

import json
from datetime import date, timedelta

import pytest

from exporter.app.api import (
    MOST_DAYS,
    Asked,
    BadRequestError,
    answer_coverage,
    answer_day,
    answer_error,
    queue_rerun,
    read_day,
    read_range,
    read_rerun,
)
from exporter.days.coverage import Coverage, Row
from exporter.days.due import Timing, due_days
from exporter.days.manifest import DAMAGED, EMPTY, FINAL, PROVISIONAL, Failure
from exporter.days.rules import StoredDay
from exporter.errors import StoreError
from exporter.store import Entry
from tests.kit import DAY
from tests.kit.rules import manifest_of, moment

NOW = moment(DAY, 26)
BEFORE = DAY - timedelta(days=1)
RANGE = b'{"from": "2025-11-05", "to": "2025-11-06"}'


def failed(day: date, kind: str = "retriable") -> Failure:
    """A failure record."""
    return Failure(day, kind, "bad luck", 1, 24, "run-1", NOW)


# Requests


def test_a_range_skips_settled_days() -> None:
    """A range asks for every day of it that is neither final nor empty."""
    assert read_rerun(None, RANGE, NOW) == Asked((BEFORE, DAY), force=False, skip_settled=True)


def test_a_forced_range_skips_nothing() -> None:
    """Force means every day."""
    body = b'{"from": "2025-11-06", "to": "2025-11-06", "force": true}'
    assert read_rerun(None, body, NOW) == Asked((DAY,), force=True, skip_settled=False)


@pytest.mark.parametrize(("body", "force"), [(b"", False), (b" \n", False), (b"{}", False), (b'{"force": true}', True)])
def test_a_named_day_is_always_asked_again(body: bytes, force: bool) -> None:
    """A day in the route needs no body, and is never skipped."""
    assert read_rerun("2025-11-06", body, NOW) == Asked((DAY,), force=force, skip_settled=False)


@pytest.mark.parametrize(
    ("day", "body", "sentence"),
    [
        (None, b"", "not a JSON object"),
        (None, b"hello", "not a JSON object"),
        (None, b"\xff\xfe", "not a JSON object"),
        (None, b"null", "not a JSON object"),
        (None, b'[["from", "2025-11-05"], ["to", "2025-11-06"]]', "not a JSON object"),
        (None, b'""', "not a JSON object"),
        (None, b"[" * 100_000, "not a JSON object"),
        ("2025-11-06", b"[]", "not a JSON object"),
        (None, b"{}", "the body needs from and to"),
        (None, b'{"from": "2025-11-06"}', "the body needs to as"),
        (None, b'{"from": 20251106, "to": "2025-11-06"}', "the body needs from as"),
        (None, b'{"from": "", "to": "2025-11-06"}', "the body needs from as"),
        (None, b'{"from": "2025-11-05", "till": "2025-11-06"}', "unknown in the body: till. Allowed: force, from, to"),
        ("2025-11-06", RANGE, "unknown in the body: from, to. Allowed: force"),
        (None, b'{"from": "2025-11-05", "to": "2025-11-06", "force": "false"}', "force is true or false"),
        (None, b'{"from": "2025-11-06", "to": "2025-11-05"}', "is after to"),
        (None, b'{"from": "06.11.2025", "to": "2025-11-06"}', "write it as YYYY-MM-DD"),
        (None, b'{"from": "2025-11-05", "to": "2025-11-31"}', "2025-11-31 is not a date"),
        ("yesterday", b"", "write it as YYYY-MM-DD"),
        ("2025-11-06T00", b"", "write it as YYYY-MM-DD"),
        ("2025-11-07", b"", "2025-11-07 is not over yet (days are UTC): the newest day to ask for is 2025-11-06"),
        ("2025-11-08", b"", "not over yet"),
        ("9999-12-31", b"", "not over yet"),
        (None, b'{"from": "2025-11-05", "to": "2025-11-07"}', "not over yet"),
        ("1025-11-06", b"", "1025-11-06 is before 2012-01-01"),
        (None, b'{"from": "0001-01-01", "to": "2025-11-06"}', "before 2012-01-01"),
        (None, b'{"from": "2022-11-02", "to": "2025-11-06"}', f"1101 days are more than the {MOST_DAYS}"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(day: str | None, body: bytes, sentence: str) -> None:
    """Every mistake gets status 400 and a short sentence that names it."""
    with pytest.raises(BadRequestError) as caught:
        read_rerun(day, body, NOW)
    answer = answer_error(caught.value)
    assert (answer.status, sentence in json.loads(answer.text)["error"]) == (400, True)
    assert len(answer.text) < 400


def test_as_many_days_as_allowed_may_be_asked_for() -> None:
    """The bound itself is allowed."""
    asked = read_rerun(None, b'{"from": "2022-11-03", "to": "2025-11-06"}', NOW)
    assert len(asked.days) == MOST_DAYS


def test_an_open_range_has_no_ends() -> None:
    """Without from and to the coverage is whole; a key in the query is not looked at."""
    assert read_range({"code": "key"}) == (date.min, date.max)
    assert read_range({"from": "2025-11-05"}) == (BEFORE, date.max)
    assert read_range({"to": "2025-11-06"}) == (date.min, DAY)


@pytest.mark.parametrize("asked", [{"from": "now"}, {"to": "2025-02-30"}, {"from": "2025-11-06", "to": "2025-11-05"}])
def test_a_bad_range_is_refused(asked: dict[str, str]) -> None:
    """A range that cannot be read is a bad request."""
    with pytest.raises(BadRequestError):
        read_range(asked)
    with pytest.raises(BadRequestError):
        read_day("0")


# Answers


def test_only_settled_days_are_skipped() -> None:
    """Provisional, failed, damaged, broken and missing days are queued; a final or empty one only by its name."""
    days = [DAY - timedelta(days=n) for n in range(8)]
    rows = (
        Row(days[7], record_damage="its manifest is none"),
        Row(days[6], FINAL, whole=True, failure=failed(days[6], DAMAGED)),
        Row(days[5], EMPTY, whole=True),
        Row(days[4], FINAL, whole=True),
        Row(days[3], FINAL, whole=True, failure=failed(days[3])),
        Row(days[2], FINAL, whole=False),
        Row(days[1], PROVISIONAL, whole=True),
    )
    coverage = Coverage(rows, DAY)
    queued, answer = queue_rerun(Asked(tuple(days), force=False, skip_settled=True), coverage, "run-1", 1)
    assert [chain.days for chain in queued] == [(*days[:4], *days[6:])]
    assert answer.status == 202
    for day in days[4:6]:
        queued, _ = queue_rerun(Asked((day,), force=False, skip_settled=False), coverage, "run-1", 1)
        assert [chain.days for chain in queued] == [(day,)]


def test_the_answer_names_the_run_and_where_to_look() -> None:
    """202 has the run, its days, its chains and an address."""
    queued, answer = queue_rerun(Asked((BEFORE, DAY), force=True, skip_settled=False), Coverage((), DAY), "run-1", 2)
    assert [(chain.run, chain.days, chain.force) for chain in queued] == [
        ("run-1", (DAY,), True),
        ("run-1", (BEFORE,), True),
    ]
    assert json.loads(answer.text) == {
        "run": "run-1",
        "days": ["2025-11-05", "2025-11-06"],
        "chains": 2,
        "look": "/api/exports?from=2025-11-05&to=2025-11-06",
    }
    _, answer = queue_rerun(Asked((DAY,), force=False, skip_settled=False), Coverage((), DAY), "run-1", 2)
    assert answer.body["look"] == "/api/exports/2025-11-06"


def test_nothing_to_do_is_said() -> None:
    """A range of final and empty days queues nothing and says so."""
    coverage = Coverage((Row(BEFORE, EMPTY, whole=True), Row(DAY, FINAL, whole=True)), DAY)
    queued, answer = queue_rerun(Asked((BEFORE, DAY), force=False, skip_settled=True), coverage, "run-1", 2)
    assert (queued, answer.status) == ([], 200)
    assert "every day of the range is final or empty already" in answer.text


def test_coverage_shows_the_range_and_the_whole_state() -> None:
    """Rows are of the range; newest, missing and due are of the whole store."""
    rows = (Row(BEFORE - timedelta(days=1)), Row(BEFORE, FINAL, whole=True, events=3), Row(DAY, failure=failed(DAY)))
    coverage = Coverage(rows, DAY)
    answer = json.loads(answer_coverage(coverage, BEFORE, BEFORE, due_days(coverage, NOW, Timing())).text)
    assert [row["day"] for row in answer["days"]] == ["2025-11-05"]
    assert (answer["newest"], answer["missing"]) == ("2025-11-05", ["2025-11-04", "2025-11-06"])
    assert answer["due"] == ["2025-11-06", "2025-11-04"]


def test_a_day_shows_its_manifest_and_its_failure() -> None:
    """One day's answer is what stands in the store; 404 if that is nothing."""
    stored = StoredDay(DAY, manifest=manifest_of(), manifest_etag='"1"', failure=failed(DAY))
    answer = json.loads(answer_day(stored).text)
    assert (answer["day"], answer["whole"], answer["damage"]) == ("2025-11-06", False, None)
    assert answer["manifest"] == json.loads(manifest_of().to_json())
    assert answer["failure"]["reason"] == "bad luck"
    nothing = answer_day(StoredDay(DAY))
    assert (nothing.status, nothing.body) == (404, {"error": "nothing is on record for 2025-11-06"})


@pytest.mark.parametrize("dump", [None, Entry("20251106_0000_ampl_dump.json", 1000, "1000-1", None)])
def test_a_damaged_day_says_what_does_not_fit(dump: Entry | None) -> None:
    """Damage is an answer, not a 404, with a manifest or without; such a day is not whole."""
    answer = answer_day(StoredDay(DAY, dump, damage="the manifest is none"))
    assert (answer.status, answer.body["damage"]) == (200, "the manifest is none")
    assert (answer.body["whole"], answer.body["manifest"], answer.body["failure"]) == (False, None, None)
    answer = answer_day(StoredDay(DAY, dump, manifest_of(), damage="it does not fit"))
    assert (answer.status, answer.body["damage"], answer.body["whole"]) == (200, "it does not fit", False)


def test_our_own_trouble_is_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A store that cannot be reached is no mistake of the one who asks; the operator reads it, too."""
    answer = answer_error(StoreError("the store is away"))
    assert (answer.status, answer.body) == (500, {"error": "the store is away"})
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "the store is away" in caplog.text
