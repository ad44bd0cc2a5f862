import gzip
import io
import zipfile
import zlib

import pytest

from exporter.simulator import Simulator, SpoilKind, Spoilt
from tests.simulator.client import DAY, ask, bodies, infos, lines

HOURS = ("20251106T05", "20251106T08")


def spoilt(kind: SpoilKind, megabytes: int = 1) -> bytes:
    """A whole answer whose archive has the fault; the answer after it is good again."""
    with Simulator(faults=[Spoilt(kind, megabytes)]) as simulator:
        answer = ask(simulator, *HOURS)
        assert (answer.status_code, int(answer.headers["Content-Length"])) == (200, len(answer.content))
        assert ask(simulator, *HOURS).content == sound()
        return answer.content


def sound() -> bytes:
    """The archive without a fault."""
    with Simulator() as simulator:
        return ask(simulator, *HOURS).content


def first_member(content: bytes) -> bytes:
    """The first member as the ZIP holds it; the ZIP is asked for its CRC."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(infos(content)[0])


@pytest.mark.parametrize(
    ("kind", "raised", "words"),
    [
        ("corrupt-member", (zlib.error, gzip.BadGzipFile, EOFError), "invalid|CRC|end-of-stream"),
        ("wrong-trailer", gzip.BadGzipFile, "CRC check failed"),
        ("truncated-member", EOFError, "end-of-stream"),
    ],
)
def test_a_member_can_be_broken_in_a_whole_zip(kind: SpoilKind, raised: type[Exception], words: str) -> None:
    """The ZIP's own check passes; only inflating the member shows the fault."""
    member = first_member(spoilt(kind))
    with pytest.raises(raised, match=words):
        gzip.decompress(member)


@pytest.mark.parametrize("kind", ["corrupt-member", "truncated-member"])
def test_a_broken_member_gives_most_of_its_lines_first(kind: SpoilKind) -> None:
    """A reader has handed on lines before it meets the fault."""
    member = first_member(spoilt(kind))
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    assert inflate.decompress(member[:-60]).count(b"\n") > 2


@pytest.mark.parametrize(
    ("kind", "raised", "words"),
    [
        ("corrupt-zip", (zipfile.BadZipFile, zlib.error), "CRC|invalid"),
        ("encrypted", RuntimeError, "encrypted"),
        ("unsupported-compression", NotImplementedError, "compression method|type 9"),
    ],
)
def test_an_entry_can_be_wrong_for_the_zip(kind: SpoilKind, raised: type[Exception], words: str) -> None:
    """Reading the entry fails before there is a member to inflate."""
    content = spoilt(kind)
    with pytest.raises(raised, match=words):
        first_member(content)


def test_entries_claim_the_same_in_both_of_their_headers() -> None:
    """Flag and method stand in the local header too, for readers that never look at the directory."""
    encrypted, method = (spoilt(kind) for kind in ("encrypted", "unsupported-compression"))
    flags_at = infos(encrypted)[0].header_offset + 6
    method_at = infos(method)[0].header_offset + 8
    assert encrypted[flags_at] & 1
    assert method[method_at] == 9


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("foreign-member", "readme.txt"),
        ("bad-name", "export-of-today.json.gz"),
        ("path-outside", "../../etc/x.json.gz"),
    ],
)
def test_a_member_with_another_name_comes_beside_the_others(kind: SpoilKind, name: str) -> None:
    """One more entry, and all the right ones."""
    names = [info.filename for info in infos(spoilt(kind))]
    assert set(names) - {info.filename for info in infos(sound())} == {name}
    assert len(names) == len(infos(sound())) + 1


def test_a_member_of_an_hour_not_asked_for_holds_events_that_are_there_already() -> None:
    """Who takes it in counts events twice."""
    content = spoilt("other-hour")
    added = set(bodies(content)) - set(bodies(sound()))
    assert [name.split("/")[1].split("#")[0] for name in added] == ["100011471_2001-11-06_5"]
    assert len(lines(content)) > len(set(lines(content)))


def test_a_member_can_come_twice() -> None:
    """Two entries of one name with the same bytes."""
    content = spoilt("same-member-twice")
    first, second, *_ = infos(content)
    assert (first.filename, first.CRC) == (second.filename, second.CRC)
    assert len(infos(content)) == len(infos(sound())) + 1


@pytest.mark.parametrize(("kind", "end"), [("renamed-member", ".JSON.GZ"), ("folder-with-data", "/")])
def test_a_member_can_come_under_a_name_that_is_none(kind: SpoilKind, end: str) -> None:
    """Its events are there, and who looks for members does not find them."""
    with zipfile.ZipFile(io.BytesIO(spoilt(kind))) as archive:
        found = {info.filename: gzip.decompress(archive.read(info)) for info in archive.infolist() if info.file_size}
    (renamed,) = set(found) - set(bodies(sound()))
    assert renamed.endswith(end)
    assert list(found.values()) == list(bodies(sound()).values())


def test_a_member_can_be_missing_in_the_directory() -> None:
    """Its bytes are in the archive."""
    content = spoilt("missing-entry")
    first, *others = infos(sound())
    assert [info.filename for info in infos(content)] == [info.filename for info in others]
    assert first.filename.encode() in content


def test_two_archives_can_stand_end_to_end() -> None:
    """A reader that looks for the last directory finds all members but one."""
    content = spoilt("two-archives")
    first, *others = infos(sound())
    assert [info.filename for info in infos(content)] == [info.filename for info in others]
    assert first.filename.encode() in content
    assert content.count(b"PK\x05\x06") == 2


def test_a_bomb_is_small_and_inflates_hugely() -> None:
    """Few kilobytes on the wire become as many megabytes as asked for."""
    content = spoilt("bomb", megabytes=64)
    whole = bodies(sound())
    assert bodies(content).keys() == whole.keys()
    (name, body), *_ = bodies(content).items()
    assert (body.startswith(whole[name]), len(body)) == (True, len(whole[name]) + 64 * 2**20)
    assert len(content) - len(sound()) < 100_000


def test_reordered_members_hold_the_same_lines() -> None:
    """Another order of entries, nothing else."""
    content = spoilt("reordered")
    assert list(bodies(content)) == list(reversed(list(bodies(sound()))))
    assert bodies(content) == bodies(sound())


def test_a_bomb_does_not_change_what_lines_tells() -> None:
    """Spoilt archives are no contents: `lines` tells what the project holds."""
    with Simulator(faults=[Spoilt("bomb")]) as simulator, Simulator() as other:
        assert simulator.lines(DAY) == other.lines(DAY)
