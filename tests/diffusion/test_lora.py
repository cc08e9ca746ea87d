"""LoRAs on a loaded pipeline: as bare diffusers applies them, and off again without a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from shared.core.contracts import Step
from shared.core.errors import SettingsError
from shared.diffusion.lora import adapters_of, apply_loras, leave_out_loras, remove_loras, text_adapters
from shared.diffusion.lora_fit import denoisers
from tests.fakes import tiny_lora
from tests.fakes.lora_runs import MODEL, STEPS, close, latents, request
from tests.fakes.model_defs import wan_model
from tests.fakes.tiny_wan import BUILDERS


def test_on_is_what_diffusers_makes_with_the_fused_file_and_off_is_the_base(pipe: Any, lora: Path) -> None:
    base = latents(pipe)
    on = latents(pipe, request(lora, multipliers="0.8"))
    assert not close(on, base)
    assert np.array_equal(latents(pipe, request()), base)
    assert not adapters_of(pipe.transformer)
    pipe.load_lora_weights(str(lora))
    pipe.fuse_lora(lora_scale=0.8)
    fused = latents(pipe)
    pipe.unfuse_lora()
    pipe.unload_lora_weights()
    assert close(on, fused)


def test_a_lora_that_does_not_fit_can_be_left_out_beside_one_that_does(pipe: Any, lora: Path, tmp_path: Path) -> None:
    """As `--check-loras` asks."""
    alien = tiny_lora.write_lora(tmp_path / "alien.safetensors", BUILDERS["vace_1.3B"]().transformer)
    state = {name.replace("blocks", "double_blocks"): value for name, value in load_file(alien).items()}
    save_file(state, alien)
    expected, told = latents(pipe, request(lora)), list[Step]()
    leave_out_loras(pipe, True)
    try:
        with torch.inference_mode(), apply_loras(pipe, MODEL, request(alien, lora), told.append):
            made = latents(pipe)
        assert np.array_equal(made, expected)
        assert len(told) == 1 and "alien" in told[0].notice and "left out (--check-loras)" in told[0].notice
    finally:
        leave_out_loras(pipe, False)
    with pytest.raises(SettingsError, match="alien"):
        latents(pipe, request(alien, lora))


def test_a_dora_gives_each_row_its_length(pipe: Any, tmp_path: Path) -> None:
    random, tensors, expected = torch.Generator().manual_seed(3), {}, {}
    layers = tiny_lora.linear_layers(pipe.transformer)
    for name, (down, up) in tiny_lora.factors(pipe.transformer).items():
        lengths = torch.rand(up.shape[0], 1, generator=random) + 0.5
        tensors |= {f"transformer.{name}.lora_A.weight": down, f"transformer.{name}.lora_B.weight": up}
        tensors[f"transformer.{name}.dora_scale"] = lengths
        changed = layers[name].weight.data + 0.5 * up @ down
        expected[name] = lengths * changed / changed.norm(dim=1, keepdim=True)
    file = tiny_lora.save(tmp_path / "dora.safetensors", tensors)
    base = latents(pipe)
    made = latents(pipe, request(file, multipliers="0.5"))
    assert np.array_equal(latents(pipe, request()), base)
    before = {name: layer.weight.data.clone() for name, layer in layers.items()}
    for name, weight in expected.items():
        layers[name].weight.data.copy_(weight)
    assert close(latents(pipe), made)
    for name, weight in before.items():
        layers[name].weight.data.copy_(weight)
    assert not close(made, base)


def test_strength_zero_is_the_base(pipe: Any, lora: Path) -> None:
    base = latents(pipe)
    assert np.array_equal(latents(pipe, request(lora, multipliers="0")), base)


def test_the_same_loras_are_not_loaded_again(pipe: Any, lora: Path) -> None:
    first = latents(pipe, request(lora, multipliers="1"))
    layers = [module for module in pipe.transformer.modules() if hasattr(module, "lora_A")]
    weight = layers[0].lora_A[next(iter(layers[0].lora_A))].weight
    half = latents(pipe, request(lora, multipliers="0.5"))
    assert not close(half, first)
    again = [module for module in pipe.transformer.modules() if hasattr(module, "lora_A")]
    assert again[0].lora_A[next(iter(again[0].lora_A))].weight is weight
    assert np.array_equal(latents(pipe, request(lora, multipliers="1")), first)


def test_a_file_that_changed_is_read_again(pipe: Any, lora: Path) -> None:
    before = latents(pipe, request(lora))
    tiny_lora.write_lora(lora, pipe.transformer, seed=5)
    assert not close(latents(pipe, request(lora)), before)
    assert len(adapters_of(pipe.transformer)) == 1


def test_strengths_of_two_files_add_up_in_any_order(pipe: Any, lora: Path, tmp_path: Path) -> None:
    other = tiny_lora.write_lora(tmp_path / "other.safetensors", pipe.transformer, seed=3)
    both = latents(pipe, request(lora, other, multipliers="0.5 0.7"))
    assert close(both, latents(pipe, request(other, lora, multipliers="0.7 0.5")))
    alone = latents(pipe, request(lora, multipliers="0.5"))
    assert not close(alone, both)
    assert len(adapters_of(pipe.transformer)) == 1


def test_each_step_has_its_strength(pipe: Any, lora: Path) -> None:
    def halves(first: float, second: float) -> np.ndarray:
        """The same by hand: strengths set by diffusers between the steps."""
        pipe.load_lora_weights(str(lora), adapter_name="by_hand")
        pipe.set_adapters("by_hand", first)

        def switch(pipe: Any, index: int, t: Any, values: dict[str, Any]) -> dict[str, Any]:
            if index + 1 == STEPS // 2:
                pipe.set_adapters("by_hand", second)
            return values

        made = pipe(
            prompt="a red ball", width=32, height=32, num_frames=5, num_inference_steps=STEPS, guidance_scale=1.0,
            generator=torch.Generator("cpu").manual_seed(7), output_type="latent", callback_on_step_end=switch,
        ).frames.numpy()  # fmt: skip
        pipe.unload_lora_weights()
        return made

    assert close(latents(pipe, request(lora, multipliers="1,0.25")), halves(1, 0.25))
    phases = {"guidance_phases": 2, "switch_threshold": int(pipe.scheduler.timesteps[STEPS // 2])}
    assert close(latents(pipe, request(lora, multipliers="0;1", **phases)), halves(0, 1))


def test_a_window_may_have_strengths_of_its_own(pipe: Any, lora: Path) -> None:
    window = request(lora, multipliers="1")
    other = replace(window, settings={**window.settings, "loras_multipliers": "0.25"})
    assert not close(latents(pipe, window), latents(pipe, other))
    assert close(latents(pipe, other), latents(pipe, request(lora, multipliers="0.25")))


def test_the_definitions_own_loras_are_always_on(pipe: Any, lora: Path) -> None:
    model = wan_model("t2v", loras=["own.safetensors"], loras_multipliers="0.5")
    window = replace(request(), lora_files={"own.safetensors": str(lora)})
    assert close(latents(pipe, window, model), latents(pipe, request(lora, multipliers="0.5")))
    twice = replace(request(lora), settings={"activated_loras": ["own.safetensors"], "loras_multipliers": "1"},
                    lora_files={"own.safetensors": str(lora)})  # fmt: skip
    assert close(latents(pipe, twice, model), latents(pipe, request(lora, multipliers="0.5")))


@pytest.mark.parametrize("write", [tiny_lora.community, tiny_lora.comfy, tiny_lora.kohya, tiny_lora.peft_saved,
                                   tiny_lora.studio])  # fmt: skip
def test_every_programs_spelling_gives_the_same(
    pipe: Any, lora: Path, tmp_path: Path, write: Callable[[nn.Module], Mapping[str, torch.Tensor]]
) -> None:
    tensors = write(pipe.transformer)
    file = tiny_lora.save(tmp_path / "other.safetensors", tensors)
    if write not in (tiny_lora.peft_saved, tiny_lora.studio):
        assert not set(tensors) & set(tiny_lora.peft_saved(pipe.transformer))
    assert close(latents(pipe, request(file)), latents(pipe, request(lora)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_small_floats_are_read(pipe: Any, lora: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {key: tensor.to(dtype) for key, tensor in tiny_lora.community(pipe.transformer).items()}
    file = tiny_lora.save(tmp_path / "small.safetensors", tensors)
    exact = {key: tensor.to(dtype).float() for key, tensor in tiny_lora.community(pipe.transformer).items()}
    assert close(latents(pipe, request(file)), latents(pipe, request(tiny_lora.save(tmp_path / "w.sft", exact))))


def changed_weights(pipe: Any, deltas: Mapping[str, torch.Tensor]) -> np.ndarray:
    """What the pipeline makes with these differences in its own weights."""
    remove_loras(pipe)
    for name, delta in deltas.items():
        pipe.transformer.get_parameter(name).data.add_(delta)
    made = latents(pipe)
    for name, delta in deltas.items():
        pipe.transformer.get_parameter(name).data.sub_(delta)
    return made


def test_differences_of_weights_and_biases_are_applied(pipe: Any, tmp_path: Path) -> None:
    weight = torch.randn(24, 24, generator=torch.Generator().manual_seed(1)) * 0.1
    bias = torch.randn(24, generator=torch.Generator().manual_seed(2)) * 0.1
    file = tiny_lora.save(tmp_path / "diff.safetensors", {
        "diffusion_model.blocks.0.self_attn.q.diff": weight,
        "diffusion_model.blocks.0.self_attn.q.diff_b": bias,
        "diffusion_model.blocks.1.cross_attn.o.diff_b": bias.clone(),
    })  # fmt: skip
    expected = changed_weights(pipe, {
        "blocks.0.attn1.to_q.weight": weight, "blocks.0.attn1.to_q.bias": bias, "blocks.1.attn2.to_out.0.bias": bias,
    })  # fmt: skip
    assert np.abs(latents(pipe, request(file)) - expected).max() < 1e-4


def test_hadamard_and_kronecker_products_are_applied(pipe: Any, tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(1)
    parts = {name: torch.randn(shape, generator=random) * 0.3 for name, shape in {
        "hada_w1_a": (24, 2), "hada_w1_b": (2, 24), "hada_w2_a": (24, 2), "hada_w2_b": (2, 24),
    }.items()}  # fmt: skip
    module = "diffusion_model.blocks.0.self_attn.q"
    tensors = {f"{module}.{name}": tensor for name, tensor in parts.items()} | {f"{module}.alpha": torch.tensor(1.0)}
    product = parts["hada_w1_a"] @ parts["hada_w1_b"] * (parts["hada_w2_a"] @ parts["hada_w2_b"]) / 2
    expected = changed_weights(pipe, {"blocks.0.attn1.to_q.weight": product})
    made = latents(pipe, request(tiny_lora.save(tmp_path / "loha.safetensors", tensors)))
    assert np.abs(made - expected).max() < 1e-4
    w1, w2 = torch.randn(4, 4, generator=random) * 0.3, torch.randn(6, 6, generator=random) * 0.3
    kronecker = {"lora_unet_blocks_0_self_attn_q.lokr_w1": w1, "lora_unet_blocks_0_self_attn_q.lokr_w2": w2}
    expected = changed_weights(pipe, {"blocks.0.attn1.to_q.weight": torch.kron(w1, w2)})
    made = latents(pipe, request(tiny_lora.save(tmp_path / "lokr.safetensors", kronecker)))
    assert np.abs(made - expected).max() < 1e-4


def refused(pipe: Any, tmp_path: Path, tensors: Mapping[str, torch.Tensor]) -> str:
    file = tiny_lora.save(tmp_path / "foreign.safetensors", tensors)
    base = latents(pipe)
    with pytest.raises(SettingsError) as error:
        latents(pipe, request(file))
    assert np.array_equal(latents(pipe), base)
    assert not adapters_of(pipe.transformer)
    assert str(error.value).startswith("activated_loras: ")
    return str(error.value)


def pair(module: str, inputs: int, outputs: int) -> dict[str, torch.Tensor]:
    return {f"{module}.lora_A.weight": torch.zeros(2, inputs), f"{module}.lora_B.weight": torch.zeros(outputs, 2)}


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (pair("diffusion_model.blocks.0.self_attn.q", 5120, 5120),
         "it looks like a LoRA for Wan 14B): its layer blocks.0.self_attn.q goes from 5120 to 5120 values, the model's "
         "from 24 to 24"),
        (pair("diffusion_model.double_blocks.0.img_attn.qkv", 3072, 9216), "it looks like a LoRA for FLUX"),
        (pair("transformer.transformer_blocks.0.attn.img_mlp.net.0.proj", 8, 8), "1 of its 1 layers are not in"),
        (pair("lora_unet_down_blocks_1_attentions_0_proj_in", 8, 8), "a LoRA for Stable Diffusion or SDXL"),
        (pair("transformer.transformer_blocks.0.audio_attn1.to_q", 8, 8), "a LoRA for LTX-2"),
        ({"blocks.0.attn1.to_q.weight": torch.zeros(24, 24)}, "is no LoRA: it holds blocks.0.attn1.to_q.weight"),
        ({**pair("transformer.blocks.0.attn1.to_q", 24, 24), "transformer.blocks.0.attn1.to_q.dora_scale":
          torch.ones(1, 24)}, "is a DoRA with lengths of columns"),
        ({**pair("transformer.blocks.0.attn1.to_q", 24, 24), "transformer.blocks.0.attn1.to_q.dora_scale":
          torch.ones(24), **pair("transformer.blocks.0.attn1.to_k", 24, 24)}, "is a DoRA in part only"),
        ({"transformer.blocks.0.attn1.to_q.lora_A.weight": torch.zeros(2, 24)}, "has only one of its two matrices"),
    ],
)  # fmt: skip
def test_a_lora_of_another_model_is_refused_by_name_and_reason(
    pipe: Any, tmp_path: Path, tensors: Mapping[str, torch.Tensor], words: str
) -> None:
    told = refused(pipe, tmp_path, tensors)
    assert "foreign.safetensors" in told
    assert words in told


def test_damaged_and_pickled_files_are_refused(pipe: Any, lora: Path, tmp_path: Path) -> None:
    lora.write_bytes(lora.read_bytes()[:60])
    with pytest.raises(SettingsError, match="damaged or no safetensors file"):
        latents(pipe, request(lora))
    torch.save({"a": torch.zeros(1)}, tmp_path / "old.safetensors")
    with pytest.raises(SettingsError, match="damaged or no safetensors file"):
        latents(pipe, request(tmp_path / "old.safetensors"))
    with pytest.raises(SettingsError, match="there is no"):
        latents(pipe, request(tmp_path / "none.safetensors"))


def test_a_refused_file_takes_the_others_off_too(pipe: Any, lora: Path, tmp_path: Path) -> None:
    base = latents(pipe)
    latents(pipe, request(lora))
    foreign = tiny_lora.save(tmp_path / "foreign.safetensors", pair("double_blocks.0.img_attn.qkv", 8, 8))
    with pytest.raises(SettingsError):
        latents(pipe, request(lora, foreign))
    assert np.array_equal(latents(pipe), base)
    assert not close(latents(pipe, request(lora)), base)


def test_layers_without_a_place_are_told(pipe: Any, lora: Path, tmp_path: Path) -> None:
    tensors = {**tiny_lora.community(pipe.transformer), **pair("diffusion_model.blocks.0.cross_attn.k_img", 24, 24),
               "diffusion_model.blocks.0.norm3.diff": torch.ones(24)}  # fmt: skip
    told: list[Step] = []
    file = tiny_lora.save(tmp_path / "images.safetensors", tensors)
    with torch.no_grad(), apply_loras(pipe, MODEL, request(file), told.append):
        pass
    [step] = told
    assert "2 layers of" in step.notice
    assert "blocks.0.cross_attn.k_img" in step.notice


@pytest.fixture(scope="module")
def experts() -> Any:
    pipe = BUILDERS["t2v_2_2"]()
    pipe.register_to_config(boundary_ratio=0.5)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize(
    ("multipliers", "loaded"), [("1;0", (1, 0)), ("0;1", (0, 1)), ("1;0.5", (1, 1)), ("1", (1, 1))]
)
def test_each_expert_has_the_loras_of_its_phase(
    experts: Any, lora: Path, multipliers: str, loaded: tuple[int, int]
) -> None:
    model = wan_model("t2v_2_2", guidance_max_phases=2)
    made = latents(experts, request(lora, multipliers=multipliers), model)
    found = (len(adapters_of(experts.transformer)), len(adapters_of(experts.transformer_2)))
    assert found == loaded
    remove_loras(experts)
    values = [float(value) for value in multipliers.split(";")]
    for network, strength in zip(denoisers(experts).values(), [values[0], values[-1]], strict=True):
        network.load_lora_adapter(str(lora.parent), weight_name=lora.name, adapter_name="x")
        network.set_adapters("x", strength)
    assert close(made, latents(experts))
    remove_loras(experts)


def test_a_file_may_hold_a_part_for_each_expert(experts: Any, tmp_path: Path) -> None:
    layer = "blocks.0.attn1.to_q"
    tensors = {**pair(f"transformer.{layer}", 24, 24), **pair(f"transformer_2.{layer}", 24, 24)}
    file = tiny_lora.save(tmp_path / "both.safetensors", tensors)
    latents(experts, request(file), wan_model("t2v_2_2"))
    assert len(adapters_of(experts.transformer)) == len(adapters_of(experts.transformer_2)) == 1
    only = tiny_lora.save(tmp_path / "second.safetensors", pair(f"transformer_2.{layer}", 24, 24))
    latents(experts, request(only), wan_model("t2v_2_2"))
    assert (len(adapters_of(experts.transformer)), len(adapters_of(experts.transformer_2))) == (0, 1)
    remove_loras(experts)


def test_rank_and_alpha_that_diffusers_noted_are_kept(pipe: Any, tmp_path: Path) -> None:
    from peft import LoraConfig

    pipe.transformer.add_adapter(LoraConfig(r=2, lora_alpha=8, target_modules=["to_q"], init_lora_weights=False), "x")
    expected = latents(pipe)
    pipe.transformer.save_lora_adapter(tmp_path, adapter_name="x", weight_name="noted.safetensors")
    remove_loras(pipe)
    saved = tmp_path / "noted.safetensors"
    assert close(latents(pipe, request(saved)), expected)
    assert text_adapters(pipe) == ()
