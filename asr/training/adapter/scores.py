"""How good an adapter is on dev while it trains: greedy error rates, and where its frames look."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr.model import ConformerCTC
from asr.tokenizer import Tokenizer
from asr.training.adapter.lists import ListMaker, StepLists
from asr.training.adapter.losses import NOTHING, make_targets
from asr.training.cache import AudioCache
from asr.training.data import Example, collate
from asr.training.evaluate import collapse
from asr.training.feature_cache import FeatureCache
from biasing.adapter import ContextualAdapter, Heard
from biasing.lists import BiasingList, draw_lists, rare_words
from biasing.metrics import evaluate

AT_ONCE = 8
"""Utterances that go through the encoder together."""


@dataclass(frozen=True)
class AdapterScores:
    """Rates on dev, as fractions; attention in the mean over frames.

    Attributes:
        wer, b_wer, u_wer: greedy, with each utterance's rare words and distractors as its list.
        absent_wer: greedy, with lists of distractors alone.
        on_phrase: share of a phrase's frames that goes to it.
        on_nothing: share of the no-bias entry on all other frames, and on all with distractors alone.
    """

    wer: float
    b_wer: float
    u_wer: float
    absent_wer: float
    on_phrase: float
    on_nothing: float


@dataclass(frozen=True)
class _Utterance:
    """One utterance of dev as the base hears it, with its list."""

    example: Example
    heard: Heard
    lists: StepLists


class AdapterDev:
    """Dev as the frozen base hears it, computed once."""

    def __init__(
        self,
        model: ConformerCTC,
        examples: Sequence[Example],
        inputs: AudioCache | FeatureCache,
        maker: ListMaker,
        tokenizer: Tokenizer,
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        every = max(len(examples) // max(maker.config.dev_utterances, 1), 1)
        chosen = examples[::every]
        lists = dev_lists(chosen, maker.pool, maker.common, maker.config.dev_size)
        self._lists = lists
        self._heard = [
            _Utterance(example, heard, _as_step(example, lists[str(number)], maker))
            for number, (example, heard) in enumerate(zip(chosen, _hear(model, chosen, inputs), strict=True))
        ]

    @torch.inference_mode()
    def score(self, adapter: ContextualAdapter | None) -> AdapterScores:
        """Scores of an adapter, or those of the base alone."""
        with_lists, absent = {}, {}
        on_phrase, on_nothing = [torch.zeros(0)], [torch.zeros(0)]
        for number, one in enumerate(self._heard):
            heard, said = one.heard, one.heard.log_probs[0]
            if adapter is None:
                with_lists[str(number)] = absent[str(number)] = self._text(said)
                continue
            questions, phrases = adapter.questions(heard), adapter.encode(one.lists.phrases)
            given = adapter(questions, phrases)
            with_lists[str(number)] = self._text(self._model.head(heard.states[-1] + given.bias)[0])
            others = torch.ones(1, phrases.count, dtype=torch.bool)
            others[0, [place for _, place in one.lists.spoken[0]]] = False
            none = adapter(questions, phrases, others)
            absent[str(number)] = self._text(self._model.head(heard.states[-1] + none.bias)[0])
            tokens = one.example.tokens
            wanted = make_targets(said[None].numpy(), [len(said)], [tokens], one.lists).phrase[0]
            spoken = wanted >= 0
            on_phrase.append(given.by_phrase(phrases)[0][spoken].gather(1, wanted[spoken][:, None])[:, 0])
            on_nothing += [given.no_bias[0][wanted == NOTHING], none.no_bias[0]]
        return self._scores(with_lists, absent, (torch.cat(on_phrase), torch.cat(on_nothing)))

    def _scores(
        self, texts: Mapping[str, str], absent: Mapping[str, str], looked: tuple[Tensor, Tensor]
    ) -> AdapterScores:
        said = {str(number): one.example.text for number, one in enumerate(self._heard)}
        found = evaluate(said, dict(texts), self._lists)
        alone = evaluate(said, dict(absent), self._lists)
        shares = [float(one.mean()) if len(one) else 0.0 for one in looked]
        return AdapterScores(
            found.value("wer"), found.value("b_wer"), found.value("u_wer"), alone.value("wer"), *shares
        )

    def _text(self, log_probs: Tensor) -> str:
        return self._tokenizer.decode(collapse(log_probs.argmax(-1).tolist()))


def dev_lists(
    examples: Sequence[Example], pool: Sequence[str], common: Collection[str], size: int
) -> dict[str, BiasingList]:
    """Each utterance's rare words and `size` distractors, by its place in `examples`."""
    texts = {str(number): one.text for number, one in enumerate(examples)}
    own = {name: rare_words(text, common) for name, text in texts.items()}
    return draw_lists(texts, own, pool, size)


def _as_step(example: Example, given: BiasingList, maker: ListMaker) -> StepLists:
    places = {text: place for place, text in enumerate(given.phrases)}
    spoken = {one.text: one for one in maker.words(example) if one.text in places}
    return StepLists(
        tuple(maker.tokens(text) for text in places),
        torch.ones(1, len(places), dtype=torch.bool),
        (tuple((one, places[text]) for text, one in spoken.items()),),
    )


@torch.inference_mode()
def _hear(model: ConformerCTC, examples: Sequence[Example], inputs: AudioCache | FeatureCache) -> list[Heard]:
    """What the base hears in each, as batches of one."""
    heard = []
    for start in range(0, len(examples), AT_ONCE):
        some = examples[start : start + AT_ONCE]
        batch = collate(some, [inputs[one.audio] for one in some])
        output = model(batch.samples, batch.lengths)
        for row, frames in enumerate(output.lengths.tolist()):
            several = (*output.states, output.log_probs, output.phone_log_probs)
            *states, log_probs, phones = (x[row : row + 1, :frames].clone() for x in several)
            heard.append(Heard(states, log_probs, phones, torch.tensor([frames])))
    return heard
