import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from exporter.days.chain import (
    START,
    Chain,
    Change,
    Content,
    Entry,
    Head,
    line_of,
    linked,
    read_entry,
    sha256_of,
    whole_lines,
)
from exporter.days.manifest import FINAL, PROVISIONAL, LedgerLine, Manifest
from exporter.report import Progress, Step, no_progress
from exporter.store import Store
from exporter.store.folder import LocalStore
from tests.kit import DAY, dump_of
from tests.kit.history import Attempt, Given, day_number, export, lines_of, put, verified
from tests.kit.memory import MemoryStore
from tests.kit.rules import LAYOUT, days_on, moment

DAYS = 6
NOW = moment(day_number(DAYS), 3)
LEDGER = LAYOUT.ledger.name(2025)
SCRIPT = Path(__file__).parents[2] / "docs" / "check_ledger.py"


class Killed(BaseException):
    """The exporter is gone."""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six days that were written, looked at again and (the third) replaced; the fifth has rejected lines."""
    folder = tmp_path_factory.mktemp("honest")
    store = LocalStore(folder)
    for number in range(DAYS):
        day, rejected = day_number(number), 2 if number == 4 else 0
        export(store, day, Given(3 + number, rejected), moment(day, 26))
        if number == 2:
            shutil.copytree(folder, folder.with_name("before"))
        export(store, day, Given(9 if number == 2 else 3 + number, rejected), moment(day, 50))
    assert verified(store, NOW) == []
    return folder


@pytest.fixture
def store(honest: Path, tmp_path: Path) -> LocalStore:
    """A copy of it."""
    return LocalStore(shutil.copytree(honest, tmp_path / "data"))


def manifest_in(store: Store, day: date) -> Manifest:
    """The day's manifest."""
    read = days_on(store).manifest(day).manifest
    assert read
    return read


def ledger_of(store: Store) -> list[bytes]:
    """Its lines."""
    return list(whole_lines(store.stream(LEDGER)))


def write_ledger(store: Store, lines: list[bytes]) -> None:
    """Whoever can replace the file does."""
    store.delete(LEDGER)
    if lines:
        store.append(LEDGER, b"".join(lines), at=0)


def linked_anew(lines: list[bytes]) -> list[bytes]:
    """The same lines, numbered and linked as if they had been written so."""
    made: list[bytes] = []
    for number, line in enumerate(lines, 1):
        entry = read_entry(line)
        assert entry
        fields = {name: getattr(entry, name) for name in Entry.__struct_fields__}
        previous = sha256_of(made[-1]) if made else "0" * 64
        made.append(line_of(Entry(**fields | {"n": number, "previous": previous})))
    return made


def edited(line: bytes, **changed: object) -> bytes:
    """A line with other values."""
    return json.dumps(json.loads(line) | changed, separators=(",", ":")).encode() + b"\n"


def shorter(store: Store, number: int, events: int = 1) -> None:
    """A day's dump and manifest are written anew together, with fewer events."""
    put(store, manifest_in(store, day_number(number)), dump_of(lines_of(day_number(number), events)))


def flip(store: Store) -> None:
    """A bit of a dump; nothing else."""
    name = LAYOUT.dump(day_number(1))
    text = bytearray((store.read(name) or (b"",))[0])
    text[9] ^= 1
    entry = store.stat(name)
    store.write(name, bytes(text), seen=entry.etag if entry else None, metadata={})


def redate(store: Store) -> None:
    """A day gets another day's bytes, and a manifest that says so."""
    put(store, manifest_in(store, day_number(1)), (store.read(LAYOUT.dump(day_number(3))) or (b"",))[0])


def swap(store: Store) -> None:
    """Two days change places."""
    dumps = [(store.read(LAYOUT.dump(day_number(number))) or (b"",))[0] for number in (0, 3)]
    put(store, manifest_in(store, day_number(0)), dumps[1])
    put(store, manifest_in(store, day_number(3)), dumps[0])


def say_final(store: Store) -> None:
    """The newest day is not settled, and its manifest says so no more."""
    export(store, day_number(DAYS - 1), Given(9), moment(day_number(DAYS - 1), 26), force=True)
    put(store, replace(manifest_in(store, day_number(DAYS - 1)), state=FINAL))


def say_empty(store: Store) -> None:
    """A day with events becomes one without."""
    put(store, replace(manifest_in(store, day_number(1)), state="empty"), b"[]\n")


def unname(store: Store) -> None:
    """A manifest does not name its line any more."""
    put(store, replace(manifest_in(store, day_number(1)), ledger=None))


def name_another(store: Store) -> None:
    """A manifest names a line with another hash."""
    put(store, replace(manifest_in(store, day_number(1)), ledger=LedgerLine(number=2, sha256="a" * 64)))


