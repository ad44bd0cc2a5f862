import base64
import gzip
import json
import logging
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive import members
from exporter.archive.fast import careful
from exporter.errors import BadArchiveError, RejectedError
from exporter.simulator import Simulator
from exporter.window import Window
from tests.kit import DAY, Unzipped, archive_of, dump_of, member, overwritten, unzipped, zipped

LINE = b'{"event_time":"2025-11-06 05:00:00","a":1}'
SOUND = archive_of(LINE + b"\n")
DIRECTORY, END = b"PK\x01\x02", b"PK\x05\x06"


def packed(text: bytes) -> bytes:
    """A gzip file."""
    return gzip.compress(text, mtime=0)


def kept(found: Unzipped) -> list[bytes]:
    """The rejected lines, as a person gets them back."""
    records = [json.loads(record) for record in found.rejected.decode().split("\n")[:-1]]
    return [each["text"].encode() if "text" in each else base64.b64decode(each["base64"]) for each in records]


def places(found: Unzipped) -> list[tuple[str, int, str]]:
    """Member, line and reason of each rejected line."""
    records = [json.loads(record) for record in found.rejected.decode().split("\n")[:-1]]
    return [(each["member"], each["line"], each["reason"]) for each in records]


def refused(content: bytes, says: str, window: Window | None = None) -> None:
    """The archive is not taken, and the message says why."""
    with pytest.raises(BadArchiveError, match=says) as raised:
        unzipped(content, *([window] if window else []))
    assert len(str(raised.value)) < 700


def test_members_come_in_the_order_of_hour_and_part_as_numbers() -> None:
    """Not in the archive's order, nor in that of their names: 2 is before 10."""
    names = [member(hour, part) for hour in (0, 2, 10, 23) for part in (2, 3, 10)]
    shuffled = random.Random(1).sample(names, len(names))
    found = unzipped(zipped([(name, packed(json.dumps({"name": name}).encode())) for name in shuffled]))
    assert [json.loads(line)["name"] for line in found.lines] == names
    assert found.hours == tuple(hour for hour in (0, 2, 10, 23) for _ in range(3))
    assert found.tally.members == dict.fromkeys((0, 2, 10, 23), 3)
    assert found.tally.events == dict.fromkeys((0, 2, 10, 23), 3)
    assert found.tally.projects == {"100"}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_stored_or_deflated(compression: int) -> None:
    """Both are what Amplitude sends."""
    assert unzipped(archive_of(LINE + b"\n", compression=compression)).lines == [LINE]


def test_an_empty_archive_holds_nothing() -> None:
    """A ZIP without entries, or with a folder only, is sound."""
    assert unzipped(zipped([])).text == b""
    assert unzipped(zipped([("100/", b"")])).text == b""


def test_a_member_without_lines_is_counted() -> None:
    """As a member of its hour."""
    found = unzipped(archive_of(b""))
    assert found.text == b""
    assert found.tally.members == {5: 1}


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (packed(b'{"a":1}\n') + packed(b'{"a":2}\n'), [b'{"a":1}', b'{"a":2}']),
        (packed(b'{"a":1}\n{"a"') + packed(b":2}\n"), [b'{"a":1}', b'{"a":2}']),
        (packed(b'{"a":1}') + packed(b"") + packed(b'\n{"a":2}'), [b'{"a":1}', b'{"a":2}']),
        (packed(b'{"a":1}\n') + b"\0" * 100_000, [b'{"a":1}']),
        (packed(b'{"a":1}\n') + b"\0" * 3 + packed(b'{"a":2}\n'), [b'{"a":1}', b'{"a":2}']),
        (packed(b'{"a":1}\n{"a":2}'), [b'{"a":1}', b'{"a":2}']),
        (packed(b'\n\n{"a":1}\n\n\n{"a":2}\n\n'), [b'{"a":1}', b'{"a":2}']),
        (packed(b'  \n{"a":1}\n\t \r\n'), [b'{"a":1}']),
        (packed(b'{"a":1}\r\n{"a":2}\r\n\r\n'), [b'{"a":1}', b'{"a":2}']),
        (packed('{"a":"\u2028\u2029\u0085\x7f"}\n'.encode()), ['{"a":"\u2028\u2029\u0085\x7f"}'.encode()]),
        (packed(b' {"a" : 1.0e+00}\t\n'), [b' {"a" : 1.0e+00}\t']),
        (packed(b'{"a":"\\ud83d","b":1e400}\n'), [b'{"a":"\\ud83d","b":1e400}']),
        (packed(b'{"a":' + b"9" * 30 + b"}\n"), [b'{"a":' + b"9" * 30 + b"}"]),
    ],
)
def test_events_are_cut_at_line_feeds_and_are_not_changed(body: bytes, lines: list[bytes]) -> None:
    """Concatenated gzip, padding, missing and blank line ends, CRLF, other separators, odd but legal JSON."""
    found = unzipped(zipped([(member(), body)]))
    assert found.lines == lines
    assert found.rejected == b""
    assert found.tally.events[5] == len(lines)


