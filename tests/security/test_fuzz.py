"""The stored documents against mutations of good ones. FUZZ multiplies how many (for a soak); the seeds stand here.

Whatever comes in: a record whose texts can be shown, or an error of ours in one plain line. Never another exception.
"""

import json
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from exporter.archive.rejected import read_rejected
from exporter.days.facts import Facts
from exporter.days.hours import hours_noted
from exporter.days.layout import Layout
from exporter.days.manifest import Failure, Manifest
from exporter.days.stored import Days
from exporter.errors import DamagedError, ExportError
from exporter.foreign import Foreign
from exporter.foreign.addresses import connecting, read
from exporter.foreign.connections import connection_problem, connection_secrets
from exporter.settings import SETTING_NAMES, Settings
from exporter.store.names import is_name
from tests.kit import DAY
from tests.kit.memory import MemoryStore
from tests.kit.rules import days_on, manifest_of, moment
from tests.security.hostile import check_shown

ROUNDS = 10_000 * int(os.environ.get("FUZZ", "1"))
"""Documents of each kind."""
MANIFEST = manifest_of(fewer_found={"events": 3, "run": "run-2", "at": moment(DAY, 51)}, quiet_hours=("05",))
FAILURE = Failure(DAY, "retriable", "status 503 \u2014 try again", 2, 6, "run-9", moment(DAY, 26))
REJECTED = b"".join(
    b'{"member": "100/100_2025-11-06_%d#0.json.gz", "line": %d, "reason": "not UTF-8", "text": "{"}\n' % (n, n)
    for n in range(3)
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**18, 10**25, 1e308, [], {}, [[]], [None], {"": None}, {"a": {"b": []}}),
    *("", "x", "1", "24", "NaN", "final", "empty", "damaged", "2025-11-06", "2025-11-07", "9999-12-31", "0001-01-01"),
    *("2025-11-06T24:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2025-11-06T00:00:00"),
    *("\x1b[2J\u202e", "\ud800", "a" * 400, "\x00", "../x"),
)
BITS = (
    *(b"", b"{", b"}", b"[", b'"', b",", b":", b"\\u", b"\\ud800", b"\xff", b"\x00", b"null", b"-", b"1e999", b"\n"),
    *(b"9" * 5000, b"[" * 2000, b"\x1b[2J", "\u202e".encode()),
)


def in_odd_form(document: Any, rng: random.Random) -> Any:
    """A document with one to three values that are others, gone, or under another name, however deep."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = document
        while isinstance(place, dict | list) and place:
            key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
                place = inner
                continue
            match rng.randrange(4):
                case 0:
                    del place[key]
                case 1 if isinstance(place, dict):
                    place[str(rng.choice(ODD))] = place.pop(key)
                case _:
                    place[key] = rng.choice(ODD)
            break
    return document


def in_odd_bytes(text: bytes, rng: random.Random) -> bytes:
    """A text with one to three bytes, or bits of JSON, written over others, put in or taken out."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(text) + 1)
        new = rng.choice(BITS) if rng.random() < 0.6 else rng.randbytes(rng.choice((1, 2, 4)))
        text = text[:at] + new + text[at + rng.choice((0, len(new), 1, 30)) :]
    return text


def changed(text: bytes, rng: random.Random) -> bytes:
    """One way or the other."""
    if rng.random() < 0.5:
        return in_odd_bytes(text, rng)
    return json.dumps(in_odd_form(json.loads(text), rng)).encode("utf-8", "surrogatepass")


def refused(read_it: Callable[[], object]) -> bool:
    """Whether a document is refused, in a plain line of ours; any other exception is the test's failure."""
    try:
        read_it()
    except ExportError as error:
        check_shown(f"it says: {error}")
        told = str(error)
    else:
        return False
    assert len(told) < 1_000
    return True


@pytest.mark.parametrize("record", [MANIFEST, FAILURE], ids=["manifest", "failure"])
def test_a_mutated_record_is_refused_or_can_be_used(record: Manifest | Failure) -> None:
    """Alone: what it gives can be written and read again, and holds nothing but plain text."""
    rng, text, kind = random.Random(f"20251106 {type(record).__name__}"), record.to_json(), type(record)
    refusals = 0
    for _ in range(ROUNDS):
        odd = changed(text, rng)

        def use(odd: bytes = odd) -> None:
            found = kind.from_json(odd, "here", DAY)
            assert kind.from_json(found.to_json(), "again", DAY) == found
            if isinstance(found, Manifest):
                check_shown(found.to_json().decode())
                assert Facts.from_metadata(Facts.of(found).metadata()) == Facts.of(found)

        refusals += refused(use)
    assert ROUNDS / 3 < refusals < ROUNDS


def looked_around(days: Days) -> None:
    """As an export does before it begins."""
    days.neighbours(days.stored(DAY))


