"""Small LoRA files in the spelling of each program that writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from shared.diffusion.lora_names import known_names

RANK = 2
STRENGTH = 0.3


def linear_layers(network: nn.Module) -> dict[str, nn.Linear]:
    """The layers inside the blocks of a network that LoRAs usually change, whether it has LoRAs now or not."""
    return {
        name.removesuffix(".base_layer"): module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and ".lora_" not in name and any(part.isdigit() for part in name.split("."))
    }


def factors(network: nn.Module, seed: int = 0) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """(A, B) of each of these layers, the same for the same seed."""
    random = torch.Generator().manual_seed(seed)
    return {
        name: (
            torch.randn(RANK, layer.in_features, generator=random) * STRENGTH,
            torch.randn(layer.out_features, RANK, generator=random) * STRENGTH,
        )
        for name, layer in linear_layers(network).items()
    }


def write_lora(path: Path, network: nn.Module, prefix: str = "transformer.", seed: int = 0) -> Path:
    """A file as diffusers saves it."""
    tensors = {}
    for name, (down, up) in factors(network, seed).items():
        tensors[f"{prefix}{name}.lora_A.weight"] = down
        tensors[f"{prefix}{name}.lora_B.weight"] = up
    return save(path, tensors)


@contextmanager
def fused(networks: Iterable[nn.Module], like: nn.Module, strength: float) -> Iterator[None]:
    """Within it, the file that `write_lora` writes of `like` is added to the weights of all networks of its kind."""
    before = []
    for network in networks:
        if type(network) is type(like):
            layers = linear_layers(network)
            for name, (down, up) in factors(like).items():
                weight = layers[name].weight
                before.append((weight, weight.data.clone()))
                weight.data.add_((strength * up @ down).to(weight.dtype))
    try:
        yield
    finally:
        for weight, data in before:
            weight.data.copy_(data)


def save(path: Path, tensors: Mapping[str, torch.Tensor]) -> Path:
    """Write tensors; 1-byte floats stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
    return path


def _original(network: nn.Module) -> dict[str, str]:
    """diffusers' name -> the one of the model's own code."""
    names = known_names(linear_layers(network))
    return {module: name for name, module in names.items() if "." in name and name != module}


def _as_written(network: nn.Module, key: Callable[[str], str], down: str, up: str, **change: Any) -> dict[str, Any]:
    original, tensors = _original(network), {}
    for name, (a, b) in factors(network).items():
        module = key(original.get(name, name))
        tensors[f"{module}.{down}.weight"], tensors[f"{module}.{up}.weight"] = a, b
        if "alpha" in change:
            tensors[f"{module}.alpha"] = torch.tensor(float(change["alpha"]))
            tensors[f"{module}.{up}.weight"] = b * RANK / change["alpha"]
    return tensors


def community(network: nn.Module) -> dict[str, torch.Tensor]:
    """The Wan community's: the names of Wan's own code behind `diffusion_model.`."""
    return _as_written(network, lambda name: f"diffusion_model.{name}", "lora_A", "lora_B")


def comfy(network: nn.Module) -> dict[str, torch.Tensor]:
    """ComfyUI's: the same with lora_down, lora_up and alpha."""
    return _as_written(network, lambda name: f"diffusion_model.{name}", "lora_down", "lora_up", alpha=4)


def kohya(network: nn.Module) -> dict[str, torch.Tensor]:
    """kohya's: underscores for dots, and alpha."""
    return _as_written(network, lambda name: "lora_unet_" + name.replace(".", "_"), "lora_down", "lora_up", alpha=1)


def peft_saved(network: nn.Module) -> dict[str, torch.Tensor]:
    """peft's own."""
    return {
        f"base_model.model.{name}.{part}.weight": tensor
        for name, pair in factors(network).items()
        for part, tensor in zip(("lora_A", "lora_B"), pair, strict=True)
    }


def studio(network: nn.Module) -> dict[str, torch.Tensor]:
    """DiffSynth Studio's: the adapter's name in the key."""
    original = _original(network)
    return {
        f"pipe.dit.{original.get(name, name)}.{part}.default.weight": tensor
        for name, pair in factors(network).items()
        for part, tensor in zip(("lora_A", "lora_B"), pair, strict=True)
    }
