"""What each status means, in one table. What a body that breaks off does to it stands in `test_connection`."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.amplitude.answers import PASSING, FailedRequestError, Words, begins_as_zip, has_data, no_zip, words_of
from exporter.errors import ExportError, PermanentError, RefusedError, RetriableError, WindowTooBigError
from exporter.foreign import Foreign
from tests.amplitude.peer import Peer, says, waiting
from tests.kit import WHOLE_DAY, Time, archive_of, fetched, http

HOUR = next(WHOLE_DAY.cut(1))
URL = "https://analytics.eu.amplitude.com"
BOTH_REGIONS = "EU https://analytics.eu.amplitude.com, US https://amplitude.com"

SILENCE = Words()

type Kind = type[ExportError] | bool

MEANINGS: list[tuple[Kind, bool, set[int]]] = [
    (FailedRequestError, True, {*range(100, 200), *range(201, 300), *range(600, 1000)}),
    (True, False, {200}),
    (PermanentError, False, set(range(300, 400))),
    (WindowTooBigError, False, {400}),
    (RefusedError, False, {401, 403}),
    (RetriableError, True, {408, 425, 429, *range(500, 600)}),
    (PermanentError, False, {402, 404, 405, 406, 407, *range(409, 425), 426, 427, 428, *range(430, 500)}),
]
"""What a status means for a whole day, without words; and whether the request is sent again."""


def meaning(status: int, words: Words = SILENCE, *, one_hour: bool = False) -> tuple[Kind, str]:
    """What comes of an answer, and what is said."""
    try:
        return has_data(status, words, HOUR if one_hour else WHOLE_DAY, URL), ""
    except ExportError as error:
        return type(error), str(error)


def test_every_status_has_a_deliberate_meaning() -> None:
    """Each stands in the table once, and is what the table says."""
    assert sorted(status for _, _, statuses in MEANINGS for status in statuses) == list(range(100, 1000))
    for kind, _, statuses in MEANINGS:
        assert {status: meaning(status)[0] for status in statuses} == dict.fromkeys(statuses, kind)


def test_what_passes_is_what_is_sent_again() -> None:
    """urllib3 sends again what is in PASSING; what fails otherwise, the client does."""
    assert set(PASSING) == {408, 425, 429, *range(500, 600)}
    assert all(again == issubclass(kind, RetriableError) for kind, again, _ in MEANINGS if isinstance(kind, type))


@pytest.mark.parametrize(
    ("status", "requests"),
    [(status, 5) for status in (101, 103, 199, 201, 204, 206, 226, 299, 408, 425, 429, 500, 504, 511, 599, 600, 999)]
    + [(status, 1) for status in (300, 302, 304, 399, 400, 401, 402, 403, 404, 407, 409, 413, 424, 426, 428, 430, 499)],
)
def test_every_status_is_asked_about_as_often_as_it_makes_sense(status: int, requests: int) -> None:
    """On the wire, for one hour: five times or once. Also if it comes with a Retry-After and a Location."""
    answer = http(status, Retry_After="1", Location="/login")
    with Peer(says(answer)) as peer, waiting(peer.url, attempts=5, clock=Time().clock()) as client:
        with pytest.raises(ExportError) as raised:
            fetched(client, HOUR)
        assert len(peer.heads) == requests
    assert f"status {status}" in str(raised.value)
    assert isinstance(raised.value, RetriableError) == (requests == 5)


@pytest.mark.parametrize("status", [103, 201, 202, 204, 206, 299])
def test_what_came_with_a_status_that_is_no_answer_is_quoted_nowhere(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be events."""
    head = f"HTTP/1.1 {status} Nearly\r\nContent-Length: 20\r\nLocation: /private\r\n\r\nprivate: ann@example"
    with (
        Peer(says(head.encode())) as peer,
        waiting(peer.url, attempts=2) as client,
        pytest.raises(RetriableError, match=f"status {status}, which is no answer") as raised,
    ):
        fetched(client)
    assert "private" not in str(raised.value) + caplog.text


@pytest.mark.parametrize("one_hour", [False, True])
@pytest.mark.parametrize(
    ("words", "kind", "shown"),
    [
        (Words("Not Found: Raw data files were not found", True, True), False, ""),
        (Words("Raw data files were not found", True), False, ""),
        (Words("Raw data files were not found", True, whole=False), FailedRequestError, "did not arrive"),
        (Words("", whole=False), FailedRequestError, "did not arrive"),
        (Words("404 Not Found", whole=False), FailedRequestError, "did not arrive"),
        (Words("Not Found", enveloped=True), FailedRequestError, "Amplitude says: Not Found, which does not say"),
        (Words("404 Not Found"), PermanentError, f"look at AMP_BASE_URL ({URL}; {BOTH_REGIONS})"),
        (Words(), PermanentError, f"look at AMP_BASE_URL ({URL}; {BOTH_REGIONS})"),
    ],
)
def test_only_amplitudes_own_words_make_a_window_empty(words: Words, kind: Kind, shown: str, one_hour: bool) -> None:
    """In full, and whatever else a 404 says it is not that."""
    found, text = meaning(404, words, one_hour=one_hour)
    assert found == kind
    assert shown in text


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("words", [Words(), Words("Invalid API Key"), Words("Inva", whole=False)])
def test_refused_keys_name_both_regions(status: int, words: Words) -> None:
    """A key is refused in the other region, too."""
    kind, text = meaning(status, words)
    assert kind is RefusedError
    for part in ("AMP_API_KEY", "AMP_SECRET_KEY", f"AMP_BASE_URL ({URL}; {BOTH_REGIONS})", words.text):
        assert part in text


