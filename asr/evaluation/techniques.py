"""Ways to recognize with phrases, each a name and a function; the evaluation knows no more of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from asr.recognizer import Acoustics, Recognizer
from biasing.options import BiasOptions
from biasing.phrases import PhraseList

NONE = "none"
ADAPTER = "adapter"


class TechniqueError(ValueError):
    """A technique that does not exist."""


class HeardWord(Protocol):
    """A recognized word; `TimedWord` and `Word` are such."""

    @property
    def text(self) -> str:
        """The word."""

    @property
    def confidence(self) -> float:
        """How sure it is, from 0 to 1."""


Decode = Callable[[Acoustics, PhraseList], Sequence[HeardWord]]


@dataclass(frozen=True)
class Technique:
    """One way to recognize.

    Attributes:
        name: as it stands in reports.
        settings: everything that changes what it recognizes, in words; results of equal name and settings are
            taken from earlier runs.
        decode: the words of one segment, given the phrases that may be spoken in it.
    """

    name: str
    settings: str
    decode: Decode


Maker = Callable[[Recognizer], Technique]


def _none(recognizer: Recognizer) -> Technique:
    decoder = recognizer.decoder(recognizer.options)
    return Technique(
        NONE,
        repr(asdict(recognizer.options)),
        lambda acoustics, _: decoder.decode(acoustics.log_probs, acoustics.phones),
    )


def biased(name: str, bias: BiasOptions) -> Maker:
    """A technique that is a set of switches and constants."""

    def make(recognizer: Recognizer) -> Technique:
        def decode(acoustics: Acoustics, phrases: PhraseList) -> Sequence[HeardWord]:
            decoder = recognizer.phrase_decoder(phrases, bias=bias)
            heard = decoder.decode(acoustics.log_probs, acoustics.phone_log_probs, acoustics.states)
            return heard.words

        return Technique(name, repr((asdict(recognizer.options), asdict(bias))), decode)

    return make


SWITCHES = ("adapter", "boosting", "classes", "rescoring", "veto", "spotting", "lookup", "gate")


def biases(joint: BiasOptions) -> Mapping[str, BiasOptions]:
    """Each way of biasing alone, all together as the model has them, and all but one, with its constants."""
    off = joint.without(*SWITCHES)
    return {
        ADAPTER: replace(off, adapter=True),
        "boosting": replace(off, boosting=True),
        "constant": replace(off, boosting=True, boost=replace(joint.boost, slope=0.0)),
        "classes": replace(off, classes=True),
        "rescoring": replace(off, rescoring=True),
        "spotting": replace(off, spotting=True),
        "lookup": replace(off, lookup=True),
        "joint": joint,
        **{f"joint-{switch}": joint.without(switch) for switch in SWITCHES},
    }


def _of_model(name: str) -> Maker:
    return lambda recognizer: biased(name, biases(recognizer.bias)[name])(recognizer)


TECHNIQUES: Mapping[str, Maker] = {
    NONE: _none,
    **{name: _of_model(name) for name in biases(BiasOptions())},
}
"""All techniques of the recognizer; the first one is what the others are compared with."""


def default_techniques(recognizer: Recognizer) -> tuple[str, ...]:
    """Names of the techniques that are compared unless others are named: not those that leave one out.

    Nor the adapter where the model has none.
    """
    absent = {ADAPTER} if recognizer.encoder_bias is None else set()
    return tuple(name for name in TECHNIQUES if "-" not in name and name not in absent)


def make_techniques(recognizer: Recognizer, names: Sequence[str]) -> list[Technique]:
    """Make techniques by name, `none` first whether it was named or not.

    Raises:
        TechniqueError: no such technique, or it needs an adapter and the model has none.
    """
    unknown = [name for name in names if name not in TECHNIQUES]
    if unknown:
        raise TechniqueError(f"no technique is called {unknown[0]!r}; there are {', '.join(TECHNIQUES)}")
    without = [name for name in names if name in (ADAPTER, f"joint-{ADAPTER}")]
    if without and recognizer.encoder_bias is None:
        raise TechniqueError(
            f"{without[0]!r} needs a contextual adapter and {recognizer.name} has none; "
            "name a model folder with one (recipes/adapter trains it), or leave the technique out"
        )
    return [TECHNIQUES[name](recognizer) for name in dict.fromkeys((NONE, *names))]
