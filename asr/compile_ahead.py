"""Compiling everything that transcribing needs, before it is needed: `python -m asr.compile_ahead`.

The installation runs this (`setup.py`), so that the first transcript does not wait for it. What is made here
is kept beside the sources and serves this kind of processor, this version of numba and these sources; where
one of them differs it is not used, and the loops are compiled when they are first called.
"""

from __future__ import annotations

import numpy as np

from asr.search import BeamSearch
from asr.search_arrays import new_letters, new_moves, new_tree
from asr.search_tables import fill_moves, fill_rows
from asr.search_words import fill_letters
from biasing.adapter_paths import phrase_paths
from biasing.g2p import Pronouncer
from biasing.gate import Gate
from biasing.graph import Spelled, build_graph
from biasing.lattice import best_total, one_way
from biasing.phone_alignment import WordAlignment, phone_frames
from biasing.phone_book import CLASSES
from biasing.phrases import make_phrases
from biasing.spotting import Spotter

PIECES = ["", "▁a", "b"]
TOKENS = [1, 2]


def compile_ahead() -> None:
    """Use every compiled loop of transcribing with a list once, on next to nothing."""
    log_probs = np.log(np.full((4, len(PIECES)), 1 / len(PIECES), dtype=np.float32))
    BeamSearch().decode(log_probs, build_graph([Spelled([TOKENS])], PIECES))
    fill_moves(new_moves(2), np.array([0]), np.zeros(1, dtype=np.int32), np.zeros(1))
    fill_rows(new_tree(2), 1)
    tokens = np.array(TOKENS)
    best_total(log_probs, one_way(tokens), 0)
    phrase_paths(log_probs, tokens, np.array([len(tokens)]), -1.0)
    spotter = Spotter(make_phrases(["abc"]), lambda _: TOKENS)
    spotter.find(log_probs)
    silence = phone_frames(np.log(np.full((4, CLASSES), 1 / CLASSES, dtype=np.float32)))
    Gate(spotter, [[(1,)]]).open(log_probs, silence, WordAlignment((), 0.0, frame_costs=np.zeros(4)))
    fill_letters(new_letters(2, 0, 0), 1)
    Pronouncer.load().pronounce("abc")


if __name__ == "__main__":
    compile_ahead()
