"""Other projects' ways to favour phrases, as techniques that the evaluation takes beside ours.

All of them decode the same log-probs with the same language model, weights and beam as the recognizer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from asr.align import TimedWord
from asr.decoding import LM_FILE, find_lm
from asr.evaluation.techniques import Technique
from asr.recognizer import Acoustics, Recognizer
from asr.search import BeamSearch, SearchOptions, greedy, words_from_tokens
from biasing.graph import BoostOptions, graph_of
from biasing.phrases import PhraseList
from biasing.spotting import Spotter, SpottingOptions
from lm.ngram import LMOptions, WordScorer
from lm.vocabulary import read_vocabulary
from recipes.entities.spotter import merge, recognized_words

NEMO_BEAM = 5.0
"""Of its word spotter, whose other constants are those of `SpottingOptions`."""
NAMES = ("pyctcdecode", "icefall", "spotter", "spotter_greedy")


def make_peer(name: str, recognizer: Recognizer, folder: Path, weight: float) -> Technique:
    """Make a peer; `weight` is its one constant that is tuned on dev."""
    if name == "pyctcdecode":
        return pyctcdecode(recognizer, folder, weight)
    if name == "icefall":
        return icefall(recognizer, weight)
    return spotter(recognizer, weight, on_greedy=name == "spotter_greedy")


def pyctcdecode(recognizer: Recognizer, folder: Path, weight: float) -> Technique:
    """Hotwords of pyctcdecode, which takes phrases apart into words."""
    from pyctcdecode.decoder import build_ctcdecoder

    logging.getLogger("pyctcdecode").setLevel(logging.ERROR)
    options, lm = recognizer.options, find_lm(folder) or folder / LM_FILE
    decoder: Any = build_ctcdecoder(
        ["", *recognizer.tokenizer.pieces[1:]],
        str(lm),
        read_vocabulary(lm),
        alpha=options.lm_weight,
        beta=options.word_bonus,
        unk_score_offset=options.unk_penalty,
    )

    def decode(acoustics: Acoustics, phrases: PhraseList) -> Sequence[TimedWord]:
        words = [entry.spellings[0] for entry in phrases if entry.spellings]
        text = decoder.decode(
            acoustics.log_probs, beam_width=options.beam, hotwords=words or None, hotword_weight=weight
        )
        return [TimedWord(word, 0.0, 0.0, 1.0, 0, 0) for word in str(text).split()]

    return Technique("pyctcdecode", f"hotword_weight {weight:g}, {asdict(options)}", decode)


def icefall(recognizer: Recognizer, weight: float) -> Technique:
    """Boost each token of a phrase by a constant, refunded when it breaks; tokens were cut by sound before.

    The rule of icefall and sherpa-onnx, but that a phrase is paid at the end of a word only.
    """
    options, tokenizer = recognizer.options, recognizer.tokenizer
    boost = BoostOptions(budget=1000.0, full_length=1, slope=0.0, base=weight, most=weight, end_share=0.0)
    lm = LMOptions(options.lm_weight, options.word_bonus, options.unk_penalty)
    largest_step = 4.0 + max(options.word_bonus, 0.0) + weight
    settings = SearchOptions(beam=options.beam, largest_step=largest_step)

    def decode(acoustics: Acoustics, phrases: PhraseList) -> Sequence[TimedWord]:
        if not greedy(acoustics.log_probs).tokens:
            return ()
        words = [WordScorer(recognizer.ngram, tokenizer.pieces, lm)] if recognizer.ngram else []
        graph = graph_of(phrases, lambda text: [tokenizer.encode(text)], tokenizer.pieces, boost)
        best = BeamSearch(settings, [*words, graph]).decode(acoustics.log_probs)[0]
        return words_from_tokens(best, tokenizer.pieces, recognizer.model.frame_seconds)

    return Technique("icefall", f"{boost}, {asdict(options)}", decode)


def spotter(recognizer: Recognizer, weight: float, on_greedy: bool) -> Technique:
    """Put phrases spotted in the log-probs into what is recognized, by our search or greedily as in NeMo."""
    options, tokenizer = SpottingOptions(token_bonus=weight, beam=NEMO_BEAM), recognizer.tokenizer
    decoding = recognizer.options
    settings = SearchOptions(beam=decoding.beam, largest_step=4.0 + max(decoding.word_bonus, 0.0))
    lm = LMOptions(decoding.lm_weight, decoding.word_bonus, decoding.unk_penalty)
    scorers = [WordScorer(recognizer.ngram, tokenizer.pieces, lm)] if recognizer.ngram else []
    search = BeamSearch(settings, scorers)

    def decode(acoustics: Acoustics, phrases: PhraseList) -> Sequence[TimedWord]:
        best = greedy(acoustics.log_probs)
        if best.tokens and not on_greedy:
            best = search.decode(acoustics.log_probs)[0]
        words = recognized_words(best.spans, acoustics.log_probs, tokenizer.pieces)
        return merge(words, Spotter(phrases, tokenizer.encode, options).find(acoustics.log_probs), options)

    name = "spotter_greedy" if on_greedy else "spotter"
    settings_text = f"{options}, {asdict(replace(decoding, greedy=on_greedy))}"
    return Technique(name, settings_text, decode)
