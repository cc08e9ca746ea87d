"""VACE, Animate, SkyReels, Lucy Edit and ChronoEdit keep the contract, and do with media what they are for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from PIL import Image

from models.wan import handler
from models.wan.pipeline_vace import conditions, on_white
from shared.core.contracts import LoadOptions, Step, WindowRequest
from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import wan_model
from tests.fakes.tiny_wan import save
from tests.models.contract import STEPS, PipelineContract, run
from tests.models.test_wan import PICTURE, generator, picture


def clip(frames: int, side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), dtype=np.uint8)


def pictures(frames: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(frame) for frame in frames]


class RelativeContract(PipelineContract):
    handler = handler
    architecture = ""
    frames = 9
    side = 32

    def build(self, root: Path) -> ModelDef:
        save(self.architecture, root / self.architecture)
        return wan_model(self.architecture)

    def request(self) -> WindowRequest:
        return WindowRequest(
            prompt="a red ball", negative_prompt="blurry", width=self.side, height=self.side, num_frames=self.frames,
            num_inference_steps=STEPS, guidance_scale=5.0, seed=7, flow_shift=3.0, fps=24,
        )  # fmt: skip

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        return pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, width=window.width, height=window.height,
            num_inference_steps=STEPS, guidance_scale=window.guidance_scale, generator=generator(window),
            output_type="np", **self.bare_arguments(window),
        ).frames[0]  # fmt: skip

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_frames": window.num_frames}


class TestVace(RelativeContract):
    """A control clip, a mask and a reference at once."""

    architecture = "vace_1.3B"

    def request(self) -> WindowRequest:
        mask = np.zeros((9, 32, 32), np.uint8)
        mask[:, :, 16:] = 255
        settings = {"control_net_weight": 0.75}
        return replace(super().request(), control=clip(9), control_mask=mask, references=(picture(32, 3),),
                       settings=settings)  # fmt: skip

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        masks = [Image.fromarray(mask) for mask in window.control_mask]
        return {
            "num_frames": window.num_frames, "video": pictures(window.control), "mask": masks,
            "reference_images": [Image.fromarray(window.references[0])], "conditioning_scale": 0.75,
        }  # fmt: skip

    def unsupported(self) -> dict[str, Any]:
        return {"video_prompt_type": "VG", "audio_guide": "voice.wav", "video_guide2": "clip.mp4"}


class TestVaceWithTwoExperts(RelativeContract):
    """From the text alone."""

    architecture = "vace_14B_2_2"
    parts = frozenset({"transformer", "transformer_2", "vae", "text_encoder"})


class TestAnimate(RelativeContract):
    architecture = "animate"
    frames = 17

    def request(self) -> WindowRequest:
        return replace(super().request(), control=clip(17), control2=clip(17, 16), references=(picture(32, 3),))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {
            "image": Image.fromarray(window.references[0]), "pose_video": pictures(window.control),
            "face_video": pictures(window.control2), "segment_frame_length": 17, **self.way(window),
        }  # fmt: skip

    def way(self, window: WindowRequest) -> dict[str, Any]:
        return {"mode": "animate"}

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "image_refs": [PICTURE, PICTURE], "image_start": [PICTURE], "video_prompt_type": "EV"}


class TestAnimateInAClip(TestAnimate):
    """The person in place of the one in a clip."""

    def request(self) -> WindowRequest:
        mask = np.zeros((17, 32, 32), np.uint8)
        mask[:, 8:24, 8:24] = 255
        return replace(super().request(), source=clip(17, seed=5), mask=mask)

    def way(self, window: WindowRequest) -> dict[str, Any]:
        masks = [Image.fromarray(mask) for mask in window.mask]
        return {"mode": "replace", "background_video": pictures(window.source), "mask_video": masks}


class TestForcing(RelativeContract):
    architecture = "sky_df_1.3B"

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_frames": window.num_frames, "base_num_frames": window.num_frames}

    def unsupported(self) -> dict[str, Any]:
        return {"image_mode": 1, "image_end": [PICTURE], "video_guide": "clip.mp4", "model_mode": 3}


class TestLucyEdit(RelativeContract):
    architecture = "lucy_edit"
    side = 64

    def request(self) -> WindowRequest:
        return replace(super().request(), control=clip(9, 64))

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"num_frames": window.num_frames, "video": pictures(window.control)}

    def unsupported(self) -> dict[str, Any]:
        return {"video_guide": None, "image_start": [PICTURE], "image_mode": 1}


class TestChronoEdit(RelativeContract):
    architecture = "chrono_edit"
    frames = 1

    def request(self) -> WindowRequest:
        return replace(super().request(), image_mode=True, references=(picture(32),))

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        return super().bare(folder, window)[-1:]

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {"image": Image.fromarray(window.references[0])}

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": [PICTURE, PICTURE], "image_start": [PICTURE], "model_mode": 2}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("relatives")
    kept: dict[str, Any] = {}

    def load(architecture: str) -> Any:
        if architecture not in kept:
            save(architecture, root / architecture)
            kept[architecture] = handler.load(wan_model(architecture), [str(root)], LoadOptions())
        return kept[architecture]

    return load


def request(num_frames: int, **changes: Any) -> WindowRequest:
    return WindowRequest("a red ball", 32, 32, num_frames, 2, 5.0, seed=7, flow_shift=3.0, **changes)


def test_what_is_given_to_vace_is_one_clip_and_its_mask() -> None:
    start, end, middle, before = (np.full((32, 32, 3), level, np.uint8) for level in (10, 20, 30, 40))
    window = request(9, image_start=start, image_end=end, injected={4: middle, 0: before})
    made, mask = conditions(window)
    assert made is not None and mask is not None
    assert [int(frame[0, 0, 0]) for frame in made] == [10, 127, 127, 127, 30, 127, 127, 127, 20]
    assert [bool(frame.any()) for frame in mask] == [False, True, True, True, False, True, True, True, False]
    made, mask = conditions(replace(window, prefix=np.stack([before, before]), image_start=None))
    assert made is not None and [int(frame[0, 0, 0]) for frame in made[:3]] == [40, 40, 127]
    assert conditions(request(9)) == (None, None)


def test_a_reference_stands_in_the_middle_of_white() -> None:
    small = on_white(np.full((8, 16, 3), 50, np.uint8), (32, 32))
    pixels = np.asarray(small)
    assert (pixels == 50).all(axis=2).sum() == 8 * 16 and (pixels[0] == 255).all()
    assert on_white(np.zeros((64, 16, 3), np.uint8), (32, 32)).size == (32, 32)


def test_kept_frames_and_references_change_what_vace_makes(loaded: Any) -> None:
    pipeline = loaded("vace_1.3B")
    plain = run(pipeline, request(9))
    continued = run(pipeline, request(9, prefix=clip(5)))
    shown = run(pipeline, request(9, references=(picture(32),)))
    assert plain.shape == continued.shape == shown.shape == (9, 32, 32, 3)
    assert not np.array_equal(plain, continued) and not np.array_equal(plain, shown)
    with pytest.raises(SettingsError, match="leave nothing to make"):
        run(pipeline, request(5, prefix=clip(5)))


def test_animate_goes_on_from_the_frame_before(loaded: Any) -> None:
    pipeline = loaded("animate")
    window = request(17, control=clip(17), control2=clip(17, 16), references=(picture(32),))
    first, second = run(pipeline, window), run(pipeline, replace(window, prefix=clip(1, seed=9)))
    assert (second[0] == clip(1, seed=9)[0]).all() and not np.array_equal(first[1:], second[1:])
    assert np.array_equal(run(pipeline, window), first), "nothing of the continued run is left"
    for name, missing in (("image_refs", {"references": ()}), ("video_guide2", {"control2": None})):
        with pytest.raises(SettingsError, match=name):
            run(pipeline, replace(window, **missing))


@pytest.mark.parametrize("mode", [0, 5])
def test_skyreels_goes_on_from_many_frames_in_both_orders(loaded: Any, mode: int) -> None:
    pipeline = loaded("sky_df_1.3B")
    window = request(17, settings={"model_mode": mode}, overlap_noise=20.0)
    told: list[Step] = []
    given = replace(window, prefix=clip(9))
    frames = pipeline(given, told.append, lambda: False).frames[0]
    assert (frames[:9] == clip(9)).all() and frames.shape == (17, 32, 32, 3)
    assert np.array_equal(run(pipeline, given), frames), "noise on given frames comes from the seed"
    assert sum(step.latents is not None for step in told) == sum(step.phase == "Denoising" for step in told) - 1
    started = run(pipeline, replace(window, image_start=picture(32)))
    assert (started[0] == picture(32)).all()
    assert np.array_equal(run(pipeline, request(17)), run(pipeline, replace(window, settings={}, overlap_noise=0.0)))


def test_chronoedit_can_think_through_the_change(loaded: Any) -> None:
    pipeline = loaded("chrono_edit")
    window = request(1, references=(picture(32),), image_mode=True)
    told: list[Step] = []
    thought = pipeline(replace(window, settings={"model_mode": 1}), told.append, lambda: False).frames[0]
    assert thought.shape == (1, 32, 32, 3) and not np.array_equal(thought, run(pipeline, window))


@pytest.mark.parametrize(("architecture", "name"), [("lucy_edit", "video_guide"), ("chrono_edit", "image_refs")])
def test_an_editor_asks_for_what_it_edits(loaded: Any, architecture: str, name: str) -> None:
    window = replace(request(5 if architecture == "lucy_edit" else 1), width=64, height=64)
    with pytest.raises(SettingsError, match=name):
        run(loaded(architecture), window)
