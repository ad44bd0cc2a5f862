import base64
import gzip
import io
import json
import logging
import random
import tempfile
import zipfile
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive import members
from exporter.archive.directory import holds_members
from exporter.archive.fast import no_fast_path
from exporter.archive.lines import LongLineError
from exporter.archive.rejected import RejectedLines
from exporter.archive.unzip import Bounds, Events, Tally, unzip
from exporter.errors import BadArchiveError, PermanentError, RejectedError
from exporter.simulator import Simulator
from exporter.window import Window
from tests.kit import DAY, WHOLE_DAY, Unzipped, archive_of, dump_of, member, overwritten, unzipped, zipped

LINE = b'{"event_time":"2025-11-06 05:00:00","a":1}'
SOUND = archive_of(LINE + b"\n")


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
    with io.BytesIO(zipped([])) as empty, io.BytesIO(SOUND) as sound, io.BytesIO(b"") as nothing:
        assert [holds_members(each) for each in (empty, sound, nothing)] == [False, True, False]


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
    for block in (7, 100, 1 << 17, 1 << 18):
        found = unzipped(content, bounds=Bounds(block))
        assert [(name, line) for name, line, _ in places(found)] == [
            (member(5, part), line) for part in (0, 1) for line in (41, 84)
        ]


@pytest.mark.parametrize("block", [1, 9, 50, 99, 100])
def test_a_line_longer_than_the_bound_fails_the_day(block: int) -> None:
    """The message names member and line, and what to do; a line of exactly the bound is an event."""
    exact = b'{"a":"' + b"x" * 92 + b'"}'
    bounds = Bounds(block, 100)
    assert unzipped(archive_of(b"\n".join([exact, LINE, exact])), bounds=bounds).lines == [exact, LINE, exact]
    for longer in (exact + b" ", b"\xffz" * 5_000):
        with pytest.raises(LongLineError) as raised:
            unzipped(archive_of(b"\n".join([b"", exact, b"bad", longer, LINE])), bounds=bounds)
        assert isinstance(raised.value, PermanentError)
        assert str(raised.value).startswith(f"line 4 of member '{member()}' is longer than 100 bytes. ")
        assert "ask Amplitude's support" in str(raised.value)


def test_a_line_of_16_megabytes_is_an_event() -> None:
    """That is the usual bound."""
    line = b'{"a":"' + b"x" * ((16 << 20) - 8) + b'"}'
    assert len(line) == 16 << 20
    assert unzipped(archive_of(line)).lines == [line]
    with pytest.raises(LongLineError, match="longer than 16777216 bytes"):
        unzipped(archive_of(line + b" "))


def test_the_clock_can_be_looked_at_while_nothing_comes() -> None:
    """A line that comes in, padding and empty gzip members give blocks without events."""
    for text in (b" " * 5_000_000, b""):
        content = archive_of(text) if text else zipped([(member(), packed(b"") * 20_000)])
        with tempfile.TemporaryFile() as file, RejectedLines(0) as rejected:
            file.write(content)
            blocks = list(unzip(file, WHOLE_DAY, Tally(rejected)))
        assert len(blocks) > 5
        assert set(blocks) == {Events(5, b"", 0)}


def test_members_and_projects_are_known_before_the_first_is_read() -> None:
    """So much is known of an archive that turns out to be damaged."""
    whole = [(member(5, part), packed(LINE)) for part in (0, 1)]
    content = zipped([*whole, (member(9), packed(LINE)), (member(3), packed(LINE)[:-1])])
    with tempfile.TemporaryFile() as file, RejectedLines(0) as rejected:
        file.write(content)
        tally = Tally(rejected)
        with pytest.raises(BadArchiveError, match="cut off"):
            list(unzip(file, WHOLE_DAY, tally))
        assert tally.members == {3: 1, 5: 2, 9: 1}
        assert tally.projects == {"100"}
        assert holds_members(file)


def test_rejected_lines_have_a_bound() -> None:
    """Beyond it the day fails with what to do."""
    with pytest.raises(RejectedError, match="EXPORT_TMP_LIMIT_MB"):
        unzipped(archive_of(b"bad\n" * 100), rejected_limit=1_000)


