"""SDXL's finer steering equals plain loops and bare diffusers, and changes nothing where nothing is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from diffusers.schedulers import AysSchedules

from models.sdxl import handler
from models.sdxl.pipeline_samplers import make_sampler
from models.sdxl.pipeline_text import CHUNK_TOKENS, encode
from shared.core.contracts import LoadOptions, Step, WindowRequest
from shared.core.errors import SettingsError
from shared.core.sampler_names import sampler_notes
from shared.diffusion.driver import DiffusersPipeline
from shared.diffusion.sharpness import edge_blurred
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_sdxl import save
from tests.models.contract import run

SIDE, STEPS, SCALE = 32, 4, 6.0
LONG = ", ".join(["a big red ball on the green grass"] * 8)

Mix = Callable[[float, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("sdxl", tmp_path_factory.mktemp("steering") / "sdxl")


@pytest.fixture(scope="module")
def sdxl(folder: Path) -> DiffusersPipeline:
    return handler.load(family_model(handler, "sdxl"), [str(folder.parent)], LoadOptions())  # type: ignore[return-value]


@pytest.fixture
def bare(folder: Path) -> Any:
    pipe = StableDiffusionXLPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def request(**settings: Any) -> WindowRequest:
    return WindowRequest("a red ball", SIDE, SIDE, 1, STEPS, SCALE, seed=7, negative_prompt="blurry", settings=settings)


def plain_loop(pipe: Any, mix: Mix, sizes: Callable[[float], tuple[float, float]] = lambda t: (1, 1)) -> np.ndarray:
    """SDXL's denoising, written out: `mix(gone, cond, uncond, noisy)` guides, `sizes(t)` scales what is told."""
    with torch.inference_mode():
        cond, uncond, pooled, other = pipe.encode_prompt("a red ball", negative_prompt="blurry")
        pipe.scheduler.set_timesteps(STEPS)
        side = SIDE // pipe.vae_scale_factor
        noise = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(7))
        latents = noise * pipe.scheduler.init_noise_sigma
        for t in pipe.scheduler.timesteps:
            given = pipe.scheduler.scale_model_input(latents, t)
            answers = []
            for embeds, pool, factor in zip((cond, uncond), (pooled, other), sizes(float(t)), strict=True):
                told = torch.tensor([[int(SIDE * factor), int(SIDE * factor), 0, 0, SIDE, SIDE]], dtype=embeds.dtype)
                added = {"text_embeds": pool, "time_ids": told}
                answers.append(pipe.unet(given, t, encoder_hidden_states=embeds, added_cond_kwargs=added)[0])
            gone = min(max(1 - float(t) / 999, 0), 1)
            latents = pipe.scheduler.step(mix(gone, *answers, given), t, latents)[0]
        vae: AutoencoderKL = pipe.vae
        picture = vae.decode(latents / vae.config.scaling_factor)[0]
    return np.rint((picture / 2 + 0.5).clamp(0, 1).numpy() * 255).transpose(0, 2, 3, 1)