def remove_dump(store: Store) -> None:
    """A dump goes."""
    store.delete(LAYOUT.dump(day_number(1)))


def remove_manifest(store: Store) -> None:
    """A manifest goes."""
    store.delete(LAYOUT.manifest(day_number(1)))


def remove(number: int) -> Callable[[Store], None]:
    """A day goes with all that belongs to it."""

    def act(store: Store) -> None:
        for name in (LAYOUT.dump, LAYOUT.manifest, LAYOUT.rejected):
            store.delete(name(day_number(number)))

    return act


def add_day(store: Store) -> None:
    """A day appears that no export brought."""
    day = day_number(-1)
    put(store, replace(manifest_in(store, DAY), day=day, dump=LAYOUT.dump(day), ledger=None), dump_of(lines_of(day, 2)))


def roll_back(store: Store) -> None:
    """A day becomes what it was before: dump and manifest from a backup, which name an older line."""
    old = manifest_in(store, day_number(2))
    first = next(e for e in map(read_entry, ledger_of(store)) if e and e.day == old.day)
    named = LedgerLine(number=first.n, sha256=sha256_of(line_of(first)))
    put(store, replace(old, state=PROVISIONAL, ledger=named), dump_of(lines_of(old.day, first.events)))


def change_rejected(store: Store) -> None:
    """Rejected lines are others."""
    name = LAYOUT.rejected(day_number(4))
    entry = store.stat(name)
    store.write(name, b"odd\neven\n", seen=entry.etag if entry else None, metadata={})


def change_rejected_and_manifest(store: Store) -> None:
    """Rejected lines are others, and the manifest says so."""
    change_rejected(store)
    digest = hashlib.sha256(b"odd\neven\n").hexdigest()
    put(store, replace(manifest_in(store, day_number(4)), rejected_sha256=digest))


def forget_rejected(store: Store) -> None:
    """Rejected lines are gone, and the manifest knows of none."""
    store.delete(LAYOUT.rejected(day_number(4)))
    put(store, replace(manifest_in(store, day_number(4)), rejected=0, rejected_sha256=""))


def rewrite(
    change: Callable[[list[bytes]], list[bytes]], first: Callable[[Store], None] | None = None
) -> Callable[[Store], None]:
    """The ledger becomes another one, after ``first``."""

    def act(store: Store) -> None:
        if first:
            first(store)
        write_ledger(store, change(ledger_of(store)))

    return act


def forge(lines: list[bytes]) -> list[bytes]:
    """A line says what the day that was shortened is now, and all behind it are linked anew."""
    short = dump_of(lines_of(day_number(1), 1))
    last = max(number for number, line in enumerate(lines) if json.loads(line)["day"] == str(day_number(1)))
    lines[last] = edited(lines[last], events=1, bytes=len(short), sha256=hashlib.sha256(short).hexdigest())
    return linked_anew(lines)


