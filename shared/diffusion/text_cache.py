"""Embeddings of prompts, kept for the next run with the same words."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils._pytree import tree_flatten, tree_map

KEPT_PROMPTS = 32
KEPT_BYTES = 512 * 2**20
_MEMORY = "_prompt_memory"


def remember_prompts(pipe: Any) -> None:
    """Let `pipe.encode_prompt` keep its last answers on the CPU: asked the same again, the text encoder is left alone.

    Everything that is asked counts, but for the device. While a text encoder has a LoRA, nothing is kept or reused.
    """
    if not callable(getattr(pipe, "encode_prompt", None)) or _MEMORY in vars(pipe):
        return
    memory = _PromptMemory(pipe, pipe.encode_prompt)
    object.__setattr__(pipe, _MEMORY, memory)

    @functools.wraps(pipe.encode_prompt)
    def ask(*args: Any, **options: Any) -> Any:
        return memory.ask(*args, **options)

    object.__setattr__(pipe, "encode_prompt", ask)


def forget_prompts(pipe: Any) -> None:
    """Drop what is kept: the text encoder or the tokenizer is about to become another one."""
    memory = vars(pipe).get(_MEMORY)
    if memory is not None:
        memory.kept.clear()


class _PromptMemory:
    def __init__(self, pipe: Any, encode: Callable[..., Any]) -> None:
        self._pipe, self._encode = pipe, encode
        self._signature = inspect.signature(encode)
        self.kept: OrderedDict[str, Any] = OrderedDict()

    def ask(self, *args: Any, **options: Any) -> Any:
        """What the pipeline's own `encode_prompt` answers."""
        asked = self._signature.bind(*args, **options)
        asked.apply_defaults()
        key = None if self._has_lora() else _key(asked.arguments)
        if key is None:
            return self._encode(*args, **options)
        device = asked.arguments.get("device") or self._pipe._execution_device
        if key in self.kept:
            self.kept.move_to_end(key)
            return tree_map(lambda leaf: _copy(leaf, device), self.kept[key])
        answer = self._encode(*args, **options)
        self.kept[key] = tree_map(lambda leaf: _copy(leaf, "cpu"), answer)
        while len(self.kept) > KEPT_PROMPTS or sum(map(_size, self.kept.values())) > KEPT_BYTES:
            self.kept.popitem(last=False)
        return answer

    def _has_lora(self) -> bool:
        encoders = [part for name, part in self._pipe.components.items() if name.startswith("text_encoder")]
        return any(isinstance(part, nn.Module) and getattr(part, "peft_config", None) for part in encoders)


def _copy(leaf: Any, device: Any) -> Any:
    return leaf.detach().to(device, copy=True) if isinstance(leaf, torch.Tensor) else leaf


def _size(answer: Any) -> int:
    return sum(leaf.nbytes for leaf in tree_flatten(answer)[0] if isinstance(leaf, torch.Tensor))


def _key(arguments: Mapping[str, Any]) -> str | None:
    """What was asked as one text; None when that cannot be told."""
    try:
        words = [f"{name}={_words(value)}" for name, value in arguments.items() if name != "device"]
    except TypeError:
        return None
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def _words(value: Any) -> str:
    if value is None or isinstance(value, (str, int, float, bool, torch.dtype)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_words, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key!r}:{_words(item)}' for key, item in value.items())}}}"
    if isinstance(value, Image.Image):
        return f"{value.mode}{value.size}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().float().numpy()
    if isinstance(value, np.ndarray):
        return f"{value.shape}{value.dtype}{hashlib.sha256(value.tobytes()).hexdigest()}"
    raise TypeError(f"{type(value).__name__} has no words")
