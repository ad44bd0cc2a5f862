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
PALM: ViewportSize = {"width": 390, "height": 844}
STATES = {
    "final": "f",
    "provisional": "p",
    "empty": "e",
    "running": "r",
    "failed since": "s",
    "failed": "x",
    "damaged": "d",
    "missing": "m",
}
MARK = """cell => {
    const own = getComputedStyle(cell), mark = getComputedStyle(cell, '::after');
    return [mark.content, mark.backgroundColor, own.borderStyle, own.boxShadow].join(" ");
}"""
SHADE = "cell => getComputedStyle(cell).backgroundColor"
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
def test_every_state_has_a_mark_of_its_own(show: Show, scheme: str) -> None:
    """No two states share mark and frame, each day says its state in words, too, and the legend shows the same."""
    page = show(scheme=scheme)
    marks = set()
    for state, letter in STATES.items():
        cell = page.locator(f".month td.{letter}").first
        assert str(cell.text_content()).strip().endswith(state)
        marks.add(cell.evaluate(MARK))
        assert page.locator(f".legend .cell.{letter}").evaluate(MARK) == cell.evaluate(MARK)
    assert len(marks) == len(STATES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colour_is_the_volume_whatever_the_state(show: Show, scheme: str) -> None:
    """Five shades, the same for final, provisional and failed-since days, and their figures beside them."""
    page = show(scheme=scheme)
    shades = [page.locator(f".shades .cell.v{level}").evaluate(SHADE) for level in range(5)]
    assert len(set(shades)) == 5
    for letter in ("f", "p", "s", "e"):
        cell = page.locator(f".month td.{letter}").first
        level = int(str(cell.get_attribute("class")).split(" v")[1][0])
        assert cell.evaluate(SHADE) == shades[level]
    assert "to 50,104" in page.locator(".shades").inner_text()


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
    links = page.locator("a:not(svg a):visible, summary")
    assert {text for text in links.all_inner_texts() if text} == visited
    assert {str(day) for day in range(1, 32)} <= {text.split()[0] for text in visited}
    page.locator("summary").last.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").last.get_attribute("open") is not None


def test_a_day_leads_to_its_row(show: Show) -> None:
    """Enter on a day that needs attention unfolds its month and shows its row."""
    page = show()
    row = page.locator("#d2025-10-27")
    assert not row.is_visible()
    page.locator(".notes a").first.focus()
    assert page.locator(":focus").inner_text() == "27 October 2025"
    page.keyboard.press("Enter")
    row.wait_for(state="visible")
    assert "failed" in row.inner_text()
    row.get_by_text("why").press("Enter")
    assert page.locator("#w2025-10-27 .reason").is_visible()


def test_the_calendar_can_be_skipped(show: Show) -> None:
    """Who goes by keyboard passes it in one step: the way around shows when it is reached."""
    page = show()
    skip = page.get_by_text("Skip the calendar")
    skip.focus()
    assert skip.bounding_box()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text().startswith("November 2025")


@pytest.mark.parametrize("where", [".month td:not([class*=o]) >> nth=40", "svg a >> nth=40"], ids=["calendar", "chart"])
def test_a_touch_shows_any_days_figures(browser: Browser, site: Site, where: str) -> None:
    """Ordinary days, too: what a mouse would be told by pointing stands in the row that a finger is led to."""
    context = browser.new_context(viewport=PALM, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(site.url)
    page.locator(where).tap()
    row = page.locator("tr:target")
    row.wait_for(state="visible")
    assert "MB" in row.inner_text()
    context.close()


def test_the_page_loads_itself_again(browser: Browser) -> None:
    """As its header says, which the policy allows."""
    with served(lambda: page_of(many_days()), refresh=1) as site:
        page = browser.new_page()
        page.goto(site.url)
        page.wait_for_event("load", timeout=10_000)
        assert site.asked == ["/api/exports"] * 2
        page.close()


def test_four_hundred_days_on_a_phone(show: Show) -> None:
    """Every part is one tap away from anywhere, two months stand side by side, and a day is large enough to hit."""
    document = page_of(many_days(400))
    with served(lambda: document) as site:
        page = show(PALM, url=site.url)
        assert page.evaluate("document.documentElement.scrollWidth") == PALM["width"]
        assert page.evaluate("document.documentElement.scrollHeight") < 9 * PALM["height"]
        page.evaluate("scrollTo(0, 3000)")
        assert page.get_by_label("On this page").evaluate("one => one.getBoundingClientRect().top") == 0
        for part, heading in (("Days", "days"), ("Calendar", "calendar"), ("Attention", "attention")):
            page.get_by_label("On this page").get_by_text(part).click()
            top = page.locator(f"h2#{heading}, h2:near(#{heading})").first.bounding_box()
            assert top
            assert 30 < top["y"] < 120
        months = [one.bounding_box() for one in page.locator("details[open] .month").all()[:2]]
        assert months[0]
        assert months[1]
        assert months[0]["y"] == months[1]["y"]
        day, below = (page.locator(".month td[class]").nth(n).bounding_box() for n in (10, 17))
        assert day
        assert below
        assert min(day["width"], below["y"] - day["y"]) >= 22


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
