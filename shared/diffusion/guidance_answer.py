"""What a network has answered, with a part of it to be replaced in the very tensors that the pipeline is given."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten


class Answer:
    """`values` is a copy of the tensor `number` of an answer (or its list of tensors, one a sample, stacked).

    Of a tensor (B, tokens, C) with more tokens than are meant, `part` are those.
    """

    def __init__(self, answer: Any, number: int = 0, part: slice = slice(None)) -> None:
        leaves, self._layout = tree_flatten(answer)
        self._leaves = leaves
        self._is_list = isinstance(_first(answer), (list, tuple))
        self._place: torch.Tensor | None = None
        if not self._is_list:
            self._place = leaves[number] if part == slice(None) else leaves[number][:, part]
        self.values = torch.stack(leaves) if self._place is None else self._place.clone()

    def replace(self, values: torch.Tensor) -> None:
        """Write `values` into what was answered."""
        if self._place is not None:
            self._place.copy_(values)
            return
        for leaf, value in zip(self._leaves, values, strict=True):
            leaf.copy_(value)

    def whole(self) -> Any:
        """The answer as the network gives it."""
        return tree_unflatten(self._leaves, self._layout)

    def copy(self) -> Any:
        """The same in other tensors, of the first one the part that is meant."""
        copies = [leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in self._leaves]
        if self._place is not None:
            copies[0] = self._place.clone()
        return tree_unflatten(copies, self._layout)


def _first(answer: Any) -> Any:
    """The first part of a network's answer: (tensor,), {"sample": tensor}, ([tensor, ...],)."""
    if isinstance(answer, dict):
        return next(iter(answer.values()))
    return answer[0] if isinstance(answer, (tuple, list)) else answer
