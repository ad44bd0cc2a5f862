"""README's pictures are of today's code: `make pictures` has been called since what they show was changed."""

import re

from tests.pictures import (
    PICTURES,
    ROOT,
    SCHEMES,
    hash_of,
    page_shown,
    source_of,
    terminal_drawn,
    terminal_shown,
)


def test_the_page_is_todays() -> None:
    """In both colours: each says which document it was made from."""
    today = hash_of(page_shown())
    for scheme in SCHEMES:
        assert source_of(PICTURES / f"page-{scheme}.png") == today, "call `make pictures`"


def test_the_terminal_is_todays() -> None:
    """The commands say what the picture shows, to the letter."""
    assert (PICTURES / "terminal.svg").read_text(encoding="utf-8") == terminal_drawn(terminal_shown())


def test_nothing_is_loaded_by_a_picture() -> None:
    """An SVG that asked somebody for a font would tell them who reads."""
    for path in PICTURES.glob("*.svg"):
        text = re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"@import|url\(\s*['\"]?http|<image|<script", text), path
        assert all(link == "http://www.w3.org/2000/svg" for link in re.findall(r"https?://[^\"' )]+", text)), path


def test_readme_shows_every_picture_and_says_what_it_shows() -> None:
    """None is left over, and each has words for those who do not see it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    documents = readme + (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    for path in PICTURES.iterdir():
        assert f"pictures/{path.name}" in documents, path
    told = re.findall(r"!\[(.*?)\]\(docs/pictures/|<img alt=\"(.*?)\"", readme)
    assert len(told) == 3
    assert all(len(one or other) > 30 for one, other in told)
