"""Low-rank deltas on the linear layers of a frozen network.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", eq. 3 and section 4: a layer that
computes `W x` computes `W x + (alpha / r) B A x`, where A and B are narrow, B begins at zero, and W stays
as it is. Only A and B are trained and saved; for inference they are merged into W.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from asr.reasons import last_line

TARGETS = ("q_proj", "v_proj")
"""Query and value projections, which the paper's section 7.1 finds to be worth most."""


class LoraError(ValueError):
    """Deltas that cannot be put on a network."""


@dataclass(frozen=True)
class LoraConfig:
    """Shape and places of the deltas."""

    rank: int = 8
    """`r`: rows of A and columns of B."""
    alpha: float = 16.0
    """The deltas are scaled by `alpha / rank`."""
    targets: tuple[str, ...] = TARGETS
    """Patterns with `*` for the ends of layers' names: `v_proj`, `layers.[45].self_attn.*`."""

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not self.targets:
            raise LoraError(
                f"lora: rank {self.rank}, alpha {self.alpha:g}, targets {list(self.targets)}; needed are a "
                "rank of 1 or more, an alpha above 0 and a layer's name"
            )

    def chooses(self, name: str) -> bool:
        """Whether the layer of this dotted name gets a delta."""
        return any(fnmatchcase(f".{name}", f"*.{target}") for target in self.targets)


class LoraLinear(nn.Module):
    """A frozen linear layer with its delta."""

    def __init__(self, base: nn.Linear, config: LoraConfig) -> None:
        """A is drawn from a Gaussian of variance 1 / inputs, B is zero: nothing changes yet."""
        super().__init__()
        self.base = base
        self.scale = config.alpha / config.rank
        like = base.weight
        self.lora_a = nn.Parameter(like.new_empty(config.rank, base.in_features))
        self.lora_b = nn.Parameter(like.new_zeros(base.out_features, config.rank))
        nn.init.normal_(self.lora_a, std=base.in_features**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """`(..., inputs)` to `(..., outputs)`."""
        delta = F.linear(F.linear(x, self.lora_a), self.lora_b)
        out: Tensor = self.base(x) + self.scale * delta
        return out

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The layer alone, the delta added to its weight."""
        self.base.weight = self.base.weight + self.scale * self.lora_b @ self.lora_a
        return self.base


def freeze(network: nn.Module) -> None:
    """Make all weights constants of the network: no optimizer sees them, and no state dict holds them."""
    for module in network.modules():
        held = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
        for name, tensor in held.items():
            delattr(module, name)
            module.register_buffer(name, tensor.detach(), persistent=False)


def add_deltas(network: nn.Module, config: LoraConfig) -> None:
    """Freeze a network, and put a delta on each linear layer that the configuration chooses.

    Raises:
        LoraError: a target is no layer's name.
    """
    linear = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    for target in config.targets:
        if not any(LoraConfig(targets=(target,)).chooses(name) for name in linear):
            known = sorted({name.rpartition(".")[2] for name in linear})
            raise LoraError(f"lora: target {target!r} is no linear layer; there are {', '.join(known)}")
    freeze(network)
    for name, layer in linear.items():
        if config.chooses(name):
            _replace(network, name, LoraLinear(layer, config))


def save_deltas(network: nn.Module, file: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write the deltas alone, as `dtype`, into a safetensors file. Raises `LoraError` if there are none."""
    layers = _layers(network)
    if not layers:
        raise LoraError(f"{file}: there are no deltas to save; they were merged already or never added")
    partial = file.with_name(file.name + ".partial")
    save_file(
        {name: tensor.detach().to(dtype).contiguous() for name, tensor in _deltas(layers).items()}, partial
    )
    partial.replace(file)


@torch.no_grad()
def load_deltas(network: nn.Module, file: Path) -> None:
    """Fill the deltas of a network from a file.

    Raises:
        LoraError: the file is missing or damaged, or holds deltas of other layers or another rank.
    """
    try:
        found = load_file(file)
    except Exception as error:  # a damaged header makes safetensors and torch raise half a dozen classes
        raise LoraError(
            f"{file}: deltas that cannot be read ({last_line(error)}); restore the file"
        ) from error
    wanted = _deltas(_layers(network))
    fits = {name: tensor.shape for name, tensor in found.items()} == {n: t.shape for n, t in wanted.items()}
    if not fits or not all(tensor.isfinite().all() for tensor in found.values()):
        raise LoraError(
            f"{file}: {len(found)} deltas that do not fit the {len(wanted)} of the configuration in layers, "
            "rank or value; restore both from one model"
        )
    for name, tensor in wanted.items():
        tensor.copy_(found[name])


def merge(network: nn.Module) -> None:
    """Add every delta to the weight it stands on, in place of running beside it."""
    for name, layer in _layers(network).items():
        _replace(network, name, layer.merged())


def _layers(network: nn.Module) -> dict[str, LoraLinear]:
    return {name: module for name, module in network.named_modules() if isinstance(module, LoraLinear)}


def _deltas(layers: dict[str, LoraLinear]) -> dict[str, Tensor]:
    """A and B of all layers by name."""
    return {
        f"{name}.{own}": tensor for name, layer in layers.items() for own, tensor in layer.named_parameters()
    }


def _replace(network: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, layer)
