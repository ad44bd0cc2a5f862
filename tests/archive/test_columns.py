from exporter.archive.columns import KNOWN, drift


def test_the_known_columns_are_no_drift() -> None:
    """All 55 of them."""
    assert len(KNOWN) == 55
    assert drift([KNOWN, KNOWN]) == {}


def test_no_lines_are_no_drift() -> None:
    """Neither an empty day nor a first line that is no object."""
    assert drift([]) == {}
    assert drift([frozenset()]) == {}
    assert drift([frozenset(), KNOWN]) == {}


def test_new_and_missing_columns_are_named_in_order() -> None:
    """A column is new if any line has it, missing if any line lacks it."""
    assert drift([KNOWN | {"zeta"}, KNOWN | {"alpha"}, KNOWN - {"uuid"}]) == {
        "new": ("alpha", "zeta"),
        "missing": ("uuid",),
    }


def test_names_from_outside_are_bounded_and_harmless() -> None:
    """At most 20 names of 60 characters, without what would break a log line apart."""
    hostile = {"a,b\n\u2028c\x1b[31m", "x" * 5_000} | {f"column-{number:03}" for number in range(100)}
    new = drift([KNOWN | hostile])["new"]
    assert len(new) == 20
    assert new[0] == "a?b??c?[31m"
    assert all(len(name) <= 60 and name.isprintable() and "," not in name for name in new)


def test_a_column_with_a_lone_surrogate_can_be_written() -> None:
    """What is named can be encoded for the manifest."""
    assert drift([KNOWN | {"odd \ud83d"}])["new"] == ("odd ?",)
