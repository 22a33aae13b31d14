"""Charts as SVG that stands inside a page: colours come from the page, so that light and dark both work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 24, 14, 44
COLOURS = 8
"""Series beyond as many repeat the colours of the first; page styles define s0 ... s7."""
BAR, BAR_GAP, LABEL_WIDTH = 16, 8, 130


@dataclass(frozen=True)
class Point:
    """A value with its interval; nan is left out."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """One line: a point for each place on the axis, and whether its intervals are drawn."""

    name: str
    points: Sequence[Point]
    shaded: bool = True


@dataclass(frozen=True)
class Axes:
    """What a line chart says beside its lines.

    Attributes:
        places: labels along the horizontal axis.
        x, y: what is measured.
        percent: values are shares, shown as percentages.
    """

    places: Sequence[str]
    x: str
    y: str
    percent: bool = True


def line_chart(title: str, axes: Axes, series: Sequence[Series]) -> str:
    """Lines over equally spaced places, their 95 % intervals as bands; from zero up."""
    top = _round_up(max([point.high for one in series for point in one.points if _known(point)], default=1.0))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(axes.places) - 1)

    def at(place: int, value: float) -> tuple[float, float]:
        left = LEFT + place * step if len(axes.places) > 1 else (LEFT + WIDTH - RIGHT) / 2
        return left, HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)

    parts = [*_grid(axes, top), *_labels(axes, [at(place, 0)[0] for place in range(len(axes.places))])]
    for number, one in enumerate(series):
        shown = [(place, point) for place, point in enumerate(one.points) if _known(point)]
        style = f"s{number % COLOURS}"
        if one.shaded:
            upper = [at(place, point.high) for place, point in shown]
            lower = [at(place, point.low) for place, point in reversed(shown)]
            parts.append(f'<polygon class="band {style}" points="{_path(upper + lower)}"/>')
        line = _path([at(place, point.value) for place, point in shown])
        parts.append(f'<polyline class="line {style}" points="{line}"/>')
        for place, point in shown:
            x, y = at(place, point.value)
            text = escape(f"{one.name}, {axes.places[place]}: {_spoken(point, axes.percent)}")
            where = f'cx="{x:.1f}" cy="{y:.1f}" r="4"'
            parts.append(f'<circle class="dot {style}" {where}><title>{text}</title></circle>')
    return _svg(title, HEIGHT, parts) + legend([one.name for one in series])


def bar_chart(title: str, rows: Sequence[tuple[str, Point]], percent: bool = True) -> str:
    """A bar a row with its 95 % interval."""
    top = _round_up(max([point.high for _, point in rows if _known(point)], default=1.0))
    scale = (WIDTH - LABEL_WIDTH - 90) / top
    parts = []
    for number, (name, point) in enumerate(rows):
        y = TOP + number * (BAR + BAR_GAP)
        parts.append(_row_label(name, y))
        if not _known(point):
            continue
        width = point.value * scale
        end, where = LABEL_WIDTH + width, f'x="{LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{BAR}"'
        parts.append(f'<rect class="bar s{number % COLOURS}" {where}/>')
        low, high = (LABEL_WIDTH + value * scale for value in (point.low, point.high))
        middle = y + BAR / 2
        parts.append(f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>')
        parts.append(
            f'<text x="{max(end, high) + 6:.1f}" y="{y + 12}">{_number(point.value, percent)}</text>'
        )
    return _svg(title, TOP + len(rows) * (BAR + BAR_GAP) + 4, parts)


def change_chart(title: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """A share before and after a row: a ring, and a dot at the end of a line; the line is the change."""
    scale = WIDTH - LABEL_WIDTH - 60
    parts = []
    for number, (name, before, after) in enumerate(rows):
        y = TOP + number * (BAR + BAR_GAP)
        parts.append(_row_label(name, y))
        if math.isnan(before + after):
            continue
        left, right, middle = LABEL_WIDTH + before * scale, LABEL_WIDTH + after * scale, y + BAR / 2
        style = "s1" if after >= before else "s2"
        text = escape(f"{name}: {_number(before, True)}, then {_number(after, True)}")
        parts.append(
            f'<line class="grid" x1="{LABEL_WIDTH}" x2="{LABEL_WIDTH + scale}" y1="{middle}" y2="{middle}"/>'
            f'<line class="line {style}" x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"/>'
            f'<circle class="ring" cx="{left:.1f}" cy="{middle}" r="4.5"/>'
            f'<circle class="dot {style}" cx="{right:.1f}" cy="{middle}" r="4.5">'
            f"<title>{text}</title></circle>"
            f'<text x="{LABEL_WIDTH + scale + 10}" y="{y + 12}">{_number(after, True, tick=True)}</text>'
        )
    return _svg(title, TOP + len(rows) * (BAR + BAR_GAP) + 4, parts)


def stacked_chart(
    title: str, kinds: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]], colours: Sequence[int]
) -> str:
    """Counts side by side in one bar a row; a kind has one of the colours everywhere."""
    scale = (WIDTH - LABEL_WIDTH - 60) / max([1, *(sum(counts) for _, counts in rows)])
    parts = []
    for number, (name, counts) in enumerate(rows):
        y, x = TOP + number * (BAR + BAR_GAP), float(LABEL_WIDTH)
        parts.append(_row_label(name, y))
        for kind, count in enumerate(counts):
            text = f"{name}: {count} {kinds[kind]}"
            parts.append(
                f'<rect class="bar s{colours[kind]}" x="{x:.1f}" y="{y}" width="{count * scale:.1f}" '
                f'height="{BAR}">'
                f"<title>{escape(text)}</title></rect>"
            )
            x += count * scale
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 12}">{sum(counts)}</text>')
    return _svg(title, TOP + len(rows) * (BAR + BAR_GAP) + 4, parts) + legend(kinds, colours)


def reliability_chart(
    title: str, series: Sequence[tuple[str, Sequence[tuple[float, float]]]], colours: Sequence[int]
) -> str:
    """Share of right words over confidence; where the two agree lies the diagonal."""
    axes = Axes([f"{tenth * 10} %" for tenth in range(0, 11, 2)], "confidence", "words that are right")
    side = HEIGHT - BOTTOM - TOP

    def at(confidence: float, right: float) -> tuple[float, float]:
        return LEFT + confidence * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - right * side

    places = [at(tenth / 10, 0)[0] for tenth in range(0, 11, 2)]
    parts = [*_grid(axes, 1.0), *_labels(axes, places)]
    parts.append(f'<polyline class="whisker" points="{_path([at(0, 0), at(1, 1)])}"/>')
    for number, (_, points) in zip(colours, series, strict=True):
        parts.append(f'<polyline class="line s{number}" points="{_path([at(*point) for point in points])}"/>')
        parts += [
            f'<circle class="dot s{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            for x, y in (at(*point) for point in points)
        ]
    return _svg(title, HEIGHT, parts) + legend([name for name, _ in series], colours)


def legend(names: Sequence[str], colours: Sequence[int] | None = None) -> str:
    """Names beside the colours of their series, which are one after the other unless they are given."""
    numbers = range(len(names)) if colours is None else colours
    items = (
        f'<span><i class="swatch s{number % COLOURS}"></i>{escape(name)}</span>'
        for number, name in zip(numbers, names, strict=True)
    )
    return f'<p class="legend">{"".join(items)}</p>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">'
    return f"{head}<title>{escape(title)}</title>{''.join(parts)}</svg>"


def _grid(axes: Axes, top: float) -> list[str]:
    parts = []
    for quarter in range(5):
        y = HEIGHT - BOTTOM - quarter / 4 * (HEIGHT - BOTTOM - TOP)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        shown = _number(top * quarter / 4, axes.percent, tick=True)
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{shown}</text>')
    return parts


def _labels(axes: Axes, places: Sequence[float]) -> list[str]:
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts = [
        f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
        f"{escape(name)}</text>"
        for name, x in zip(axes.places, places, strict=True)
    ]
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(axes.x)}</text>')
    parts.append(
        f'<text transform="translate(13 {(HEIGHT - BOTTOM + TOP) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(axes.y)}</text>"
    )
    return parts


def _row_label(name: str, y: int) -> str:
    short = name if len(name) <= 20 else f"{name[:19]}…"
    return f'<text x="{LABEL_WIDTH - 8}" y="{y + 12}" text-anchor="end">{escape(short)}</text>'


def _round_up(value: float) -> float:
    """The next number of the row 1, 2, 4, 6, 8 times a power of ten, so that the grid has round numbers."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 4, 6, 8, 10) if value <= power * factor * (1 + 1e-9))


def _known(point: Point) -> bool:
    return not math.isnan(point.value + point.low + point.high)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _number(value: float, percent: bool, tick: bool = False) -> str:
    if percent:
        return f"{100 * value:.3g} %" if tick else f"{100 * value:.1f} %"
    return f"{value:.3g}"


def _spoken(point: Point, percent: bool) -> str:
    low, high = (_number(value, percent) for value in (point.low, point.high))
    return f"{_number(point.value, percent)} ({low} to {high})"
