"""Processors load and read pictures on machines without torchvision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import transformers
from PIL import Image
from transformers.utils.import_utils import is_torchvision_available

from shared.diffusion.processors import processor_class, processors_without_torchvision
from tests.fakes.tiny_flux2 import mistral_tokenizer
from tests.fakes.tiny_parts import qwen_vl_processor

PROMPT = "<|vision_start|><|image_pad|><|vision_end|>a red ball"

without_torchvision = pytest.mark.skipif(is_torchvision_available(), reason="torchvision is installed here")


@pytest.mark.parametrize("name", ["Qwen2VLProcessor", "Qwen3VLProcessor"])
def test_a_processor_of_text_and_pictures_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    made = qwen_vl_processor(name)
    made.save_pretrained(tmp_path / "processor")
    index = {"processor": ["transformers", name], "vae": ["diffusers", "AutoencoderKL"], "layers": [1, 2]}
    loaded = processors_without_torchvision(tmp_path, index).get("processor") or getattr(transformers, name)
    if isinstance(loaded, type):
        loaded = loaded.from_pretrained(tmp_path / "processor")
    picture = Image.fromarray(np.zeros((64, 48, 3), np.uint8))
    before, after = (one(text=[PROMPT], images=[picture], return_tensors="pt") for one in (made, loaded))
    assert before.input_ids.tolist() == after.input_ids.tolist()
    assert before.pixel_values.shape == after.pixel_values.shape
    assert json.loads((tmp_path / "processor" / "processor_config.json").read_text())["processor_class"] == name


@without_torchvision
def test_a_processor_that_insists_on_torchvision_is_a_tokenizer(tmp_path: Path) -> None:
    mistral_tokenizer().save_pretrained(tmp_path / "tokenizer")
    found = processors_without_torchvision(tmp_path, {"tokenizer": ["transformers", "PixtralProcessor"]})
    messages = [[{"role": "user", "content": [{"type": "text", "text": "a red ball"}]}]]
    tokens = found["tokenizer"].apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt")
    assert tokens["input_ids"].shape[0] == 1


def test_processors_that_need_nothing_more_are_left_alone(tmp_path: Path) -> None:
    assert processor_class("CLIPImageProcessor") is transformers.CLIPImageProcessor
    assert processors_without_torchvision(tmp_path, {"feature_extractor": ["transformers", "CLIPImageProcessor"]}) == {}
