"""The attention decoder beside CTC."""

from __future__ import annotations

import torch

from asr.training.attention import AttentionDecoder


def decoder() -> AttentionDecoder:
    torch.manual_seed(0)
    return AttentionDecoder(dim=16, vocab_size=9, layers=1, heads=2).eval()


def test_loss_of_a_batch_is_the_sum_of_its_utterances_whatever_the_padding():
    states, lengths = torch.randn(3, 7, 16), torch.tensor([7, 4, 5])
    targets = ((1, 2, 3, 4), (5,), ())
    alone = sum(
        decoder()(states[i : i + 1, : lengths[i]], lengths[i : i + 1], (targets[i],)) for i in range(3)
    )
    torch.testing.assert_close(decoder()(states, lengths, targets), alone)


def test_a_token_is_not_seen_before_it_is_predicted():
    """Changing the last token changes what is predicted after it, and nothing earlier."""
    model, states, lengths = decoder(), torch.randn(1, 5, 16), torch.tensor([5])
    first, second = (model.logits(states, lengths, torch.tensor([row])) for row in ([0, 3, 4], [0, 3, 8]))
    torch.testing.assert_close(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 2], second[:, 2])


def test_training_lowers_the_loss():
    torch.manual_seed(1)
    model = AttentionDecoder(dim=16, vocab_size=9, layers=1, heads=2)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    states, lengths, targets = torch.randn(2, 6, 16), torch.tensor([6, 6]), ((1, 2, 3), (4, 5, 6))
    losses = []
    for _ in range(30):
        loss = model(states, lengths, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
