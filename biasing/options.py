"""Which ways of biasing are used, and all their constants."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from biasing.gate import GateOptions
from biasing.graph import BoostOptions
from biasing.lookup import LookupOptions
from biasing.phonetic import PhoneticOptions
from biasing.spotting import SpottingOptions
from lm.classes import ClassOptions


class BiasOptionsError(ValueError):
    """Options that no decoding can run with."""


@dataclass(frozen=True)
class AdapterOptions:
    """How the contextual adapter of a model acts.

    Attributes:
        strength: factor on what it adds to the encoder's states.
        threshold: where no frame of a recording gives phrases a larger share of its attention than this, the
            encoder's output stays as it is.
        longest: phrases of the longest list that is looked at as a whole.
        kept: of a longer list, phrases that are looked at, those nearest to some frame.
        decoder_share: of what a phrase is worth to boosting and language model class, the part that is left
            to them where the adapter acts too, so that a phrase is not paid for twice.
    """

    strength: float = 1.0
    threshold: float = 0.3
    longest: int = 500
    kept: int = 200
    decoder_share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength < math.inf or not 0 <= self.threshold <= 1:
            raise BiasOptionsError(f"{self}: strength is 0 or more and finite, threshold 0..1")
        if min(self.longest, self.kept) < 1 or not 0 <= self.decoder_share <= 1:
            raise BiasOptionsError(f"{self}: longest and kept are 1 or more, decoder_share 0..1")


_CONSTANTS = {
    "encoder": AdapterOptions,
    "boost": BoostOptions,
    "unigram": ClassOptions,
    "phonetic": PhoneticOptions,
    "spotter": SpottingOptions,
    "pronunciation": LookupOptions,
    "gating": GateOptions,
}


@dataclass(frozen=True)
class BiasOptions:
    """Switches of the techniques, each of them independent of the others, and their constants.

    Attributes:
        adapter: let the encoder listen for phrases, where the model has a contextual adapter.
        boosting: pay sub-words that continue a phrase in the beam search, the more the worse they sound.
        classes: let phrases into the language model as members of its class of unknown words.
        rescoring: rank the readings of the search anew by how well their phones fit.
        veto: take a phrase back where the phones of what was heard without the list fit better.
        spotting: look for phrases in the sub-words alone, whatever the search made of them, and put them in
            where their phones fit.
        lookup: replace words that sound exactly like a phrase.
        gate: search with the list only where one of its phrases may have been said, by sub-words and phones;
            needs the beam search.
        variants: alternative spellings of each phrase that are listened for too; 0 for none.
        segmentations: ways to cut each spelling into sub-words that are listened for.
        n_best: readings that are rescored, and among which a report looks for phrases that lost.
        encoder: constants of the adapter.
        boost: constants of the boosting.
        unigram: constants of the class. What it and the boosting give for one phrase is limited by the sum
            of `most` and `budget`; in long lists it gives way.
        phonetic: constants of rescoring and veto.
        spotter: constants of the spotting.
        pronunciation: constants of the lookup.
        gating: constants of the gate.
    """

    adapter: bool = True
    boosting: bool = True
    classes: bool = True
    rescoring: bool = True
    veto: bool = True
    spotting: bool = True
    lookup: bool = True
    gate: bool = True
    variants: int = 0
    segmentations: int = 1
    n_best: int = 10
    encoder: AdapterOptions = field(default_factory=AdapterOptions)
    boost: BoostOptions = field(default_factory=BoostOptions)
    unigram: ClassOptions = field(default_factory=lambda: ClassOptions(offset=14.0, most=8.0, crowding=2.6))
    phonetic: PhoneticOptions = field(default_factory=PhoneticOptions)
    spotter: SpottingOptions = field(default_factory=SpottingOptions)
    pronunciation: LookupOptions = field(default_factory=LookupOptions)
    gating: GateOptions = field(default_factory=GateOptions)

    def __post_init__(self) -> None:
        for name, least in (("variants", 0), ("segmentations", 1), ("n_best", 1)):
            if getattr(self, name) < least:
                raise BiasOptionsError(f"{name} is {getattr(self, name)}; give {least} or more")
        for name, kind in _CONSTANTS.items():
            if not isinstance(given := getattr(self, name), kind):
                raise BiasOptionsError(f"{name} is {given!r:.60}; give {kind.__name__}(...)")

    def without(self, *switches: str) -> BiasOptions:
        """The same with some switches off; raises `TypeError` where there is no such switch."""
        off: dict[str, Any] = dict.fromkeys(switches, False)
        return replace(self, **off)