def test_lines_that_are_no_events_are_kept_aside() -> None:
    """With member, line number and reason, byte for byte; the others go on."""
    bad = [
        b'{"event_type":"to',
        b'rn"}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b"[]",
        b'{"a":1},{"b":2}',
        b"x\r",
    ]
    text = b"\n".join([LINE, b"", *bad, LINE]) + b"\r\n"
    found = unzipped(archive_of(text))
    assert found.lines == [LINE, LINE]
    assert kept(found) == [*bad[:-1], b"x"]
    assert [(name, line) for name, line, _ in places(found)] == [(member(), number) for number in range(3, 11)]
    assert places(found)[3][2] == "not UTF-8 at byte 7"


def test_line_numbers_go_on_over_blocks_and_begin_anew_with_each_member() -> None:
    """The first line is 1, wherever blocks are cut."""
    text = (LINE + b"\n") * 40 + b"bad\n" + (LINE + b"\n") * 40 + b"\n\nbad"
    content = zipped([(member(5, part), packed(text)) for part in (0, 1)])
    for block in (7, 100, 1 << 18):
        found = unzipped(content, block=block)
        assert [(name, line) for name, line, _ in places(found)] == [
            (member(5, part), line) for part in (0, 1) for line in (41, 84)
        ]


def test_a_line_longer_than_the_bound_is_rejected_whole() -> None:
    """It comes back byte for byte; a line of exactly the bound is an event."""
    exact = b'{"a":"' + b"x" * 92 + b'"}'
    longer = b'{"a":"' + b"y" * 93 + b'"}'
    endless = b"\xffz" * 5_000
    content = archive_of(b"\n".join([exact, longer, LINE, endless]))
    for block in (1, 9, 50, 99, 100):
        found = unzipped(content, longest_line=100, block=block)
        assert found.lines == [exact, LINE]
        assert kept(found) == [longer, endless]
        assert [place[1:] for place in places(found)] == [(2, "longer than 100 bytes"), (4, "longer than 100 bytes")]


def test_a_line_of_10_megabytes_is_an_event() -> None:
    """The usual bound is 64 MiB."""
    line = b'{"a":"' + b"x" * 10_000_000 + b'"}'
    assert unzipped(archive_of(line)).lines == [line]


def test_rejected_lines_have_a_bound() -> None:
    """Beyond it the day fails with what to do."""
    with pytest.raises(RejectedError, match="EXPORT_TMP_LIMIT_MB"):
        unzipped(archive_of(b"bad\n" * 100), rejected_limit=1_000)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("export-of-today.json.gz", "cannot be read"),
        ("../../etc/x.json.gz", "cannot be read"),
        ("100/100_2025-11-06_5.json.gz", "cannot be read"),
        ("100/100_2025-11-06_5#.json.gz", "cannot be read"),
        ("100/100_2025-11-06_\u0665#0.json.gz", "cannot be read"),
        ("100/100_2025-11-06_5#" + "1" * 5_000 + ".json.gz", "cannot be read"),
        ("x" * 60_000 + ".json.gz", "cannot be read"),
        (member(day=date(2025, 11, 5)), "not asked for"),
        (member(24), "not asked for"),
        ("100/100_2025-02-30_5#0.json.gz", "not asked for"),
        (member(5, 0), "twice"),
        ("100/100_2025-11-06_05#00.json.gz", "twice"),
        ("../../" + member(5, 0), "twice"),
        (member(6, 0, project=200), "more than one project"),
    ],
)
def test_a_name_that_would_lose_or_double_events_spoils_the_archive(name: str, says: str) -> None:
    """Beside a good member; the message is short."""
    refused(zipped([(member(), packed(LINE)), (name, packed(LINE))]), says)


@pytest.mark.parametrize("hour", [4, 7])
def test_an_hour_beside_the_window_spoils_the_archive(hour: int) -> None:
    """Its events would be there twice."""
    window = Window(datetime(2025, 11, 6, 5, tzinfo=UTC), 2)
    good = zipped([(member(5), packed(LINE)), (member(6), packed(LINE))])
    assert len(unzipped(good, window).lines) == 2
    refused(zipped([(member(5), packed(LINE)), (member(hour), packed(LINE))]), "not asked for", window)


