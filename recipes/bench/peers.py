"""Recognizers beside each other: the same recordings, the same lists, the same scoring.

python -m recipes.bench.peers run [--data ../shared/data] [--peers peers] [--sets test-dev8/8 ...]
    [--only NAME ...]                          parts of names; the others' numbers come from what is kept
python -m recipes.bench.peers tables [FILE...]

The recognizers hear a set, or of SET/8 every eighth utterance, in turn, and the processor's time of each is
kept with its text, so that a stopped run goes on. Texts and references are compared after `spelled`. Lists
are those of recipes/entities: an utterance's rare words and 100 distractors, or all names of a set of names.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from asr.audio import read_audio
from asr.evaluation.material import Condition, Material
from asr.files import write_text_atomic
from asr.scoring import normalize
from biasing.metrics import evaluate
from lm.text import normalise
from recipes.bench.recognizers import PeerError, System, all_systems
from recipes.entities.ablation import Bench, material_of
from recipes.kept import Kept
from recipes.regions import Makers, markdown, rewrite

SETS = ("test-dev8", "test-other100", "test-commonvoice", "synthetic-test-names")
SIZE = 100
NUMBERS = {"wer": "WER", "b_wer": "B-WER", "f1": "rare-word F1"}
RESULTS = Path(__file__).parent / "results"
PAGES = [Path(__file__).parent / "README.md"]
TITLES = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint"}
_NOISE = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*")
"""What some recognizers write for what is not speech, such as [BLANK_AUDIO]."""


@dataclass(frozen=True)
class Part:
    """Some utterances of a set.

    Attributes:
        name: of the set.
        every: each so manieth utterance.
        material: the set with its lists.
        condition: the list that is used.
        ids: the utterances.
    """

    name: str
    every: int
    material: Material
    condition: Condition
    ids: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length of the recordings."""
        return sum(self.material.utterances[one].duration for one in self.ids)


def spelled(text: str) -> str:
    """Words of a-z and apostrophes: numbers and titles spelled out, what is in brackets left out."""
    plain = _NOISE.sub(" ", text)
    words = normalise(plain)
    if words is None:
        words = " ".join(normalise(word) or normalize(word) for word in plain.split())
    return " ".join(TITLES.get(word, word) for word in words.split())


def part_of(bench: Bench, wanted: str) -> Part:
    """All utterances of SET, or every eighth of SET/8, in the order of its manifest.

    Raises:
        PeerError: what follows the stroke is no number.
    """
    name, _, share = wanted.partition("/")
    if share and (not share.isdecimal() or not int(share)):
        raise PeerError(f"{wanted}: give SET, or SET/8 for every eighth utterance of it")
    every = int(share or 1)
    material = material_of(name, bench, (SIZE,))
    condition = material.conditions[-1]
    return Part(name, every, material, condition, tuple(condition.given)[::every])


def hear(part: Part, systems: Sequence[System], kept: Kept) -> None:
    """Let the systems hear the utterances in turn; the first one is heard once before, untimed."""
    ready = {system.key: system.load() for system in systems}
    for number, name in enumerate(part.ids):
        samples = read_audio(part.material.utterances[name].audio)
        phrases = part.condition.given[name].phrases()
        for system in systems:
            listen = partial(ready[system.key], samples, phrases)
            if number == 0 and _key(part, system, name) not in kept:
                listen()
            kept.of(_key(part, system, name), partial(_timed, listen))
        print(f"\r{part.name}: {number + 1} of {len(part.ids)}", end="", flush=True)
    print()


def _timed(listen: Callable[[], str]) -> dict[str, Any]:
    began = time.process_time()
    return {"text": listen(), "seconds": time.process_time() - began}


def _key(part: Part, system: System, name: str) -> tuple[str, ...]:
    given = part.condition.given[name].digest if system.listed else ""
    return system.key, system.version, part.name, name, given


