"""Brings a LoRA file to the modules of a pipeline's networks, or says why it does not belong to this model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from diffusers.utils import convert_unet_state_dict_to_peft
from torch import nn

from shared.core.errors import SettingsError
from shared.diffusion.lora_file import LoraFile, is_kronecker, kronecker, low_rank, split_key
from shared.diffusion.lora_names import known_names

DENOISERS = ("transformer", "transformer_2", "transformer_ref", "unconditional_transformer", "unet", "prior")
TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
_PREFIXES: Mapping[str, str] = {
    **{f"{name}.": name for name in (*DENOISERS, *TEXT_ENCODERS)},
    "lora_te1_": "text_encoder", "lora_te_": "text_encoder", "lora_te2_": "text_encoder_2",
}  # fmt: skip
_INSIDE_ADAPTER = re.compile(r"\.(lora|lokr|hada)_[a-zA-Z0-9_]+(\.|$)")
_MOST_UNKNOWN_SHARE = 0.5


@dataclass
class Fitted:
    """A file by network: tensors as peft names them, and what has no place in the model.

    `metadata` is what diffusers wrote about rank and alpha, by network.
    """

    states: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)


def denoisers(pipe: Any) -> dict[str, nn.Module]:
    """The networks of a pipeline that a LoRA can change, by name."""
    found = {name: getattr(pipe, name, None) for name in DENOISERS}
    return {name: part for name, part in found.items() if part is not None and hasattr(part, "load_lora_adapter")}


def text_encoders(pipe: Any) -> dict[str, nn.Module]:
    """The text encoders that LoRAs for this pipeline may change."""
    loadable = getattr(pipe, "_lora_loadable_modules", ())
    found = {name: getattr(pipe, name, None) for name in TEXT_ENCODERS if name in loadable}
    return {name: encoder for name, encoder in found.items() if encoder is not None}


def fit(file: LoraFile, pipe: Any) -> Fitted:
    """The tensors of `file` for each network of `pipe`. Raises SettingsError that says what does not fit."""
    networks = denoisers(pipe)
    main = next(iter(networks))
    modules = {name: _modules(network) for name, network in {**networks, **text_encoders(pipe)}.items()}
    fitted = _by_names(file, modules, main)
    if fitted.unknown:
        converted = _by_diffusers(file, pipe)
        if converted is not None:
            again = _by_names(converted, modules, main)
            if len(again.unknown) < len(fitted.unknown) or not fitted.states:
                fitted = replace(again, states={**fitted.states, **again.states})
    _check(file, fitted)
    fitted.metadata = _metadata(file, fitted)
    return fitted


def _metadata(file: LoraFile, fitted: Fitted) -> dict[str, dict[str, Any]]:
    """By network; none where the file was written by another program. A network saved alone has no prefix."""
    if "r" in (file.metadata or {}) and len(fitted.states) == 1:
        return {name: dict(file.metadata or {}) for name in fitted.states}
    found = {}
    for name in fitted.states:
        prefix = f"{name}."
        own = {key.removeprefix(prefix): v for key, v in (file.metadata or {}).items() if key.startswith(prefix)}
        if own:
            found[name] = own
    return found


def _modules(network: nn.Module) -> dict[str, nn.Module]:
    """The layers that can be changed, by their names without what peft puts in."""
    return {
        name.removesuffix(".base_layer"): module
        for name, module in network.named_modules()
        if _sizes(module) is not None and not _INSIDE_ADAPTER.search(name)
    }


def _sizes(module: nn.Module) -> tuple[int, int] | None:
    """(inputs, outputs) of a layer."""
    if getattr(module, "weight", None) is None:
        return None
    for names in (("in_features", "out_features"), ("in_channels", "out_channels")):
        sizes = [getattr(module, name, None) for name in names]
        if all(isinstance(size, int) for size in sizes):
            return int(sizes[0]), int(sizes[1])  # type: ignore[arg-type]
    return None


def _by_names(file: LoraFile, modules: Mapping[str, Mapping[str, nn.Module]], main: str) -> Fitted:
    """Layers found by name: as diffusers calls them, as the model's own code does, with dots or underscores."""
    fitted = Fitted(left_out=[])
    names = {component: _names(component, found) for component, found in modules.items()}
    for layer, parts in file.layers.items():
        component, inner = _place(layer, main)
        module = names[component].get(inner) if component in names else None
        if module is None:
            if not _changes_no_matrix(parts):
                fitted.unknown.append(layer)
            elif any(bool(tensor.any()) for tensor in parts.values()):
                fitted.left_out.append(layer)
            continue
        state = _layer_state(file, layer, modules[component][module])
        target = fitted.states.setdefault(component, {})
        target |= {f"{module}.{ending}": tensor for ending, tensor in state.items()}
    for component, state in fitted.states.items():
        _complete_biases(state, modules[component])
    return fitted


