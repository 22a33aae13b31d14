"""The adapter: it equals its formula, does nothing where it should, and no order or padding matters to it."""

import math

import pytest
import torch

from biasing import adapter as adapter_module
from biasing.adapter import AdapterConfig, AdapterError, ContextualAdapter

VOCAB, STATES, LAYERS = 30, 16, 3
LISTS = [[3, 4], [5], [6, 7, 8, 9], [3, 4, 5], [10, 3]]


def made(seed=0, started=False, **changes):
    """An adapter of random weights, or one as it starts."""
    torch.manual_seed(seed)
    config = AdapterConfig(state_dim=STATES, layers=LAYERS, dim=12, hidden=6, context=5, **changes)
    adapter = ContextualAdapter(config, torch.randn(VOCAB, STATES)).eval().requires_grad_(False)
    if not started:
        for weight in adapter.parameters():
            weight.copy_(torch.randn_like(weight) * 0.5)
    return adapter


def heard(batch=2, frames=11, seed=1):
    """States of all layers."""
    torch.manual_seed(seed)
    return [torch.randn(batch, frames, STATES) for _ in range(LAYERS)]


def look(adapter, states, phrases, lengths=None, allowed=None, log_weights=None):
    """What is added to the states, and the attention by phrase."""
    lengths = torch.full((len(states[0]),), states[0].shape[1]) if lengths is None else lengths
    encoded = adapter.encode(phrases, log_weights)
    found = adapter(adapter.questions(states, lengths), encoded, allowed)
    return found.bias, found.by_phrase(encoded), found.no_bias


def close(one, other):
    torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("positions", [True, False])
def test_attention_equals_a_softmax_written_out(positions):
    adapter, weights = made(positions=positions), [0.0, -1.0, 0.5, 0.0, 2.0]
    states = heard(1)
    bias, by_phrase, no_bias = look(adapter, states, LISTS, log_weights=weights)
    questions = adapter.questions(states, torch.tensor([11]))[0]
    encoded = adapter.encode(LISTS)
    for frame, question in enumerate(questions):
        scores = [float(question @ key) / math.sqrt(12) for key in encoded.keys]
        scores = [score + weights[owner] for score, owner in zip(scores, encoded.owner.tolist(), strict=True)]
        nothing = math.exp(float(adapter.no_bias_key(question)))
        total = nothing + sum(map(math.exp, scores))
        added = sum(math.exp(s) / total * v for s, v in zip(scores, encoded.values, strict=True))
        close(bias[0, frame], added)
        close(no_bias[0, frame], torch.tensor(nothing / total))
    close(by_phrase.sum(-1) + no_bias, torch.ones(1, 11))
    assert len(encoded.owner) == (sum(map(len, LISTS)) if positions else len(LISTS))


def test_it_starts_as_one_that_changes_nothing():
    bias, _, _ = look(made(started=True), heard(), LISTS)
    assert bool((bias == 0).all())


@pytest.mark.parametrize("phrases", [[], LISTS])
def test_an_empty_list_and_one_of_which_nothing_is_allowed_add_exactly_nothing(phrases):
    states = heard()
    bias, _, no_bias = look(made(), states, phrases, allowed=torch.zeros(2, len(phrases), dtype=torch.bool))
    assert bool((bias == 0).all())
    assert torch.equal(states[-1] + bias, states[-1])
    assert bool((no_bias == 1).all())


@pytest.mark.parametrize("positions", [True, False])
def test_the_order_of_the_list_does_not_matter(positions):
    adapter, order = made(positions=positions), [3, 0, 4, 2, 1]
    bias, by_phrase, no_bias = look(adapter, heard(), LISTS)
    shuffled = look(adapter, heard(), [LISTS[n] for n in order])
    close(shuffled[0], bias)
    close(shuffled[1], by_phrase[..., order])
    close(shuffled[2], no_bias)


