"""The table as a picture: one small bar chart a figure, the proxies side by side.

Owns: the drawing, as SVG that is readable on a light and on a dark page: the colours of bars have
enough contrast with both, text follows the page where the viewer says what it is, and every bar has
its number written out.
"""

from html import escape

from report import number
from scenarios import FIGURES

COLOURS = ["#0f8a5f", "#7a7f87", "#b4763c", "#5b7fb5", "#9a6fb0", "#b8566b", "#8a7a2f"]
SHOWN = ["full", "resumed", "down", "up", "added_p50", "ping32_cpu", "idle", "used", "halfopen",
         "refused", "beside_p99", "storm_p99"]
COLUMNS, WIDTH, BAR, GAP, LABEL = 2, 464, 16, 4, 172
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .small { fill: #57606a; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .small { fill: #9aa4af; } }
"""


def _chart(results, peers, figure, left, top):
    meaning = FIGURES[figure]
    lines = [f'<text class="title" x="{left}" y="{top + 12}">{escape(meaning.title)}'
             f'<tspan class="small" font-weight="400">  {escape(meaning.unit)}</tspan></text>']
    values = [(peer, results.median(figure, peer.name)) for peer in peers]
    values = [(peer, value) for peer, value in values if value is not None]
    most = max(value for _peer, value in values) or 1
    room = WIDTH - LABEL - 60
    at = top + 20
    for peer, value in values:
        colour = COLOURS[[one.name for one in peers].index(peer.name) % len(COLOURS)]
        length = max(1.0, value / most * room)
        lines.append(f'<text x="{left}" y="{at + 12}">{escape(peer.title)}</text>')
        lines.append(f'<rect x="{left + LABEL}" y="{at}" width="{length:.1f}" height="{BAR}" '
                     f'rx="2" fill="{colour}"/>')
        lines.append(f'<text class="small" x="{left + LABEL + length + 6:.1f}" y="{at + 12}">'
                     f"{number(value)}</text>")
        at += BAR + GAP
    return lines, at - top + 14


def draw(results, peers):
    """The SVG as text, or an empty one where nothing was measured."""
    shown = [figure for figure in SHOWN if figure in results.samples]
    lines, tops = [], [10] * COLUMNS
    for index, figure in enumerate(shown):
        column = index % COLUMNS
        drawn, height = _chart(results, peers, figure, 10 + column * (WIDTH + 20), tops[column])
        lines += drawn
        tops[column] += height
    width, height = COLUMNS * (WIDTH + 20), max(tops)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        f'aria-label="Cost of the same work for several proxies; shorter is better">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(lines) + "\n</svg>\n"
    )
