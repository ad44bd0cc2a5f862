import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive import unusual as module
from exporter.archive.unusual import DEEPEST, checks_for, has_big_number, has_half, is_deep, is_unusual
from exporter.simulator import Simulator
from tests.kit import DAY
from tests.kit.odd_lines import UNUSUAL, USUAL, objects, odd_lines


def is_half(text: str) -> bool:
    """Whether a decoded text holds half of a pair."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def expected(line: bytes) -> bool | None:
    """Whether the standard library's reading of ``line`` holds a half or a big number; None if it is no JSON."""
    found: list[bool] = []

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    def names(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found.extend(is_half(name) for name, _ in pairs)
        for _, value in pairs:
            texts(value)
        return {}

    def texts(value: object) -> None:
        if isinstance(value, str):
            found.append(is_half(value))
        elif isinstance(value, list):
            for each in value:
                texts(each)

    try:
        value = json.loads(
            line.decode(),
            object_pairs_hook=names,
            parse_constant=refuse,
            parse_int=lambda text: found.append(not -(2**63) <= int(text) < 2**64),
            parse_float=lambda text: found.append(math.isinf(float(text))),
        )
        texts(value)
    except ValueError:
        return None
    return any(found)


@pytest.mark.parametrize("line", USUAL)
def test_what_every_loader_takes_is_usual(line: bytes) -> None:
    """Pairs, numbers at the bounds, text that only looks like a number or an escape, many brackets side by side."""
    assert not is_unusual(line)


@pytest.mark.parametrize("line", UNUSUAL)
def test_what_loaders_stumble_over_is_unusual(line: bytes) -> None:
    """Wherever it stands, and the checks for a block find it."""
    assert is_unusual(line)
    for block in (line, line + b"\n", b"{}\n" + line + b"\n{}\n"):
        assert any(check(line) for check in checks_for(block))


@settings(deadline=None, max_examples=500)
@given(odd_lines | objects)
def test_unusual_is_what_the_standard_library_reads_so(line: bytes) -> None:
    """Halves and numbers; also where a line is too long for the quick look."""
    wanted = expected(line)
    if wanted is None or not line.lstrip().startswith(b"{"):
        return
    assert (has_half(line) or has_big_number(line)) == is_unusual(line) == wanted
    assert any(check(line) for check in checks_for(line)) == wanted


@settings(deadline=None)
@given(odd_lines | st.sampled_from(UNUSUAL + USUAL))
def test_a_long_line_is_judged_as_a_short_one(line: bytes) -> None:
    """Beyond a bound nothing is copied to look at it; the answer is the same."""
    if expected_of_any(line) is None:
        return
    with pytest.MonkeyPatch.context() as patched:
        short = is_unusual(line)
        patched.setattr(module, "_LONGEST_PLAIN", 0)
        assert is_unusual(line) == short
        assert checks_for(line)


def expected_of_any(line: bytes) -> bool | None:
    """As `expected`, for lines too deep for the standard library as well."""
    return True if line in UNUSUAL else expected(line)


def test_a_block_of_usual_lines_needs_no_check() -> None:
    """Or they would be looked at one by one for nothing."""
    with Simulator(events_per_hour=2) as simulator:
        assert not [line for line in simulator.lines(DAY) if checks_for(line)]
    assert checks_for(b"\n".join(USUAL[:12])) == ()


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(0, 4), st.sampled_from([b"", b"1", b'"[{"', b"{}", b"[ ]"]))
def test_levels_that_hold_nothing_do_not_count(depth: int, beside: int, inmost: bytes) -> None:
    """Neither do those that were closed before, nor brackets in text."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "DEEPEST", 3)
        line = b'{"a":[' + b"[1]," * beside + b'{"b":' * depth + (inmost or b"0") + b"}" * depth + b"]}"
        assert is_deep(line) == (depth + 2 > 3)


def test_the_bound_is_that_of_the_fast_path() -> None:
    """A test of the fast path holds the two together."""
    assert DEEPEST == 1_022
