"""Parts of a pipeline that come from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from models.z_image import handler
from shared.core.errors import ModelNotFound
from shared.core.weights import Weights
from shared.diffusion.extra_parts import extra_parts
from tests.fakes.model_defs import family_model
from tests.fakes.tiny_text_to_image import save_llama
from tests.fakes.tiny_z_image import CONTROL_CONFIG, save_control

DTYPES = {"default": torch.bfloat16, "vae": torch.float32}


def parts_of(spec: dict[str, Any], place: Path) -> dict[str, Any]:
    model = family_model(handler, "z_image", extra_parts={"part": spec})
    return extra_parts(model, Weights(extra_parts={"part": place}), DTYPES)


def test_a_folder_of_another_library_is_loaded_with_its_options(tmp_path: Path) -> None:
    spec = {"library": "transformers", "class": "LlamaForCausalLM", "options": {"output_hidden_states": True}}
    part = parts_of(spec, save_llama(tmp_path / "llama"))["part"]
    assert isinstance(part, LlamaForCausalLM)
    assert part.dtype == torch.bfloat16
    assert part.config.output_hidden_states


def test_a_tokenizer_is_loaded_too(tmp_path: Path) -> None:
    spec = {"library": "transformers", "class": "AutoTokenizer"}
    assert parts_of(spec, save_llama(tmp_path / "llama"))["part"]("a red ball").input_ids


def test_a_single_file_is_read_with_the_configuration_of_the_definition(tmp_path: Path) -> None:
    file = save_control(tmp_path / "control") / "control.safetensors"
    part = parts_of({"class": "ZImageControlNetModel", "config": CONTROL_CONFIG}, file)["part"]
    assert part.config.control_in_dim == 33
    assert not any(weight.is_meta for weight in part.parameters())


def test_a_class_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match='part: diffusers has no class "NoSuchModel"'):
        parts_of({"class": "NoSuchModel"}, tmp_path)
