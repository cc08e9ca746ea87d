"""LoRAs of models whose own code joins layers that diffusers keeps apart, and LoRAs that change text encoders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.core.contracts import WindowRequest
from shared.core.model_def import ModelDef
from shared.diffusion.lora import adapters_of, apply_loras, remove_loras, text_adapters
from tests.fakes import tiny_flux, tiny_sdxl
from tests.fakes.tiny_lora import save

RANK = 2


def request(file: Path, multipliers: str = "0.5") -> WindowRequest:
    settings = {"activated_loras": [str(file)], "loras_multipliers": multipliers}
    return WindowRequest("a red ball", 64, 64, 1, 2, 1.0, seed=7, settings=settings)


def model(architecture: str) -> ModelDef:
    return ModelDef(architecture, architecture, architecture, architecture)


def made(pipe: Any, window: WindowRequest | None = None) -> torch.Tensor:
    """Latents of two steps."""

    def run() -> torch.Tensor:
        return pipe(
            prompt="a red ball", width=64, height=64, num_inference_steps=2, guidance_scale=3.0,
            generator=torch.Generator("cpu").manual_seed(7), output_type="latent",
        ).images  # fmt: skip

    pipe.set_progress_bar_config(disable=True)
    if window is None:
        return run()
    with torch.inference_mode(), apply_loras(pipe, model("sdxl"), window):
        return run().clone()


def pair(inputs: int, outputs: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(RANK, inputs, generator=random) * 0.3, torch.randn(outputs, RANK, generator=random) * 0.3


def kohya(layers: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Keys as kohya's trainer writes them, alpha half the rank."""
    tensors = {}
    for name, (down, up) in layers.items():
        tensors[f"{name}.lora_down.weight"], tensors[f"{name}.lora_up.weight"] = down, up
        tensors[f"{name}.alpha"] = torch.tensor(RANK / 2)
    return tensors


def test_joined_layers_of_flux_are_parted(tmp_path: Path) -> None:
    pipe = tiny_flux.BUILDERS["flux"]()
    width = 32
    joined = pair(width, 3 * width)
    file = save(tmp_path / "kohya.safetensors", kohya({"lora_unet_double_blocks_0_img_attn_qkv": joined}))
    base = made(pipe)
    on = made(pipe, request(file))
    assert torch.equal(made(pipe, WindowRequest("", 64, 64, 1, 2, 1.0, seed=7)), base)
    deltas = (0.5 * 0.5 * joined[1] @ joined[0]).chunk(3)
    for name, delta in zip(("to_q", "to_k", "to_v"), deltas, strict=True):
        getattr(pipe.transformer.transformer_blocks[0].attn, name).weight.data.add_(delta)
    assert not torch.allclose(on, base, atol=1e-4)
    assert torch.allclose(made(pipe), on, atol=1e-5)


@pytest.fixture
def sdxl() -> Any:
    return tiny_sdxl.BUILDERS["sdxl"]()


def sdxl_layers(pipe: Any) -> dict[str, tuple[str, torch.nn.Linear]]:
    """kohya's name -> (network, layer) of one layer in each network that a LoRA can change."""
    unet = next(name for name, _ in pipe.unet.named_modules() if name.endswith("attn1.to_q"))
    encoder = "encoder.layers.0.self_attn.q_proj"
    found = {"lora_unet_" + unet.replace(".", "_"): pipe.unet.get_submodule(unet)}
    for number, name in enumerate(("text_encoder", "text_encoder_2"), start=1):
        network = getattr(pipe, name)
        path = f"text_model.{encoder}" if hasattr(network, "text_model") else encoder
        found[f"lora_te{number}_text_model_{encoder.replace('.', '_')}"] = network.get_submodule(path)
    return found  # type: ignore[return-value]


def test_text_encoders_get_their_part_and_lose_it_again(sdxl: Any, tmp_path: Path) -> None:
    layers: dict[str, Any] = sdxl_layers(sdxl)
    pairs = {name: pair(layer.in_features, layer.out_features, 3) for name, layer in layers.items()}
    file = save(tmp_path / "kohya.safetensors", kohya(pairs))
    base = made(sdxl)
    on = made(sdxl, request(file))
    assert len(adapters_of(sdxl.unet)) == 1
    assert len(text_adapters(sdxl)) == 2
    assert torch.equal(made(sdxl, request(file)), on)
    remove_loras(sdxl)
    assert text_adapters(sdxl) == ()
    assert torch.equal(made(sdxl), base)
    for name, (down, up) in pairs.items():
        layers[name].weight.data.add_(0.5 * 0.5 * up @ down)
    assert not torch.allclose(on, base, atol=1e-4)
    assert torch.allclose(made(sdxl), on, atol=1e-4)


def tucker(core: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """(i, j, k, k), (i, out) and (j, in) as the weight of a convolution, place by place."""
    kernel = torch.zeros(left.shape[1], right.shape[1], *core.shape[2:])
    for row in range(core.shape[2]):
        for column in range(core.shape[3]):
            kernel[:, :, row, column] = left.T @ core[:, :, row, column] @ right
    return kernel


def some(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.3


def convolution_parts(kind: str, outputs: int, inputs: int, side: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The tensors of a file for a convolution, and what they add to its weight."""
    core = some(RANK, RANK, side, side)
    if kind == "mid":
        down, up = some(RANK, inputs, 1, 1), some(outputs, RANK, 1, 1)
        parts = {"lora_down.weight": down, "lora_up.weight": up, "lora_mid.weight": core}
        return parts, tucker(core, up.flatten(1).T, down.flatten(1))
    if kind == "hada":
        pairs = [(some(RANK, outputs), some(RANK, inputs)), (some(RANK, outputs).flip(0), some(RANK, inputs).flip(0))]
        parts = {}
        for number, (left, right) in enumerate(pairs, start=1):
            parts |= {f"hada_t{number}": core, f"hada_w{number}_a": left, f"hada_w{number}_b": right}
        return parts, tucker(core, *pairs[0]) * tucker(core, *pairs[1])
    if kind == "lokr":
        left, right, first = some(RANK, outputs // 2), some(RANK, inputs // 2), some(2, 2)
        parts = {"lokr_w1": first, "lokr_t2": core, "lokr_w2_a": left, "lokr_w2_b": right}
        return parts, torch.kron(first[:, :, None, None], tucker(core, left, right))
    whole = some(outputs, inputs, side, side)
    return {"diff": whole}, whole


@pytest.mark.parametrize("kind", ["mid", "hada", "lokr", "diff"])
def test_convolutions_take_tucker_factors(kind: str, sdxl: Any, tmp_path: Path) -> None:
    name = next(name for name, part in sdxl.unet.named_modules() if name.endswith("resnets.0.conv1"))
    layer = sdxl.unet.get_submodule(name)
    parts, delta = convolution_parts(kind, *layer.weight.shape[:3])
    prefix = "lora_unet_" + name.replace(".", "_")
    file = save(tmp_path / "tucker.safetensors", {f"{prefix}.{part}": value.clone() for part, value in parts.items()})
    base = made(sdxl)
    on = made(sdxl, request(file))
    remove_loras(sdxl)
    assert torch.equal(made(sdxl), base)
    layer.weight.data.add_(0.5 * delta)
    assert not torch.allclose(on, base, atol=1e-4)
    assert torch.allclose(made(sdxl), on, atol=1e-4)
