"""How reports look: colours for light and dark, and charts as files of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from asr.evaluation.charts import COLOURS, LEFT, WIDTH

LEGEND_ROW, LEGEND_COLUMNS, LEGEND_WIDTH = 20, 3, 140
CHART_STYLE = """
:root { color-scheme: light dark; --ink: #1b1d21; --paper: #fdfdfc; --soft: #6a707a; --rule: #d9dce1;
  --mark: #ffe9a8; --wrong: #b3261e; --strong: #eef4ff;
  --c0: #6a707a; --c1: #0b6bcb; --c2: #c4501b; --c3: #1a8a5a; --c4: #a8449b; --c5: #b38600; --c6: #0c8f9c;
  --c7: #7a4fd0; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e7e9ec; --paper: #16181c; --soft: #9aa1ab; --rule: #33373e;
  --mark: #5c4a12; --wrong: #ff8a80; --strong: #1d2a3d;
  --c0: #9aa1ab; --c1: #6cb0ff; --c2: #ff9a63; --c3: #56cf9b; --c4: #e08ad6; --c5: #e6c04b; --c6: #58cfdb;
  --c7: #b79cff; } }
svg text { font-family: system-ui, sans-serif; font-size: 12px; fill: var(--ink); }
svg .tick { fill: var(--soft); }
.grid { stroke: var(--rule); } .whisker { stroke: var(--ink); stroke-width: 1.5; fill: none; opacity: .6; }
.ring { fill: var(--paper); stroke: var(--soft); stroke-width: 1.5; }
.line { fill: none; stroke-width: 2.2; } .band { opacity: .13; stroke: none; }
""" + "".join(
    f".line.s{n} {{ stroke: var(--c{n}) }} .dot.s{n}, .bar.s{n}, .band.s{n} {{ fill: var(--c{n}) }} "
    f".swatch.s{n} {{ background: var(--c{n}) }}\n"
    for n in range(COLOURS)
)
PAGE_STYLE = """
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .4rem; }
.verdict { font-size: 1.15rem; }
.soft, .legend, figcaption { color: var(--soft); font-size: .875rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .82rem; white-space: nowrap; }
th, td { padding: .25rem .6rem .25rem 0; text-align: left; border-bottom: 1px solid var(--rule);
  font-variant-numeric: tabular-nums; } tr.strong { background: var(--strong); font-weight: 600; }
td small { color: var(--soft); font-weight: 400; font-size: .72rem; margin-left: .15rem; }
.tiles { display: grid; gap: .75rem; margin: 1.2rem 0;
  grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); }
.tiles div { background: var(--strong); border-radius: .5rem; padding: .7rem .9rem; }
.tiles b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tiles span { display: block; font-size: .85rem; } .tiles .soft { font-size: .78rem; }
.charts { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .25rem; }
svg { width: 100%; height: auto; } .legend span { margin-right: 1rem; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .35em; }
.words { overflow-x: auto; margin: .3rem 0 1rem; }
.words td, .words th { border: 0; padding: 0 .55rem 0 0;
  font-family: ui-monospace, monospace; font-size: .82rem; }
.words th { font-weight: 400; color: var(--soft); }
.phrase { background: var(--mark); } .wrong { color: var(--wrong); text-decoration: underline dotted; }
"""


def chart_file(chart: str, names: Sequence[str] = ()) -> str:
    """Return a chart as an SVG file, with its background, its colours, and the names of its series below."""
    inside = chart.partition("</svg>")[0]
    height = int(re.search(rf'viewBox="0 0 {WIDTH} (\d+)"', inside)[1])  # type: ignore[index]
    whole = height + LEGEND_ROW * -(-len(names) // LEGEND_COLUMNS)
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole}"'
    inside = inside.replace(f'<svg viewBox="0 0 {WIDTH} {height}"', begin, 1)
    tag, _, rest = inside.partition(">")
    paper = f'<rect width="{WIDTH}" height="{whole}" style="fill: var(--paper)"/>'
    parts = [
        f'<rect class="bar s{number % COLOURS}" x="{x}" y="{y}" width="11" height="11"/>'
        f'<text x="{x + 16}" y="{y + 10}">{escape(name)}</text>'
        for number, name in enumerate(names)
        for x in [LEFT + number % LEGEND_COLUMNS * LEGEND_WIDTH]
        for y in [height + number // LEGEND_COLUMNS * LEGEND_ROW]
    ]
    return f"{tag}><style>{CHART_STYLE}</style>{paper}{rest}{''.join(parts)}</svg>\n"
