"""HiDream keeps the contract on a tiny checkpoint; its language model comes from elsewhere."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from models.hidream import handler
from shared.core.contracts import Pipeline, WindowRequest
from shared.core.model_def import ModelDef
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_text_to_image import save, save_llama
from tests.models.contract import run
from tests.models.picture_contract import Guided, bare_pipeline


class TestHiDream(Guided):
    handler = handler
    save = staticmethod(save)
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
                 for name, spec in handler.definition("hidream")["extra_parts"].items()}  # fmt: skip
        return family_model(handler, self.architecture, extra_parts=parts)

    def request(self) -> WindowRequest:
        return replace(super().request(), flow_shift=3.0)

    def bare(self, folder: Path, window: WindowRequest) -> np.ndarray:
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