def test_padding_a_batch_changes_nothing():
    adapter, states = made(), heard(2, 11)
    both = look(adapter, states, LISTS, torch.tensor([11, 7]))
    alone = look(adapter, [x[1:, :7] for x in states], LISTS, torch.tensor([7]))
    for padded, plain in zip(both, alone, strict=True):
        close(padded[1:, :7], plain)


def test_padding_a_list_changes_nothing():
    adapter, states = made(), heard(2)
    bias, by_phrase, _ = look(adapter, states, LISTS)
    known = torch.tensor([[True] * len(LISTS) + [False] * 2] * 2)
    longer = look(adapter, states, [*LISTS, [1, 2, 3, 4, 5, 6, 7, 8], [2]], allowed=known)
    close(longer[0], bias)
    close(longer[1][..., : len(LISTS)], by_phrase)
    assert bool((longer[1][..., len(LISTS) :] == 0).all())


def test_every_utterance_of_a_batch_may_have_a_list_of_its_own():
    adapter, states, lists = made(), heard(3), [[0, 2], [], [1, 3, 4]]
    allowed = torch.zeros(3, len(LISTS), dtype=torch.bool)
    for row, own in enumerate(lists):
        allowed[row, own] = True
    together = look(adapter, states, LISTS, allowed=allowed)[0]
    for row, own in enumerate(lists):
        alone = look(adapter, [x[row : row + 1] for x in states], [LISTS[n] for n in own])[0]
        close(together[row : row + 1], alone)


@pytest.mark.parametrize("at_once", [1, 3, 4096])
def test_the_nearest_phrases_are_those_of_the_largest_logits(at_once, monkeypatch):
    monkeypatch.setattr(adapter_module, "POSITIONS_AT_ONCE", at_once)
    adapter = made()
    questions, encoded = adapter.questions(heard(1), torch.tensor([11]))[0], adapter.encode(LISTS)
    logits = questions @ encoded.keys.T
    best = [float(logits[:, encoded.owner == n].max()) for n in range(len(LISTS))]
    for count in (1, 3, 5, 9):
        wanted = sorted(sorted(range(len(LISTS)), key=lambda n: -best[n])[:count])
        found = adapter.nearest(questions, encoded, count)
        assert found.tolist() == wanted
        kept = encoded.only(found)
        assert sorted(set(kept.owner.tolist())) == wanted
        assert kept.count == encoded.count


def test_a_frame_that_emits_a_sub_word_looks_for_it_from_the_start():
    adapter = made(started=True)
    states = [torch.zeros(1, VOCAB - 1, STATES) for _ in range(LAYERS - 1)]
    last = adapter.embedding[None, 1:].clone()
    phrases = [[token] for token in range(1, VOCAB)]
    _, by_phrase, _ = look(adapter, [*states, last], phrases)
    assert (by_phrase[0].argmax(-1) == torch.arange(VOCAB - 1)).float().mean() > 0.5


def test_the_last_layer_may_be_left_out_of_the_question():
    adapter, states = made(last=False), heard()
    other = [*states[:-1], states[-1] + 1.0]
    lengths = torch.tensor([11, 11])
    assert torch.equal(adapter.questions(states, lengths), adapter.questions(other, lengths))


@pytest.mark.parametrize("phrases", [[[]], [[1], []], [[0]], [[VOCAB]], [[-1]]])
def test_phrases_that_no_head_can_emit_are_refused(phrases):
    with pytest.raises(AdapterError, match=f"tokens 1 to {VOCAB - 1}"):
        made().encode(phrases)


@pytest.mark.parametrize("wrong", [{"context": 4}, {"dim": 0}, {"layers": 1, "last": False}])
def test_impossible_shapes_are_refused(wrong):
    with pytest.raises(AdapterError):
        AdapterConfig(**wrong)


def test_a_head_of_another_width_is_refused():
    with pytest.raises(AdapterError, match="256"):
        ContextualAdapter(AdapterConfig(), torch.randn(VOCAB, STATES))


def test_it_is_small():
    size = sum(
        weight.numel() for weight in ContextualAdapter(AdapterConfig(), torch.randn(256, 256)).parameters()
    )
    assert 0.01 < size / 6_866_000 < 0.031