def test_a_store_of_mutated_records_can_be_looked_at() -> None:
    """Together: the day, its neighbours and the coverage; a bad record makes its day damaged and stops nothing."""
    rng, layout, states = random.Random("20251106 store"), Layout(), set[str]()
    for _ in range(ROUNDS // 10):
        store = MemoryStore()
        for name, record in ((layout.manifest(DAY), MANIFEST), (layout.failure(DAY), FAILURE)):
            metadata = {k: str(v) for k, v in in_odd_form(Facts.of(MANIFEST).metadata(), rng).items()}
            store.write(name, changed(record.to_json(), rng), seen=None, metadata=metadata)
        days = days_on(store)
        now = datetime(2025, 11, 9, tzinfo=UTC)
        if not refused(partial(days.coverage, now)):
            row = days.coverage(now).row(DAY)
            states.add(row.shown)
            check_shown(json.dumps(row.plain(), default=str, ensure_ascii=False))
        refused(partial(looked_around, days))
    assert {"damaged", "failed"} <= states


def test_mutated_metadata_are_facts_or_none() -> None:
    """Of a manifest in a listing, and the hours beside a dump; facts are written as they are read."""
    rng, usual, facts = random.Random("20251106 facts"), Facts.of(MANIFEST).metadata(), 0
    for _ in range(ROUNDS):
        odd = {str(name): str(text) for name, text in in_odd_form(usual, rng).items()}
        if rng.random() < 0.3:
            name = rng.choice(list(odd) or ["x"])
            odd[name] = in_odd_bytes(odd.get(name, "").encode(errors="replace"), rng).decode(errors="replace")
        found = Facts.from_metadata(odd)
        facts += found is not None
        if found is not None:
            assert Facts.from_metadata(found.metadata()) == found
            check_shown(f"it says: {found.metadata()}")
        hours = hours_noted(in_odd_bytes(b"00:12 01:5 23:100", rng).decode(errors="replace"))
        assert hours is None or all(hour.isdigit() and count >= 0 for hour, count in hours.items())
    assert 0 < facts < ROUNDS


def test_mutated_rejected_lines_are_read_or_left_out() -> None:
    """Each by itself; what is read can be shown."""
    rng, read_at_all = random.Random("20251106 rejected"), 0
    for _ in range(ROUNDS):
        for line in read_rejected(in_odd_bytes(REJECTED, rng)):
            check_shown(f"{line.member}, line {line.line}: {line.reason}")
            read_at_all += 1
    assert ROUNDS < read_at_all < 3 * ROUNDS


def test_mutated_names_are_a_days_or_nobodys() -> None:
    """And never lead out of the store."""
    rng, layout = random.Random("20251106 names"), Layout()
    for _ in range(ROUNDS):
        usual = rng.choice((layout.dump(DAY), layout.manifest(DAY), layout.lock(DAY), layout.rejected(DAY)))
        name = in_odd_bytes(usual.encode(), rng).decode(errors="replace")
        if layout.day_of(name):
            assert is_name(name)
        refused(partial(layout.check_dump, name, DAY, "here"))


def test_mutated_settings_are_settings_or_plain_sentences() -> None:
    """Every problem is a printable line; a secret is in none of them."""
    rng, usual = random.Random("20251106 settings"), dict.fromkeys(sorted(SETTING_NAMES), "")
    usual |= {
        "AMP_BASE_URL": "https://analytics.eu.amplitude.com",
        "EXPORT_STORAGE_URL": "https://a1.blob.core.windows.net",
    }
    usual |= {"EXPORT_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=aGFsbG8=;BlobEndpoint=http://127.0.0.1/a"}
    for _ in range(ROUNDS // 2):
        odd = dict(usual)
        for name in rng.sample(sorted(SETTING_NAMES), 3):
            odd[name] = in_odd_bytes(usual[name].encode(), rng).decode(errors="replace")
        url, text = odd["AMP_BASE_URL"], odd["EXPORT_STORAGE_CONNECTION_STRING"]
        assert connecting(url) == read(url)
        assert connection_problem(text).isprintable()
        assert all(connection_secrets(text))
        try:
            Settings.from_mapping(odd)
        except ExportError as error:
            for line in str(error).splitlines():
                check_shown(f"it says: {line}")


def test_the_door_takes_mutated_texts() -> None:
    """Escapes within escapes, halves of secrets: one printable line, and the secret is not in it."""
    rng, secret = random.Random("20251106 door"), "5ecRe7/+quix%41"
    foreign = Foreign((secret, f"key:{secret}"))
    for _ in range(ROUNDS // 2):
        text = in_odd_bytes(f"before {secret} &amp;%2525 \\u0041\\x42&#67; [{secret}]".encode(), rng)
        shown = foreign(text)
        check_shown(f"it says: {shown}", (secret,))


def test_a_number_nobody_can_print_is_damage() -> None:
    """Found by the fuzz: Python prints no integer of more than 4,300 digits."""
    for text in (b'{"format": %b}' % (b"9" * 4_000), b'{"format": %b}' % (b"9" * 5_000)):
        with pytest.raises(DamagedError):
            Manifest.from_json(text, "here", DAY)