WAYS: dict[str, tuple[Callable[[Store], None], str]] = {
    "a bit": (flip, "its manifest says"),
    "dump and manifest": (lambda store: shorter(store, 1), r"not what line 4 .* events 1 where it says 4, bytes"),
    "a day of another date": (redate, r"These are the bytes of 2025-11-09, line 8"),
    "two days swapped": (swap, r"These are the bytes of 2025-11-06, line 2"),
    "provisional becomes final": (say_final, "state final where it says provisional"),
    "events become none": (say_empty, "state empty where it says final, events none where it says 4"),
    "no line named": (unname, "its manifest names no line of the ledger, and line 4 tells of it"),
    "another line named": (name_another, "line 2 is not the one that the manifest of 2025-11-07 names"),
    "a dump deleted": (remove_dump, "is not there"),
    "a manifest deleted": (remove_manifest, "line 4 of the ledger .final.* and the day has no manifest"),
    "a day deleted": (remove(2), "line 6 of the ledger .replaced.* tells of 9 events"),
    "the oldest day deleted": (remove(0), "2025-11-06: line 2 of the ledger"),
    "the newest day deleted": (remove(DAYS - 1), "2025-11-11: line 12 of the ledger"),
    "a day added": (add_day, "the ledger has no line about 2025-11-05"),
    "a day rolled back": (roll_back, "not what line 6 of the ledger says"),
    "rejected lines": (change_rejected, "the day's manifest says 2"),
    "rejected lines and manifest": (change_rejected_and_manifest, "not what line 10 of the ledger says"),
    "rejected lines forgotten": (forget_rejected, "rejected_sha256 none where it says"),
    "a line edited": (
        rewrite(lambda lines: [*lines[:3], edited(lines[3], events=5), *lines[4:]]),
        "line 5 in ledger/2025.jsonl does not hold the hash of line 4",
    ),
    "the last line edited": (
        rewrite(lambda lines: [*lines[:-1], edited(lines[-1], run="run-2")]),
        "line 12 is not the one that the manifest of 2025-11-11 names",
    ),
    "a line edited, the rest linked anew": (
        rewrite(lambda lines: linked_anew([*lines[:3], edited(lines[3], run="run-2"), *lines[4:]])),
        "line 4 is not the one that the manifest of 2025-11-07 names",
    ),
    "day, manifest and ledger": (rewrite(forge, lambda store: shorter(store, 1)), "line 4 is not the one"),
    "a line taken out": (rewrite(lambda lines: lines[:3] + lines[4:]), "line 4 .* has the number 5: lines before it"),
    "a line taken out, the rest linked anew": (
        rewrite(lambda lines: linked_anew(lines[:3] + lines[4:])),
        "the manifest of 2025-11-11 names line 12, and the ledger ends with line 11: its end was cut off",
    ),
    "the end cut off": (rewrite(lambda lines: lines[:-1]), "ends with line 11: its end was cut off"),
    "the beginning cut off": (rewrite(lambda lines: lines[2:]), "line 1 .* has the number 3: lines before it"),
    "a day rolled back, and the ledger": (
        rewrite(lambda lines: lines[:5], roll_back),
        "names line 12, and the ledger ends with line 5",
    ),
    "two lines swapped": (
        rewrite(lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]]),
        "line 4 .* has the number 5",
    ),
    "a fork": (
        rewrite(lambda lines: [*lines[:4], edited(lines[3], run="run-2"), *lines[4:]]),
        "line 5 .* has the number 4, which stands there already: the chain was forked",
    ),
    "garbage behind it": (rewrite(lambda lines: [*lines, b"garbage\n"]), "line 13 .* is no line of the ledger"),
    "another spelling of the last line": (
        rewrite(lambda lines: [*lines[:-1], json.dumps(json.loads(lines[-1])).encode() + b"\n"]),
        "line 12 in ledger/2025.jsonl is no line of the ledger",
    ),
    "the ledger removed": (rewrite(lambda _: []), "The ledger was removed"),
    "a ledger of another store": (
        rewrite(lambda lines: linked_anew([edited(line, run="other") for line in lines])),
        "line 12 is not the one that the manifest of 2025-11-11 names",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_change_something_is_found(way: str, store: LocalStore) -> None:
    """In a sentence that names the day, or the number of the line."""
    act, told = WAYS[way]
    act(store)
    found = "\n".join(verified(store, NOW))
    assert re.search(told, found), found


def test_only_a_head_that_was_kept_tells_of_a_forger_who_forgets_nothing(store: LocalStore, tmp_path: Path) -> None:
    """Day, manifests and the whole ledger written anew: they fit each other, and not what somebody wrote down."""
    kept = days_on(store).ledger.head(2025)
    assert kept
    assert verified(store, NOW, kept) == []
    assert checked(tmp_path, store, kept) == (0, [f"ledger={kept}"])
    shorter(store, 1)
    write_ledger(store, forge(ledger_of(store)))
    for line in ledger_of(store):
        entry = read_entry(line)
        assert entry
        named = LedgerLine(number=entry.n, sha256=sha256_of(line))
        put(store, replace(manifest_in(store, entry.day), ledger=named))
    assert verified(store, NOW) == []
    assert verified(store, NOW, kept) == [
        "line 12 is not the one that --head names: the ledger was changed, or written anew"
    ]
    code, told = checked(tmp_path, store, kept)
    assert (code, told[0]) == (1, f"the line {kept} is not there")


def checked(tmp_path: Path, store: Store, kept: Head | None = None) -> tuple[int, list[str]]:
    """What the auditor's script says of a copy, and its exit code."""
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(b"".join(ledger_of(store)))
    words = [*(["--head", str(kept)] if kept else []), str(copy)]
    done = subprocess.run([sys.executable, "-I", "-S", SCRIPT, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    "way", ["a line edited", "a line taken out", "a fork", "garbage behind it", "two lines swapped"]
)
def test_the_auditors_script_finds_what_breaks_the_chain(way: str, store: LocalStore, tmp_path: Path) -> None:
    """With nothing but the standard library."""
    assert checked(tmp_path, store)[0] == 0
    WAYS[way][0](store)
    code, told = checked(tmp_path, store)
    assert code == 1
    assert "does not follow the line before it" in told[0]


@pytest.mark.parametrize("kept", [False, True])
def test_the_auditors_script_reads_what_the_exporter_reads(kept: bool, tmp_path: Path) -> None:
    """Brackets without end are a line that is none; what a crash left behind a closed year is no line at all."""
    lines, head = linked([Change(DAY, "written", Content(FINAL, 1, 2, "a" * 64), "run-1", NOW)] * 2, START)
    first, second = lines.splitlines(keepends=True)
    names = [tmp_path / "2025.jsonl", tmp_path / "2026.jsonl"]
    names[0].write_bytes(first + b'{"n":2,"d')
    names[1].write_bytes(second)
    words = [*(["--head", f"ledger={head}"] if kept else []), *map(str, names)]
    for more, code in ((b"", 0), (b"[" * 1_000_000 + b"\n", 1)):
        names[1].write_bytes(second + more)
        done = subprocess.run([sys.executable, "-I", "-S", SCRIPT, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "the following arguments are required: FILE"),
        (["20??.jsonl"], 2, "20??.jsonl is no file"),
        (["--head", "", "copy.jsonl"], 1, "the line  is not there"),
        (["copy.jsonl", "--head", "57"], 1, "the line 57 is not there"),
        (["empty.jsonl"], 1, "there is no line"),
        (["copy.jsonl"], 0, "ledger=12:"),
    ],
)
def test_the_auditors_script_takes_nothing_for_a_proof(
    words: list[str], code: int, told: str, store: LocalStore, tmp_path: Path
) -> None:
    """A name that was mistyped, a head that was lost on the way, no file at all: never an exit code 0."""
    (tmp_path / "copy.jsonl").write_bytes(b"".join(ledger_of(store)))
    (tmp_path / "empty.jsonl").touch()
    done = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, told in done.stdout + done.stderr) == (code, True)
    assert "Traceback" not in done.stderr


