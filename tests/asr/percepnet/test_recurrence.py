"""The GRU that training uses: the same function as torch's, and the same gradients."""

import pytest
import torch
from torch import nn

from asr.percepnet.recurrence import recur


@pytest.mark.parametrize(
    ("inputs", "units", "batch", "steps"), [(5, 7, 1, 1), (20, 16, 3, 40), (4, 32, 2, 9)]
)
def test_equals_torch_forwards_and_backwards(inputs, units, batch, steps):
    torch.manual_seed(units)
    gru = nn.GRU(inputs, units, batch_first=True)
    heard = torch.randn(batch, steps, inputs, requires_grad=True)
    wanted = torch.randn(batch, steps, units)
    found = []
    for outputs in (lambda: gru(heard)[0], lambda: recur(gru, heard)):
        gru.zero_grad()
        heard.grad = None
        hidden = outputs()
        (hidden * wanted).sum().backward()
        gradients = [heard.grad, *(parameter.grad for parameter in gru.parameters())]
        found.append([hidden.detach(), *(gradient.clone() for gradient in gradients)])
    for reference, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-3, atol=1e-4)


def test_half_precision_stays_near():
    torch.manual_seed(0)
    gru, heard = nn.GRU(20, 16, batch_first=True), torch.randn(3, 40, 20)
    with torch.autocast("cpu", torch.bfloat16):
        near = recur(gru, heard)
    near.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in gru.parameters())
    torch.testing.assert_close(near, gru(heard)[0], rtol=0, atol=0.02)
