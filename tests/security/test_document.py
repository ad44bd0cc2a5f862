"""docs/security.md, held to the code where a sentence names a figure, a name or a test."""

import re
from pathlib import Path

from exporter.app.asking import MOST_BYTES, MOST_DAYS
from exporter.foreign import LONGEST_QUOTE, LONGEST_SENTENCE
from exporter.foreign.spelled import LAYERS, SHORTEST_HALF, SHORTEST_SECRET
from exporter.settings import SETTING_NAMES
from exporter.settings.words import BLOB_SUFFIXES
from exporter.store.folder_files import FILE_MODE, FOLDER_MODE
from tests.security import test_fuzz

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NUMBERS = {3: "three", 4: "four", 8: "eight"}


def test_figures_are_those_of_the_code() -> None:
    """A figure that changes, changes there."""
    for sentence in (
        f"at most {LONGEST_QUOTE} characters of a quotation",
        f"the reason of a failure ({LONGEST_SENTENCE:,} characters)",
        f"{NUMBERS[LAYERS]}\n  layers deep",
        f"{NUMBERS[SHORTEST_HALF]} letters or more of a secret at the end",
        f"secrets of less than {NUMBERS[SHORTEST_SECRET]} characters",
        f"`{FILE_MODE:04o}` and folders `{FOLDER_MODE:04o}`",
        f"a body of more than {MOST_BYTES // 1024} KB is refused before it is parsed (413)",
        f"a request names {MOST_DAYS:,} days at most",
    ):
        assert sentence in TEXT, sentence
    assert test_fuzz.ROUNDS * 2 >= 20_000


def test_every_suffix_of_azures_is_named() -> None:
    """And no other."""
    assert set(re.findall(r"`(blob\.core\.[a-z.]+)`", TEXT)) == set(BLOB_SUFFIXES)


def test_every_function_with_a_key_is_named() -> None:
    """Each of them stands with what its key opens."""
    app = (ROOT / "function_app.py").read_text(encoding="utf-8")
    addressed = set(re.findall(r'function_name\("(\w+)"\)\n@app\.route', app))
    keys = TEXT.partition("has a key of its own.")[2].partition("Whoever deploys")[0]
    assert addressed
    assert addressed == set(re.findall(r"`(\w+)`", keys))
    assert f"each of the {['', 'one', 'two', 'three', 'four', 'five', 'six'][len(addressed)]} functions" in TEXT


def test_what_is_deployed_is_what_the_list_says() -> None:
    """The names of .funcignore."""
    rules = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    allowed = {rule.removeprefix("!/").removesuffix("**") for rule in rules if rule.startswith("!/")}
    told = TEXT.partition("**Deployed is an allow-list**: ")[2].partition(". `.funcignore`")[0]
    assert set(re.findall(r"`([^`]+)`", told)) == allowed


def test_settings_and_files_that_are_named_are_there() -> None:
    """No sentence about something that has another name by now."""
    named = set(re.findall(r"`((?:AMP|EXPORT)_[A-Z_]+)`", TEXT))
    assert named <= SETTING_NAMES
    for path in re.findall(r"`((?:exporter|tests|infra)/[\w./]+)`", TEXT):
        assert (ROOT / path).exists(), path