def measured(part: Part, systems: Sequence[System], kept: Kept, command: str) -> dict[str, Any]:
    """Numbers of the systems whose texts are all there."""
    refs = {one: spelled(part.material.utterances[one].text) for one in part.ids}
    lists = {one: part.condition.lists[one] for one in part.ids}
    rows = []
    for system in systems:
        keys = {one: _key(part, system, one) for one in part.ids}
        if not all(key in kept for key in keys.values()):
            continue
        found = {one: kept.of(key, dict[str, Any]) for one, key in keys.items()}
        scored = evaluate(refs, {one: spelled(each["text"]) for one, each in found.items()}, lists)
        seconds = sum(each["seconds"] for each in found.values())
        numbers = {name: _rounded(asdict(scored.estimate(name))) for name in NUMBERS}
        rows.append(
            {
                "system": system.name,
                "list": system.listed,
                "version": system.version.partition(" BiasOptions")[0],
                "speed": round(part.seconds / seconds, 2),
                **numbers,
            }
        )
    about = {"set": part.name, "every": part.every, "utterances": len(refs), "list": part.condition.name}
    return {"command": command, **about, "minutes": round(part.seconds / 60, 2), "rows": rows}


def _rounded(values: dict[str, float]) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else round(value, 5) for key, value in values.items()}


def peers_table(results: Path, name: str) -> str | None:
    """All systems on one set."""
    file = results / f"peers-{name}.json"
    if not file.is_file():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    cells = [
        [row["system"], row["list"] or "-", *(_cell(row[one]) for one in NUMBERS), f"{row['speed']:.1f}"]
        for row in found["rows"]
    ]
    header = ["recognizer", "list", *(f"{one} %" for one in NUMBERS.values()), "x real time, one core"]
    which = "utterances" if found["every"] == 1 else f"utterances, one of {found['every']}"
    about = f"{found['utterances']} {which}, {found['minutes']:.1f} minutes; N = {found['list']}"
    return f"{about}\n\n{markdown(header, cells)}"


def _cell(value: dict[str, float | None]) -> str:
    numbers = [100 * one for one in value.values() if one is not None]
    return "-" if len(numbers) < 3 else f"{numbers[0]:.1f} ({numbers[1]:.1f} to {numbers[2]:.1f})"


def makers(results: Path) -> Makers:
    """`<!-- peers: SET -->`."""
    return {"peers": (partial(peers_table, results), 1)}


def run(given: argparse.Namespace) -> None:
    """Hear and measure as the command line asks."""
    systems, kept = all_systems(given.models, given.peers), Kept(given.kept)
    only = [one for one in systems if not given.only or any(word in one.key for word in given.only)]
    if not only:
        raise PeerError(
            f"{', '.join(given.only)}: no such name; there are {', '.join(s.key for s in systems)}"
        )
    bench = Bench(given.data, given.models[0], given.kept.parent)
    for wanted in given.sets:
        part = part_of(bench, wanted)
        hear(part, only, kept)
        command = f"python -m recipes.bench.peers run --sets {wanted}"
        RESULTS.mkdir(exist_ok=True)
        found = measured(part, systems, kept, command)
        write_text_atomic(RESULTS / f"peers-{part.name}.json", json.dumps(found, indent=1) + "\n")


def main() -> None:
    """Read the arguments and do what they say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("run", "tables"))
    parser.add_argument("files", nargs="*", type=Path, help="for tables: Markdown files")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="folder of the peers' models")
    parser.add_argument("--models", nargs="+", default=["base-en", "base-en-whisper"])
    parser.add_argument("--sets", nargs="+", default=SETS, help="SET, or SET/8 for every eighth")
    parser.add_argument("--only", nargs="+", default=[], help="hears with these alone")
    parser.add_argument("--kept", type=Path, default=Path("runs/peers/texts.jsonl"))
    given = parser.parse_args()
    if given.what == "tables":
        for file in given.files or PAGES:
            print(f"{file}: {rewrite(file, makers(RESULTS))} tables")
        return
    if not given.data.is_dir():
        parser.error(f"{given.data}: no such data folder; give --data FOLDER")
    try:
        run(given)
    except PeerError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
