"""The page as Chromium shows it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser.world import Site, many_days, page_of, served

AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"
DESK: ViewportSize = {"width": 1100, "height": 900}
PHONE: ViewportSize = {"width": 320, "height": 640}
STATES = {"final": "f", "provisional": "p", "empty": "e", "running": "r", "failed": "x", "missing": "m"}
UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"
HOSTILE = (
    "<script>document.title = 'taken'</script><img src='https://elsewhere.example/x.png' onerror='alert(1)'>"
    '"><style>body{display:none}</style>{{ 7 * 7 }}'
)
Show = Callable[..., Page]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The page about 90 days in all states."""
    document = page_of(many_days())
    with served(lambda: document) as running:
        yield running


@pytest.fixture
def show(browser: Browser, site: Site) -> Iterator[Show]:
    """Opens the page: `show(size, scheme, url)`."""
    with ExitStack() as open_contexts:

        def opened(size: ViewportSize = DESK, scheme: Any = "light", url: str = site.url) -> Page:
            context = browser.new_context(viewport=size, color_scheme=scheme)
            open_contexts.callback(context.close)
            page = context.new_page()
            page.goto(url)
            return page

        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_has_a_look_of_its_own(show: Show, scheme: str) -> None:
    """No two states share colour and border, and each day says its state in words, too."""
    page = show(scheme=scheme)
    looks = set()
    for state, letter in STATES.items():
        cell = page.locator(f".month td.{letter}").first
        assert state in str(cell.text_content())
        looks.add(cell.evaluate("cell => getComputedStyle(cell).backgroundColor + getComputedStyle(cell).borderStyle"))
    assert len(looks) == len(STATES)


def test_dark_mode_is_dark(show: Show) -> None:
    """The page follows the system: light on dark where that is asked for."""
    colours = "getComputedStyle(document.body).{}.match(/[0-9]+/g).slice(0, 3).reduce((sum, one) => sum + +one, 0)"
    brightness = {
        scheme: [show(scheme=scheme).evaluate(colours.format(name)) for name in ("backgroundColor", "color")]
        for scheme in ("light", "dark")
    }
    (paper, ink), (dark_paper, dark_ink) = brightness["light"], brightness["dark"]
    assert paper > 700
    assert ink < 150
    assert dark_paper < 150
    assert dark_ink > 600


def test_a_narrow_phone_shows_everything(show: Show) -> None:
    """At 320 pixels nothing is cut off and nothing has to be moved sideways."""
    page = show(PHONE)
    page.evaluate(UNFOLD)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    beyond = "all => all.filter(one => one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML)"
    assert page.locator("main *").evaluate_all(beyond) == []


def test_nothing_is_asked_for_but_the_page(browser: Browser) -> None:
    """One request, and no complaint of the browser about the policy or anything else."""
    document = page_of(many_days())
    with served(lambda: document) as site:
        page = browser.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(site.url, wait_until="networkidle")
        page.close()
        assert [url for url in asked if not url.startswith("data:")] == [site.url]
        assert site.asked == ["/api/exports"]
        assert complaints == []


def test_the_policy_stops_what_is_not_ours(show: Show) -> None:
    """Even if markup came through: no script, no style and no image but the page's own."""
    page = show()
    refused = page.evaluate(
        """async () => {
            const refused = [];
            document.addEventListener('securitypolicyviolation', event => refused.push(event.effectiveDirective));
            const add = (name, set) => document.body.append(Object.assign(document.createElement(name), set));
            add('script', {textContent: 'document.title = "taken"'});
            add('style', {textContent: 'body { display: none }'});
            add('img', {src: 'https://elsewhere.example/x.png'});
            const end = performance.now() + 5000;
            while (refused.length < 3 && performance.now() < end) await new Promise(requestAnimationFrame);
            return refused.sort();
        }"""
    )
    assert refused == ["img-src", "script-src-elem", "style-src-elem"]
    assert page.title().startswith("Yesterday is there")


def test_a_hostile_reason_is_text(show: Show) -> None:
    """Markup in a failure's reason is shown as it is written, and does nothing."""
    document = page_of(many_days(reason=HOSTILE))
    with served(lambda: document) as site:
        page = show(url=site.url)
        assert page.locator(".reason").first.inner_text() == HOSTILE
        assert page.title().startswith("Yesterday is there")
        assert page.locator("main script, main img, main style").count() == 0
        assert page.locator("body").is_visible()
        assert site.asked == ["/api/exports"]


def test_the_keyboard_reaches_everything(show: Show) -> None:
    """Tab visits every link and every heading that folds, visibly, and Enter folds."""
    page = show()
    visited = set()
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement !== document.body"):
        focused = page.locator(":focus")
        assert focused.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
        visited.add(focused.inner_text())
        page.keyboard.press("Tab")
    assert {text for text in page.locator("a, summary").all_inner_texts() if text} == visited
    page.locator("summary").last.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").last.get_attribute("open") is not None


def test_a_day_leads_to_its_row(show: Show) -> None:
    """Enter on a day that needs attention unfolds its month and shows its row."""
    page = show()
    row = page.locator("#d2025-10-27")
    assert not row.is_visible()
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "27 October 2025"
    page.keyboard.press("Enter")
    row.wait_for(state="visible")
    assert "failed" in row.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(show: Show, size: ViewportSize, scheme: str) -> None:
    """The known accessibility checker has no complaint, contrast included, with everything unfolded."""
    page = show(size, scheme)
    page.evaluate(UNFOLD)
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    told = [(one["impact"], one["id"], [node["html"] for node in one["nodes"][:3]]) for one in found["violations"]]
    assert told == []
    assert {"color-contrast", "heading-order", "region"} <= {one["id"] for one in found["passes"]}
