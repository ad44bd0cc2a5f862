"""The results as a picture: two rows of bars, written as SVG by hand. Pure."""

from html import escape

from tests.bench.contenders import CONTENDERS
from tests.bench.results import Figure, Results, cpu, memory

WIDTH, LABELS, BAR, GAP, TOP = 880, 270, 20, 10, 44
ROOM = 90
"""Pixels for the figure behind the longest bar."""
OWN, OTHER = "#1f6f8b", "#a9b4bd"


def drawn(results: Results) -> str:
    """CPU and peak memory of every way, with the size that ratios are told of."""
    size = results.compared
    panels = (
        (f"CPU seconds, {size:,} MB of events: less is better", cpu, 1),
        (f"Peak memory in MB, {size:,} MB of events: less is better", memory, 0),
    )
    parts: list[str] = []
    bottom = 0
    for title, figure, digits in panels:
        panel, bottom = _panel(results, title, figure, digits, bottom)
        parts += panel
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + GAP}" role="img"
     font-family="system-ui, sans-serif" font-size="14">
<title>CPU and peak memory of each way to export {size:,} MB of events</title>
<rect width="100%" height="100%" fill="#ffffff"/>
{"\n".join(parts)}
</svg>
"""


def _panel(results: Results, title: str, figure: Figure, digits: int, top: int) -> tuple[list[str], int]:
    found = [
        (contender, value)
        for contender in CONTENDERS
        if (value := results.median(contender.key, results.compared, figure)) is not None
    ]
    scale = (WIDTH - LABELS - ROOM) / max(value for _, value in found)
    parts = [f'<text x="{GAP}" y="{top + 28}" font-weight="600" fill="#1b1f23">{escape(title)}</text>']
    y = top + TOP
    for contender, value in found:
        colour = OWN if contender.key in ("local", "azurite") else OTHER
        length = max(1, round(value * scale))
        parts += [
            f'<text x="{LABELS - GAP}" y="{y + 15}" text-anchor="end" fill="#1b1f23">{escape(contender.title)}</text>',
            f'<rect x="{LABELS}" y="{y}" width="{length}" height="{BAR}" rx="2" fill="{colour}"/>',
            f'<text x="{LABELS + length + 6}" y="{y + 15}" fill="#1b1f23">{value:,.{digits}f}</text>',
        ]
        y += BAR + GAP
    return parts, y
