"""Low-rank deltas: nothing at first, the base never moves, merged they say the same."""

import dataclasses
import itertools

import pytest
import torch
from torch import nn

from asr.lora import LoraConfig, LoraError, LoraLinear, add_deltas, freeze, load_deltas, merge, save_deltas


class Block(nn.Module):
    """A small network with layers of several names."""

    def __init__(self):
        super().__init__()
        self.q_proj, self.v_proj = nn.Linear(6, 6), nn.Linear(6, 6, bias=False)
        self.norm, self.fc1 = nn.LayerNorm(6), nn.Linear(6, 10)

    def forward(self, x):
        return self.fc1(self.norm(self.q_proj(x).tanh() * self.v_proj(x)))


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(Block(), nn.Linear(10, 6), Block())


def adapted(config=None, seed=0):
    changed = network(seed)
    torch.manual_seed(seed + 1)
    add_deltas(changed, config or LoraConfig(rank=3))
    return changed


def trained(config=None, seed=0):
    """With deltas that a few steps have moved."""
    changed = adapted(config, seed)
    optimizer = torch.optim.Adam(changed.parameters(), lr=0.1)
    for _ in range(3):
        changed(torch.randn(8, 6)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return changed


def chosen(changed):
    return [name for name, part in changed.named_modules() if isinstance(part, LoraLinear)]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_at_first_nothing_changes_bit_for_bit(precision):
    x = torch.randn(5, 6)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16), torch.no_grad():
        assert torch.equal(adapted()(x), network()(x))


def test_training_moves_the_deltas_and_leaves_the_base_bit_for_bit():
    before, after = dict(network().named_parameters()), trained()
    kept = {name.replace(".base", ""): tensor for name, tensor in after.named_buffers()}
    assert kept.keys() == before.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in before.items())
    moved = dict(after.named_parameters())
    assert {name.rpartition(".")[2] for name in moved} == {"lora_a", "lora_b"}
    assert all(tensor.any() for tensor in moved.values())
    assert after.state_dict().keys() == moved.keys()
    x = torch.randn(5, 6)
    assert not torch.allclose(after(x), network()(x))


def test_a_delta_is_what_the_paper_says():
    layer = LoraLinear(nn.Linear(6, 4), LoraConfig(rank=2, alpha=5.0))
    nn.init.normal_(layer.lora_b)
    x = torch.randn(7, 6)
    wanted = x @ (layer.base.weight + 5.0 / 2 * layer.lora_b @ layer.lora_a).T + layer.base.bias
    torch.testing.assert_close(layer(x), wanted)


def test_merged_the_network_says_the_same_and_has_no_deltas():
    x, changed = torch.randn(20, 6), trained()
    with torch.no_grad():
        wanted = changed(x)
        merge(changed)
        torch.testing.assert_close(changed(x), wanted)
    assert not chosen(changed)
    assert not list(changed.parameters())
    merge(changed)  # once more is nothing more
    assert torch.equal(changed(x), changed(x))


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        (("q_proj", "v_proj"), ["0.q_proj", "0.v_proj", "2.q_proj", "2.v_proj"]),
        (("fc1",), ["0.fc1", "2.fc1"]),
        (("2.*",), ["2.q_proj", "2.v_proj", "2.fc1"]),
        (("[01].v_proj", "1"), ["0.v_proj", "1"]),
    ],
)
def test_targets_name_the_ends_of_names(targets, wanted):
    assert chosen(adapted(LoraConfig(targets=targets))) == wanted


def test_a_target_that_is_no_layer_is_refused():
    with pytest.raises(LoraError, match=r"'q_pro' is no linear layer; there are 1, fc1, q_proj, v_proj"):
        add_deltas(network(), LoraConfig(targets=("v_proj", "q_pro")))


@pytest.mark.parametrize("change", [{"rank": 0}, {"alpha": 0.0}, {"alpha": float("nan")}, {"targets": ()}])
def test_a_shape_that_no_delta_has_is_refused(change):
    with pytest.raises(LoraError, match="rank of 1 or more"):
        dataclasses.replace(LoraConfig(), **change)


def test_the_deltas_alone_come_back_from_a_file(tmp_path):
    first, x = trained(), torch.randn(9, 6)
    save_deltas(first, tmp_path / "deltas")
    bytes_of_deltas = sum(4 * tensor.numel() for tensor in first.parameters())
    assert (tmp_path / "deltas").stat().st_size < bytes_of_deltas + 2000
    again = adapted()
    load_deltas(again, tmp_path / "deltas")
    assert torch.equal(again(x), first(x))
    save_deltas(first, tmp_path / "half", torch.float16)
    load_deltas(again, tmp_path / "half")
    torch.testing.assert_close(again(x), first(x), atol=2e-2, rtol=2e-2)


def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    save_deltas(trained(), tmp_path / "deltas")
    for config in (LoraConfig(rank=2), LoraConfig(rank=3, targets=("q_proj",))):
        other = adapted(config)
        with pytest.raises(LoraError, match="do not fit"):
            load_deltas(other, tmp_path / "deltas")
        assert not any(tensor.any() for name, tensor in other.named_parameters() if "lora_b" in name)
    broken = trained()
    next(broken.parameters()).data[0, 0] = float("inf")
    save_deltas(broken, tmp_path / "broken")
    (tmp_path / "cut").write_bytes((tmp_path / "deltas").read_bytes()[:50])
    for name, told in (("broken", "do not fit"), ("cut", "cannot be read"), ("none", "cannot be read")):
        with pytest.raises(LoraError, match=told) as error:
            load_deltas(adapted(), tmp_path / name)
        assert "\n" not in str(error.value)


def test_there_must_be_deltas_to_save(tmp_path):
    merged = trained()
    merge(merged)
    with pytest.raises(LoraError, match="merged already"):
        save_deltas(merged, tmp_path / "deltas")
    assert not list(tmp_path.iterdir())


def test_a_frozen_network_has_no_weights_to_move_or_save():
    frozen, x = network(), torch.randn(3, 6)
    wanted = frozen(x)
    freeze(frozen)
    assert not list(itertools.chain(frozen.parameters(), frozen.state_dict()))
    assert torch.equal(frozen(x), wanted)
    assert not frozen(x).requires_grad
