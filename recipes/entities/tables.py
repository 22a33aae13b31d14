"""Tables of Markdown files from the kept results: no number is typed by hand.

Between `<!-- table: SET NUMBER -->` and `<!-- end -->` stands the table of one number of one set, a row for
each technique and a column for each list; `<!-- table: SET absent -->` shows false accepts a minute and the
share of changed utterances.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from asr.files import write_text_atomic
from biasing.metrics import RATES

REGION = re.compile(
    r"(?P<begin><!-- table: (?P<set>\S+) (?P<number>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def fill(file: Path, results: Path) -> int:
    """Rewrite the marked regions of a file; returns how many there are."""

    def table(match: re.Match[str]) -> str:
        stored = results / f"{match['set']}.json"
        shown = "Not measured yet."
        if stored.is_file():
            shown = table_of(json.loads(stored.read_text(encoding="utf-8")), match["number"])
        return f"{match['begin']}{shown}\n{match['end']}"

    text, regions = REGION.subn(table, file.read_text(encoding="utf-8"))
    write_text_atomic(file, text)
    return regions


def table_of(found: dict[str, Any], number: str) -> str:
    """Return one table: values in % with 95 % intervals, and a star where p < 0.05 against none."""
    if number == "absent":
        return _absent(found)
    rows = {(row["technique"], row["condition"]): row for row in found["rows"]}
    lists = [one["name"] for one in found["conditions"]]
    techniques = list(dict.fromkeys(name for name, _ in rows))
    cells = [[_cell(rows[name, one], number) for one in lists] for name in techniques]
    return _markdown(f"{RATES[number].title} %", lists, techniques, cells)


def _cell(row: dict[str, Any], number: str) -> str:
    value = row["numbers"][number]
    if value["value"] is None:
        return "-"
    p = row["versus_none"].get(number, {}).get("p")
    star = "*" if p is not None and p < 0.05 else ""
    return f"{100 * value['value']:.1f}{star} ({100 * value['low']:.1f} to {100 * value['high']:.1f})"


def _absent(found: dict[str, Any]) -> str:
    rows = {(row["technique"], row["condition"]): row for row in found["absent"]}
    lists = list(dict.fromkeys(condition for _, condition in rows))
    techniques = list(dict.fromkeys(name for name, _ in rows))
    cells = [
        [
            f"{rows[name, one]['false_accepts_per_minute']['value']:.2f} / "
            f"{100 * rows[name, one]['changed']['value']:.1f}"
            for one in lists
        ]
        for name in techniques
    ]
    return _markdown("false accepts a minute / changed %", lists, techniques, cells)


def _markdown(corner: str, lists: list[str], techniques: list[str], cells: list[list[str]]) -> str:
    lines = [f"| {corner} | {' | '.join(f'N = {one}' for one in lists)} |", f"| --- |{' --- |' * len(lists)}"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in zip(techniques, cells, strict=True)]
    return "\n".join(lines)
