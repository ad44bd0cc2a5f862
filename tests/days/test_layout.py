from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.days.layout import Layout
from tests.kit import DAY

DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))
LAYOUTS = st.builds(
    Layout,
    outfile=st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True),
    prefix=st.from_regex(r"([A-Za-z0-9_-]{1,8}/){0,3}", fullmatch=True),
)


def all_names(layout: Layout, day: date) -> list[str]:
    """Every name that a day can have."""
    return [layout.dump(day), layout.manifest(day), layout.rejected(day), layout.failure(day), layout.lock(day)]


def test_the_names_of_a_day() -> None:
    """The names are the promised ones: the stamp is the first minute of the events, UTC."""
    assert all_names(Layout(), DAY) == [
        "20251106_0000_ampl_dump.json",
        "manifests/20251106_0000.json",
        "rejected/20251106_0000.jsonl",
        "failures/20251106_0000.json",
        "locks/20251106_0000",
    ]


def test_a_prefix_goes_before_every_name() -> None:
    """A prefix moves a project's days to a place of their own."""
    assert all_names(Layout(prefix="web/"), DAY) == [f"web/{name}" for name in all_names(Layout(), DAY)]


@given(LAYOUTS, DAYS)
def test_a_name_tells_its_day(layout: Layout, day: date) -> None:
    """Every name of a day leads back to it, and no two are the same."""
    names = all_names(layout, day)
    assert len(set(names)) == 5
    assert {layout.day_of(name) for name in names} == {day}


@given(LAYOUTS, DAYS)
def test_listings_find_their_names(layout: Layout, day: date) -> None:
    """What a listing asks for is the start of the names it is about, and of no others."""
    dump, manifest, _, failure, _ = names = all_names(layout, day)
    for start, found in ((layout.dumps, dump), (layout.manifests, manifest), (layout.failures, failure)):
        assert [name for name in names if name.startswith(start)] == [found]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "20251106_0000_other.json",
        "20251106_0043_ampl_dump.json",
        "20251306_0000_ampl_dump.json",
        "20251106_0000_ampl_dump.json.bak",
        ".20251106_0000_ampl_dump.json.draft",
        "web/20251106_0000_ampl_dump.json",
        "manifests/20251106_0000.jsonl",
        "manifests/20251106.json",
        "20251106_0000",
        "\uff12\uff10\uff12\uff151106_0000_ampl_dump.json",
    ],
)
def test_a_foreign_name_has_no_day(name: str) -> None:
    """Other files in the same place belong to no day."""
    assert Layout().day_of(name) is None


@given(st.text(max_size=40))
def test_any_text_can_be_asked(name: str) -> None:
    """A name of a day is exactly one of that day's names; everything else is None, never an error."""
    day = Layout().day_of(name)
    assert day is None or name in all_names(Layout(), day)