def guided(gone: float, cond: torch.Tensor, uncond: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
    return uncond + SCALE * (cond - uncond)


def test_the_plain_loop_is_what_the_program_makes(sdxl: DiffusersPipeline, bare: Any) -> None:
    assert np.abs(plain_loop(bare, guided) - run(sdxl, request())).max() <= 1


def test_neutral_settings_change_no_bit(sdxl: DiffusersPipeline) -> None:
    neutral = request(
        sharpness=0.0, adaptive_cfg=0.0, adm_scaler_positive=1.0, adm_scaler_negative=1.0, adm_scaler_end=0.3,
        freeu=0, freeu_b1=1.3, clip_skip=2, noise_schedule="", control_softness=0.0,
    )  # fmt: skip
    assert np.array_equal(run(sdxl, neutral), run(sdxl, request()))
    above = request(adaptive_cfg=SCALE)
    assert np.array_equal(run(sdxl, above), run(sdxl, request()))


def test_adaptive_guidance_rises_from_its_start_to_the_scale(sdxl: DiffusersPipeline, bare: Any) -> None:
    def mix(gone: float, cond: torch.Tensor, uncond: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        return (uncond + SCALE * (cond - uncond)) * gone + (uncond + 2 * (cond - uncond)) * (1 - gone)

    made = run(sdxl, request(adaptive_cfg=2.0))
    assert np.abs(plain_loop(bare, mix) - made).max() <= 1
    assert not np.array_equal(made, run(sdxl, request()))


def test_sharpness_takes_the_blur_out_of_the_prompted_side(sdxl: DiffusersPipeline, bare: Any) -> None:
    def mix(gone: float, cond: torch.Tensor, uncond: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        level = bare.scheduler.alphas_cumprod[round((1 - gone) * 999)]
        share = 0.001 * 30 * gone
        sharp = slow_blur(cond, noisy - (1 - level) ** 0.5 * cond) * share + cond * (1 - share)
        return uncond + SCALE * (sharp - uncond)

    made = run(sdxl, request(sharpness=30.0))
    assert np.abs(plain_loop(bare, mix) - made).max() <= 1
    assert not np.array_equal(made, run(sdxl, request()))


def slow_blur(values: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """A joint bilateral filter, pixel by pixel."""
    guide = (picture - picture.mean()) / (picture.std() + 1e-5)
    height, width = values.shape[2:]
    reach = 6

    def mirrored(place: int, length: int) -> int:
        place = abs(place)
        return 2 * (length - 1) - place if place >= length else place

    result = torch.zeros_like(values)
    for y in range(height):
        for x in range(width):
            total, weights = torch.zeros(values.shape[1]), 0.0
            for dy in range(-reach, reach + 1):
                for dx in range(-reach, reach + 1):
                    there = (mirrored(y + dy, height), mirrored(x + dx, width))
                    unlike = float((guide[0, :, there[0], there[1]] - guide[0, :, y, x]).abs().sum())
                    weight = np.exp(-(dy * dy + dx * dx) / 18 - unlike * unlike / 18)
                    total += weight * values[0, :, there[0], there[1]]
                    weights += weight
            result[0, :, y, x] = total / weights
    return result


def test_the_blur_is_a_joint_bilateral_filter() -> None:
    draw = torch.Generator().manual_seed(0)
    values, picture = (torch.randn(1, 4, 9, 11, generator=draw) for _ in range(2))
    assert torch.allclose(edge_blurred(values, picture), slow_blur(values, picture), atol=1e-5)
    assert torch.allclose(edge_blurred(torch.ones(1, 4, 3, 3), torch.randn(1, 4, 3, 3)), torch.ones(1, 4, 3, 3))


def test_told_sizes_are_scaled_side_by_side_until_their_end(sdxl: DiffusersPipeline, bare: Any) -> None:
    def sizes(t: float) -> tuple[float, float]:
        return (1.5, 0.8) if t > 999 * (1 - 0.6) else (1, 1)

    made = run(sdxl, request(adm_scaler_positive=1.5, adm_scaler_negative=0.8, adm_scaler_end=0.6))
    assert np.abs(plain_loop(bare, guided, sizes) - made).max() <= 1
    never = run(sdxl, request(adm_scaler_positive=1.5, adm_scaler_negative=0.8, adm_scaler_end=0.0))
    assert not np.array_equal(made, never) and np.array_equal(never, run(sdxl, request()))


def test_freeu_is_that_of_diffusers_and_comes_off_again(sdxl: DiffusersPipeline, bare: Any) -> None:
    factors = {"s1": 0.9, "s2": 0.2, "b1": 1.3, "b2": 1.4}
    made = run(sdxl, request(freeu=1, **{f"freeu_{name}": value for name, value in factors.items()}))
    bare.enable_freeu(**factors)
    theirs = bare(
        "a red ball", negative_prompt="blurry", width=SIDE, height=SIDE, num_inference_steps=STEPS,
        guidance_scale=SCALE, generator=torch.Generator().manual_seed(7), output_type="np",
    ).images  # fmt: skip
    assert np.abs(np.rint(theirs * 255) - made).max() <= 1
    bare.disable_freeu()
    assert np.abs(plain_loop(bare, guided) - run(sdxl, request())).max() <= 1


def test_without_guidance_what_needs_it_is_told(sdxl: DiffusersPipeline) -> None:
    told: list[str] = []

    def hear(step: Step) -> None:
        told.extend([step.notice] if step.notice else [])

    sdxl(replace(request(sharpness=2.0), guidance_scale=1.0), hear, lambda: False)
    assert told == ["sharpness: no effect while guidance is off. Set guidance_scale above 1."]


def test_our_reading_of_a_short_plain_prompt_is_that_of_diffusers(bare: Any) -> None:
    with torch.inference_mode():
        ours = encode(bare, "a red ball", "blurry", 2)
        theirs = bare.encode_prompt("a red ball", negative_prompt="blurry")
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    for name, tensor in zip(names, theirs, strict=True):
        assert torch.equal(ours[name], tensor), name


def test_weights_multiply_the_tokens_and_keep_the_mean(bare: Any) -> None:
    with torch.inference_mode():
        plain = encode(bare, "a red ball", "", 2)["prompt_embeds"]
        weighted = encode(bare, "a (red:1.5) ball", "", 2)["prompt_embeds"]
    first = len(bare.tokenizer("a", add_special_tokens=False).input_ids) + 1
    count = len(bare.tokenizer("red", add_special_tokens=False).input_ids)
    for before, after in zip(plain.chunk(2, dim=-1), weighted.chunk(2, dim=-1), strict=True):
        factors = torch.ones(before.shape[1])
        factors[first : first + count] = 1.5
        expected = before * factors[None, :, None]
        expected = expected * (before.mean() / expected.mean())
        assert torch.allclose(after, expected, atol=1e-5)


def test_a_long_prompt_is_read_to_its_end(sdxl: DiffusersPipeline, bare: Any) -> None:
    with torch.inference_mode():
        encoded = encode(bare, LONG, "", 2)
    chunks = encoded["prompt_embeds"].shape[1] // (CHUNK_TOKENS + 2)
    assert chunks > 1 and encoded["negative_prompt_embeds"].shape == encoded["prompt_embeds"].shape
    other = LONG.removesuffix("grass") + "water"
    one, two = (run(sdxl, replace(request(), prompt=text)) for text in (LONG, other))
    assert not np.array_equal(one, two)


def test_weights_and_layers_change_the_picture(sdxl: DiffusersPipeline) -> None:
    made = [run(sdxl, replace(request(), prompt=text)) for text in ("a red ball", "a (red:1.6) ball")]
    layers = [run(sdxl, request(clip_skip=layer)) for layer in (1, 3, 12)]
    assert len({picture.tobytes() for picture in (*made, *layers[:2])}) == 4
    assert np.array_equal(layers[2], run(sdxl, request(clip_skip=11))), "the first layer is the last that there is"


def test_align_your_steps_are_the_ten_levels_that_were_published(sdxl: DiffusersPipeline) -> None:
    scheduler = make_sampler(sdxl._scheduler, "dpmpp_2m", "align_your_steps")
    scheduler.set_timesteps(10)
    assert np.allclose(scheduler.sigmas.numpy(), AysSchedules["StableDiffusionXLSigmas"], atol=1e-3)
    scheduler.set_timesteps(25)
    levels = scheduler.sigmas.numpy()
    assert len(levels) == 26 and (np.diff(levels) < 0).all()


def test_turbo_takes_the_last_hundreds_of_the_training_steps(sdxl: DiffusersPipeline) -> None:
    scheduler = make_sampler(sdxl._scheduler, "euler", "turbo")
    scheduler.set_timesteps(4)
    assert np.allclose(scheduler.timesteps.numpy(), [999, 899, 799, 699], atol=0.6)


def test_what_is_run_as_something_near_is_told(sdxl: DiffusersPipeline) -> None:
    assert sampler_notes("euler", "karras") == [] and sampler_notes("lcm", "lcm") == []
    assert "restart is run as heun" in sampler_notes("restart", "")[0]
    assert "ddim cannot follow karras; sgm_uniform" in sampler_notes("ddim", "karras")[0]
    with pytest.raises(SettingsError, match="is not known"):
        make_sampler(sdxl._scheduler, "euler", "wavy")


def test_a_repaint_can_begin_from_what_is_there(sdxl: DiffusersPipeline) -> None:
    source = np.random.default_rng(3).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.full((1, SIDE, SIDE), 255, np.uint8)
    window = replace(request(), source=source, mask=mask)
    free, kept = run(sdxl, window), run(sdxl, replace(window, settings={"keep_initial_latent": 1}))
    assert not np.array_equal(free, kept)
    assert np.array_equal(free, run(sdxl, replace(window, source=source[:, ::-1].copy())))
    assert not np.array_equal(
        kept, run(sdxl, replace(window, source=source[:, ::-1].copy(), settings={"keep_initial_latent": 1}))
    )
