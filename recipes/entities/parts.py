"""Numbers of one set from several runs, of some techniques and lists each, put together in one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Found = dict[str, Any]


def joined(kept: Found, new: Found, order: Sequence[str]) -> Found:
    """What a run found, and what is kept of others wherever it is still true.

    That is nothing unless the model, its decoding and the utterances are the same, and nothing of a technique
    whose constants are others now. Of what both have the new counts.

    Args:
        kept: as `compact` writes it.
        new: as `asr.evaluation.results.to_dict` makes it.
        order: of the techniques.
    """
    settings, before = new["settings"], kept["settings"]
    same = all(settings[key] == before.get(key) for key in ("weights", "model", "decoding"))
    if not same or any(kept[key] != new[key] for key in ("utterances", "minutes")):
        return new
    techniques = before["techniques"] | settings["techniques"]
    valid = {name for name, constants in before["techniques"].items() if constants == techniques[name]}
    conditions = {one["name"]: one for one in (*kept["conditions"], *new["conditions"])}
    commands = before["command"].split(" && ")
    command = " && ".join(dict.fromkeys([*commands, settings["command"]]))

    def rows_of(key: str) -> list[Found]:
        rows = {(one["technique"], one["condition"]): one for one in kept[key] if one["technique"] in valid}
        rows |= {(one["technique"], one["condition"]): one for one in new[key]}
        return sorted(rows.values(), key=lambda one: (int(one["condition"]), order.index(one["technique"])))

    return new | {
        "settings": settings | {"command": command, "techniques": techniques},
        "conditions": sorted(conditions.values(), key=lambda one: int(one["name"])),
        "rows": rows_of("rows"),
        "absent": rows_of("absent"),
    }


def compact(found: Found) -> str:
    """JSON with a line for each measured row, and without what no table shows."""
    shown = ("settings", "utterances", "minutes", "conditions", "rows", "absent", "left_out")
    kept = {key: found[key] for key in shown}
    if not isinstance(kept["left_out"], int):
        kept["left_out"] = len(kept["left_out"])
    for key in ("rows", "absent"):
        rows = [{k: v for k, v in row.items() if k != "each_phrase"} for row in found[key]]
        kept[key] = [json.dumps(row) for row in rows]
    lines = [f"{json.dumps(key)}: {_lines(value, key)}" for key, value in kept.items()]
    return "{" + ",\n".join(lines) + "}\n"


def _lines(value: Any, key: str) -> str:
    return "[\n" + ",\n".join(value) + "]" if key in {"rows", "absent"} else json.dumps(value)
