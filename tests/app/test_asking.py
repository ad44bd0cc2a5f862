"""What is asked over HTTP, read without HTTP. functions_host/ has the rest."""

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from string import printable

import pytest

from exporter.app.api import answer_error
from exporter.app.asking import (
    MOST_BYTES,
    MOST_DAYS,
    Asked,
    BadRequestError,
    check_size,
    read_day,
    read_nothing,
    read_range,
    read_rerun,
)
from tests.kit import DAY
from tests.kit.rules import moment

NOW = moment(DAY, 26)
BEFORE = DAY - timedelta(days=1)
RANGE = b'{"from": "2025-11-05", "to": "2025-11-06"}'


def test_a_range_skips_settled_days() -> None:
    """A range asks for every day of it that is neither final nor empty."""
    assert read_rerun(None, RANGE, NOW) == Asked((BEFORE, DAY), force=False, skip_settled=True)


def test_a_forced_range_skips_nothing() -> None:
    """Force means every day."""
    assert read_rerun(None, RANGE, NOW, force=True) == Asked((BEFORE, DAY), force=True, skip_settled=False)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("body", [b"", b" \n", b"{}"])
def test_a_named_day_is_always_asked_again(body: bytes, force: bool) -> None:
    """A day in the route needs no body, and is never skipped."""
    asked = read_rerun("2025-11-06", body, NOW, force=force)
    assert asked == Asked((DAY,), force=force, skip_settled=False)


@pytest.mark.parametrize("value", [b"true", b"false", b"null", b"1"])
def test_force_is_no_word_of_a_body(value: bytes) -> None:
    """Whoever holds the key of `rerun` is told where force is asked for, and cannot ask for it; there it is no word."""
    for day, body in (
        ("2025-11-06", b'{"force": %s}'),
        (None, b'{"from": "2025-11-05", "to": "2025-11-06", "force": %s}'),
    ):
        with pytest.raises(BadRequestError, match="rerun_forced, with a key of its own: POST /api/exports/forced"):
            read_rerun(day, body % value, NOW)
        with pytest.raises(BadRequestError, match="unknown in the body: force"):
            read_rerun(day, body % value, NOW, force=True)


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
        (None, b'{"from": "2025-11-05", "till": "2025-11-06"}', "unknown in the body: till. Allowed: from, to"),
        ("2025-11-06", RANGE, "unknown in the body: from, to. Allowed: nothing"),
        (None, b'{"from": "2025-11-05", "to": "2025-11-06", "from": "2025-11-01"}', "a name stands twice"),
        (None, b'{"from": {"to": 1, "to": 2}, "to": "2025-11-06"}', "a name stands twice"),
        (None, b'{"from": %s, "to": "2025-11-06"}' % (b"9" * 4000), "the body needs from as"),
        (None, b'{"from": 1e999999, "to": NaN}', "the body needs from and to as"),
        (None, b'{"\\ud800": "\\u0000\\u001b[31m"}', "unknown in the body: "),
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


def test_only_a_stop_is_a_stop() -> None:
    """A request that has nothing to say may come without a body or with an empty object, and with nothing else."""
    for body in (b"", b" ", b"{}"):
        read_nothing(body)
    for body in (b"stop", b"[]", b'{"days": 1}'):
        with pytest.raises(BadRequestError):
            read_nothing(body)


@pytest.mark.parametrize(
    ("headers", "size", "taken"),
    [
        ({}, 0, True),
        ({}, MOST_BYTES, True),
        ({}, MOST_BYTES + 1, False),
        ({"Content-Length": "4096"}, 4096, True),
        ({"Content-Length": "4097"}, 0, False),
        ({"Content-Length": "95000000"}, 0, False),
        ({"Content-Length": "10"}, 95_000_000, False),
        ({"Content-Length": "-1"}, 10, True),
        ({"Content-Length": "many"}, 10, True),
        ({"Content-Length": "\u0664\u0660\u0669\u0667"}, 10, True),
        ({"Content-Length": "9" * 5000}, 10, True),
        ({"Content-Length": "9" * 5000}, 5000, False),
    ],
)
def test_a_body_is_bounded_before_it_is_read(headers: dict[str, str], size: int, taken: bool) -> None:
    """What it says of its length counts, and what it has; both in bytes. The answer is 413."""
    if taken:
        check_size(headers, b"x" * size)
        return
    with pytest.raises(BadRequestError, match="a request has 4096 at most") as caught:
        check_size(headers, b"x" * size)
    assert answer_error(caught.value).status == 413


# Fuzz

WORDS = (
    *rb"from to force 2025-11-05 2025-11-06 2025-02-30 0000-00-00 9999-12-31 2012-01-01 true null NaN 1e999".split(),
    *rb"{ } [ ] : , \u0000 \ud800 \u001b[31m".split(),
    *(b'"', b" ", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[31m", b"[" * 50, b"-" * 60, b"9" * 80, b"n" * 400),
    *("\u0661".encode(), "\u202e".encode()),
)
INPUTS = 20_000


def fuzzed(seed: int) -> Iterator[tuple[str | None, bytes, dict[str, str]]]:
    """Routes, bodies and queries: right ones with a few bytes changed, heaps of words, and noise."""
    chance = random.Random(seed)
    for _ in range(INPUTS):
        body = bytearray(chance.choice((RANGE, b"", b"{}", b'{"from": "2025-11-06", "to": "2025-11-06"}')))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(body) + 1)
            body[at : at + chance.randrange(3)] = chance.choice(WORDS)
        if not chance.randrange(4):
            body = bytearray(b"".join(chance.choices(WORDS, k=chance.randrange(40))))
        if not chance.randrange(50):
            body = bytearray(chance.choice((b"[", b'{"a":', b"[{}", b"\x00")) * chance.randrange(MOST_BYTES))
        text = b"".join(chance.choices(WORDS, k=chance.randrange(1, 4))).decode("utf-8", "surrogateescape")
        day = chance.choice((None, "2025-11-06", text, "".join(chance.choices(printable, k=12))))
        yield day, bytes(body), {"from": text, "to": chance.choice((text, "2025-11-06", ""))}


def test_whatever_is_asked_there_is_an_answer() -> None:
    """20,000 routes, bodies and queries: each is read, or refused with 400 or 413 and a short sentence in ASCII."""
    answered = {200: 0, 400: 0, 413: 0}
    for day, body, query in fuzzed(seed=16):
        for read in (
            lambda day=day, body=body: read_rerun(day, body, NOW),
            lambda day=day, body=body: read_rerun(day, body, NOW, force=True),
            lambda body=body: read_nothing(body),
            lambda query=query: read_range(query),
            lambda day=day: read_day(day or ""),
        ):
            try:
                check_size({"Content-Length": str(len(body))}, body)
                read()
            except BadRequestError as error:
                answer = answer_error(error)
                assert answer.text.isascii()
                assert len(json.loads(answer.text)["error"]) < 300
                answered[answer.status] += 1
            else:
                answered[200] += 1
    assert min(answered.values()) > 100, answered


def test_nothing_is_read_that_cannot_be_exported() -> None:
    """Of everything that the fuzz gets through, each day is over, and none older than Amplitude."""
    for day, body, _ in fuzzed(seed=17):
        try:
            asked = read_rerun(day, body, NOW)
        except BadRequestError:
            continue
        assert all(date(2012, 1, 1) <= one <= DAY for one in asked.days)
