"""HiDream, Krea 2 and Ideogram 4 keep the contract on tiny checkpoints; their guidance has effect."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.hidream import handler as hidream
from models.ideogram4 import handler as ideogram4
from models.krea2 import handler as krea2
from shared.core.contracts import Pipeline, WindowRequest
from shared.core.errors import SettingsError
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_text_to_image import save, save_llama
from tests.models.contract import run
from tests.models.picture_contract import PictureContract, bare_pipeline, distance


class TextToImage(PictureContract):
    save = staticmethod(save)

    def unsupported(self) -> dict[str, Any]:
        return {"image_refs": ["a.png"], "image_guide": "a.png", "image_mask": "a.png"}


class Guided(TextToImage):
    def test_guidance_has_effect_and_one_is_none(self, pipeline: Pipeline) -> None:
        window = self.request()
        unguided = run(pipeline, replace(window, guidance_scale=1.0))
        assert distance(run(pipeline, window), unguided) > 0


class TestHiDream(Guided):
    handler = hidream
    architecture = "hidream"

    def build(self, root: Path) -> ModelDef:
        """The checkpoint as its publisher has it: without the language model, which lies elsewhere."""
        folder = save(self.architecture, root / self.architecture)
        index = json.loads((folder / "model_index.json").read_text())
        for part in ("text_encoder_4", "tokenizer_4"):
            shutil.rmtree(folder / part)
            index.pop(part)
        (folder / "model_index.json").write_text(json.dumps(index))
        save_llama(root / "llama")
        parts = {name: {**spec, "repo": "", "folder": "llama"}
                 for name, spec in hidream.definition("hidream")["extra_parts"].items()}  # fmt: skip
        return family_model(hidream, self.architecture, extra_parts=parts)

    def request(self) -> WindowRequest:
        return replace(super().request(), flow_shift=3.0)

    def bare(self, folder: Path, window: WindowRequest) -> Any:
        import numpy as np
        import torch
        from transformers import AutoTokenizer, LlamaForCausalLM

        llama = folder.parent / "llama"
        pipe = bare_pipeline(
            folder, tokenizer_4=AutoTokenizer.from_pretrained(llama),
            text_encoder_4=LlamaForCausalLM.from_pretrained(llama, output_hidden_states=True),
        )  # fmt: skip
        pipe.default_sample_size = 8
        output = pipe(
            prompt=window.prompt, negative_prompt=window.negative_prompt, width=window.width, height=window.height,
            num_inference_steps=window.num_inference_steps, guidance_scale=window.guidance_scale, output_type="np",
            generator=torch.Generator("cpu").manual_seed(window.seed),
        )  # fmt: skip
        return np.asarray(output.images[0])[None]

    def test_sides_are_those_asked_for(self, pipeline: Pipeline) -> None:
        assert run(pipeline, replace(self.request(), width=96, height=48)).shape == (1, 48, 96, 3)


class TestKrea2Raw(Guided):
    handler = krea2
    architecture = "krea2"

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        given = {"guidance_scale": window.guidance_scale - 1, "negative_prompt": window.negative_prompt}
        return {**super().bare_arguments(window), **given}


class TestKrea2Turbo(TextToImage):
    handler = krea2
    architecture = "krea2_turbo"

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        return {**super().bare_arguments(window), "guidance_scale": 0.0}


class TestIdeogram4(Guided):
    handler = ideogram4
    architecture = "ideogram4"
    definition = {"text_length": 64}

    def bare_arguments(self, window: WindowRequest) -> dict[str, Any]:
        guidance = {"guidance_scale": window.guidance_scale, "guidance_schedule": None}
        return {**super().bare_arguments(window), **guidance, "max_sequence_length": 64}

    def test_the_last_steps_have_less_guidance(self, pipeline: Any) -> None:
        window = replace(self.request(), guidance_scale=7.0, num_inference_steps=48)
        assert pipeline.arguments(window)["guidance_schedule"] == [7.0] * 45 + [3.0] * 3

    def test_a_prompt_too_long_to_read_is_refused(self, pipeline: Pipeline) -> None:
        with pytest.raises(SettingsError, match="prompt: it has"):
            run(pipeline, replace(self.request(), prompt="a red ball " * 20))
