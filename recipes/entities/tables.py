"""Tables of Markdown files from the kept results: no number is typed by hand.

Between a comment and `<!-- end -->` stands what the comment asks for, models and sets separated by commas:

    <!-- table: MODEL SET NUMBER -->       one number, or `absent`: a row for each technique, a column a list
    <!-- worth: SIZE MODELS SETS -->       what the joint techniques are worth: a row for each model and set
    <!-- techniques: SIZE MODELS SET -->   all numbers at one length of list: a row for each technique
    <!-- growth: MODELS SET -->            the joint techniques as the list grows: a column a list

Where nothing of it has been measured, what stands there stays.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from biasing.metrics import RATES
from recipes.regions import Makers, markdown, pattern, rewrite, title

PLAIN, JOINT = "none", "joint"
NUMBERS = ("f1", "precision", "recall", "b_wer", "u_wer", "wer")
MISTAKES, CHANGED = "false accepts a minute", "utterances changed %"

Found = dict[str, Any]


def fill(file: Path, results: Path) -> int:
    """Rewrite the marked regions of a file; returns how many there are.

    Raises `SystemExit` where a comment asks for what no table shows.
    """
    return rewrite(file, {kind: (partial(maker, results), count) for kind, (maker, count) in MAKERS.items()})


def technique_table(results: Path, model: str, name: str, number: str) -> str | None:
    """One number of one set, with 95 % intervals, and a star where p < 0.05 against none."""
    found = _load(results, model, name)
    if found is None:
        return None
    if number == "absent":
        return _absent(found)
    rows = _rows(found)
    lists = [one["name"] for one in found["conditions"]]
    techniques = list(dict.fromkeys(technique for technique, _ in rows))
    cells = [[one, *(_cell(rows.get((one, size)), number) for size in lists)] for one in techniques]
    return markdown([f"{RATES[number].title} %", *(f"N = {one}" for one in lists)], cells)


def worth_table(results: Path, size: str, models: str, sets: str) -> str | None:
    """What a list is worth: each number without and with all techniques."""
    cells = []
    for model in models.split(","):
        for name in sets.split(","):
            found = _load(results, model, name)
            shown = found and _shown_size(found, size)
            if found and shown:
                rows = _rows(found)
                plain, row = rows[PLAIN, shown], rows[JOINT, shown]
                numbers = (f"{_share(plain, one)} -> {_cell(row, one)}" for one in ("f1", "b_wer", "u_wer"))
                cells.append([f"`{model}`", title(name), shown, *numbers, *_mistakes(found, JOINT, shown)])
    header = ["model", "set", "N", *(f"{RATES[one].title} %" for one in ("f1", "b_wer", "u_wer"))]
    return markdown([*header, MISTAKES, CHANGED], cells) if cells else None


def techniques_table(results: Path, size: str, models: str, name: str) -> str | None:
    """All numbers of all techniques at one length of list."""
    cells = []
    for model in models.split(","):
        found = _load(results, model, name) or {"rows": []}
        for technique in dict.fromkeys(row["technique"] for row in found["rows"]):
            row = _rows(found).get((technique, size))
            if row:
                numbers = (_cell(row, one) for one in NUMBERS)
                cells.append([f"`{model}`", technique, *numbers, *_mistakes(found, technique, size)])
    titles = (f"{RATES[one].title} %" for one in NUMBERS)
    return markdown(["model", "technique", *titles, MISTAKES, CHANGED], cells) if cells else None


def growth_table(results: Path, models: str, name: str) -> str | None:
    """F1, B-WER, U-WER and mistakes of the joint techniques, from no list to the longest."""
    cells, lists = [], list[str]()
    for model in models.split(","):
        found = _load(results, model, name)
        if found is None:
            continue
        lists = max(lists, [one["name"] for one in found["conditions"]], key=len)
        rows = _rows(found)
        for number in ("f1", "b_wer", "u_wer"):
            values = [_share(rows[JOINT, one], number) if (JOINT, one) in rows else "-" for one in lists]
            cells.append([f"`{model}`", f"{RATES[number].title} %", *values])
        cells.append([f"`{model}`", MISTAKES, *(_mistakes(found, JOINT, one)[0] for one in lists)])
    return markdown(["model", "", *(f"N = {one}" for one in lists)], cells) if cells else None


MAKERS: Makers = {
    "table": (technique_table, 3),
    "worth": (worth_table, 3),
    "techniques": (techniques_table, 3),
    "growth": (growth_table, 2),
}
REGION = pattern(MAKERS)


def _load(results: Path, model: str, name: str) -> Found | None:
    file = results / model / f"{name}.json"
    if not file.is_file():
        return None
    found: Found = json.loads(file.read_text(encoding="utf-8"))
    return found


def _rows(found: Found) -> dict[tuple[str, str], Found]:
    return {(row["technique"], row["condition"]): row for row in found["rows"]}


def _shown_size(found: Found, size: str) -> str | None:
    """The length of list that is asked for, or the only one that there is."""
    lists = [one["name"] for one in found["conditions"] if one["name"] != "0"]
    return size if size in lists else lists[0] if len(lists) == 1 else None


def _mistakes(found: Found, technique: str, size: str) -> tuple[str, str]:
    """False accepts a minute, and changed utterances in %, where nothing of the list is spoken."""
    rows = {(row["technique"], row["condition"]): row for row in found["absent"]}
    row = rows.get((technique, size))
    if row is None:
        return "-", "-"
    return f"{row['false_accepts_per_minute']['value']:.2f}", f"{100 * row['changed']['value']:.1f}"


def _share(row: Found, number: str) -> str:
    value = row["numbers"][number]["value"]
    return "-" if value is None else f"{100 * value:.1f}"


def _cell(row: Found | None, number: str) -> str:
    if row is None or row["numbers"][number]["value"] is None:
        return "-"
    value = row["numbers"][number]
    p = row["versus_none"].get(number, {}).get("p")
    star = "*" if p is not None and p < 0.05 else ""
    return f"{100 * value['value']:.1f}{star} ({100 * value['low']:.1f} to {100 * value['high']:.1f})"


def _absent(found: Found) -> str:
    techniques = dict.fromkeys(row["technique"] for row in found["absent"])
    lists = list(dict.fromkeys(row["condition"] for row in found["absent"]))
    cells = [[one, *(" / ".join(_mistakes(found, one, size)) for size in lists)] for one in techniques]
    return markdown([f"{MISTAKES} / {CHANGED}", *(f"N = {one}" for one in lists)], cells)
