import ast
import sys
from pathlib import Path

import pytest

import exporter.simulator
from exporter.simulator import (
    FAULT_NAMES,
    Content,
    Fault,
    Missing,
    OddLine,
    Resized,
    Simulator,
    Spoilt,
    Status,
    TooLarge,
    TooManyRequests,
    When,
    Wire,
    parse_faults,
)
from tests.simulator.client import ask


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("429", TooManyRequests()),
        ("429:1.5", TooManyRequests(1.5)),
        ("429-date:9x3", TooManyRequests(9, as_date=True, when=When(3))),
        ("503x2", Status(503, when=When(2))),
        ("500xall@05", Status(500, when=When(None, "05"))),
        ("504@20251106T05>6", Status(504, when=When(1, "20251106T05", 6))),
        ("400-empty", Status(400, b"")),
        ("html", Status(200)),
        ("too-large>6", TooLarge(6, when=When(None, wider_than=6))),
        ("too-large:12", TooLarge(12)),
        ("too-slow:3x2", TooLarge(3, 504, When(2))),
        ("truncated-zip", Wire("truncated-zip")),
        ("drip:50", Wire("drip", 50)),
        ("silence", Wire("silence", 30)),
        ("bomb:64", Spoilt("bomb", 64)),
        ("corrupt-memberx2", Spoilt("corrupt-member", when=When(2))),
        ("torn-line@05", OddLine("torn-line", "05")),
        ("nan", OddLine("nan", "12")),
        ("late-hour:2@20251106T05", Missing("20251106T05", answers=2)),
        ("grows@05", Resized("05", 10, after=1)),
        ("shrinks:3", Resized("12", -3, after=1)),
        ("empty-hour@05", Missing("05")),
        ("empty-day@20251106", Missing("20251106")),
        ("empty-day", Missing("")),
    ],
)
def test_words_mean_faults_and_contents(word: str, meaning: Fault | Content) -> None:
    """A name, then its value, how often, at which hour and above which width."""
    assert parse_faults([word]) == [meaning]


@pytest.mark.parametrize("name", FAULT_NAMES)
def test_every_known_name_makes_the_simulator_answer_otherwise(name: str) -> None:
    """Each name can be read, is described, and what it means is accepted by a simulator."""
    (scripted,) = parse_faults([f"{name}:1" if name in {"silence", "drip", "bomb"} else name])
    with Simulator() as simulator:
        simulator.add(scripted)
        assert FAULT_NAMES[name]
        if not isinstance(scripted, Wire):
            assert ask(simulator).headers["Server"].startswith("simulator")


@pytest.mark.parametrize("word", ["", "5o3", "torn-lines", "429:", "503x", "503@5", "429:one", "drip:1.2.3"])
def test_an_unknown_word_lists_the_known_names(word: str) -> None:
    """The message quotes the word, shows the spelling and lists every name."""
    with pytest.raises(ValueError, match="is no fault") as raised:
        parse_faults(["503", word])
    assert repr(word) in str(raised.value)
    assert all(name in str(raised.value) for name in FAULT_NAMES)


@pytest.mark.parametrize("word", ["torn-linex2", "grows>6"])
def test_contents_take_neither_times_nor_width(word: str) -> None:
    """What an hour holds does not depend on the request."""
    with pytest.raises(ValueError, match="takes no x and no >"):
        parse_faults([word])


def test_the_simulator_stands_on_the_standard_library_alone() -> None:
    """It imports no installed package, and nothing of the exporter it tests."""
    imported = set[str]()
    for path in Path(exporter.simulator.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    ours = {name for name in imported if name.startswith("exporter")}
    assert all(name.startswith("exporter.simulator") for name in ours)
    assert {name.split(".")[0] for name in imported - ours} <= sys.stdlib_module_names
