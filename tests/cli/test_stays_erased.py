"""Who was erased at the command line does not come back by any other command; Amplitude's list can say who it is."""

import shutil
import stat
from datetime import date, timedelta

from exporter.privacy.ids import ids_in
from exporter.simulator import Deletion, Simulator
from tests.cli.desk import Desk, Said
from tests.kit import dump_of

KEY = "the-key-of-the-tests,-of-32-characters-or-more"


def called(desk: Desk, *words: str, code: int = 0, **chosen: str) -> Said:
    """What a command says; it ends well."""
    said = desk.call(*words, EXPORT_ERASURE_KEY=KEY, **chosen)
    assert said.code == code, said.err + said.out
    return said


def days_in(desk: Desk) -> list[date]:
    """The days that are there."""
    return sorted(
        date.fromisoformat(f"{p.name[:4]}-{p.name[4:6]}-{p.name[6:8]}") for p in desk.data.glob("*_dump.json")
    )


def is_gone(desk: Desk, number: int) -> bool:
    """Whether every day holds everybody's events but those of this Amplitude id."""
    for day in days_in(desk):
        left = [line for line in desk.simulator.lines(day) if number not in ids_in(line).amplitude]
        if (desk.data / f"{day:%Y%m%d}_0000_ampl_dump.json").read_bytes() != dump_of(left):
            return False
    return bool(days_in(desk))


def somebody(simulator: Simulator, day: date) -> int:
    """The Amplitude id of the day's first event."""
    return next(iter(ids_in(simulator.lines(day)[0]).amplitude))


def test_no_command_brings_anybody_back(desk: Desk) -> None:
    """Run, export by force, backfill, tables, and a restored version of every day."""
    called(desk, "export", "--from", "3-days-ago", "--to", "yesterday")
    day = days_in(desk)[0]
    anna = somebody(desk.simulator, day)
    shutil.copytree(desk.data, desk.folder / "copy")
    ids = desk.folder / "ids.txt"
    ids.write_text(f"amplitude_id={anna}\n")
    ids.chmod(stat.S_IRUSR | stat.S_IWUSR)
    called(desk, "erase", "--ids", "ids.txt", "--reason", "ticket-1", "--yes")
    assert is_gone(desk, anna)
    for words in (
        ("run",),
        ("export", "--from", "3-days-ago", "--to", "yesterday", "--force"),
        ("backfill", "--from", "3-days-ago"),
        ("verify", "--from", "3-days-ago", "--to", "yesterday"),
        ("tables",),
    ):
        called(desk, *words)
        assert is_gone(desk, anna), words
    for path in desk.data.glob("2*"):
        shutil.copy2(desk.folder / "copy" / path.name, path)
        shutil.copy2(desk.folder / "copy" / "manifests" / f"{path.name[:13]}.json", desk.data / "manifests")
    assert not is_gone(desk, anna)
    assert "who were erased" in called(desk, "tables", code=1).out
    verify = ("verify", "--from", "3-days-ago", "--to", "yesterday")
    assert "who were erased" in called(desk, *verify, code=1).out
    called(desk, "erase", "--ids", "ids.txt", "--reason", "ticket-1", "--yes")
    assert is_gone(desk, anna)
    for path in desk.data.glob("2*"):
        shutil.copy2(desk.folder / "copy" / path.name, path)
        shutil.copy2(desk.folder / "copy" / "manifests" / f"{path.name[:13]}.json", desk.data / "manifests")
    called(desk, *verify, "--repair")
    assert is_gone(desk, anna)
    called(desk, "tables")
    called(desk, "verify", "--from", "3-days-ago", "--to", "yesterday")
    assert str(anna) not in desk.logs()


def test_amplitudes_list_is_enough(desk: Desk) -> None:
    """Nobody writes an id down: a run proposes, a dry run tells, and the same command erases."""
    called(desk, "export", "--from", "3-days-ago", "--to", "yesterday")
    day = days_in(desk)[0]
    anna = somebody(desk.simulator, day)
    desk.simulator.add(Deletion(anna, day))
    desk.simulator.add(Deletion(4711, day + timedelta(days=1), "staging"))
    said = called(desk, "run", EXPORT_ERASE_FOLLOW="on")
    assert "deletions listed: count=2 erased=0 waiting=1 left=1. Look at them with `erase --from-amplitude" in said.err
    erase = ("erase", "--from-amplitude", "--reason", "ticket-1")
    said = called(desk, *erase, "--dry-run")
    assert "Amplitude lists 2 people: 0 are erased here, 1 can still be taken off the list, 1 are left." in said.out
    assert not is_gone(desk, anna)
    assert "1 Amplitude id," in called(desk, "find", "--from-amplitude").err
    called(desk, *erase, "--yes")
    assert is_gone(desk, anna)
    assert "1 are erased here, 1 can still be taken off the list, 0 are left." in called(desk, *erase, "--yes").out
    said = called(desk, "run", EXPORT_ERASE_FOLLOW="on", EXPORT_ERASE_CONFIRM="auto")
    assert "left=0" in said.err
    assert str(anna) not in desk.logs() + said.err + said.out


def test_whose_ids_it_is_has_to_be_said(desk: Desk) -> None:
    """A file, or Amplitude's list; not both, and not neither."""
    for words in ((), ("--ids", "ids.txt", "--from-amplitude")):
        assert desk.call("erase", "--reason", "ticket-1", *words).code == 2
    assert desk.call("erase", "--reason", "ticket-1", "--from-amplitude", AMP_API_KEY="").code == 2