def test_other_names_are_skipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is ever written under a name from an archive."""
    found = unzipped(zipped([("100/", b""), ("../../readme.txt", b"hello"), (member(), packed(LINE))]))
    assert found.lines == [LINE]
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "'../../readme.txt' in the archive is no member of Amplitude's and is skipped" in said[0]


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"<html>Please wait</html>", b'{"error":{}}', packed(LINE), b"\0" * 100, b"\x50\x4b\x07\x08" + SOUND],
)
def test_a_body_that_is_no_zip_is_refused(content: bytes) -> None:
    """An HTML page, nothing at all, a bare gzip."""
    refused(content, "no ZIP archive: it is empty or starts with")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        packed(LINE)[:-1],
        packed(LINE)[:-9],
        packed(LINE)[:5],
        packed(LINE) + packed(LINE)[:-4],
        packed(LINE) + b"\x1f",
        packed(LINE) + b"junk that is no gzip",
        b"\0" + packed(LINE),
        b"\0" * 50,
        LINE,
        overwritten(packed(LINE), len(packed(LINE)) - 8, "<L", 0),
        overwritten(packed(LINE), len(packed(LINE)) - 4, "<L", 1),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_gzip_that_is_not_whole_is_refused(body: bytes, compression: int) -> None:
    """Cut off anywhere, wrong CRC, wrong length, something behind it, no gzip."""
    refused(zipped([(member(), body)], compression=compression), "cut off|corrupt")


def test_every_way_to_cut_an_archive_off_is_seen() -> None:
    """After each of its bytes."""
    content = zipped([(member(5, part), packed(LINE)) for part in (0, 1)])
    for length in range(len(content)):
        refused(content[:length], "cut off|corrupt|no ZIP archive")


def test_encrypted_and_unknown_compression_are_refused() -> None:
    """What cannot be read is not skipped."""
    at_directory = SOUND.index(DIRECTORY)
    refused(overwritten(SOUND, at_directory + 8, "<H", 1), "encrypted")
    refused(overwritten(SOUND, at_directory + 10, "<H", 9), "compressed in a way")
    refused(overwritten(SOUND, at_directory + 10, "<H", zipfile.ZIP_BZIP2), "compressed in a way")


def test_a_damaged_directory_loses_no_member() -> None:
    """A name that turned foreign, an entry swallowed by its neighbour's comment, a directory of no size."""
    two = zipped([(member(5, part), packed(LINE)) for part in (0, 1)])
    first = two.index(DIRECTORY)
    second = two.index(DIRECTORY, first + 1)
    name_end = two.index(b".json.gz", second) + len(b".json.gz") - 1
    refused(overwritten(two, name_end, "B", ord("x")), "corrupt")
    refused(overwritten(two, name_end, "B", ord("/")), "corrupt")
    refused(overwritten(two, first + 32, "<H", second - first), "directory is corrupt")
    refused(overwritten(two, two.rindex(END) + 12, "<L", 0), "names none of what it holds")


