"""The sets, the lists and the techniques of the comparison, and its run."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asr.evaluation.acoustics import digest_files
from asr.evaluation.material import (
    Condition,
    Given,
    Material,
    drawn_lists,
    given_lists,
    read_utterances,
    shared_list,
)
from asr.evaluation.measures import Evaluation
from asr.evaluation.pool import make_pool
from asr.evaluation.results import to_dict
from asr.evaluation.run import Workplace, describe, evaluate, write_report
from asr.evaluation.techniques import ADAPTER, TECHNIQUES, Technique, make_techniques
from asr.files import write_text_atomic
from asr.model import DELTAS_FILE, WEIGHTS_FILE
from asr.recognizer import Recognizer, model_folder
from recipes.entities import peers
from recipes.entities.noisy import noisy_manifest
from recipes.entities.parts import compact, joined

RESULTS = Path(__file__).parent / "results"
SIZES = (0, 100, 500, 1000, 2000)
CLEAN = ("test-dev8", "test-other100", "synthetic-test-names", "dev")
NOISY = tuple(f"{name}-{snr_db}dB" for snr_db in (10, 5) for name in CLEAN if name != "dev")
IN_NOISE = re.compile(r"(?P<set>.+)-(?P<snr_db>\d+)dB")
"""Names of sets mixed with noise, such as test-dev8-10dB."""
OFFICIAL = {"test-other100": ("100", "test-other100.biasing_100.tsv")}
"""Sets with published lists: the size they stand for, and their file."""
GRIDS = {
    "pyctcdecode": (1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 14.0, 18.0, 24.0),
    "icefall": (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0),
    "spotter": (1.0, 2.0, 3.0, 4.0, 5.0),
    "spotter_greedy": (1.0, 2.0, 3.0, 4.0, 5.0),
}
TUNED_AT = 100


@dataclass(frozen=True)
class Bench:
    """Where everything lies.

    Attributes:
        data: the data folder.
        model: shipped name or model folder.
        cache: folder for log-probs and texts.
        out: folder for full reports; None for none.
    """

    data: Path
    model: str
    cache: Path
    out: Path | None = None

    @property
    def place(self) -> Workplace:
        """What the evaluation wants to know."""
        return Workplace(self.model, self.cache)

    @property
    def results(self) -> Path:
        """Folder for the numbers of this model, which the tables are made of."""
        return RESULTS / model_folder(self.model).name

    @property
    def weights(self) -> Path:
        """What `tune` wrote for this model."""
        return self.results / "weights.json"

    def manifest(self, name: str) -> Path:
        """The manifest of a set; where its name ends in a ratio such as -10dB, of the set in noise."""
        noisy = IN_NOISE.fullmatch(name)
        if noisy is None:
            return self.data / "speech" / f"{name}.jsonl"
        clean, snr_db = self.manifest(noisy["set"]), float(noisy["snr_db"])
        return noisy_manifest(clean, self.data / "noise" / "test", snr_db, self.cache / "noisy" / name)


def material_of(name: str, bench: Bench, sizes: Sequence[int] = SIZES) -> Material:
    """Return a set with its lists: drawn with seed 0, or published, or the entities that the set names."""
    reading = read_utterances(bench.manifest(name))
    if entities := {one for each in reading.utterances.values() for one in each.entities}:
        return entity_list(name, bench, sorted(entities))
    biasing = bench.data / "biasing"
    pool = make_pool(biasing / "common_words_5k.txt", biasing / "all_rare_words.txt.xz", None, seed=0)
    material = drawn_lists(reading, sizes, pool)
    size, file = OFFICIAL.get(_clean(name), ("", ""))
    if not size or int(size) not in sizes:
        return material
    published = given_lists(read_utterances(bench.manifest(name)), biasing / file)
    renamed = replace(published.conditions[0], name=size)
    return replace(
        material,
        conditions=tuple(renamed if one.name == size else one for one in material.conditions),
        absent={**material.absent, size: replace(published.absent[file], name=size)},
    )


def entity_list(name: str, bench: Bench, entities: Sequence[str]) -> Material:
    """All entities of a set as one list, or no list; mistakes are counted in the parts of dev without."""
    file, others = bench.cache / f"{_clean(name)}.txt", name.replace(_clean(name), "dev")
    bench.cache.mkdir(parents=True, exist_ok=True)
    write_text_atomic(file, "".join(f"{one}\n" for one in entities))
    found = shared_list(read_utterances(bench.manifest(name)), file, read_utterances(bench.manifest(others)))
    [listed] = found.conditions
    none = Condition("0", dict.fromkeys(listed.given, Given()), listed.lists)
    named = replace(listed, name=str(len(entities)))
    absent = {one.name: one for one in (replace(x, name=named.name) for x in found.absent.values())}
    return replace(found, conditions=(none, named), absent=absent)


def _clean(name: str) -> str:
    """The set that one in noise is made of."""
    noisy = IN_NOISE.fullmatch(name)
    return noisy["set"] if noisy else name


def all_techniques(recognizer: Recognizer, bench: Bench) -> list[str]:
    """Names of ours that the model can, and of others that `tune` has found weights for; tells the rest."""
    ours = [name for name in TECHNIQUES if ADAPTER not in name or recognizer.encoder_bias is not None]
    tuned = load_weights(bench, ())
    if rest := [name for name in peers.NAMES if name not in tuned]:
        print(f"{bench.weights}: no weights for {', '.join(rest)}, left out; `tune` finds them", flush=True)
    return [*ours, *(name for name in peers.NAMES if name in tuned)]


def techniques_of(names: Sequence[str], recognizer: Recognizer, bench: Bench) -> list[Technique]:
    """Make techniques of ours and of others, those with the weights that `tune` found."""
    others = [name for name in names if name in peers.NAMES]
    weights = load_weights(bench, others) if others else {}
    made = {one.name: one for one in make_techniques(recognizer, [n for n in names if n not in peers.NAMES])}
    for name in others:
        made[name] = peers.make_peer(name, recognizer, model_folder(bench.model), weights[name])
    order = dict.fromkeys((next(iter(made)), *names))
    return [made[name] for name in order]


def load_weights(bench: Bench, names: Sequence[str]) -> dict[str, float]:
    """Read what `tune` wrote. Ends the program where it has not tuned one of `names`."""
    found: dict[str, float] = {}
    if bench.weights.is_file():
        found = json.loads(bench.weights.read_text(encoding="utf-8"))["weights"]
    if missing := [name for name in names if name not in found]:
        command = f"python -m recipes.entities tune {bench.model} --techniques {' '.join(missing)}"
        raise SystemExit(f"{bench.weights}: no weights for {', '.join(missing)}; run `{command}` first")
    return found


def tune(bench: Bench, names: Sequence[str]) -> None:
    """Choose the weight of each peer by the best F1 on dev with 100 distractors; keep all that was tried."""
    recognizer = Recognizer.from_pretrained(bench.model)
    material = material_of("dev", bench, (TUNED_AT,))
    stored: dict[str, Any] = {"weights": {}, "tried": {}}
    if bench.weights.is_file():
        stored = json.loads(bench.weights.read_text(encoding="utf-8"))
    for name in names:
        tried = {}
        for weight in GRIDS[name]:
            peer = peers.make_peer(name, recognizer, model_folder(bench.model), weight)
            chosen = [*make_techniques(recognizer, []), peer]
            found = evaluate(recognizer, replace(material, absent={}), chosen, bench.place)
            numbers = found.row(name, str(TUNED_AT)).numbers
            tried[f"{weight:g}"] = {key: round(one.value, 4) for key, one in numbers.items()}
            print(f"{name} {weight:g}: {tried[f'{weight:g}']}", flush=True)
        best = max(tried, key=lambda weight: tried[weight]["f1"])
        stored["weights"][name] = float(best)
        stored["tried"][name] = tried
        bench.results.mkdir(parents=True, exist_ok=True)
        write_text_atomic(bench.weights, json.dumps(stored, indent=1) + "\n")


def run(
    bench: Bench, name: str, names: Sequence[str] | None, command: str, sizes: Sequence[int] = SIZES
) -> None:
    """Evaluate one set, lists of growing size; its numbers are kept whenever a size is done.

    A killed run, started again, does nothing twice that is in the cache. What earlier runs found of other
    techniques and sizes stays.
    """
    recognizer = Recognizer.from_pretrained(bench.model)
    chosen = techniques_of(names or all_techniques(recognizer, bench), recognizer, bench)
    done: tuple[str, ...] = ()
    for count in range(1, len(sizes) + 1):
        began = time.monotonic()
        material = material_of(name, bench, sorted(sizes)[:count])
        if done == (done := tuple(one.name for one in material.conditions)):
            break  # a set with a list of its own has but one length
        found = evaluate(recognizer, material, chosen, bench.place)
        digest = digest_files(model_folder(bench.model), (WEIGHTS_FILE, DELTAS_FILE))
        settings = describe(recognizer, chosen, command) | {"weights": digest[:16]}
        if bench.out is not None:
            write_report(found, settings, bench.out / bench.results.name / name)
        bench.results.mkdir(parents=True, exist_ok=True)
        _keep(found, settings, bench, name)
        minutes = (time.monotonic() - began) / 60
        print(f"{bench.model} {name}, lists of {', '.join(done)}: {minutes:.1f} minutes", flush=True)


def _keep(found: Evaluation, settings: dict[str, Any], bench: Bench, name: str) -> None:
    """Add to the numbers of a set."""
    file, numbers = bench.results / f"{name}.json", to_dict(found, settings)
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        numbers = joined(kept, numbers, [*TECHNIQUES, *peers.NAMES])
    write_text_atomic(file, compact(numbers))
