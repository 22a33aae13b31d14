"""What the constants of decoder biasing are worth, all techniques together, on dev.

python -m recipes.entities.constants [MODEL] [--sizes 100 1000] [--every 3] [--settings NAME...]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from asr.evaluation.material import Material
from asr.evaluation.run import evaluate
from asr.evaluation.techniques import biased, make_techniques
from asr.evaluation.tuning import doubting
from asr.recognizer import Recognizer
from biasing.graph import BoostOptions
from biasing.options import BiasOptions
from biasing.phonetic import PhoneticOptions
from lm.classes import ClassOptions
from recipes.entities.ablation import Bench, material_of

DEFAULT = "default"
SHOWN = ("f1", "precision", "b_wer", "u_wer", "wer")


def settings(base: BiasOptions) -> Mapping[str, BiasOptions]:
    """Every setting by name; each differs from the model's own in what its name says."""
    made = {DEFAULT: base}
    for nats in (8.0, 12.0, 16.0, 20.0):
        made[f"boost-{nats:g}"] = replace(base, boost=replace(base.boost, budget=nats))
    for nats in (0.0, 2.0, 4.0, 8.0, 12.0):
        unigram = replace(base.unigram, most=nats, crowding=0.0)
        made[f"class-{nats:g}"] = replace(base, unigram=unigram)
    for nats in (6.0, 12.0, 1000.0):
        made[f"veto-{nats:g}"] = replace(base, phonetic=replace(base.phonetic, veto_margin=nats))
    for nats in (12.0, 15.0, 20.0):
        made[f"doubt-{nats:g}"] = doubting(base, nats)
    for nats in (1.5, 2.5):
        made[f"crowding-{nats:g}"] = replace(base, spotter=replace(base.spotter, crowding=nats))
    for nats in (8.0, 20.0):
        made[f"gate-{nats:g}"] = replace(base, gating=replace(base.gating, doubt=nats))
    for weight in (0.0, 0.2, 0.8):
        made[f"rescoring-{weight:g}"] = replace(base, phonetic=replace(base.phonetic, weight=weight))
    made["wide-gap"] = replace(base, boost=replace(base.boost, most=8.0, max_gap=12.0))
    made["first"] = replace(
        base,
        boost=BoostOptions(budget=8.0),
        unigram=ClassOptions(most=4.0),
        phonetic=PhoneticOptions(veto_margin=9.0),
    )
    return made


def part_of(material: Material, every: int) -> Material:
    """Every so many utterances, with their lists."""
    return material.without(
        {name: "thinned out" for place, name in enumerate(material.texts) if place % every}
    )


def compare(bench: Bench, sizes: Sequence[int], every: int, names: Sequence[str]) -> str:
    """A Markdown table: numbers of dev, and the harm that lists do of which nothing is spoken."""
    recognizer = Recognizer.from_pretrained(bench.model)
    material = part_of(material_of("dev", bench, sorted({0, *sizes})), every)
    known = settings(recognizer.bias)
    chosen = [*make_techniques(recognizer, []), *(biased(name, known[name])(recognizer) for name in names)]
    found = evaluate(recognizer, material, chosen, bench.place)
    lines = [f"| phrases | setting | {' | '.join(SHOWN)} | changed | false accepts a minute |"]
    lines.append("| --- " * (len(SHOWN) + 4) + "|")
    harm = {(one.technique, one.condition): one for one in found.absent}
    for row in found.rows:
        numbers = " | ".join(f"{100 * row.numbers[name].value:.1f}" for name in SHOWN)
        one = harm.get((row.technique, row.condition))
        rest = f"{100 * one.changed.value:.1f} | {one.false_accepts.value:.2f}" if one else "- | -"
        lines.append(f"| {row.condition} | {row.technique} | {numbers} | {rest} |")
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="base-en", help="a shipped model or its folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1000], help="distractors in a list")
    parser.add_argument("--every", type=int, default=3, help="take every so many utterances of dev")
    names = list(settings(BiasOptions()))
    parser.add_argument("--settings", nargs="+", choices=names, default=names)
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="log-probs of earlier runs")
    arguments = parser.parse_args()
    bench = Bench(arguments.data, arguments.model, arguments.cache)
    print(compare(bench, arguments.sizes, arguments.every, arguments.settings))


if __name__ == "__main__":
    main()