@pytest.mark.parametrize("offset", [2**31, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_directory_that_points_far_away_is_a_bad_archive(offset: int) -> None:
    """Zip64 offsets beyond the file, beyond every file, beyond every number of the system."""
    name, body = member().encode(), packed(LINE)
    sizes = struct.pack("<3L", zlib.crc32(body), len(body), len(body))
    local = b"PK\x03\x04" + struct.pack("<5H", 20, 0, 0, 0, 0) + sizes + struct.pack("<2H", len(name), 0) + name + body
    zip64 = struct.pack("<HHQ", 1, 8, offset)
    entry = DIRECTORY + struct.pack("<6H", 45, 45, 0, 0, 0, 0) + sizes
    entry += struct.pack("<5H2L", len(name), len(zip64), 0, 0, 0, 0, 0xFFFFFFFF) + name + zip64
    refused(local + entry + END + struct.pack("<4H2LH", 0, 0, 1, 1, len(entry), len(local), 0), "points outside of it")


def test_a_directory_has_a_bound() -> None:
    """It is read at once, so it may not be of any size."""
    content = zipped([(f"{number:06}" + "x" * 60_000, b"") for number in range(70)])
    refused(content, "directory is bigger than 4194304 bytes")


@pytest.mark.parametrize(
    "body",
    [
        packed((b" " * 999 + b"\n") * 30_000),
        packed(b"") * 1_000_000,
        packed(LINE) + b"\0" * 20_000_000,
        packed(b"x" * 30_000_000),
    ],
    ids=["blanks", "empty-gzips", "padding", "one-line"],
)
def test_a_bomb_is_refused(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it inflates to: lines, nothing at all, padding; the bound is lowered here to spare time."""
    monkeypatch.setattr(members, "INFLATED_EXTRA", 1 << 20)
    content = zipped([(member(), body)])
    refused(content, "inflates to more than a sound archive of its size can hold")


def test_the_lines_of_a_simulated_day_are_its_dump() -> None:
    """Byte for byte and in order, with all the oddities of real archives."""
    with Simulator(events_per_hour=5, seed=3) as simulator:
        lines = simulator.lines(DAY)
        hours = [datetime(2025, 11, 6, hour, tzinfo=UTC) for hour in range(24)]
        members = [(each.name, each.body) for each in simulator._source.members(hours)]
    content = zipped(random.Random(2).sample(members, len(members)))
    found = unzipped(content)
    assert dump_of(found.lines) == dump_of(lines)
    assert found.tally.event_days["2025-11-06"] > len(lines) / 2
    assert sum(found.tally.event_days.values()) == len(lines)
    slowly = unzipped(content, prove=careful)
    assert (slowly.text, slowly.rejected, slowly.hours) == (found.text, found.rejected, found.hours)
    assert vars(slowly.tally) | {"rejected": None} == vars(found.tally) | {"rejected": None}


texts = st.lists(
    st.sampled_from(
        [
            LINE,
            b'{"event_time":"2025-11-05","event_time":1}',
            b"{}",
            b'{"a":"\\ud83d"}',
            b"",
            b" ",
            b"bad",
            b"\xff",
            b'{"long":"' + b"x" * 40 + b'"}',
            b"y" * 61,
            b"\r",
        ]
    ),
    max_size=8,
).flatmap(lambda lines: st.sampled_from([b"\n".join(lines), b"\n".join(lines) + b"\n", b"\r\n".join(lines)]))


@settings(max_examples=150, deadline=None)
@given(texts, st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(1, 60))
def test_blocks_do_not_change_the_result(text: bytes, blocks: list[int], cut: int) -> None:
    """Events, counts, rejected lines, their places and columns: for every size, gzip cut, and on either path."""
    whole = unzipped(archive_of(text), longest_line=60, block=60)
    pieces = b"".join(packed(text[place : place + cut]) for place in range(0, len(text), cut)) or packed(b"")
    for content in (archive_of(text), zipped([(member(), pieces)])):
        for block in blocks:
            for prove in (None, careful):
                found = unzipped(content, longest_line=60, block=block, prove=prove)
                assert (found.text, found.rejected) == (whole.text, whole.rejected)
                assert found.tally.events == whole.tally.events
                assert found.tally.event_days == whole.tally.event_days
                assert found.tally.columns == whole.tally.columns


@settings(max_examples=150, deadline=None)
@given(texts)
def test_every_line_is_an_event_or_rejected_or_blank(text: bytes) -> None:
    """Nothing is lost and nothing comes twice."""
    found = unzipped(archive_of(text), longest_line=60, block=60)
    lines = [line.removesuffix(b"\r") if len(line) <= 60 else line for line in text.split(b"\n")]
    expected = sorted(line for line in lines if line.strip(b" \t\r"))
    assert sorted(found.lines + kept(found)) == expected


MUTATED = [
    zipped([("100/", b""), *((member(5, part), packed(b'{"part":%d}\n' % part)) for part in (0, 3))]),
    zipped([(member(hour), packed(b'{"hour":%d}\nbad\n' % hour)) for hour in (1, 12)], compression=zipfile.ZIP_STORED),
    archive_of(b"{}\n"),
]
WHOLE = [unzipped(content) for content in MUTATED]


def survives(content: bytes, whole: Unzipped) -> None:
    """A changed archive is refused, or gives exactly what the whole one gives."""
    try:
        found = unzipped(content)
    except (BadArchiveError, RejectedError):
        return
    assert (found.text, found.hours) == (whole.text, whole.hours)
    assert kept(found) == kept(whole)


@pytest.mark.parametrize(
    ("content", "whole"), list(zip(MUTATED, WHOLE, strict=True)), ids=["deflated", "stored", "single"]
)
@pytest.mark.parametrize(
    "change",
    [lambda _: 0, lambda _: 0xFF, lambda byte: byte ^ 1, lambda byte: byte ^ 0x80, lambda byte: byte ^ 0x20],
    ids=["zero", "ff", "low-bit", "high-bit", "case"],
)
def test_every_changed_byte_is_seen_or_harmless(content: bytes, whole: Unzipped, change: Callable[[int], int]) -> None:
    """At each place of an archive."""
    for place, byte in enumerate(content):
        survives(overwritten(content, place, "B", change(byte)), whole)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(range(len(MUTATED))), st.data())
def test_a_mutated_archive_is_refused_or_right(which: int, data: st.DataObject) -> None:
    """Bytes replaced, put in, taken out, doubled: never another exception, never another result."""
    content, whole = MUTATED[which], WHOLE[which]
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, min(len(content), begin + 60)))
    new = data.draw(
        st.binary(max_size=8) | st.sampled_from([content[begin:end] * 2, b"\0" * (end - begin), b"\xff" * 8])
    )
    survives(content[:begin] + new + content[end:], whole)
