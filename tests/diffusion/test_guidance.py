"""Guidance from outside a pipeline equals plain loops, and changes nothing where nothing is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer
from torch import nn

from shared.core.errors import SettingsError
from shared.diffusion.abilities import abilities, branching_of
from shared.diffusion.guidance import guided_from_outside, steered
from shared.diffusion.guidance_layers import blocks_of
from shared.diffusion.guidance_math import APG_LONGEST
from shared.diffusion.guidance_plan import GuidancePlan, pipeline_guidance
from shared.diffusion.passes import Pass, around_passes
from tests.diffusion.tiny_pipelines import CASES, SCALE, Case, class_of, model_of, window_of

WAN = CASES["wan"]
GUIDED = [name for name in CASES if branching_of(class_of(name))]
# Z-Image answers with a list for each sample; Chroma counts its blocks to know how each is modulated, so that one taken
# out changes the others too.
_NOT_COMPARED = ("z image", "chroma")
LAYERED = [
    name for name in GUIDED if name not in _NOT_COMPARED and abilities((class_of(name),)).get("perturbation")
]

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
    with guided_from_outside(pipe, GuidancePlan((SCALE + branching.from_cond,)), branching):
        result = case.run(pipe)
    assert torch.equal(result, expected) if not case.tolerance else near(result, expected, case.tolerance)


def near(left: torch.Tensor, right: torch.Tensor, tolerance: float) -> bool:
    return torch.allclose(left, right, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", GUIDED)
def test_each_pipeline_feels_each_method(name: str) -> None:
    case = CASES[name]
    pipe = case.pipe()
    expected = case.run(pipe)
    able = model_of(pipe)
    methods = {
        "cfg_star": {"cfg_star_switch": 1}, "adaptive_projected_guidance": {"apg_switch": 1},
        "cfg_zero": {"cfg_zero_step": 0},
        "perturbation": {"perturbation_switch": 1, "perturbation_layers": [0], "perturbation_start_perc": 0},
        "guidance_max_phases": {"guidance_phases": 2, "switch_threshold": 900, "guidance2_scale": 2.0},
    }  # fmt: skip
    for key, settings in methods.items():
        if able.get(key):
            assert not torch.equal(steer(case, pipe, **settings), expected), key
    assert torch.equal(case.run(pipe), expected)


@contextmanager
def answered(pipe: Any, change: Callable[[Pass, torch.Tensor, torch.Tensor, int], torch.Tensor]) -> Iterator[None]:
    """Within it, the unprompted answers of `pipe` are `change(pass, prompted, unprompted, number of the tensor)`: the
    rest is its own."""
    branching = branching_of(type(pipe).__name__)
    assert branching is not None
    prompted = torch.empty(0)

    def around(now: Pass) -> Any:
        nonlocal prompted
        answer = now.run()
        if not branching.is_joint and now.branch:
            answer[0].copy_(change(now, prompted, answer[0], 0))
        elif not branching.is_joint:
            prompted = answer[0].clone()
        elif now.branch == 0:
            for number in range(max(len(branching.scales), 1)):
                halves = answer[number].chunk(2)
                unprompted = halves[branching.unprompted_half]
                unprompted.copy_(change(now, halves[1 - branching.unprompted_half], unprompted, number))
        return answer

    with around_passes(pipe, around):
        yield


def last_stack(network: nn.Module) -> nn.ModuleList:
    last = blocks_of(network)[-1]
    lists = [part for part in network.children() if isinstance(part, nn.ModuleList)]
    return next(blocks for blocks in lists if len(blocks) and blocks[-1] is last)


@pytest.mark.parametrize("name", LAYERED)
def test_a_left_out_layer_is_one_that_is_not_there(name: str) -> None:
    case, pipe = CASES[name], CASES[name].pipe()
    branching = branching_of(type(pipe).__name__)

    def without_last(now: Pass, _: torch.Tensor, unprompted: torch.Tensor, number: int) -> torch.Tensor:
        stack = last_stack(now.module)
        last = stack.pop(-1)
        answer = now.run()[number]
        stack.append(last)
        return answer.chunk(2)[branching.unprompted_half] if branching.is_joint else answer

    last = len(blocks_of(pipe.transformer)) - 1
    whole = {"perturbation_start_perc": 0, "perturbation_end_perc": 100}
    result = steer(case, pipe, perturbation_switch=1, perturbation_layers=[last], **whole)
    own_scale = SCALE - branching.from_cond
    with answered(pipe, without_last):
        expected = case.run(pipe, scale=own_scale)
    assert near(result, expected, 2e-4)
    assert not near(result, case.run(pipe, scale=own_scale), 1e-3)


@pytest.mark.parametrize("name", ["hunyuan", "lucy", "ltx", "ltx2", "qwen edit", "ideogram", "skyreels", "sdxl"])
def test_a_fitted_answer_is_as_if_the_network_had_said_it(name: str) -> None:
    case, pipe = CASES[name], CASES[name].pipe()
    branching = branching_of(type(pipe).__name__)

    def fitted_to(_: Pass, prompted: torch.Tensor, unprompted: torch.Tensor, number: int) -> torch.Tensor:
        count = 16 if branching.others else prompted.shape[1]
        part = slice(-count, None) if branching.others == "before" else slice(None, count)
        cond, uncond = prompted[:, part], unprompted[:, part]
        factor = (cond * uncond).sum() / (uncond**2).sum()
        return unprompted * factor

    result = steer(case, pipe, cfg_star_switch=1)
    with answered(pipe, fitted_to):
        expected = case.run(pipe)
    assert near(result, expected, 1e-4 * float(expected.abs().max()))
    assert not torch.equal(result, case.run(pipe))


def test_phases_change_the_scale_of_a_pipeline_with_other_guidance() -> None:
    case, pipe = CASES["ltx2"], CASES["ltx2"].pipe()

    def lowered(pipe: Any, step: int, t: Any, values: dict[str, Any]) -> dict[str, Any]:
        pipe._guidance_scale = 2.0
        return values

    times: list[float] = []
    with around_passes(pipe, lambda now: (times.append(now.time), now.run())[1]):
        expected = case.run(pipe, callback_on_step_end=lowered)
    border = (times[0] + min(times)) / 2 if len(set(times)) == 2 else sorted(set(times))[-2] + 1e-4
    phases = {"guidance_phases": 2, "switch_threshold": border * 1000, "guidance2_scale": 2.0}
    assert near(steer(case, pipe, **phases), expected, 2e-4)
    assert not near(case.run(pipe), expected, 1e-3)


def test_frames_with_their_own_noise_are_counted_row_by_row() -> None:
    case, pipe, seen = CASES["skyreels"], CASES["skyreels"].pipe(), list[tuple[int, int, int]]()
    with around_passes(pipe, lambda now: (seen.append((now.step, now.steps, now.branch)), now.run())[1]):
        case.run(pipe)
        case.run(pipe)
    assert seen == [(step, 3, branch) for step in range(3) for branch in (0, 1)] * 2


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
