"""Reads a LoRA file, whatever program wrote it, into tensors by the module they belong to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from shared.core.errors import SettingsError

_PREFIXES = (
    "base_model.model.", "model.diffusion_model.", "diffusion_model.", "pipe.dit.", "pipe.unet.", "lora_unet__",
    "lora_unet_", "lora_transformer_", "lycoris_",
)  # fmt: skip

# Ending of a key -> what the tensor is. Longest endings first: `.lora_B.bias` is no `.bias`.
_ENDINGS: tuple[tuple[str, str], ...] = tuple(
    (ending, kind)
    for kind, endings in {
        "A": (".lora_A.default.weight", ".lora_A.weight", ".lora_down.weight", ".lora.down.weight",
              ".lora_linear_layer.down.weight", ".lora_A"),
        "B": (".lora_B.default.weight", ".lora_B.weight", ".lora_up.weight", ".lora.up.weight",
              ".lora_linear_layer.up.weight", ".lora_B"),
        "bias": (".lora_B.bias", ".lora_up.bias", ".diff_b"),
        "diff": (".diff",),
        "alpha": (".lora.alpha", ".alpha"),
        "dora": (".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight"),
        **{name: (f".{name}",) for name in (
            "lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
            "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
        )},
    }.items()
    for ending in endings
)  # fmt: skip

_TOLD_AS = {"dora": "DoRA", "lokr_t2": "LoKr with Tucker factors", "hada_t1": "LoHa with Tucker factors"}
_FLOATS_TO_WIDEN = tuple(
    getattr(torch, name) for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
)


@dataclass
class LoraFile:
    """The tensors of a file.

    `tensors` are those of the file by their own keys (8-bit floats widened), `layers` the same by module and kind
    (A, B, bias, diff, alpha, lokr_*, hada_*), `other` the keys that are none of these. `metadata` is what diffusers
    wrote about rank and alpha.
    """

    name: str
    tensors: dict[str, torch.Tensor]
    metadata: dict[str, Any] | None = None
    layers: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)

    def refuse(self, reason: str) -> SettingsError:
        """The error that names the file."""
        return SettingsError(f'activated_loras: "{self.name}" {reason}')


def read_lora(name: str, path: str | Path) -> LoraFile:
    """Read a file; `name` is what the user calls it.

    Raises SettingsError for a file that is missing, damaged, no safetensors, no LoRA or of a kind that is not known.
    """
    try:
        with safe_open(str(path), framework="pt", device="cpu") as stream:
            metadata = stream.metadata()
            tensors = {key: _widened(stream.get_tensor(key)) for key in stream.keys()}  # noqa: SIM118
    except FileNotFoundError as exc:
        raise SettingsError(f'activated_loras: there is no "{name}".') from exc
    except (OSError, SafetensorError) as exc:
        raise SettingsError(
            f'activated_loras: "{name}" is damaged or no safetensors file ({exc}). Fetch it again.'
        ) from exc
    file = LoraFile(name, tensors, _adapter_metadata(metadata))
    for key, tensor in tensors.items():
        module, kind = split_key(key)
        if kind:
            file.layers.setdefault(module, {})[kind] = tensor
        else:
            file.other.append(key)
    _check_kinds(file)
    return file


def split_key(key: str) -> tuple[str, str]:
    """(module, kind) of a key; the kind is "" for a key of no LoRA. The prefixes of other programs are taken off."""
    for ending, kind in _ENDINGS:
        if key.endswith(ending):
            module = key[: -len(ending)]
            for prefix in _PREFIXES:
                module = module.removeprefix(prefix)
            return re.sub(r"\.base_layer$", "", module), kind
    return key, ""


def low_rank(file: LoraFile, module: str) -> dict[str, torch.Tensor]:
    """One layer as the factors A (r, in) and B (out, r) and maybe a bias (out), with alpha in them.

    A LoHa is written as a LoRA of rank r * r, which it is exactly; a full difference as one of full rank.
    """
    parts = file.layers[module]
    found: dict[str, torch.Tensor] = {}
    if "A" in parts and "B" in parts:
        rank = parts["A"].shape[0]
        scale = float(parts["alpha"]) / rank if "alpha" in parts else 1.0
        found = {"A": parts["A"], "B": _scaled(parts["B"], scale)}
    elif "hada_w1_a" in parts:
        found = _from_hadamard(file, module, parts)
    elif "diff" in parts and parts["diff"].ndim == 2:
        identity = torch.eye(parts["diff"].shape[0], dtype=parts["diff"].dtype)
        found = {"A": parts["diff"], "B": identity}
    if "bias" in parts:
        found["bias"] = parts["bias"]
    return found


def kronecker(file: LoraFile, module: str) -> dict[str, torch.Tensor]:
    """The factors of a LoKr layer under their own names, with alpha in the first."""
    parts = {kind: tensor for kind, tensor in file.layers[module].items() if kind.startswith("lokr_")}
    decomposed = parts.get("lokr_w2_b", parts.get("lokr_w1_b"))
    alpha = file.layers[module].get("alpha")
    if decomposed is not None and alpha is not None:
        first = "lokr_w1" if "lokr_w1" in parts else "lokr_w1_a"
        parts[first] = _scaled(parts[first], float(alpha) / decomposed.shape[0])
    return parts


def _from_hadamard(file: LoraFile, module: str, parts: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """(w1_a @ w1_b) * (w2_a @ w2_b) = B @ A, with every pair of ranks as one rank."""
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    if any(name not in parts for name in names):
        raise file.refuse(f"is incomplete: the layer {module} lacks {', '.join(n for n in names if n not in parts)}.")
    w1_a, w1_b, w2_a, w2_b = (parts[name].float() for name in names)
    rank = w1_b.shape[0]
    scale = float(parts["alpha"]) / rank if "alpha" in parts else 1.0
    up = (w1_a[:, :, None] * w2_a[:, None, :]).flatten(1)
    down = (w1_b[:, None, :] * w2_b[None, :, :]).flatten(0, 1)
    dtype = parts["hada_w1_a"].dtype
    return {"A": down.to(dtype), "B": (up * scale).to(dtype)}


def _scaled(tensor: torch.Tensor, scale: float) -> torch.Tensor:
    return tensor if scale == 1.0 else (tensor.float() * scale).to(tensor.dtype)


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.bfloat16) if tensor.dtype in _FLOATS_TO_WIDEN else tensor


def _adapter_metadata(metadata: Mapping[str, str] | None) -> dict[str, Any] | None:
    try:
        found = json.loads((metadata or {}).get("lora_adapter_metadata", "null"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _check_kinds(file: LoraFile) -> None:
    if not file.layers:
        shown = ", ".join(list(file.tensors)[:3]) or "nothing"
        raise file.refuse(f"is no LoRA: it holds {shown}. A LoRA has pairs of small matrices a layer.")
    for parts in file.layers.values():
        for kind, words in _TOLD_AS.items():
            if kind in parts:
                raise file.refuse(f"is a {words}, a kind of LoRA that is not supported. Use a plain LoRA of the style.")
    for module, parts in file.layers.items():
        if ("A" in parts) != ("B" in parts):
            raise file.refuse(f"is incomplete: the layer {module} has only one of its two matrices.")
