"""A day without somebody's lines."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.days.manifest import Manifest
from exporter.dump import Dump, read_back
from exporter.errors import DamagedError
from exporter.privacy.ids import Ids
from exporter.privacy.matching import Matcher, Wanted
from exporter.privacy.rewriting import Taken, copy_without, without
from exporter.store.folder import LocalStore
from tests.kit import DAY, dump_of
from tests.kit.memory import MemoryStore
from tests.kit.rules import manifest_of

ANNA = Ids(frozenset({"anna"}))


def line(user: str, number: int, **more: object) -> bytes:
    """An event."""
    usual = {"user_id": user, "amplitude_id": number, "device_id": "d", "event_time": "2025-11-06 00:00:01"}
    return json.dumps(usual | more).encode()


def day_of(hours: dict[int, list[bytes]]) -> tuple[bytes, Manifest]:
    """The text of a day with these events, and its manifest."""
    lines = [one for hour in sorted(hours) for one in hours[hour]]
    text = dump_of(lines)
    read = read_back([text])
    return text, manifest_of(
        events=len(lines),
        size=len(text),
        sha256=read.sha256,
        hours={f"{h:02}": {"members": 1, "events": len(hours.get(h, []))} for h in range(24)},
        event_days={"2025-11-06": len(lines) - 1, "2025-11-05": 1},
    )


class Recorded(Dump):
    """Remembers which text was written of which hour."""

    def __init__(self) -> None:
        self.draft = MemoryStore().draft("x", None)
        self.hours: list[tuple[int, bytes]] = []
        super().__init__(self)  # type: ignore[arg-type]  # it is its own draft

    def write(self, hour: int, text: bytes | memoryview) -> None:
        """As a draft."""
        self.hours.append((hour, bytes(text)))


def copied(text: bytes, manifest: Manifest, piece: int) -> tuple[bytes, Taken, Recorded]:
    """The copy of a day that comes in pieces of this size."""
    dump = Recorded()
    pieces = (text[start : start + piece] for start in range(0, len(text), piece))
    taken = copy_without(pieces, manifest, Matcher(Wanted(ANNA)), dump)
    return b"".join(written for _, written in dump.hours), taken, dump


HOURS = {
    0: [line("anna", 1), line("ben", 2)],
    3: [line("ben", n) for n in range(10, 20)] + [line("anna", 3)],
    4: [line("anna", 4), line("anna", 5)],
    23: [line("carl", 6), line("anna", 7, event_time="2025-11-05 23:59:59")],
}


@pytest.mark.parametrize("piece", [1, 7, 64, 1000, 10**6])
def test_every_other_byte_stays_in_its_order(piece: int) -> None:
    """However the text comes, and each hour's text is written under its hour, the separator before it included."""
    text, manifest = day_of(HOURS)
    found, taken, dump = copied(text, manifest, piece)
    assert found == dump_of([one for hour in sorted(HOURS) for one in HOURS[hour] if b"anna" not in one])
    assert dict(taken.hours) == {"00": 1, "03": 1, "04": 2, "23": 1}
    assert {hour for hour, _ in dump.hours} == {0, 3, 23, 24}
    new = without(manifest, taken, dump)
    read = read_back([found])
    assert (new.events, new.size, new.sha256, new.erased) == (read.events, read.size, read.sha256, 5)
    assert sum(new.event_hours().values()) == new.events
    assert new.hours["04"] == {"members": 1, "events": 0}
    assert new.event_days == {"2025-11-06": 12}


def test_a_day_of_nobody_else_becomes_empty() -> None:
    """An array without events, as any other empty day."""
    text, manifest = day_of({5: [line("anna", 1), line("anna", 2)]})
    assert copied(text, manifest, 100)[0] == b"[]\n"


def test_a_day_without_them_stays_as_it_is() -> None:
    """To the byte."""
    text, manifest = day_of({5: [line("ben", n) for n in range(5)], 6: [line("ben", 9)]})
    found, taken, _ = copied(text, manifest, 30)
    assert found == text
    assert taken.events == 0


@pytest.mark.parametrize("harm", [lambda t: t.replace(b"carl", b"karl"), lambda t: t[:-20], lambda t: t + b",\n{}"])
def test_a_text_that_does_not_fit_its_manifest_is_not_used(harm: object) -> None:
    """Damage would get a new proof otherwise."""
    text, manifest = day_of(HOURS)
    with pytest.raises(DamagedError, match="is not what its manifest says"):
        copied(harm(text), manifest, 100)  # type: ignore[operator]


def test_unusual_events_are_counted_out() -> None:
    """As the manifest counted them in."""
    text, manifest = day_of({1: [b'{"user_id":"anna","x":1e400}', line("ben", 1)]})
    _, taken, dump = copied(text, manifest, 100)
    assert taken.unusual == 1
    assert without(manifest_of(unusual=3, events=2), taken, dump).unusual == 2


@pytest.mark.parametrize(("found", "told"), [(12, False), (11, True)])
def test_fewer_events_are_told_as_long_as_they_are_fewer(found: int, told: bool) -> None:
    """An export that found less than is stored did not know of the erasure: 17 less 5 are 12."""
    text, manifest = day_of(HOURS)
    _, taken, dump = copied(text, manifest, 100)
    assert bool(without(replace(manifest, fewer_found={"events": found}), taken, dump).fewer_found) == told


@pytest.fixture
def folder(tmp_path: Path) -> LocalStore:
    """A folder as the store."""
    return LocalStore(tmp_path / "data")


def test_a_copy_goes_through_a_draft(folder: LocalStore) -> None:
    """What can be read afterwards is what was hashed."""
    text, manifest = day_of(HOURS)
    draft = folder.draft(manifest.dump, None)
    dump = Dump(draft)
    copy_without([text], manifest, Matcher(Wanted(ANNA)), dump)
    draft.commit({})
    draft.discard()
    assert read_back(folder.stream(manifest.dump)).sha256 == dump.sha256
    assert manifest.day == DAY