@pytest.mark.parametrize(
    "name",
    [
        "export-of-today.json.gz",
        "../../etc/x.json.gz",
        "readme.txt",
        "README",
        "__MACOSX/._100_2025-11-06_5#1.json.gz",
        "__MACOSX/100/._x",
        ".DS_Store",
        "100/100_2025-11-06_5#1.JSON.GZ",
        "100/100_2025-11-06_5#1.jsonl.gz",
        "100/100_2025-11-06_5#1.json",
        "100/100_2025-11-06_5#1.json.gz.tmp",
        "100/100_2025-11-06_5#1.json.gz\n",
        "100/100_2025-11-06_5#1.json.GZ",
        "100/100_2025-11-06_5#1.json.gz ",
        "100/100_2025-11-06_5.json.gz",
        "100/100_2025-11-06_5#.json.gz",
        "100/100_2025-11-06_#1.json.gz",
        "100/100_2025-11-06_005#1.json.gz",
        "100/100_2025-11-6_5#1.json.gz",
        "100/100_2025-11-06_\u0665#1.json.gz",
        "100/100_2025-11-06_5#" + "1" * 10 + ".json.gz",
        "100/100_2025-11-06_5#-1.json.gz",
        "100/200_2025-11-06_5#1.json.gz",
        "0100/100_2025-11-06_5#1.json.gz",
        "export/" + member(5, 1),
        "../" + member(5, 1),
        "./" + member(5, 1),
        "/" + member(5, 1),
        "100/" + member(5, 1),
        "100\\" + "100_2025-11-06_5#1.json.gz",
        "-OrgID_100_2025-11-06_5#1.json.gz",
        "x" * 60_000 + ".json.gz",
        "\x1b[31mred\u202e",
        "\U000e0001" * 300,
        "1" * 21 + "_2025-11-06_5#1.json.gz",
    ],
)
def test_what_is_neither_folder_nor_member_spoils_the_archive(name: str) -> None:
    """Beside good members; nothing is skipped, nothing is read, and the message is short and printable."""
    with pytest.raises(BadArchiveError, match="neither a folder nor a member of Amplitude's") as raised:
        unzipped(zipped([(member(), packed(LINE)), (name, packed(LINE))]))
    assert len(str(raised.value)) < 400
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (member(day=date(2025, 11, 5)), "not asked for"),
        (member(24), "not asked for"),
        ("100/100_2025-02-30_5#0.json.gz", "not asked for"),
        (member(5, 0), "twice"),
        ("100_2025-11-06_5#0.json.gz", "twice"),
        ("100/100_2025-11-06_05#0.json.gz", "twice"),
        ("100/100_2025-11-06_5#00.json.gz", "twice"),
        ("100/100_2025-11-06_05#000.json.gz", "twice"),
        (member(6, 0, project=200), "more than one project"),
        ("200_2025-11-06_6#0.json.gz", "more than one project"),
        ("0100_2025-11-06_6#0.json.gz", "more than one project"),
    ],
)
def test_a_member_that_would_lose_or_double_events_spoils_the_archive(name: str, says: str) -> None:
    """Of another hour, day or project, or there already under a like name."""
    refused(zipped([(member(), packed(LINE)), (name, packed(LINE))]), says)


def test_a_member_may_stand_without_its_folder() -> None:
    """Hour and part are read as numbers, however they are written."""
    names = ["100_2025-11-06_05#01.json.gz", "100/100_2025-11-06_23#999999999.json.gz", "100_2025-11-06_6#0.json.gz"]
    assert unzipped(zipped([(name, packed(LINE)) for name in names])).hours == (5, 6, 23)


def test_spoilt_names_are_told_in_one_message(caplog: pytest.LogCaptureFixture) -> None:
    """However many there are."""
    with caplog.at_level(logging.DEBUG):
        refused(zipped([(f"{number}.txt", b"") for number in range(10_000)]), "'0.txt' in the archive is neither")
    assert caplog.messages == []


@pytest.mark.parametrize("hour", [4, 7])
def test_an_hour_beside_the_window_spoils_the_archive(hour: int) -> None:
    """Its events would be there twice."""
    window = Window(datetime(2025, 11, 6, 5, tzinfo=UTC), 2)
    good = zipped([(member(5), packed(LINE)), (member(6), packed(LINE))])
    assert len(unzipped(good, window).lines) == 2
    refused(zipped([(member(5), packed(LINE)), (member(hour), packed(LINE))]), "not asked for", window)


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
        refused(content[:length], "cut off|no ZIP archive")


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
    slowly = unzipped(content, fast=no_fast_path)
    assert (slowly.text, slowly.rejected, slowly.hours) == (found.text, found.rejected, found.hours)
    assert vars(slowly.tally) | {"rejected": None} == vars(found.tally) | {"rejected": None}


