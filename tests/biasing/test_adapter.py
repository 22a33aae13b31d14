"""The adapter: it equals its formula, does nothing where it should, and no order or padding matters to it."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from biasing import adapter as adapter_module
from biasing.adapter import FAINTEST_PATH, AdapterConfig, AdapterError, ContextualAdapter, Heard
from biasing.adapter_parts import FAINTEST
from biasing.adapter_paths import phrase_paths

VOCAB, STATES, LAYERS, PHONES = 30, 16, 3, 7
LISTS = [[3, 4], [5], [6, 7, 8, 9], [3, 4, 5], [10, 3]]


def made(seed=0, started=False, **changes):
    """An adapter of random weights, or one as it starts."""
    torch.manual_seed(seed)
    shape = {"phones": PHONES, "dim": 12, "hidden": 6, "context": 5} | changes
    config = AdapterConfig(state_dim=STATES, layers=LAYERS, **shape)
    adapter = ContextualAdapter(config, torch.randn(VOCAB, STATES)).eval().requires_grad_(False)
    if not started:
        for weight in adapter.parameters():
            weight.copy_(torch.randn_like(weight) * 0.5)
    return adapter


def heard(batch=2, frames=11, seed=1):
    """Random states and log-probs."""
    torch.manual_seed(seed)
    states = [torch.randn(batch, frames, STATES) for _ in range(LAYERS)]
    both = ((2 * torch.randn(batch, frames, classes)).log_softmax(-1) for classes in (VOCAB, PHONES))
    return Heard(states, *both, torch.full((batch,), frames))


def some(heard, rows, frames=11):
    """Some utterances, cut off."""
    cut = [x[rows, :frames] for x in (*heard.states, heard.log_probs, heard.phones)]
    return Heard(cut[:-2], *cut[-2:], torch.full((len(cut[0]),), frames))


def look(adapter, sound, phrases, allowed=None, log_weights=None):
    """What is added to the states, and the attention by phrase."""
    encoded = adapter.encode(phrases, log_weights)
    found = adapter(adapter.questions(sound), encoded, allowed)
    return found.bias, found.by_phrase(encoded), found.no_bias


def close(one, other):
    torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


def loudest(said, frame):
    """Of each sub-word the largest value at a frame or beside it."""
    return said[max(frame - 1, 0) : frame + 2].amax(0)


def test_attention_equals_a_softmax_written_out():
    adapter, weights = made(), [0.0, -1.0, 0.5, 0.0, 2.0]
    sound = heard(1)
    bias, by_phrase, no_bias = look(adapter, sound, LISTS, log_weights=weights)
    encoded = adapter.encode(LISTS)
    questions = adapter.questions(sound).asked[0]
    sounding = questions @ adapter.encoder.direct(adapter.embedding).T / math.sqrt(12)
    said = (sound.log_probs[0] + sounding).log_softmax(-1).clamp(min=FAINTEST)
    scores = (said - said.amax(1, keepdim=True)).numpy()
    by_piece, whole, due = adapter.evidence.tolist()
    rows = [(n, token) for n, one in enumerate(LISTS) for token in (*one, 0)]
    tokens, lengths = np.concatenate(LISTS), np.array([len(one) for one in LISTS])
    paths = phrase_paths(scores, tokens, lengths, FAINTEST_PATH)
    for frame, question in enumerate(questions):
        logits = []
        for key, path, (n, token) in zip(encoded.keys, paths[frame], rows, strict=True):
            evidence = (by_piece / len(LISTS[n]) + whole) * path + due * float(loudest(said, frame)[token])
            logits.append(float(question @ key) / math.sqrt(12) + weights[n] + evidence)
        nothing = math.exp(float(adapter.no_bias_key(question)))
        total = nothing + sum(map(math.exp, logits))
        shares = [math.exp(one) / total for one in logits]
        mixed = sum(share * value for share, value in zip(shares, encoded.values, strict=True))
        close(bias[0, frame], adapter.encoder.out(mixed))
        close(no_bias[0, frame], torch.tensor(nothing / total))
        for n, share in enumerate(by_phrase[0, frame].tolist()):
            own = sum(one for one, (owner, _) in zip(shares, rows, strict=True) if owner == n)
            assert share == pytest.approx(own, abs=2e-5)


def test_it_starts_as_one_that_changes_nothing():
    bias, _, _ = look(made(started=True), heard(), LISTS)
    assert bool((bias == 0).all())


@pytest.mark.parametrize("phrases", [[], LISTS])
def test_an_empty_list_and_one_of_which_nothing_is_allowed_add_exactly_nothing(phrases):
    sound, nothing = heard(), torch.zeros(2, len(phrases), dtype=torch.bool)
    bias, _, no_bias = look(made(), sound, phrases, nothing)
    assert bool((bias == 0).all())
    assert torch.equal(sound.states[-1] + bias, sound.states[-1])
    assert bool((no_bias == 1).all())


def test_the_order_of_the_list_does_not_matter():
    adapter, order = made(), [3, 0, 4, 2, 1]
    bias, by_phrase, no_bias = look(adapter, heard(), LISTS)
    shuffled = look(adapter, heard(), [LISTS[n] for n in order])
    close(shuffled[0], bias)
    close(shuffled[1], by_phrase[..., order])
    close(shuffled[2], no_bias)


def test_padding_a_batch_changes_nothing():
    adapter, sound = made(), heard(2, 11)
    both = look(adapter, replace(sound, lengths=torch.tensor([11, 7])), LISTS)
    alone = look(adapter, some(sound, [1], 7), LISTS)
    for padded, plain in zip(both, alone, strict=True):
        close(padded[1:, :7], plain)


def test_padding_a_list_changes_nothing():
    adapter, sound = made(), heard(2)
    bias, by_phrase, _ = look(adapter, sound, LISTS)
    known = torch.tensor([[True] * len(LISTS) + [False] * 2] * 2)
    longer = look(adapter, sound, [*LISTS, [1, 2, 3, 4, 5, 6, 7, 8], [2]], known)
    close(longer[0], bias)
    close(longer[1][..., : len(LISTS)], by_phrase)
    assert bool((longer[1][..., len(LISTS) :] == 0).all())


def test_every_utterance_of_a_batch_may_have_a_list_of_its_own():
    adapter, sound, lists = made(), heard(3), [[0, 2], [], [1, 3, 4]]
    allowed = torch.zeros(3, len(LISTS), dtype=torch.bool)
    for row, own in enumerate(lists):
        allowed[row, own] = True
    together = look(adapter, sound, LISTS, allowed)[0]
    for row, own in enumerate(lists):
        alone = look(adapter, some(sound, [row]), [LISTS[n] for n in own])[0]
        close(together[row : row + 1], alone)


@pytest.mark.parametrize("at_once", [1, 3, 512])
def test_the_nearest_phrases_are_those_of_the_largest_logits(at_once, monkeypatch):
    monkeypatch.setattr(adapter_module, "PHRASES_AT_ONCE", at_once)
    adapter = made()
    questions, encoded = adapter.questions(heard(1)), adapter.encode(LISTS)
    found = adapter(questions, encoded)
    nothing = adapter.no_bias_key(questions.asked) - found.log_attention[..., :1]
    logits = (found.log_attention[..., 1:] + nothing)[0]
    best = [float(logits[:, encoded.place == n].max()) for n in range(len(LISTS))]
    for count in (1, 3, 5, 9):
        wanted = sorted(sorted(range(len(LISTS)), key=lambda n: -best[n])[:count])
        places = adapter.nearest(questions, encoded, count)
        assert places.tolist() == wanted
        few, alone = adapter(questions, encoded.only(places)), adapter.encode([LISTS[n] for n in wanted])
        close(few.bias, adapter(questions, alone).bias)
        assert few.by_phrase(encoded.only(places)).shape == found.by_phrase(encoded).shape


def test_a_phrase_that_is_heard_is_looked_at_from_the_start():
    adapter, frames = made(started=True), 3 * VOCAB
    rng = random.Random(4)
    phrases = [rng.sample(range(1, VOCAB), 3) for _ in range(40)]
    sound, right, nothing = heard(1, frames), 0, []
    for phrase in phrases:
        likely = torch.full((frames, VOCAB), -9.0)
        likely[:, 0] = 0.0
        likely[[10, 12, 14], phrase] = 5.0
        _, by_phrase, no_bias = look(adapter, replace(sound, log_probs=likely.log_softmax(-1)[None]), phrases)
        right += sum(phrases[int(by_phrase[0, frame].argmax())] == phrase for frame in (10, 12, 14))
        nothing.append(float(no_bias[0, 40:].mean()))
    assert right / (3 * len(phrases)) > 0.9
    assert np.mean(nothing) > 0.7


def test_what_is_left_out_of_the_question_has_no_say():
    sound = heard()
    louder = replace(sound, states=[*sound.states[:-1], sound.states[-1] + torch.randn(STATES)])
    muffled = replace(sound, phones=sound.phones.roll(1, -1))
    earlier = replace(sound, states=[sound.states[0] + torch.randn(STATES), *sound.states[1:]])
    for changes, other in (
        ({"last": False}, louder),
        ({"intermediate": False}, earlier),
        ({"phones": 0}, muffled),
    ):
        asked = [made(**changes).questions(one).asked for one in (sound, other)]
        assert torch.equal(*asked)
        asked = [made().questions(one).asked for one in (sound, other)]
        assert not torch.equal(*asked)


@pytest.mark.parametrize("phrases", [[[]], [[1], []], [[0]], [[VOCAB]], [[-1]]])
def test_phrases_that_no_head_can_emit_are_refused(phrases):
    with pytest.raises(AdapterError, match=f"tokens 1 to {VOCAB - 1}"):
        made().encode(phrases)


@pytest.mark.parametrize(
    "wrong",
    [{"context": 4}, {"dim": 0}, {"layers": 1, "last": False}, {"intermediate": False, "last": False}],
)
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
