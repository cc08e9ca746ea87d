"""Guidance from outside a pipeline equals plain loops, and changes nothing where nothing is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer
from torch import nn

from shared.core.contracts import Step
from shared.core.errors import SettingsError
from shared.diffusion.abilities import branching_of
from shared.diffusion.guidance import _Guide, steered
from shared.diffusion.guidance_math import APG_LONGEST
from shared.diffusion.guidance_nag import NagStrength, away_from
from shared.diffusion.guidance_plan import GuidancePlan, pipeline_guidance
from shared.diffusion.passes import around_passes
from tests.diffusion.tiny_pipelines import CASES, SCALE, Case, model_of, window_of

WAN = CASES["wan"]
GUIDED = [name for name, case in CASES.items() if branching_of(type(case.build()).__name__)]

Mix = Callable[[int, float, torch.Tensor, torch.Tensor], torch.Tensor]


def steer(case: Case, pipe: Any, steps: int = 3, scale: float = SCALE, **settings: Any) -> torch.Tensor:
    """The latents under these settings."""
    window = window_of(steps, scale, **settings)
    with steered(pipe, model_of(pipe, text_length=case.text_length), window, lambda step: None):
        return case.run(pipe, steps, pipeline_guidance(window))


def plain_loop(pipe: Any, steps: int, mix: Mix, layers: tuple[int, ...] = ()) -> torch.Tensor:
    """Wan's denoising, written out: `mix(step, noise level, cond, uncond)` is the guidance."""
    generator = torch.Generator().manual_seed(7)
    with torch.inference_mode():
        prompted, opposite = pipe.encode_prompt("a red ball", "blurry", max_sequence_length=WAN.text_length)
        pipe.scheduler.set_timesteps(steps)
        latents = torch.randn(1, 16, 2, 4, 4, generator=generator)
        for step, t in enumerate(pipe.scheduler.timesteps):
            cond, uncond = (
                without_layers(pipe.transformer, left_out, latents, t, embeds)
                for embeds, left_out in ((prompted, ()), (opposite, layers))
            )
            latents = pipe.scheduler.step(mix(step, float(t) / 1000, cond, uncond), t, latents)[0]
    return latents


def without_layers(network: Any, layers: tuple[int, ...], latents: torch.Tensor, t: Any, embeds: Any) -> torch.Tensor:
    whole = network.blocks
    network.blocks = nn.ModuleList(block for number, block in enumerate(whole) if number not in layers)
    answer = network(latents, t.expand(1), embeds, return_dict=False)[0]
    network.blocks = whole
    return answer


def plain(cond: torch.Tensor, uncond: torch.Tensor, scale: float = SCALE) -> torch.Tensor:
    return uncond + scale * (cond - uncond)


def test_the_plain_loop_is_the_pipelines_own() -> None:
    pipe = WAN.pipe()
    assert torch.equal(plain_loop(pipe, 3, lambda step, time, c, u: plain(c, u)), WAN.run(WAN.pipe()))


@pytest.mark.parametrize("name", GUIDED)
def test_plain_guidance_from_outside_equals_the_bare_pipeline(name: str) -> None:
    case = CASES[name]
    expected, pipe = case.run(case.pipe()), case.pipe()
    branching = branching_of(type(pipe).__name__)
    assert branching is not None
    with around_passes(pipe, _Guide(GuidancePlan((SCALE + branching.from_cond,)), branching, pipe)):
        assert torch.equal(case.run(pipe), expected)


@pytest.mark.parametrize("name", GUIDED)
def test_each_pipeline_feels_each_method(name: str) -> None:
    case = CASES[name]
    pipe = case.pipe()
    expected = case.run(pipe)
    able = model_of(pipe)
    methods = {
        "cfg_star": {"cfg_star_switch": 1}, "adaptive_projected_guidance": {"apg_switch": 1},
        "cfg_zero": {"cfg_zero_step": 0},
        "perturbation": {"perturbation_switch": 1, "perturbation_layers": [1], "perturbation_start_perc": 0},
        "guidance_max_phases": {"guidance_phases": 2, "switch_threshold": 900, "guidance2_scale": 2.0},
    }  # fmt: skip
    for key, settings in methods.items():
        if able.get(key):
            assert not torch.equal(steer(case, pipe, **settings), expected), key
    assert torch.equal(case.run(pipe), expected)


