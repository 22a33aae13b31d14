"""Charts of the kept results over the length of the list, for each set whose lists have several lengths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asr.evaluation import charts
from asr.evaluation.charts import Axes, Point, Series
from asr.evaluation.style import chart_file
from asr.files import write_text_atomic
from biasing.metrics import RATES

DRAWN = ("none", "adapter", "boosting", "spotting", "joint", "pyctcdecode", "icefall", "spotter")
"""Techniques that charts show where all lengths were measured, in the order of their colours."""
SHADED = ("none", "joint")
"""Those whose 95 % intervals are drawn: more bands would hide each other."""
NUMBERS = ("f1", "b_wer", "u_wer")

Found = dict[str, Any]


def draw(results: Path) -> int:
    """Write NAME-NUMBER.svg beside each NAME.json of each model; returns how many were written."""
    written = 0
    for file in sorted(results.glob("*/*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        if len(found.get("conditions", ())) < 3:
            continue  # weights of peers, or one list beside none
        for number in NUMBERS:
            write_text_atomic(file.with_name(f"{file.stem}-{number}.svg"), figure(found, number))
            written += 1
    return written


def figure(found: Found, number: str) -> str:
    """One number of one set as an SVG file."""
    lists = [one["name"] for one in found["conditions"]]
    values = {(row["technique"], row["condition"]): row["numbers"][number] for row in found["rows"]}
    names = [name for name in DRAWN if all((name, one) in values for one in lists)]
    series = [
        Series(name, [_point(values[name, one]) for one in lists], shaded=name in SHADED) for name in names
    ]
    title = RATES[number].title
    return chart_file(charts.line_chart(title, Axes(lists, "distractors in the list", title), series), names)


def _point(estimate: dict[str, float | None]) -> Point:
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    missing = float("nan")
    return Point(*(missing if one is None else one for one in (value, low, high)))