def _names(component: str, modules: Mapping[str, nn.Module]) -> Mapping[str, str]:
    names = known_names(modules)
    if component not in TEXT_ENCODERS:
        return names
    # Files say `text_model.encoder...`; newer text encoders leave the first word out.
    return {**{f"text_model{mark}{name}": module for name, module in names.items() for mark in "._"}, **names}


def _place(layer: str, main: str) -> tuple[str, str]:
    """(network, module) that the name of a layer points to; without a prefix it is one of the main network."""
    for prefix, component in _PREFIXES.items():
        if layer.startswith(prefix):
            return component, layer.removeprefix(prefix)
    return main, layer


def _changes_no_matrix(parts: Mapping[str, torch.Tensor]) -> bool:
    """Whether a layer holds only differences of vectors (norms, biases)."""
    return set(parts) <= {"diff", "bias"} and all(tensor.ndim < 2 for tensor in parts.values())


def _layer_state(file: LoraFile, layer: str, module: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of one layer by peft's endings. Raises SettingsError where the shapes do not fit."""
    sizes = _sizes(module) or (0, 0)
    if is_kronecker(file, layer):
        factors = kronecker(file, layer)
        _check_sizes(file, layer, _kronecker_sizes(factors), sizes)
        return factors
    factors = low_rank(file, layer)
    if "A" not in factors:
        bias = factors.get("bias")
        factors = {"A": torch.zeros(1, sizes[0]), "B": torch.zeros(sizes[1], 1)}
        factors |= {} if bias is None else {"bias": bias}
    down, up = factors["A"], factors["B"]
    _check_sizes(file, layer, (down.shape[1], up.shape[0]), sizes)
    if isinstance(module, nn.Linear) or not hasattr(module, "kernel_size"):
        down, up = down.flatten(1), up.flatten(1)
    elif down.ndim == 2:
        kernel = (1,) * len(module.kernel_size)  # type: ignore[arg-type]
        down, up = down.reshape(*down.shape, *kernel), up.reshape(*up.shape, *kernel)
    state = {"lora_A.weight": down.contiguous(), "lora_B.weight": up.contiguous()}
    if "dora" in factors:
        state["lora_magnitude_vector"] = factors["dora"].float()
    return state | ({"lora_B.bias": factors["bias"]} if "bias" in factors else {})


def _kronecker_sizes(factors: Mapping[str, torch.Tensor]) -> tuple[int, int]:
    def sides(name: str) -> tuple[int, int]:
        if name in factors:
            return factors[name].shape[0], factors[name].shape[1]
        return factors[f"{name}_a"].shape[0], factors[f"{name}_b"].shape[1]

    (rows_1, columns_1), (rows_2, columns_2) = sides("lokr_w1"), sides("lokr_w2")
    return columns_1 * columns_2, rows_1 * rows_2


def _check_sizes(file: LoraFile, layer: str, given: tuple[int, int], wanted: tuple[int, int]) -> None:
    if given != wanted:
        raise file.refuse(
            f"is not for this model{_described(file)}: its layer {layer} goes from {given[0]} to {given[1]} values, "
            f"the model's from {wanted[0]} to {wanted[1]}."
        )


def _complete_biases(state: dict[str, torch.Tensor], modules: Mapping[str, nn.Module]) -> None:
    """Where one layer brings a bias, peft expects one of all."""
    if not any(key.endswith(".lora_B.bias") for key in state):
        return
    for key in [key for key in state if key.endswith(".lora_B.weight")]:
        bias = f"{key.removesuffix('.weight')}.bias"
        if bias not in state:
            state[bias] = torch.zeros(state[key].shape[0], dtype=state[key].dtype)


def _by_diffusers(file: LoraFile, pipe: Any) -> LoraFile | None:
    """The denoiser's part of the file as the pipeline's own converter reads it; None: not at all."""
    convert = getattr(pipe, "lora_state_dict", None)
    if convert is None:
        return None
    is_unet = getattr(pipe, "unet", None) is not None
    options = {"unet_config": pipe.unet.config} if is_unet else {}
    found: Any = None
    # A converter meets files of any origin here; whatever it stumbles over, the file is not of its kind.
    with suppress(Exception):
        found = convert({key: tensor for key, tensor in file.tensors.items() if not _is_text(key)}, **options)
    if not found:
        return None
    tensors, alphas = found if isinstance(found, tuple) else (found, None)
    tensors = convert_unet_state_dict_to_peft(tensors) if is_unet else tensors
    converted = LoraFile(file.name, dict(tensors), file.metadata)
    for key, tensor in tensors.items():
        module, kind = split_key(key)
        if kind:
            converted.layers.setdefault(module, {})[kind] = tensor
    for key, alpha in (alphas or {}).items():
        module = split_key(next(iter(convert_unet_state_dict_to_peft({key.removesuffix(".alpha"): torch.empty(0)}))))[0]
        if module in converted.layers:
            converted.layers[module]["alpha"] = torch.tensor(float(alpha))
    return converted


def _is_text(key: str) -> bool:
    return _place(key, "")[0] in TEXT_ENCODERS


def _check(file: LoraFile, fitted: Fitted) -> None:
    count = len(file.layers)
    if fitted.states and len(fitted.unknown) <= _MOST_UNKNOWN_SHARE * count:
        return
    shown = ", ".join(fitted.unknown[:2] or fitted.left_out[:2])
    raise file.refuse(
        f"is not for this model{_described(file)}: {len(fitted.unknown)} of its {count} layers are not in the model "
        f"(such as {shown})."
    )


# What a layer's name tells of the model that a LoRA was made for. The first that is found wins.
_SIGNS: tuple[tuple[str, str], ...] = (
    (r"video_to_audio_attn|audio_attn1", "LTX-2"),
    (r"blocks[._]\d+[._](self_attn|cross_attn|attn1|attn2)[._](q|k|v|o|k_img|to_q|to_k|to_v|to_out)", "Wan"),
    (r"visual_transformer_blocks", "Kandinsky 5"),
    (r"double_stream_blocks", "HiDream"),
    (r"double_blocks[._]\d+[._]img_attn_qkv|single_transformer_blocks.*norm\.linear.*token_refiner", "HunyuanVideo"),
    (r"(context_refiner|noise_refiner|^layers)[._]\d+[._]attention", "Z-Image"),
    (r"transformer_blocks[._]\d+[._](img_mlp|txt_mlp|img_mod|txt_mod)", "Qwen-Image"),
    (r"single_(transformer_)?blocks[._]\d+|double_blocks[._]\d+", "FLUX"),
    (r"joint_transformer_blocks|context_block|x_block", "Stable Diffusion 3"),
    (r"(down_blocks|up_blocks|input_blocks|output_blocks|mid_block|middle_block)", "Stable Diffusion or SDXL"),
    (r"transformer_blocks[._]\d+[._](attn1|attn2|ff)", "LTX-Video"),
)


def looks_like(file: LoraFile) -> str:
    """The model that the names and sizes of the layers point to; "" where they point nowhere."""
    votes: Counter[str] = Counter()
    for layer in file.layers:
        label = next((label for pattern, label in _SIGNS if re.search(pattern, layer)), "")
        votes[label] += 1
    [(label, _)] = votes.most_common(1) or [("", 0)]
    return _DETAILS.get(label, lambda _: label)(file)


def _wan_size(file: LoraFile) -> str:
    widths = Counter(parts["A"].shape[1] for parts in file.layers.values() if "A" in parts)
    sizes = {1536: "Wan 1.3B", 3072: "Wan 2.2 5B", 5120: "Wan 14B"}
    label = next((sizes[width] for width, _ in widths.most_common() if width in sizes), "Wan")
    takes_images = any("k_img" in layer or "add_k_proj" in layer for layer in file.layers)
    return f"{label} image to video" if takes_images else label


_DETAILS: Mapping[str, Callable[[LoraFile], str]] = {"Wan": _wan_size}


def _described(file: LoraFile) -> str:
    label = looks_like(file)
    return f" (it looks like a LoRA for {label})" if label else ""


def refuse_model(name: str) -> SettingsError:
    """The error for a model that takes no LoRA."""
    return SettingsError(f'activated_loras: "{name}" cannot be used. This model takes no LoRA.')
