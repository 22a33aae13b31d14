"""Tables of the recipe, from the kept results: python -m recipes.denoiser.tables [FILE...]

Between a comment and `<!-- end -->` stands what the comment asks for:

    <!-- sounds: SET -->           the denoisers on recorded pairs, all measures
    <!-- ratios: SET -->           the denoisers on a set in noise: a column a ratio
    <!-- words: SET MODEL -->      word error rates of a recognizer behind the denoiser
    <!-- cost: KIND -->            processor time a frame, of `random` weights or the `shipped` ones

Where nothing of it has been measured, what stands there stays.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asr.files import write_text_atomic
from recipes.regions import Makers, markdown, rewrite

Table = dict[str, dict[str, float]]
DECIMALS = {"STOI": 3}
IN_CELLS = ("PESQ-WB", "STOI", "SI-SDR", "DNSMOS OVRL")
OFF, CLEAN = "off", "clean"
RESULTS = Path(__file__).parent / "results"
PAGES = [Path(__file__).parent / "README.md"]


def keep(name: str, found: Any) -> None:
    """Keep what was measured beside this file."""
    RESULTS.mkdir(exist_ok=True)
    write_text_atomic(RESULTS / f"{name}.json", json.dumps(found, indent=1) + "\n")


def load(results: Path, name: str) -> Any:
    """What was kept under a name, or None."""
    file = results / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure."""
    return {measure: float(np.mean([row[measure] for row in rows])) for measure in rows[0]}


def format_table(table: Table) -> str:
    """A Markdown table, a line each row."""
    measures = list(dict.fromkeys(measure for row in table.values() for measure in row))
    cells = [[name, *(_number(row, measure) for measure in measures)] for name, row in table.items()]
    return markdown(["", *measures], cells)


def _number(row: dict[str, float], measure: str) -> str:
    return f"{row[measure]:.{DECIMALS.get(measure, 2)}f}" if measure in row else ""


def sounds_table(results: Path, name: str) -> str | None:
    """All measures of all denoisers on recorded pairs."""
    found = load(results, f"sounds-{name}")
    return found and f"{found['recordings']} recordings\n\n{format_table(found['systems'])}"


def ratios_table(results: Path, name: str) -> str | None:
    """The denoisers on a set in noise, a column a ratio."""
    conditions = {one.stem: load(results, one.stem) for one in results.glob(f"sounds-{name}-*dB.json")}
    if not conditions:
        return None
    by_ratio = sorted(conditions.values(), key=lambda one: float(one["snr_db"]))
    systems = dict.fromkeys(system for one in by_ratio for system in one["systems"])
    cells = [[system, *(_together(one["systems"].get(system, {})) for one in by_ratio)] for system in systems]
    table = markdown(["", *(f"{one['snr_db']:g} dB" for one in by_ratio)], cells)
    measures = " / ".join(
        one for one in IN_CELLS if any(one in row for row in by_ratio[0]["systems"].values())
    )
    return f"{measures}; {by_ratio[0]['recordings']} recordings at each ratio\n\n{table}"


def _together(row: dict[str, float]) -> str:
    return " / ".join(_number(row, measure) for measure in IN_CELLS if measure in row)


def cost_table(results: Path, kind: str) -> str | None:
    """Processor microseconds for each 10 ms."""
    found = load(results, f"cost-{kind}")
    return found and format_table(found)


def words_table(results: Path, name: str, model: str) -> str | None:
    """Word error rates, a line each condition and a column each share; and what is lost to noise."""
    found = load(results, f"words-{name}-{model}")
    if found is None:
        return None
    rates = {one["condition"]: {row["share"]: row for row in one["shares"]} for one in found["conditions"]}
    shares = list(rates[CLEAN])
    cells = [[name, *(_cell(rows[share]) for share in shares)] for name, rows in rates.items()]
    header = [f"`{model}`, {found['utterances']} utterances", *map(_titled, shares)]
    table = markdown(header, cells)
    lines = [_changed(rates[CLEAN]), *(_lost(rates, one) for one in rates if one != CLEAN)]
    return f"{table}\n\n" + "\n".join(lines)


def _titled(share: str) -> str:
    return {OFF: OFF, "0": "denoised alone"}.get(share, f"{share} mixed back")


def _cell(row: dict[str, Any]) -> str:
    wer, star = row["wer"], "*" if row["share"] != OFF and row["p"] < 0.05 else ""
    return f"{100 * wer['value']:.1f}{star} ({100 * wer['low']:.1f} to {100 * wer['high']:.1f})"


def _changed(clean: dict[str, Any]) -> str:
    """What each share costs where there is no noise, in % of the errors."""
    off = clean[OFF]["wer"]["value"]
    told = (f"{_titled(s)} {100 * (row['wer']['value'] / off - 1):+.1f} %" for s, row in clean.items())
    return f"- {CLEAN}, errors against {OFF}: {', '.join(list(told)[1:])}"


def _lost(rates: dict[str, Any], name: str) -> str:
    """How much of what noise costs the best share gives back."""
    clean = rates[CLEAN][OFF]["wer"]["value"]
    lost = {share: 100 * (row["wer"]["value"] - clean) for share, row in rates[name].items()}
    best = min((share for share in lost if share != OFF), key=lambda share: lost[share])
    part = f", {100 * lost[best] / lost[OFF]:.0f} % of it" if lost[OFF] > 0 else ""
    told = f"{lost[OFF]:.1f} points lost against {CLEAN}, {_titled(best)} {lost[best]:.1f}"
    return f"- {name}: {told}{part}"


def makers(results: Path) -> Makers:
    """What makes each kind of table."""
    return {
        "sounds": (partial(sounds_table, results), 1),
        "ratios": (partial(ratios_table, results), 1),
        "words": (partial(words_table, results), 2),
        "cost": (partial(cost_table, results), 1),
    }


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:] or PAGES):
        print(f"{page}: {rewrite(page, makers(RESULTS))} tables")