def test_settings_that_ask_for_nothing_leave_the_network_alone() -> None:
    pipe = WAN.pipe()
    neutral = {
        "guidance_phases": 1, "guidance2_scale": 9.0, "cfg_star_switch": 0, "cfg_zero_step": -1, "apg_switch": 0,
        "perturbation_switch": 0, "perturbation_layers": [9], "NAG_scale": 1,
    }  # fmt: skip
    with steered(pipe, model_of(pipe), window_of(**neutral), lambda step: None):
        assert "forward" not in vars(pipe.transformer)
        assert torch.equal(WAN.run(pipe), WAN.run(WAN.pipe()))


def test_phases_have_their_scales() -> None:
    phases = {"guidance_phases": 3, "switch_threshold": 950, "switch_threshold2": 700}

    def mix(step: int, time: float, cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
        return plain(cond, uncond, 5.0 if time >= 0.95 else 3.0 if time >= 0.7 else 2.0)

    steered_latents = steer(WAN, WAN.pipe(), 4, guidance2_scale=3.0, guidance3_scale=2.0, **phases)
    assert torch.equal(steered_latents, plain_loop(WAN.pipe(), 4, mix))


def test_a_phase_without_guidance_spares_the_second_pass() -> None:
    pipe, calls = WAN.pipe(), []
    pipe.transformer.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    settings = {"guidance_phases": 2, "switch_threshold": 900, "guidance2_scale": 1.0}
    result = steer(WAN, pipe, 4, **settings)

    def mix(step: int, time: float, cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
        return plain(cond, uncond) if time >= 0.9 else cond

    assert torch.equal(result, plain_loop(WAN.pipe(), 4, mix))
    assert len(calls) == 4 + 2


def test_a_later_phase_may_be_the_only_one_that_guides() -> None:
    settings = {"guidance_phases": 2, "switch_threshold": 900, "guidance2_scale": 4.0}

    def mix(step: int, time: float, cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
        return cond if time >= 0.9 else plain(cond, uncond, 4.0)

    assert torch.equal(steer(WAN, WAN.pipe(), 4, 1.0, **settings), plain_loop(WAN.pipe(), 4, mix))


def test_scaled_guidance_fits_the_unprompted_prediction() -> None:
    def mix(step: int, time: float, cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
        return plain(cond, uncond * ((cond * uncond).sum() / (uncond**2).sum()))

    result = steer(WAN, WAN.pipe(), cfg_star_switch=1)
    assert torch.allclose(result, plain_loop(WAN.pipe(), 3, mix), atol=1e-5)


def test_the_first_steps_can_be_left_out() -> None:
    def mix(step: int, time: float, cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(cond) if step <= 1 else plain(cond, uncond)

    assert torch.equal(steer(WAN, WAN.pipe(), 4, cfg_zero_step=1), plain_loop(WAN.pipe(), 4, mix))


def test_projected_guidance_keeps_what_is_across_the_prediction() -> None:
    memory = MomentumBuffer(-0.75)

    def mix(step: int, time: float, cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
        memory.update(cond - uncond)
        difference = memory.running_average
        difference = difference * min(1.0, APG_LONGEST * cond.numel() ** 0.5 / float(difference.norm()))
        along = (difference * cond).sum() / (cond**2).sum() * cond
        return cond + (SCALE - 1) * (difference - along)

    result = steer(WAN, WAN.pipe(), apg_switch=1)
    assert torch.allclose(result, plain_loop(WAN.pipe(), 3, mix), atol=1e-4)


def test_layers_are_left_out_of_the_unprompted_pass() -> None:
    settings = {"perturbation_switch": 1, "perturbation_layers": [1]}
    everywhere = {"perturbation_start_perc": 0, "perturbation_end_perc": 100}
    result = steer(WAN, WAN.pipe(), **settings, **everywhere)
    assert torch.equal(result, plain_loop(WAN.pipe(), 3, lambda step, time, c, u: plain(c, u), layers=(1,)))
    assert torch.equal(steer(WAN, WAN.pipe(), **settings, perturbation_start_perc=100), WAN.run(WAN.pipe()))


def test_a_layer_that_is_not_there_is_refused() -> None:
    pipe = WAN.pipe()
    with pytest.raises(
        SettingsError, match=r"perturbation_layers: \[9\] is not there. This model has the layers 0 to 1"
    ):
        steer(WAN, pipe, perturbation_switch=1, perturbation_layers=[9])
    assert "forward" not in vars(pipe.transformer)


@pytest.mark.parametrize(
    ("setting", "value", "key"),
    [("cfg_star_switch", 1, "cfg_star"), ("apg_switch", 1, "adaptive_projected_guidance"),
     ("cfg_zero_step", 0, "cfg_zero"), ("perturbation_switch", 1, "perturbation"), ("NAG_scale", 5.0, "NAG")],
)  # fmt: skip
def test_what_a_model_lacks_is_refused_by_name(setting: str, value: Any, key: str) -> None:
    pipe = WAN.pipe()
    with (
        pytest.raises(SettingsError, match=f"{setting}: not available"),
        steered(pipe, model_of(pipe, **{key: False}), window_of(**{setting: value}), lambda step: None),
    ):
        pytest.fail("it was not refused")


@pytest.mark.parametrize("name", ["wan", "ltx"])
def test_a_pipeline_that_does_not_guide_is_told(name: str) -> None:
    case = CASES[name]
    pipe = case.pipe()
    with (
        pytest.raises(SettingsError, match="apg_switch: this model was asked with the prompt alone"),
        steered(pipe, model_of(pipe), window_of(apg_switch=1), lambda step: None),
    ):
        case.run(pipe, scale=1.0)


@pytest.mark.parametrize("name", ["wan", "ltx"])
def test_the_first_steps_can_be_left_out_without_guidance(name: str) -> None:
    case = CASES[name]
    pipe = case.pipe()
    expected = case.run(pipe, 1, scale=1.0)
    assert not torch.equal(steer(case, pipe, 1, 1.0, cfg_zero_step=0), expected)


def test_a_run_that_fails_leaves_the_network_as_it_was() -> None:
    pipe = WAN.pipe()
    window = window_of(apg_switch=1, cfg_star_switch=1, perturbation_switch=1, perturbation_layers=[0])
    handle = pipe.transformer.blocks[1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="broken"), steered(pipe, model_of(pipe), window, lambda step: None):
        WAN.run(pipe)
    handle.remove()
    assert "forward" not in vars(pipe.transformer)
    assert torch.equal(WAN.run(pipe), WAN.run(WAN.pipe()))


def fail(*_: Any) -> None:
    raise RuntimeError("broken")


@pytest.mark.parametrize("name", ["wan", "wan from a picture"])
def test_negative_attention_equals_two_attentions_per_layer(name: str) -> None:
    case = CASES[name]
    strength = NagStrength(4.0, 2.5, 0.5)
    settings = {"NAG_scale": 4.0, "NAG_tau": 2.5, "NAG_alpha": 0.5}
    result = steer(case, case.pipe(), 2, 1.0, **settings)

    reference = case.pipe()
    length = {"do_classifier_free_guidance": False, "max_sequence_length": case.text_length}
    opposite = reference.encode_prompt("blurry", **length)[0]
    opposite = reference.transformer.condition_embedder.text_embedder(opposite).detach()
    for block in reference.transformer.blocks:
        block.attn2.set_processor(TwoAttentions(block.attn2.processor, opposite, strength))
    assert torch.allclose(result, case.run(reference, 2, 1.0), atol=1e-5)
    assert not torch.allclose(result, case.run(case.pipe(), 2, 1.0), atol=1e-4)


class TwoAttentions:
    """NAG written out: the layer's attention to each prompt, mixed before its output layer."""

    def __init__(self, processor: Any, opposite: torch.Tensor, strength: NagStrength) -> None:
        self.processor, self.opposite, self.strength = processor, opposite, strength

    def __call__(self, attn: Any, hidden_states: torch.Tensor, texts: torch.Tensor, *args: Any) -> torch.Tensor:
        pictures = texts[:, : texts.shape[1] - self.opposite.shape[1]]
        output, attn.to_out = attn.to_out, nn.ModuleList([nn.Identity(), nn.Identity()])
        positive = self.processor(attn, hidden_states, texts, *args)
        negative = self.processor(attn, hidden_states, torch.cat([pictures, self.opposite], dim=1), *args)
        attn.to_out = output
        return output[0](away_from(positive, negative, self.strength))


def test_negative_attention_is_limited() -> None:
    positive, negative = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    whole = away_from(positive, negative, NagStrength(100.0, 2.5, 1.0))
    assert torch.allclose(whole.norm(p=1, dim=-1), 2.5 * positive.norm(p=1, dim=-1))
    assert torch.equal(away_from(positive, negative, NagStrength(5.0, 2.5, 0.0)), positive)


def test_negative_attention_is_told_to_be_idle_beside_guidance() -> None:
    pipe, told = WAN.pipe(), list[Step]()
    with steered(pipe, model_of(pipe), window_of(NAG_scale=4.0), told.append):
        assert torch.equal(WAN.run(pipe), WAN.run(WAN.pipe()))
    assert [step.notice for step in told] == [
        "NAG_scale has no effect while guidance is on. Set guidance_scale to 1 to use it."
    ]
