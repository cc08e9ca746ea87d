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
        "mid": (".lora_mid.weight",),
        "dora": (".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight"),
        **{name: (f".{name}",) for name in (
            "lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
            "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
        )},
    }.items()
    for ending in endings
)  # fmt: skip

_FLOATS_TO_WIDEN = tuple(
    getattr(torch, name) for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
)


@dataclass
class LoraFile:
    """The tensors of a file.

    `tensors` are those of the file by their own keys (8-bit floats widened), `layers` the same by module and kind
    (A, B, mid, bias, diff, alpha, dora, lokr_*, hada_*), `other` the keys that are none of these. `metadata` is
    what diffusers wrote about rank and alpha.
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

    A LoHa is written as a LoRA of rank r * r, which it is exactly; a full difference as one of full rank. Tucker
    factors of a convolution are multiplied out. `dora` (out), of a DoRA, is the length of each row of the result.
    """
    parts = file.layers[module]
    found: dict[str, torch.Tensor] = {}
    if "A" in parts and "B" in parts:
        rank = parts["A"].shape[0]
        scale = float(parts["alpha"]) / rank if "alpha" in parts else 1.0
        down = parts["A"] if "mid" not in parts else _with_core(parts["mid"], parts["A"])
        found = {"A": down, "B": _scaled(parts["B"], scale)}
        if "dora" in parts:
            found["dora"] = _row_lengths(file, module, parts["dora"], parts["B"].shape[0])
    elif _is_of_convolution(parts):
        found = _of_full_rank(_kronecker_product(file, module))
    elif "hada_t1" in parts:
        found = _of_full_rank(_tucker_hadamard(parts))
    elif "hada_w1_a" in parts:
        found = _from_hadamard(file, module, parts)
    elif "diff" in parts and parts["diff"].ndim >= 2:
        found = _of_full_rank(parts["diff"])
    if "bias" in parts:
        found["bias"] = parts["bias"]
    return found


def _with_core(core: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """The inner and the lower factor of a convolution as one: (r, r, k, k) and (r, in, 1, 1) as (r, in, k, k)."""
    return torch.einsum("srkl,ri->sikl", core.float(), down.flatten(1).float()).to(down.dtype)


def _row_lengths(file: LoraFile, module: str, scale: torch.Tensor, rows: int) -> torch.Tensor:
    if scale.numel() != rows or (scale.ndim > 1 and scale.shape[0] != rows):
        raise file.refuse(f"is a DoRA with lengths of columns (layer {module}); only those of rows can be applied.")
    return scale.flatten()


def _tucker(core: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Core (i, j, k, k), (i, out) and (j, in) as the weight (out, in, k, k) of a convolution."""
    return torch.einsum("ijkl,io,jc->ockl", core.float(), left.float(), right.float())


def _tucker_hadamard(parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
    first = _tucker(parts["hada_t1"], parts["hada_w1_a"], parts["hada_w1_b"])
    second = _tucker(parts["hada_t2"], parts["hada_w2_a"], parts["hada_w2_b"])
    scale = float(parts["alpha"]) / parts["hada_w1_b"].shape[0] if "alpha" in parts else 1.0
    return (first * second * scale).to(parts["hada_w1_a"].dtype)


def _of_full_rank(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """A difference (out, in, ...) of weights as two factors: itself, and the identity."""
    identity = torch.eye(weight.shape[0], dtype=weight.dtype)
    return {"A": weight, "B": identity.reshape(*identity.shape, *(1,) * (weight.ndim - 2))}


def kronecker(file: LoraFile, module: str) -> dict[str, torch.Tensor]:
    """The factors of a LoKr layer under their own names, with alpha in the first."""
    parts = {kind: tensor for kind, tensor in file.layers[module].items() if kind.startswith("lokr_")}
    decomposed = parts.get("lokr_w2_b", parts.get("lokr_w1_b"))
    alpha = file.layers[module].get("alpha")
    if decomposed is not None and alpha is not None:
        first = "lokr_w1" if "lokr_w1" in parts else "lokr_w1_a"
        parts[first] = _scaled(parts[first], float(alpha) / decomposed.shape[0])
    return parts


def is_kronecker(file: LoraFile, module: str) -> bool:
    """Whether a layer is a LoKr of two matrices; that of a convolution is one of full rank here."""
    parts = file.layers[module]
    return any(kind.startswith("lokr_") for kind in parts) and not _is_of_convolution(parts)


def _is_of_convolution(parts: Mapping[str, torch.Tensor]) -> bool:
    return "lokr_t2" in parts or ("lokr_w2" in parts and parts["lokr_w2"].ndim > 2)


def _kronecker_product(file: LoraFile, module: str) -> torch.Tensor:
    """The difference (out, in, k, k) of a convolution's weight, with alpha in it."""
    parts = kronecker(file, module)
    first = parts["lokr_w1"] if "lokr_w1" in parts else parts["lokr_w1_a"].float() @ parts["lokr_w1_b"].float()
    second = parts.get("lokr_w2")
    if second is None:
        second = _tucker(parts["lokr_t2"], parts["lokr_w2_a"], parts["lokr_w2_b"])
    whole = torch.einsum("ab,cdk->acbdk", first.float(), second.flatten(2).float())
    return whole.reshape(first.shape[0] * second.shape[0], -1, *second.shape[2:]).to(first.dtype)


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
    doras = sum("dora" in parts for parts in file.layers.values())
    matrices = sum("A" in parts or "hada_w1_a" in parts for parts in file.layers.values())
    if doras and (doras != matrices or any("dora" in parts and "A" not in parts for parts in file.layers.values())):
        raise file.refuse("is a DoRA in part only; such a file cannot be applied. Use a plain LoRA of the style.")
    for module, parts in file.layers.items():
        if ("A" in parts) != ("B" in parts):
            raise file.refuse(f"is incomplete: the layer {module} has only one of its two matrices.")
