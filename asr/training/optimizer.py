"""Optimizers and the learning-rate schedule."""

from __future__ import annotations

import logging

import torch
from torch import nn

from asr.lora import LoraLinear
from asr.training.config import OptimizerConfig

log = logging.getLogger(__name__)


def learning_rate(config: OptimizerConfig, step: int, peak: float | None = None) -> float:
    """Rate at a step: linear rise, plateau, linear fall to zero over the last `decay_share` of the steps.

    `peak` stands in for the configuration's own, for weights that have another.
    """
    rise = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    decay_steps = max(config.decay_share * config.total_steps, 1.0)
    fall = min(1.0, max(0.0, (config.total_steps - step) / decay_steps))
    return (config.learning_rate if peak is None else peak) * min(rise, fall)


class Optimizer:
    """AdamW, or Muon (Jordan et al. 2024) for hidden matrices with AdamW for everything else.

    Low-rank deltas on a pretrained encoder go with AdamW, at a peak rate of their own.
    """

    def __init__(self, model: nn.Module, config: OptimizerConfig, delta_rate: float = 0.0) -> None:
        self.config, self._delta_rate = config, delta_rate
        matrices, others, deltas = _split(model)
        self._optimizers: list[torch.optim.Optimizer] = []
        if config.name == "muon":
            self._optimizers.append(
                torch.optim.Muon(
                    matrices, lr=0.0, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
                )
            )
            matrices = []
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
            {"params": deltas, "weight_decay": 0.0, "peak": delta_rate},
        ]
        groups = [group for group in groups if group["params"]]
        self._optimizers.append(torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True))

    def step(self, number: int) -> None:
        """Move the weights by the clipped gradients, at the rate of step `number` (from 0), and clear these.

        Gradients that are not finite move nothing.
        """
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        weights = [weight for group in groups for weight in group["params"]]
        finite = bool(torch.isfinite(torch.nn.utils.clip_grad_norm_(weights, self.config.clip_norm)))
        if not finite:
            log.warning("step %d: gradient is not finite; step left out", number)
        for group in groups:
            group["lr"] = learning_rate(self.config, number, group.get("peak"))
        for optimizer in self._optimizers:
            if finite:
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, object]]:
        """States of all optimizers inside."""
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        """The inverse of `state_dict`; rates are those of this configuration, also of deltas."""
        for optimizer, state in zip(self._optimizers, states, strict=True):
            optimizer.load_state_dict(state)
            for group in optimizer.param_groups:
                if "peak" in group:
                    group["peak"] = self._delta_rate


def _split(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Hidden matrices; the rest: vectors, convolutions, heads; and deltas on a pretrained encoder."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    deltas = [own for part in model.modules() if isinstance(part, LoraLinear) for own in part.parameters()]
    adapted = {id(parameter) for parameter in deltas}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in adapted:
            hidden = parameter.ndim == 2 and not any(
                part in name for part in ("head", "conditioner", "embedding")
            )
            (matrices if hidden else others).append(parameter)
    return matrices, others, deltas