def test_no_more_lines_than_the_script_promises() -> None:
    """docs/ledger.md says that it is short."""
    assert len(SCRIPT.read_text().splitlines()) <= 40


def killing(random_: random.Random) -> Progress:
    """Kills at one of the steps around a commit, or at none."""
    at = random_.choice([None, None, Step.COMMITTING, Step.COMMITTED, Step.REJECTING, Step.RECORDING, Step.RECORDED])
    at = random_.choice([at, Step.PROVING]) if random_.random() < 0.2 else at

    def progress(step: Step, _done: int, _total: int | None) -> None:
        if step is at:
            raise Killed

    return progress if at else no_progress


def live(store: Store, random_: random.Random) -> None:
    """A history of some days: they grow, settle, are forced, and exporters die and meet; then all is ended."""
    given = {day_number(number): Given(random_.randrange(4)) for number in range(3)}
    hour = 26
    for _ in range(random_.randrange(3, 12)):
        day = random_.choice(list(given))
        now = moment(day, hour)
        hour += random_.choice([0, 5, 24])
        if random_.random() < 0.4:
            given[day] = Given(given[day].events + random_.randrange(3), random_.randrange(2))
        force = random_.random() < 0.1
        if force and given[day].events > 1:
            given[day] = Given(given[day].events - 1)
        attempts = [Attempt(days_on(store), day, now, f"run-{number}") for number in range(random_.choice([1, 1, 2]))]
        for attempt in attempts:
            try:
                attempt.end(given[day], force=force, progress=killing(random_))
            except Killed:
                continue
    for day, has in given.items():
        Attempt(days_on(store), day, moment(day, hour + 90), "run-last").end(has, force=True)


@pytest.mark.parametrize(
    "seeds", [range(start, start + 225) for start in range(0, 900, 225)], ids=lambda seeds: seeds[0]
)
def test_no_honest_history_is_accused(seeds: range) -> None:
    """900 of them in memory, with metadata as a container has it."""
    for seed in seeds:
        store = MemoryStore()
        live(store, random.Random(seed))
        check_history(store, seed)


@pytest.mark.parametrize("seeds", [range(900, 950), range(950, 1000)], ids=lambda seeds: seeds[0])
def test_no_honest_history_in_a_folder_is_accused(seeds: range, tmp_path: Path) -> None:
    """Another 100."""
    for seed in seeds:
        store = LocalStore(tmp_path / str(seed))
        live(store, random.Random(seed))
        check_history(store, seed)


def check_history(store: Store, seed: int) -> None:
    """Nothing is said against it; every day that is whole is its newest line."""
    now = moment(day_number(3), 3)
    assert verified(store, now) == [], seed
    chain: Chain = days_on(store).ledger.read()
    rows = {row.day: row for row in days_on(store).coverage(now).rows if row.whole}
    assert rows.keys() == chain.newest.keys(), seed
    for day, row in rows.items():
        line = chain.newest[day]
        assert (line.sha256, line.events, line.state) == (row.sha256, row.events, row.state), seed
