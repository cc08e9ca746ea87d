"""Picture prompts of SDXL: what each guides, how strongly, for how long; several at once, on any of its ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ControlNetUnionModel, StableDiffusionXLControlNetUnionPipeline, StableDiffusionXLPipeline
from PIL import Image
from transformers import CLIPVisionModelWithProjection

from models.sdxl import handler
from shared.core.contracts import LoadOptions, Pipeline, WindowRequest
from shared.core.model_def import ModelDef
from shared.diffusion.control import pyramid_edges, structure
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_sdxl import save, save_controlnet, save_ip_adapter
from tests.models.contract import run

SIDE, STEPS = 32, 4
ADAPTERS = ("ip-adapter-plus_sdxl_vit-h.safetensors", "ip-adapter-plus-face_sdxl_vit-h.safetensors")


def picture(seed: int) -> np.ndarray:
    cells = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(cells).resize((48, 40), Image.Resampling.NEAREST))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("guides")
    save("sdxl", root / "sdxl")
    save_controlnet(root / "controlnet-union-sdxl-1.0")
    made = save_ip_adapter(root, root / "IP-Adapter" / "models" / "image_encoder")
    for name in ADAPTERS:
        (root / name).write_bytes(made.read_bytes())
    return root


def guided(*kinds: str, weights: str = "", stops: str = "", **settings: Any) -> dict[str, Any]:
    return {"guide_pictures": ["a"] * len(kinds), "guide_kinds": list(kinds), "guide_weights": weights,
            "guide_stops": stops, **settings}  # fmt: skip


def loaded(root: Path, settings: dict[str, Any]) -> Pipeline:
    model = handler.for_task(family_model(handler, "sdxl"), settings)
    return handler.load(model, [str(root)], LoadOptions())


def request(settings: dict[str, Any], *seeds: int, **changes: Any) -> WindowRequest:
    window = WindowRequest("a red ball", SIDE, SIDE, 1, STEPS, 4.0, seed=7, negative_prompt="blurry", settings=settings)
    return replace(window, guides=[picture(seed) for seed in seeds], **changes)


@pytest.fixture(scope="module")
def everything(root: Path) -> Pipeline:
    return loaded(root, guided("ImagePrompt", "FaceSwap", "PyraCanny", "CPDS"))


def test_a_task_loads_what_its_picture_prompts_need_and_no_more() -> None:
    model = family_model(handler, "sdxl")
    assert handler.for_task(model, {}) is model

    def parts(settings: dict[str, Any]) -> tuple[set[str], int]:
        extended: ModelDef = handler.for_task(model, settings)
        return set(extended.get("extra_parts") or {}), len(extended.get("preload_URLs") or ())

    assert parts(guided("CPDS", "PyraCanny")) == ({"controlnet"}, 0)
    assert parts(guided("ImagePrompt")) == ({"image_encoder"}, 1)
    assert parts(guided("FaceSwap", "ImagePrompt", "PyraCanny")) == ({"image_encoder", "controlnet"}, 2)
    names = {Path(file.path).name for file in handler.files(handler.for_task(model, guided("FaceSwap")))}
    assert "ip-adapter-plus-face_sdxl_vit-h.safetensors" in names


def test_edges_are_followed_as_bare_diffusers_does(root: Path) -> None:
    settings = guided("PyraCanny", "CPDS", weights="0.8 0.5", stops="0.5 1")
    made = run(loaded(root, settings), request(settings, 1, 2))
    parts = StableDiffusionXLPipeline.from_pretrained(root / "sdxl").components
    controlnet = ControlNetUnionModel.from_pretrained(root / "controlnet-union-sdxl-1.0")
    bare = StableDiffusionXLControlNetUnionPipeline(**parts, controlnet=controlnet)
    bare.set_progress_bar_config(disable=True)
    whole = (Image.fromarray(picture(seed)).resize((SIDE, SIDE), Image.Resampling.LANCZOS) for seed in (1, 2))
    fitted = [np.asarray(one) for one in whole]
    drawn = [pyramid_edges(fitted[0], 64, 128), structure(fitted[1])]
    theirs = bare(
        "a red ball", negative_prompt="blurry", control_image=[Image.fromarray(one) for one in drawn],
        control_mode=[3, 2], controlnet_conditioning_scale=[0.8, 0.5], control_guidance_end=[0.5, 1.0], width=SIDE,
        height=SIDE, num_inference_steps=STEPS, guidance_scale=4.0, generator=torch.Generator().manual_seed(7),
        output_type="np",
    ).images  # fmt: skip
    assert np.abs(np.rint(theirs * 255) - made).max() <= 1


def test_a_picture_is_looked_at_as_bare_diffusers_does(root: Path) -> None:
    settings = guided("ImagePrompt", weights="0.5", stops="1")
    made = run(loaded(root, settings), request(settings, 1))
    bare = StableDiffusionXLPipeline.from_pretrained(root / "sdxl")
    bare.set_progress_bar_config(disable=True)
    encoder = CLIPVisionModelWithProjection.from_pretrained(root / "IP-Adapter" / "models" / "image_encoder")
    bare.register_modules(image_encoder=encoder)
    bare.load_ip_adapter(str(root), subfolder="", weight_name=ADAPTERS[0], image_encoder_folder=None)
    bare.set_ip_adapter_scale(0.5)
    theirs = bare(
        "a red ball", negative_prompt="blurry", ip_adapter_image=Image.fromarray(picture(1)), width=SIDE, height=SIDE,
        num_inference_steps=STEPS, guidance_scale=4.0, generator=torch.Generator().manual_seed(7), output_type="np",
    ).images  # fmt: skip
    assert np.abs(np.rint(theirs * 255) - made).max() <= 2


def test_all_kinds_work_at_once_and_each_counts(everything: Pipeline) -> None:
    kinds = ("ImagePrompt", "FaceSwap", "PyraCanny", "CPDS")
    every = run(everything, request(guided(*kinds, stops="1 1 1 1"), 1, 2, 3, 4))
    for number in range(4):
        seeds = [9 if place == number else place + 1 for place in range(4)]
        other = run(everything, request(guided(*kinds, stops="1 1 1 1"), *seeds))
        assert not np.array_equal(every, other), kinds[number]


def test_two_pictures_of_one_adapter_have_strengths_of_their_own(root: Path) -> None:
    kinds = ("ImagePrompt", "ImagePrompt")
    pipeline = loaded(root, guided(*kinds))
    first = run(pipeline, request(guided(*kinds, weights="0.9 0.2", stops="1 1"), 1, 2))
    second = run(pipeline, request(guided(*kinds, weights="0.2 0.9", stops="1 1"), 1, 2))
    turned = run(pipeline, request(guided(*kinds, weights="0.2 0.9", stops="1 1"), 2, 1))
    assert not np.array_equal(first, second)
    assert np.abs(first.astype(int) - turned).max() <= 1, "the order does not matter"


def test_a_picture_stops_guiding_after_its_part_of_the_steps(root: Path) -> None:
    kinds = ("ImagePrompt",)
    pipeline = loaded(root, guided(*kinds))
    made = {stop: run(pipeline, request(guided(*kinds, stops=stop), 1)).tobytes() for stop in ("0.25", "0.5", "1")}
    assert len(set(made.values())) == 3
    again = run(pipeline, request(guided(*kinds, stops="0.25"), 1))
    assert again.tobytes() == made["0.25"], "nothing of the run before is left"


@pytest.mark.parametrize("way", ["from a picture", "repaint"])
def test_picture_prompts_join_the_other_ways(everything: Pipeline, way: str) -> None:
    source = np.random.default_rng(5).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((1, SIDE, SIDE), np.uint8)
    mask[:, 8:24, 8:24] = 255
    kinds = ("ImagePrompt", "FaceSwap", "PyraCanny", "CPDS")
    changes = {"source": source, "denoising_strength": 0.75} if way == "from a picture" else {
        "source": source, "mask": mask}  # fmt: skip
    window = request(guided(*kinds, stops="1 1 1 1"), 1, 2, 3, 4, **changes)
    made = run(everything, window)
    assert not np.array_equal(made, run(everything, replace(window, guides=[picture(n) for n in (5, 6, 8, 9)])))
    if way == "repaint":
        assert np.array_equal(made[:, :4], source[:, :4])


def test_softness_lets_go_of_the_fine_parts_first(root: Path) -> None:
    settings = guided("PyraCanny", stops="1")
    pipeline = loaded(root, settings)
    hard, soft = (run(pipeline, request({**settings, "control_softness": value}, 1)) for value in (0.0, 0.5))
    assert not np.array_equal(hard, soft)
    assert np.array_equal(hard, run(pipeline, request(settings, 1)))


def test_drawings_can_be_given_as_they_are(root: Path) -> None:
    settings = guided("PyraCanny", stops="1")
    pipeline = loaded(root, settings)
    raw = run(pipeline, request({**settings, "guide_preprocess": 0}, 1))
    assert not np.array_equal(raw, run(pipeline, request(settings, 1)))


def test_edges_at_several_sizes_and_structure_are_drawings() -> None:
    scene = np.full((64, 96, 3), 40, np.uint8)
    scene[16:48, 32:64] = (200, 40, 40)
    edges = pyramid_edges(scene, 64, 128)
    assert edges.shape == scene.shape and edges[16, 40:56].mean() > 100 and edges[2:6, 2:20].max() == 0
    assert edges[32, 48].max() < edges[16, 48].max()
    soft = structure(scene)
    assert soft.shape == scene.shape and soft[16, 40:56].mean() > soft[32, 48].mean()
