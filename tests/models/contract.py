"""What every family must keep: a subclass builds a tiny checkpoint, the tests here run it through its handler."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.core.contracts import FamilyHandler, LoadOptions, Pipeline, Step, WindowRequest
from shared.core.errors import Cancelled, DownloadError, SettingsError
from shared.core.model_def import ModelDef
from shared.core.settings import problems
from shared.diffusion.guard import networks_of
from shared.diffusion.lora_fit import denoisers
from shared.diffusion.offload import stream, weight_bytes
from tests.fakes.tiny_lora import fused, write_lora

STEPS = 3


class PipelineContract:
    """Subclasses give `handler`, and say how to build the checkpoint, what to ask for and what the bare result is.

    Pictures are clips of one frame; a model with `audio_only` gives sound, which is then compared in their place.
    """

    handler: FamilyHandler
    root: Path
    phases: tuple[str, ...] = ("Encoding prompt", *("Denoising",) * (STEPS + 1), "VAE decoding")
    """What is told, in order."""
    parts: frozenset[str] = frozenset({"transformer", "vae", "text_encoder"})
    """Components that must be there by name."""
    batch_tolerance = 1
    """How far a sample of a batch may be from its single run, in steps of a pixel (of sound: in 1/255)."""
    lora_tolerance = 2
    """How far a LoRA beside the weights may be from the same one added to them, as above."""
    half_tolerance = 16
    """How far a result in bfloat16 may be from one in float32 on the average, as above; random weights amplify it."""
    has_preview = True
    """Whether there are pictures to show of unfinished results; sound has none."""

    def build(self, root: Path) -> ModelDef:
        """Write a tiny checkpoint under `root`; its definition."""
        raise AssertionError("a family says how")

    def request(self) -> WindowRequest:
        """What the model is asked for, with STEPS steps."""
        raise AssertionError("a family says what")

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
        """The same from the bare diffusers pipeline: floats (F,H,W,3) in 0..1, of sound (samples, channels)."""
        raise AssertionError("a family says how")

    def unsupported(self) -> dict[str, Any]:
        """Settings that the model must refuse, by name."""
        return {}

    @pytest.fixture(scope="class")
    def model(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelDef:
        request.cls.root = tmp_path_factory.mktemp("ckpts")
        return self.build(request.cls.root)

    @pytest.fixture(scope="class")
    def pipeline(self, model: ModelDef) -> Pipeline:
        return self.handler.load(model, [str(self.root)], LoadOptions())

    def test_seeded_output_is_that_of_the_bare_pipeline(self, model: ModelDef, pipeline: Pipeline) -> None:
        window = self.request()
        made = run(pipeline, window)
        expected = self.bare(self.root / str(model.get("folder")), window)
        assert np.array_equal(made, expected if made.dtype.kind == "f" else np.rint(expected * 255).astype(np.uint8))

    def test_results_have_the_size_asked_for(self, model: ModelDef, pipeline: Pipeline) -> None:
        window = self.request()
        result = pipeline(window, lambda step: None, lambda: False)
        if model.get("audio_only"):
            assert len(result.frames) == 0
            assert result.audio.ndim == 2
            assert result.audio.dtype == np.float32
            assert result.audio_sampling_rate
            return
        assert result.frames[0].shape == (window.num_frames, window.height, window.width, 3)
        assert result.frames[0].dtype == np.uint8

    def test_another_seed_gives_another_result(self, pipeline: Pipeline) -> None:
        window = self.request()
        assert not np.array_equal(run(pipeline, window), run(pipeline, replace(window, seed=window.seed + 1)))

    def test_a_sample_of_a_batch_equals_its_single_run(self, model: ModelDef, pipeline: Pipeline) -> None:
        window = self.request()
        result = pipeline(replace(window, batch_size=2), lambda step: None, lambda: False)
        batch = result.audio if model.get("audio_only") else result.frames
        assert len(batch) == 2
        for index, made in enumerate(batch):
            single = run(pipeline, replace(window, seed=window.seed + index))
            assert _distance(made, single) <= self.batch_tolerance

    def test_progress_counts_every_step(self, pipeline: Pipeline) -> None:
        told: list[Step] = []
        pipeline(self.request(), told.append, lambda: False)
        assert tuple(step.phase for step in told) == self.phases
        counted = [(step.index, step.total) for step in told if step.phase == "Denoising"]
        per_pass = sum(phase == "Denoising" for phase in self.phases) // self._passes()
        assert counted == [(i, per_pass - 1) for i in range(per_pass)] * self._passes()

    def test_previews_are_small_pictures_of_the_frames(self, pipeline: Pipeline) -> None:
        told: list[Step] = []
        pipeline(self.request(), told.append, lambda: False)
        shown = [step.latents for step in told if step.latents is not None]
        if not self.has_preview:
            assert shown == []
            return
        strip = pipeline.preview(shown[-1])
        assert len(shown) >= STEPS
        assert shown[-1].ndim == 4
        assert strip.mode == "RGB"
        assert strip.width > 0

    @pytest.mark.parametrize("finished", range(STEPS + 1))
    def test_cancel_stops_within_one_step(self, pipeline: Pipeline, finished: int) -> None:
        told: list[Step] = []
        cancelled = False

        def on_step(step: Step) -> None:
            nonlocal cancelled
            told.append(step)
            cancelled = cancelled or (step.phase == "Denoising" and step.index == finished)

        with pytest.raises(Cancelled):
            pipeline(self.request(), on_step, lambda: cancelled)
        assert [step.index for step in told if step.phase == "Denoising"] == list(range(finished + 1))

    @pytest.mark.parametrize("phase", ["Encoding prompt", "VAE decoding"])
    def test_cancel_stops_beside_the_steps_too(self, pipeline: Pipeline, phase: str) -> None:
        if phase not in self.phases:
            return
        told: list[str] = []

        def on_step(step: Step) -> None:
            told.append(step.phase)

        with pytest.raises(Cancelled):
            pipeline(replace(self.request(), prompt=f"cancelled while {phase}"), on_step, lambda: phase in told)
        assert told[-1] == phase

    def test_a_run_after_a_cancelled_one_equals_a_fresh_one(self, model: ModelDef, pipeline: Pipeline) -> None:
        fresh = self.handler.load(model, [str(self.root)], LoadOptions())
        expected = run(fresh, self.request())
        told: list[Step] = []
        with pytest.raises(Cancelled):
            pipeline(self.request(), told.append, lambda: len(told) >= 3)
        assert same(run(pipeline, self.request()), expected)

    def test_components_are_named(self, pipeline: Pipeline) -> None:
        assert self.parts <= set(pipeline.components())

    def test_what_the_model_cannot_do_is_refused_by_name(self, model: ModelDef) -> None:
        params = {param.name: param for param in self.handler.settings(model)}
        for name, value in self.unsupported().items():
            settings = {"prompt": "a red ball", name: value}
            told = [*problems(settings, model, params), *self.handler.problems(settings, model)]
            assert any(sentence.startswith(f"{name}:") for sentence in told), f"{name} is not refused: {told}"

    def test_a_lora_goes_on_and_off_without_a_trace(self, model: ModelDef, pipeline: Pipeline, tmp_path: Path) -> None:
        networks = denoisers(getattr(pipeline, "pipe", None))
        window, file = self.request(), tmp_path / "style.safetensors"
        chosen = {"activated_loras": [str(file)], "loras_multipliers": "0.5"}
        if not networks:
            file.write_bytes(b"any")
            params = {param.name: param for param in self.handler.settings(model)}
            told = problems(chosen, model, params)
            if not model.get("no_lora"):
                with pytest.raises(SettingsError) as refusal:
                    run(pipeline, replace(window, settings={**window.settings, **chosen}))
                told = [str(refusal.value)]
            assert any(sentence.startswith("activated_loras:") for sentence in told)
            return
        assert not model.get("no_lora")
        main, network = next(iter(networks.items()))
        write_lora(file, network, prefix=f"{main}.")
        base = run(pipeline, window)
        made = run(pipeline, replace(window, settings={**window.settings, **chosen}))
        assert _distance(made, base) > self.lora_tolerance
        assert same(run(pipeline, window), base)
        with fused(networks.values(), network, 0.5):
            assert _distance(run(pipeline, window), made) <= self.lora_tolerance
        assert same(run(pipeline, window), base)

    def test_streamed_weights_give_the_same_output(self, model: ModelDef, pipeline: Any) -> None:
        streamed: Any = self.handler.load(model, [str(self.root)], LoadOptions())
        networks = networks_of(streamed.pipe)
        stream(networks, {name: weight_bytes(network) for name, network in networks.items()}, LoadOptions(profile=5))
        assert same(run(streamed, self.request()), run(pipeline, self.request()))

    def test_half_precision_gives_nearly_the_same(self, model: ModelDef, pipeline: Pipeline) -> None:
        half = self.handler.load(model, [str(self.root)], LoadOptions(dtype="bfloat16"))
        found, expected = (run(each, self.request()).astype(float) for each in (half, pipeline))
        scale = 255 if model.get("audio_only") else 1
        assert np.abs(found - expected).mean() * scale <= self.half_tolerance

    def test_missing_files_are_named(self, model: ModelDef, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match=str(tmp_path)):
            self.handler.load(model, [str(tmp_path)], LoadOptions())

    def _passes(self) -> int:
        """How often the denoising begins anew in one run."""
        return sum(
            phase == "Denoising" and (index == 0 or self.phases[index - 1] != "Denoising")
            for index, phase in enumerate(self.phases)
        )


def run(pipeline: Pipeline, window: WindowRequest) -> np.ndarray:
    """The frames of one sample, or its sound where there are none."""
    result = pipeline(window, lambda step: None, lambda: False)
    return result.frames[0] if len(result.frames) else result.audio


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two results are one: frames to the last bit, sound up to the rounding of its sums."""
    return np.array_equal(left, right) if left.dtype.kind != "f" else bool(np.allclose(left, right, rtol=0, atol=2e-6))


def _distance(left: np.ndarray, right: np.ndarray) -> float:
    if left.dtype.kind == "f":
        return float(np.abs(left - right).max()) * 255
    return float(np.abs(left.astype(int) - right).max())
