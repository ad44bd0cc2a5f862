"""The commands about people, as somebody types them."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.cli.finding import _written
from exporter.privacy.ids import ids_in
from exporter.simulator import parse_faults
from tests.cli.desk import Desk, Said, recent
from tests.cli.test_documents import fits
from tests.kit import files_in

KEY = {"EXPORT_ERASURE_KEY": "a-key-of-the-tests-that-nobody-can-guess"}


def person_at(desk: Desk, days: int = 2) -> str:
    """Somebody in the newest of so many days, which are exported with a rejected line each."""
    desk.simulator.add(parse_faults(["nan"])[0])
    assert desk.call("export", "--from", recent(days - 1), "--to", recent(0)).code == 0
    dump = next(desk.data.glob(f"{recent(0).replace('-', '')}*.json"))
    users = [user for line in dump.read_bytes().split(b"\n") for user in ids_in(line.rstrip(b",")).users]
    return max(users, key=users.count)


def put_ids(desk: Desk, *lines: str, mode: int = 0o600) -> None:
    """The file of ids."""
    path = desk.folder / "ids.txt"
    path.write_text("\n".join(lines))
    path.chmod(mode)


def erase(desk: Desk, *words: str, **changed: str) -> Said:
    """Call `erase` for the file."""
    return desk.call("erase", "--ids", "ids.txt", "--reason", "ticket-4711", *words, **(KEY | changed))


def test_a_person_is_found_and_erased(desk: Desk) -> None:
    """Figures first; the events in a file of its owner's; erased; found nowhere; on record without a name."""
    user = person_at(desk)
    put_ids(desk, f"user_id={user}")
    found = desk.call("find", "--ids", "ids.txt", "--out", "out.jsonl", "--json")
    fits(found.json, "find")
    out = desk.folder / "out.jsonl"
    count = sum(day["events"] for day in found.json["days"])
    lines = out.read_bytes().splitlines()
    assert len(lines) == count > 0
    assert all(user in ids_in(line).users or ids_in(line).amplitude for line in lines)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    out.unlink()
    dry = erase(desk, "--dry-run")
    assert (dry.code, "Nothing was erased: this was a dry run." in dry.out) == (0, True)
    assert f"{count:,} events" in dry.out
    done = erase(desk, "--yes")
    assert done.code == 0
    assert f"is done: {count:,} events" in done.out
    assert desk.call("find", "--ids", "ids.txt", "--json").json["days"] == []
    listed = desk.call("erasures", "--json")
    fits(listed.json, "erasures")
    assert [one["state"] for one in listed.json["erasures"]] == ["done"]
    assert "ticket-4711" in desk.call("erasures").out
    assert desk.call("verify", "--from", recent(1), "--to", recent(0), **KEY).code == 0
    said = f"{found.out}{found.err}{dry.out}{dry.err}{done.out}{done.err}{listed.out}{desk.logs()}"
    stored = b"".join(content for name, content in files_in(desk.data).items())
    assert user not in said
    assert user.encode() not in stored


def test_a_search_that_finds_nothing_leaves_no_file_of_an_earlier_one(desk: Desk) -> None:
    """Else somebody else's events would be handed out in its place."""
    person_at(desk, 1)
    put_ids(desk, "user_id=nobody@example.com")
    for name in ("out.jsonl", "out.jsonl.rejected"):
        (desk.folder / name).write_text("{}")
    said = desk.call("find", "--ids", "ids.txt", "--out", "out.jsonl")
    assert (said.code, "No event, so there is no file out.jsonl" in said.out) == (0, True)
    assert not list(desk.folder.glob("*out.jsonl*"))
    said = desk.call("find", "--ids", "ids.txt", "--out", "data")
    assert (said.code, "--out data cannot be written: it is there, and is no file" in said.err) == (2, True)