texts = st.lists(
    st.sampled_from(
        [
            LINE,
            b'{"event_time":"2025-11-05","event_time":1}',
            b"{}",
            b'{"a":"\\ud83d"}',
            b'{"a":1e400}',
            b'{"a":98765432109876543210}',
            b'{"a":"98765432109876543210"}',
            b'{"known":1,"uuid":2}',
            b"",
            b" ",
            b"bad",
            b"{",
            b"\xff",
            b"\xc3",
            b'{"long":"' + b"x" * 40 + b'"}',
            b"y" * 60,
            b"\r",
        ]
    ),
    max_size=8,
).flatmap(lambda lines: st.sampled_from([b"\n".join(lines), b"\n".join(lines) + b"\n", b"\r\n".join(lines)]))


@settings(max_examples=150, deadline=None)
@given(texts, st.lists(st.integers(1, 61), min_size=1, max_size=4), st.integers(1, 60))
def test_blocks_do_not_change_the_result(text: bytes, blocks: list[int], cut: int) -> None:
    """Events, counts, unusual and rejected lines, their places, columns: for every size, cut, and on either path."""
    whole = unzipped(archive_of(text), bounds=Bounds(61, 61))
    pieces = b"".join(packed(text[place : place + cut]) for place in range(0, len(text), cut)) or packed(b"")
    for content in (archive_of(text), zipped([(member(), pieces)])):
        for block in blocks:
            for fast in (None, no_fast_path):
                found = unzipped(content, bounds=Bounds(block, 61), fast=fast)
                assert (found.text, found.rejected) == (whole.text, whole.rejected)
                assert vars(found.tally) | {"rejected": None} == vars(whole.tally) | {"rejected": None}


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, min_size=1, max_size=6), st.integers(1, 5))
def test_windows_do_not_change_the_result(hours: list[bytes], width: int) -> None:
    """The hours of one archive, or of several: texts, rejected lines and all counts add up to the same."""
    packed_hours = [(member(hour), packed(text)) for hour, text in enumerate(hours)]
    whole = unzipped(zipped(packed_hours))
    with RejectedLines(0) as rejected:
        tally = Tally(rejected)
    parts = []
    for first in range(0, len(hours), width):
        window = Window(datetime(2025, 11, 6, first, tzinfo=UTC), width)
        parts.append(unzipped(zipped(packed_hours[first : first + width]), window))
        tally.add(parts[-1].tally)
    assert b"".join(part.text for part in parts) == whole.text
    assert b"".join(part.rejected for part in parts) == whole.rejected
    assert vars(tally) | {"rejected": None} == vars(whole.tally) | {"rejected": None}


@settings(max_examples=150, deadline=None)
@given(texts)
def test_every_line_is_an_event_or_rejected_or_blank(text: bytes) -> None:
    """Nothing is lost and nothing comes twice."""
    found = unzipped(archive_of(text), bounds=Bounds(61, 61))
    lines = [line.removesuffix(b"\r") for line in text.split(b"\n")]
    assert sorted(found.lines + kept(found)) == sorted(line for line in lines if line.strip(b" \t\r"))


def test_tallies_add_up() -> None:
    """Counts of other dates stay what they are; what stands in an event as "other" is no date."""
    with RejectedLines(0) as rejected:
        whole, part = Tally(rejected), Tally(rejected)
    part.event_days = {"2025-11-06": 1, "other": 2, "none": 3}
    whole.add(part)
    whole.add(part)
    assert whole.event_days == {"2025-11-06": 2, "other": 4, "none": 6}
    assert unzipped(archive_of(b'{"event_time":"other"}')).tally.event_days == {"none": 1}


def test_unusual_events_are_counted() -> None:
    """Each once, however much of it is unusual, and also where a whole block would have gone the fast way."""
    odd = [b'{"a":"\\ud83d","b":1e400}', b'{"a":123456789012345678901234567890}', b"[1e400]"]
    found = unzipped(archive_of(b"\n".join([LINE, *odd, LINE])))
    assert (found.tally.unusual, found.tally.events[5]) == (2, 4)
    assert unzipped(archive_of(LINE)).tally.unusual == 0