@pytest.mark.parametrize("text", ["", "too large", "Invalid parameter"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_400_is_halved_down_to_the_hour(text: str, whole: bool) -> None:
    """And there it fails, with the words and a way out if they are about size, or missing."""
    assert meaning(400, Words(text, whole=whole))[0] is WindowTooBigError
    kind, shown = meaning(400, Words(text, whole=whole), one_hour=True)
    assert kind is PermanentError
    assert text in shown
    assert ("Use Amplitude's own Azure Blob Storage" in shown) == (text != "Invalid parameter")


def test_a_proxy_that_wants_a_login_is_named() -> None:
    """A 407 that came as an answer and not from a tunnel."""
    assert "HTTPS_PROXY" in meaning(407)[1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"message":"No","metadata":{"details":"key"}}}', Words("No: key", enveloped=True)),
        (b'{"error":{"message":"No","metadata":null}}', Words("No", enveloped=True)),
        (b'{"error":{"message":"Raw data files were not found."}}', Words("Raw data files were not found", True, True)),
        (b'{"error":{"message":1}}', Words("1", enveloped=True)),
        (b'{"error":"Raw data files were not found"}', Words('{"error":"Raw data files were not found"}', True)),
        (b"<html><title>Raw data files were not found.</title></html>", Words("Raw data files were not found", True)),
        (b"<p\n>busy</p><", Words("busy <")),
        (b"", Words()),
        (b"[" * 16_000, Words("[" * 300)),
        (b'{"error":{"message":"%s Raw data files were not found"}}' % (b"x" * 400), Words("x" * 300, True, True)),
    ],
)
def test_words_are_read_from_the_envelope_or_the_page(body: bytes, expected: Words) -> None:
    """What is asked of them is asked of all of them, not of the 300 characters that are shown."""
    assert words_of(body, True, Foreign()) == expected


@given(
    st.binary(max_size=400)
    | st.recursive(st.none() | st.text(), lambda s: st.dictionaries(st.text(), s)).map(
        lambda value: json.dumps({"error": value}).encode()
    ),
    st.booleans(),
)
def test_no_body_breaks_the_words(body: bytes, whole: bool) -> None:
    """Whatever it holds."""
    words = words_of(body, whole, Foreign())
    assert words.text.isprintable()
    assert words.whole == whole


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "it is empty"),
        (b"  \r\n", "it is empty"),
        (b"<html><title>Please log in</title></html>", "it says: Please log in"),
        (b'{"error":{"message":"Too many requests"}}', "it says: Too many requests"),
        (b"<br><br/>", "it says: <br><br/>"),
        (b"\x1f\x8b\x08\x00abc", "it says: \ufffd abc"),
        (b"PK\x07\x08" + b"x" * 1000, "it says: PK " + "x" * 297),
        (b"PK\x03", "it says: PK"),
    ],
)
def test_a_body_that_is_no_zip_is_quoted(body: bytes, shown: str) -> None:
    """Up to 300 characters, through the door: a login page says what is wrong."""
    assert not begins_as_zip(body)
    assert str(no_zip(body, Foreign())) == f"the body is no ZIP archive: {shown}"
    with Peer(says(http(200, body))) as peer, waiting(peer.url, attempts=2) as client:
        with pytest.raises(RetriableError) as raised:
            fetched(client)
        assert len(peer.heads) == 2
    assert f"2 requests failed, the last one because of: the body is no ZIP archive: {shown}" in str(raised.value)


@pytest.mark.parametrize("begin", [b"PK\x03\x04", b"PK\x05\x06"])
def test_a_body_that_begins_as_a_zip_is_taken(begin: bytes) -> None:
    """Also an archive of nothing; whether it is sound, the archive room finds out. Also if it comes byte by byte."""
    assert begins_as_zip(begin + b"...")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in begin) + b"0\r\n\r\n"
    with (
        Peer(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks)) as peer,
        waiting(peer.url) as client,
    ):
        answer = client.ask(client.tries(WHOLE_DAY))
        assert answer.archive is not None
        with answer.archive:
            assert answer.archive.read() == begin
        assert answer.size == len(begin)


def test_a_whole_archive_after_an_interim_answer_is_taken() -> None:
    """100 Continue is passed over."""
    answer = http(200, archive_of(b"{}\n"))
    with Peer(says(b"HTTP/1.1 100 Continue\r\n\r\n", answer)) as peer, waiting(peer.url) as client:
        assert fetched(client).requests == 1