def test_a_reason_that_names_an_id_found_with_them_is_refused(desk: Desk) -> None:
    """Nobody typed it into the list, and it would be on record for years."""
    user = person_at(desk, 1)
    put_ids(desk, f"user_id={user}")
    dump = next(desk.data.glob(f"{recent(0).replace('-', '')}*.json"))
    found = [ids_in(line.removesuffix(b",")) for line in dump.read_bytes().split(b"\n")]
    number = next(iter(next(ids.amplitude for ids in found if user in ids.users)))
    before = files_in(desk.data)
    said = desk.call("erase", "--ids", "ids.txt", "--reason", f"amplitude {number}", "--yes", **KEY)
    assert (said.code, "holds one of the ids" in said.err, files_in(desk.data) == before) == (2, True, True)


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("YES\n", 0), ("no\n", 1), ("\n", 1), ("", 1)])
def test_it_asks_once(desk: Desk, answer: str, code: int) -> None:
    """Anything but yes erases nothing."""
    put_ids(desk, "user_id=" + person_at(desk, 1))
    before = files_in(desk.data)
    said = typed(desk, answer, "erase", "--ids", "ids.txt", "--reason", "ticket")
    assert said.code == code
    assert "Erase this for good?" in said.out
    assert (files_in(desk.data) == before) == (code == 1)


def typed(desk: Desk, text: str, *words: str) -> Said:
    """Call the command line, and type."""
    done = subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        cwd=desk.folder,
        env=desk.environment(**KEY),
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_what_came_after_an_erasure_that_was_stopped_is_erased_too(desk: Desk) -> None:
    """As of somebody who came back, and asks again: the old erasure ends, and a new one begins."""
    user = person_at(desk)
    put_ids(desk, f"user_id={user}")
    dumps = [next(desk.data.glob(f"{recent(ago).replace('-', '')}*.json")) for ago in (1, 0)]
    texts = [dump.read_bytes() for dump in dumps]
    for dump in dumps:
        dump.write_bytes(b"[]\n")
    assert erase(desk, "--yes").code == 0  # nothing was found
    for dump, text in zip(dumps, texts, strict=True):
        dump.write_bytes(text)
    (record,) = desk.data.glob("erasures/*.json")
    keyed = desk.data / "erasures/keyed" / record.name
    told, hashes = json.loads(record.read_text()), json.loads(keyed.read_text())
    record.write_text(json.dumps(told | {"state": "begun", "asked_at": f"{recent(0)}T06:00:00Z", "done_at": None}))
    keyed.write_text(json.dumps(hashes | {"before": f"{recent(0)}T06:00:00Z"}))
    said = erase(desk, "--yes")
    assert (said.code, "has not ended, and goes on" in said.out) == (0, True)
    assert desk.call("find", "--ids", "ids.txt", "--json").json["days"] == []
    assert [one["state"] for one in desk.call("erasures", "--json").json["erasures"]] == ["done", "done"]


def test_ids_come_from_standard_input(desk: Desk) -> None:
    """There is nobody to be asked then: --yes, or a dry run."""
    user = person_at(desk, 1)
    assert typed(desk, f"user_id={user}\n", "find", "--ids", "-").code == 0
    said = typed(desk, f"user_id={user}\n", "erase", "--ids", "-", "--reason", "ticket")
    assert (said.code, "add --yes" in said.err) == (2, True)
    assert typed(desk, f"user_id={user}\n", "erase", "--ids", "-", "--reason", "ticket", "--yes").code == 0


def test_nothing_is_erased_without_the_key(desk: Desk) -> None:
    """Else the next export would bring everybody back."""
    put_ids(desk, "user_id=" + person_at(desk, 1))
    before = files_in(desk.data)
    said = erase(desk, "--yes", EXPORT_ERASURE_KEY="")
    assert (said.code, "EXPORT_ERASURE_KEY is missing" in said.err) == (2, True)
    assert files_in(desk.data) == before
    assert erase(desk, "--dry-run", EXPORT_ERASURE_KEY="").code == 0


