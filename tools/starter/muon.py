"""Muon for many small matrices: equal shapes are stacked, so that few large products do the work.

Each matrix moves by its momentum made orthogonal with four Newton-Schulz steps (Keller Jordan, 2024). The step is
scaled to the size of an AdamW step, as in "Muon is scalable for LLM training" (arXiv 2502.16982).
"""

from collections import defaultdict

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrices: Tensor, steps: int = 4) -> Tensor:
    """Nearly orthogonal matrices (n, rows, columns) of the same singular vectors; rows <= columns."""
    a, b, c = _COEFFICIENTS
    x = matrices.bfloat16()
    x = x / (x.float().norm(dim=(-2, -1), keepdim=True) + 1e-7).bfloat16()
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.float()


class StackedMuon(torch.optim.Optimizer):
    """For 2-D parameters only; the others go to AdamW."""

    def __init__(self, params: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for param in group["params"]:
                if param.grad is not None:
                    rows, columns = param.shape
                    by_shape[(min(rows, columns), max(rows, columns))].append(param)
            for same in by_shape.values():
                self._step_stack(same, group)

    def _step_stack(self, params: list[Tensor], group: dict) -> None:
        updates = []
        for param in params:
            state = self.state[param]
            if not state:
                state["momentum"] = torch.zeros_like(param)
            state["momentum"].lerp_(param.grad, 1 - group["momentum"])
            update = param.grad.lerp(state["momentum"], group["momentum"])
            updates.append(update if update.shape[0] <= update.shape[1] else update.mT)
        directions = orthogonalize(torch.stack(updates))
        scale = 0.2 * max(directions.shape[1:]) ** 0.5
        for param, direction in zip(params, directions, strict=True):
            if param.shape[0] > param.shape[1]:
                direction = direction.mT
            param.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"] * scale)
