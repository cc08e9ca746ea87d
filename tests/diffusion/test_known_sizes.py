"""The sizes that definitions state of models that are not here equal those of the published networks."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from accelerate import init_empty_weights

from shared.core.contracts import LoadOptions
from shared.core.errors import OutOfMemory
from shared.core.weight_plan import Room
from shared.engine.memory_budget import model_needs, refuse_what_cannot_fit, shape_of
from shared.engine.registry import Registry

GB = 10**9
# What the published checkpoints have other than the defaults of their class (from their model cards).
SMALL = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
PICTURE = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
PUBLISHED: dict[str, dict[str, Any]] = {
    "t2v": {}, "t2v_1.3B": SMALL, "i2v": PICTURE,
    "ti2v_2_2": {
        "num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30, "in_channels": 48, "out_channels": 48,
    },
    "vace_14B": {}, "vace_1.3B": {**SMALL, "vace_layers": list(range(0, 30, 2))},
    "animate": {"added_kv_proj_dim": 5120},
    "ltxv_13B": {"num_layers": 48, "attention_head_dim": 128, "cross_attention_dim": 4096},
    "ltx2_19B": {}, "hunyuan": {}, "hunyuan_1_5_t2v": {}, "qwen_image_20B": {}, "qwen_image_2_1": {}, "flux": {},
    "flux2_dev": {}, "z_image": {}, "krea2": {}, "ideogram4": {}, "k5_lite_t2v": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def registry(root: Any) -> Registry:
    return Registry(root)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_size_of_a_published_network_is_known(name: str, registry: Registry) -> None:
    known = registry.get(name).get("known_parts")["transformer"]
    with init_empty_weights():
        network: torch.nn.Module = getattr(diffusers, known["class"])(**PUBLISHED[name])
    count = sum(parameter.numel() for parameter in network.parameters())
    assert known["parameters"] == pytest.approx(count, rel=0.01)


def test_the_need_of_a_model_is_known_before_it_is_here(registry: Registry) -> None:
    """Its weights in 16 bits, as published, beside the activations of a clip."""
    model, options = registry.get("t2v"), LoadOptions(device="cuda:0", profile=1)
    needs = model_needs(model, ["/nowhere"], options)
    shape = shape_of({"resolution": "832x480", "video_length": 81, "guidance_scale": 5.0}, model)
    assert needs is not None and shape is not None
    budget = refuse_what_cannot_fit(needs, options, shape, Room(80 * GB, 128 * GB))
    assert budget.plan.device_bytes == pytest.approx(2 * (14.29 + 5.68 + 0.127) * GB, rel=0.01)
    assert 3.5 * GB < budget.run_bytes < 6 * GB
    with pytest.raises(OutOfMemory, match="What would fit: override_profile 4"):
        refuse_what_cannot_fit(needs, options, shape, Room(24 * GB, 64 * GB))


def test_every_model_with_pictures_states_its_size(registry: Registry) -> None:
    lacking = [
        name
        for name, model in registry.models().items()
        if not model.get("audio_only")
        and not model.get("known_parts")
        and model.family not in ("diffusers", "sdxl")
        and name != "starter"
    ]
    assert lacking == []