@pytest.mark.parametrize("words", [("--ids", "user_id=anna@example.com"), ("--ids", "anna.txt")])
@pytest.mark.parametrize("command", [("find",), ("erase", "--reason", "ticket", "--yes")])
def test_an_id_that_is_typed_is_not_repeated(desk: Desk, command: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Whoever writes it where the file's name belongs is told so, in words without it."""
    said = desk.call(*command, *words, **KEY)
    assert said.code == 2
    assert "ids themselves are never written as arguments" in said.err
    assert "anna" not in said.out + said.err + desk.logs()


def test_a_wrong_list_is_told_by_numbers(desk: Desk) -> None:
    """Of the lines; nothing in them is repeated, in no log either."""
    put_ids(desk, "user_id=a", "anna@example.com", "mail=anna@example.com")
    for words in (("find",), ("erase", "--reason", "x", "--yes")):
        said = desk.call(*words, "--ids", "ids.txt", **KEY)
        assert said.code == 2
        assert "line 2, 3 names no id" in said.err
        assert "anna" not in said.out + said.err + desk.logs()


def test_a_reason_with_the_person_in_it_is_refused(desk: Desk) -> None:
    """Before anything is read."""
    put_ids(desk, "user_id=anna@example.com")
    said = desk.call("erase", "--ids", "ids.txt", "--reason", "Anna@example.com asked", "--yes", **KEY)
    assert (said.code, "Name a ticket's number instead" in said.err) == (2, True)
    assert "anna" not in (said.err + desk.logs()).lower()


def test_a_list_that_others_can_read_is_told(desk: Desk) -> None:
    """It is somebody's personal data."""
    put_ids(desk, "user_id=nobody", mode=0o644)
    assert "chmod 600" in desk.call("find", "--ids", "ids.txt").err


def test_nothing_is_written_where_nothing_is_found(desk: Desk) -> None:
    """And a file that cannot be written is told."""
    person_at(desk, 1)
    put_ids(desk, "user_id=nobody@example.com")
    assert desk.call("find", "--ids", "ids.txt", "--out", "out.jsonl").code == 0
    assert not (desk.folder / "out.jsonl").exists()
    assert [path.name for path in desk.folder.iterdir() if path.name.startswith(".")] == []
    for name in ("no/such/folder/out.jsonl", ".", "data"):
        said = desk.call("find", "--ids", "ids.txt", "--out", name)
        assert (said.code, "cannot be written" in said.err) == (2, True)


def test_the_lines_of_an_earlier_search_are_not_handed_out(desk: Desk) -> None:
    """Whoever asks next for somebody else, into the same file, gets nothing of the person before."""
    user = person_at(desk, 1)
    put_ids(desk, f"user_id={user}")
    assert desk.call("find", "--ids", "ids.txt", "--out", "out.jsonl").code == 0
    (desk.folder / "out.jsonl.rejected").write_text("a rejected line of somebody's")
    put_ids(desk, "user_id=nobody@example.com")
    assert desk.call("find", "--ids", "ids.txt", "--out", "out.jsonl").code == 0
    assert [path.name for path in desk.folder.iterdir() if "out.jsonl" in path.name] == []


def test_somebody_who_is_not_there_is_remembered(desk: Desk) -> None:
    """So that a later backfill brings nobody in who asked to go."""
    user = person_at(desk, 1)
    put_ids(desk, f"user_id={user}", f"user_id=other-{user}")
    other = recent(3)
    assert erase(desk, "--yes", "--quiet").out == ""
    assert desk.call("export", "--day", other, **KEY).code == 0
    dump = next(desk.data.glob(f"{other.replace('-', '')}*.json"))
    assert user.encode() not in dump.read_bytes()


def test_what_is_not_done_is_told(desk: Desk) -> None:
    """With the day and why; exit code 1; the same call again ends it."""
    user = person_at(desk)
    put_ids(desk, f"user_id={user}")
    dump = next(desk.data.glob(f"{recent(0).replace('-', '')}*.json"))
    text = dump.read_bytes()
    dump.write_bytes(text.replace(b'"$schema":13', b'"$schema":14', 1))
    said = erase(desk, "--yes")
    assert said.code == 1
    assert f"{recent(0)} is not done: " in said.out
    assert "Call the same command again" in said.out
    dump.write_bytes(text)
    again = erase(desk, "--yes")
    assert again.code == 0
    assert "has not ended, and goes on" in again.out
    assert [one["state"] for one in desk.call("erasures", "--json").json["erasures"]] == ["done"]


def test_the_files_of_find_appear_whole(tmp_path: Path) -> None:
    """Where it breaks off, no file has the name, and none is left beside it."""

    def broken() -> None:
        with _written(tmp_path / "out.jsonl") as take:
            take([b"{}"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert list(tmp_path.iterdir()) == []
    with _written(tmp_path / "out.jsonl") as take:
        take([b"{}", b"[]"])
    assert (tmp_path / "out.jsonl").read_bytes() == b"{}\n[]\n"
