"""Choosing how strongly phrases act: of some settings, the best that keeps to a budget of mistakes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr.evaluation.material import Condition, Given, Material, MaterialError, Reading, shared_list
from asr.evaluation.measures import Absent, Measured
from asr.evaluation.run import Workplace, evaluate
from asr.evaluation.techniques import NONE, biased, make_techniques
from asr.recognizer import Recognizer
from biasing.intervals import Bootstrap
from biasing.lists import BiasingList
from biasing.options import BiasOptions
from biasing.phrases import make_phrases

UNSPOKEN = "unspoken"
BUDGETS = (2.0, 4.0, 8.0, 12.0, 16.0, 20.0)
"""Nats of boosting that are tried for a phrase."""
SHARES = (0.0, 2.0, 4.0, 8.0, 12.0)
"""Nats that the class in the language model may pay beside it."""
DOUBTS = (12.0, 9.0, 6.0, 3.0, 0.0)
"""Nats of doubt up to which a phrase that was boosted is believed; one that was spotted is believed up to as
many less as in the model's own options."""


@dataclass(frozen=True)
class Trial:
    """One setting, or with `bias` None the recognizer without a list, and what it does.

    Attributes:
        row: with the list, in the clips.
        absent: with a list of which nothing is spoken, in the same clips.
    """

    bias: BiasOptions | None
    row: Measured
    absent: Absent

    @property
    def name(self) -> str:
        """The constants that are tuned."""
        return NONE if self.bias is None else _name(self.bias)

    @property
    def f1(self) -> float:
        """Of the phrases, from 0 to 1."""
        return self.row.numbers["f1"].value

    @property
    def own(self) -> int:
        """Phrases of the list that are heard where they are not spoken."""
        return self.row.score.totals.false_accepts

    @property
    def strange(self) -> int:
        """Phrases that are heard of the list of which nothing is spoken."""
        return round(self.absent.false_accepts.value * self.minutes)

    @property
    def minutes(self) -> float:
        """Audio."""
        return self.absent.minutes

    @property
    def mistakes(self) -> float:
        """Phrases heard by mistake a minute, by that list which fares worse."""
        return max(self.own, self.strange) / self.minutes


@dataclass(frozen=True)
class Tuned:
    """Everything that was tried.

    Attributes:
        plain: the recognizer without a list.
        trials: by their constants.
        most: phrases a minute that may be heard by mistake.
        material: what was recognized.
    """

    plain: Trial
    trials: tuple[Trial, ...]
    most: float
    material: Material

    @property
    def best(self) -> Trial:
        """The setting of the highest F1 in the budget; where none keeps to it, that of fewest mistakes."""
        return choose(self.trials, self.most)

    @property
    def chosen(self) -> Trial | None:
        """The best setting, if it keeps to the budget and is better than no list."""
        best = self.best
        return best if best.mistakes <= self.most and best.f1 > self.plain.f1 else None


def tuning_material(reading: Reading, phrases: Path, strangers: Sequence[str], seed: int) -> Material:
    """The clips with one list for all, and with as many phrases of which none is spoken in any of them.

    Args:
        reading: the clips.
        phrases: phrase file.
        strangers: phrases to draw the other list from.
        seed: the same seed draws the same list.

    Raises:
        PhraseError: the file cannot be read.
        MaterialError: no phrase of it is spoken, or too few others are given.
    """
    clips = list(reading.utterances)
    material = shared_list(reading, phrases)
    [condition] = material.conditions
    own = condition.lists[clips[0]].phrases
    said = f" {' | '.join(reading.texts.values())} "
    drawn: list[str] = []
    for phrase in random.Random(seed).sample(strangers, len(strangers)):
        if len(drawn) < len(own) and phrase not in own and f" {phrase} " not in said:
            drawn.append(phrase)
    if len(drawn) < len(own):
        raise MaterialError(
            f"{len(drawn)} phrases of which none is spoken are not as many as the {len(own)} of {phrases}; "
            "give more by --distractors FILE"
        )
    given, listed = Given(made=make_phrases(drawn)), BiasingList(tuple(drawn))
    unspoken = Condition(UNSPOKEN, dict.fromkeys(clips, given), dict.fromkeys(clips, listed))
    return replace(material, absent={UNSPOKEN: unspoken})


def tune(
    recognizer: Recognizer,
    material: Material,
    most: float,
    place: Workplace,
    bootstrap: Bootstrap | None = None,
) -> Tuned:
    """Try budgets of boosting, then doubts at the best budget, shares of the class at both, and budgets anew.

    Everything begins with the options that the model has, which are tried as they are too.

    Args:
        material: as `tuning_material` makes it.
        most: phrases a minute that may be heard by mistake, of either list.
        place: where log-probs and texts are kept; what is there is not computed again.

    Raises:
        OutputError: something cannot be kept.
        MaterialError: no recording can be read.
    """
    best, trials, plain = recognizer.bias, dict[BiasOptions, Trial](), None
    for settings in (_budgets, _doubts, _shares, _budgets):
        new = [one for one in dict.fromkeys((best, *settings(best))) if one not in trials]
        chosen = [
            *make_techniques(recognizer, []),
            *(biased(_name(one), one)(recognizer) for one in new),
        ]
        found = evaluate(recognizer, material, chosen, place, bootstrap)
        material = found.material
        [listed] = [condition.name for condition in material.conditions]
        absent = {one.technique: one for one in found.absent}
        plain = Trial(None, found.row(NONE, listed), absent[NONE])
        trials |= {one: Trial(one, found.row(_name(one), listed), absent[_name(one)]) for one in new}
        best = choose(trials.values(), most).bias or best
    assert plain is not None
    ordered = sorted(trials.values(), key=lambda one: constants_of(one.bias or best))
    return Tuned(plain, tuple(ordered), most, material)


def choose(trials: Iterable[Trial], most: float) -> Trial:
    """The trial of the highest F1 among those in the budget, else the one of fewest mistakes.

    Of equals the one of fewer mistakes, then the weaker one.
    """

    def rank(one: Trial) -> tuple[float, ...]:
        within = one.mistakes <= most
        constants = constants_of(one.bias) if one.bias else ()
        if within:
            return (0, -one.f1, one.mistakes, *constants)
        return (1, one.mistakes, -one.f1, *constants)

    return min(trials, key=rank)


def _budgets(base: BiasOptions) -> Iterator[BiasOptions]:
    return (replace(base, boost=replace(base.boost, budget=nats)) for nats in BUDGETS)


def _shares(base: BiasOptions) -> Iterator[BiasOptions]:
    return (replace(base, unigram=replace(base.unigram, most=nats)) for nats in SHARES)


def _doubts(base: BiasOptions) -> Iterator[BiasOptions]:
    return (doubting(base, nats) for nats in DOUBTS)


def doubting(base: BiasOptions, nats: float) -> BiasOptions:
    """Phrases believed up to so many nats of doubt, spotted ones up to as many less as in `base`."""
    stricter = base.phonetic.veto_margin - base.spotter.doubt
    phonetic = replace(base.phonetic, veto_margin=nats)
    return replace(base, phonetic=phonetic, spotter=replace(base.spotter, doubt=nats - stricter))


def constants_of(bias: BiasOptions) -> tuple[float, float, float]:
    """What is tuned: the budget of the boosting, the share of the class, the doubt."""
    return bias.boost.budget, bias.unigram.most, bias.phonetic.veto_margin


def _name(bias: BiasOptions) -> str:
    budget, share, doubt = constants_of(bias)
    return f"boost {budget:g} class {share:g} doubt {doubt:g}"
