"""The lexicon decoder of flashlight-text with our log-probs, language model, weights and beam.

It can only say what is in its lexicon, so a list is added to that: its words are within reach, not favoured.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding import LM_FILE, find_lm
from asr.recognizer import Acoustics, Recognizer
from biasing.phrases import PhraseList
from lm.vocabulary import read_vocabulary


class FlashlightDecoder:
    """Its CTC beam search over the words of a language model.

    Args:
        recognizer: model and weights.
        folder: that of the model, with the language model.

    Raises:
        SystemExit: flashlight-text is not installed.
    """

    def __init__(self, recognizer: Recognizer, folder: Path) -> None:
        try:
            from flashlight.lib.text import decoder, dictionary
            from flashlight.lib.text.decoder.kenlm import KenLM
        except ImportError as error:
            raise SystemExit("flashlight-text is not installed: pip install '.[bench]'") from error
        self._library: Any = decoder
        self._recognizer = recognizer
        self._lm_file = find_lm(folder) or folder / LM_FILE
        self._vocabulary = read_vocabulary(self._lm_file)
        self._words: Any = dictionary.Dictionary
        self._kenlm: Any = KenLM

    def with_list(self, phrases: PhraseList) -> Callable[[Acoustics], list[str]]:
        """What decodes log-probs to words, the phrases' words among those that it can say."""
        listed = [word for entry in phrases for spelling in entry.spellings[:1] for word in spelling.split()]
        words = dict.fromkeys([*self._vocabulary, *listed])
        numbers = self._words()
        for word in ("<unk>", *words):
            numbers.add_entry(word)
        lm = self._kenlm(str(self._lm_file), numbers)
        search = self._search(lm, numbers, list(words))

        def decode(acoustics: Acoustics) -> list[str]:
            frames = np.ascontiguousarray(acoustics.log_probs, np.float32)
            best = search.decode(frames.ctypes.data, *frames.shape)[0]
            return [numbers.get_entry(index) for index in best.words if index >= 0]

        return decode

    def _search(self, lm: Any, numbers: Any, words: list[str]) -> Any:
        options, tokenizer, library = self._recognizer.options, self._recognizer.tokenizer, self._library
        blank = 0
        trie, start = library.Trie(len(tokenizer.pieces), blank), lm.start(False)
        for word in words:
            index = numbers.get_index(word)
            _, score = lm.score(start, index)
            trie.insert(tokenizer.encode(word), index, score)
        trie.smear(library.SmearingMode.MAX)
        settings = library.LexiconDecoderOptions(
            beam_size=options.beam,
            beam_size_token=len(tokenizer.pieces),
            beam_threshold=25.0,
            lm_weight=options.lm_weight,
            word_score=options.word_bonus,
            unk_score=-np.inf,
            sil_score=0.0,
            log_add=False,
            criterion_type=library.CriterionType.CTC,
        )
        return library.LexiconDecoder(settings, trie, lm, -1, blank, numbers.get_index("<unk>"), [], False)
