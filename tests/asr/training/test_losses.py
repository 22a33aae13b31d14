"""Losses and rates: equal to what is worked out by hand."""

import copy
import itertools
import math

import pytest
import torch

from asr.model import ModelOutput
from asr.training.config import LossConfig, OptimizerConfig
from asr.training.data import Batch
from asr.training.evaluate import collapse
from asr.training.losses import ctc, training_loss
from asr.training.optimizer import Optimizer, learning_rate


def random_log_probs(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)


def by_hand(log_probs, target):
    """Minus the log of the summed probability of all paths that spell the target."""
    frames, classes = log_probs.shape
    total = sum(
        math.exp(sum(float(log_probs[t, c]) for t, c in enumerate(path)))
        for path in itertools.product(range(classes), repeat=frames)
        if collapse(path) == list(target)
    )
    return -math.log(total)


def test_ctc_sums_over_all_paths():
    log_probs = random_log_probs(3, 5, 3)
    lengths, targets = torch.tensor([5, 4, 3]), [(1, 2), (2, 2), (1,)]
    expected = sum(by_hand(log_probs[i, : lengths[i]], targets[i]) for i in range(3))
    assert float(ctc(log_probs, lengths, targets)) == pytest.approx(expected, rel=1e-5)


def test_unknown_and_impossible_targets_add_nothing():
    log_probs = random_log_probs(3, 4, 3).requires_grad_()
    lengths = torch.tensor([4, 4, 2])
    alone = ctc(log_probs[:1], lengths[:1], [(1, 2)])
    together = ctc(log_probs, lengths, [(1, 2), None, (1, 1, 1)])
    torch.testing.assert_close(together, alone)
    together.backward()
    assert log_probs.grad.isfinite().all()
    assert not log_probs.grad[1:].any()
    nothing = ctc(log_probs, lengths, [None, None, None])
    assert float(nothing.detach()) == 0.0
    nothing.backward()


def test_nothing_said_is_blanks_alone():
    log_probs = random_log_probs(2, 5, 3)
    lengths = torch.tensor([5, 3])
    expected = -log_probs[0, :, 0].sum() - log_probs[1, :3, 0].sum()
    torch.testing.assert_close(ctc(log_probs, lengths, [(), ()]), expected)


def test_the_total_is_the_weighted_sum():
    lengths = torch.tensor([6, 5])
    tokens, phones = ((1, 2), (3,)), ((4,), None)
    final, middle, deep = (random_log_probs(2, 6, 5, seed=i) for i in range(3))
    phone = random_log_probs(2, 6, 7, seed=9)
    batch = Batch(torch.zeros(2, 1), lengths, tokens, phones, ("", ""))
    losses = training_loss(
        ModelOutput(final, lengths, (middle, deep), phone, ()), batch, LossConfig(intermediate=0.4, phone=0.7)
    )
    parts = [float(ctc(one, lengths, tokens)) for one in (final, middle, deep)]
    phones_alone = by_hand(phone[0], (4,))
    assert float(losses.phone) == pytest.approx(phones_alone, rel=1e-5)
    expected = 0.6 * parts[0] + 0.4 * (parts[1] + parts[2]) / 2 + 0.7 * phones_alone
    assert float(losses.total) == pytest.approx(expected, rel=1e-5)
    bare = training_loss(ModelOutput(final, lengths, (), phone, ()), batch, LossConfig(phone=0.0))
    assert float(bare.total) == pytest.approx(parts[0], rel=1e-6)


def test_the_rate_rises_stays_and_falls_to_zero():
    config = OptimizerConfig(learning_rate=2.0, warmup_steps=10, total_steps=100, decay_share=0.4)
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[30] == rates[60] == 2.0
    assert rates[80] == pytest.approx(1.0)
    assert rates[100] == 0.0
    assert all(a <= b for a, b in itertools.pairwise(rates[:61]))
    assert all(a > b for a, b in itertools.pairwise(rates[60:]))
    assert learning_rate(OptimizerConfig(warmup_steps=0, decay_share=0.0, total_steps=5), 4) == 1.5e-3


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_optimizers_lower_a_loss_and_remember(name):
    def fresh():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
        return model, Optimizer(
            model, OptimizerConfig(name=name, learning_rate=0.02, warmup_steps=1, total_steps=99)
        )

    def steps(model, optimizer, first, last):
        losses = []
        for number in range(first, last):
            loss = ((model(inputs) - inputs[:, :2]) ** 2).mean()
            loss.backward()
            optimizer.step(number)
            losses.append(loss.item())
        return losses

    inputs = torch.randn(20, 6, generator=torch.Generator().manual_seed(5))
    model, optimizer = fresh()
    losses = steps(model, optimizer, 0, 30)
    assert losses[-1] < 0.5 * losses[0]
    state, weights = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model.state_dict())
    expected = steps(model, optimizer, 30, 35)
    other, resumed = fresh()
    other.load_state_dict(weights)
    resumed.load_state_dict(state)
    assert steps(other, resumed, 30, 35) == expected


@pytest.mark.parametrize(
    ("path", "tokens"),
    [((0, 1, 1, 0, 1), [1, 1]), ((2, 2, 3, 3, 2), [2, 3, 2]), ((0, 0), []), ((), []), ((5,), [5])],
)
def test_greedy_paths_collapse(path, tokens):
    assert collapse(path) == tokens
