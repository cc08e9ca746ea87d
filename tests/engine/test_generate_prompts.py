"""Wildcards, arrays, styles and inline LoRA through a whole task: what the model reads, what the file keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from shared.core.styles import styles
from shared.diffusion.expansion import PromptExpansion
from tests.fakes.engine import Engine, make_engine, numpy_model
from tests.fakes.tokenizers import clip_tokenizer

COLOURS = ["red", "green", "blue", "grey"]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards" / "colour.txt").write_text("# mine\n" + "\n".join(COLOURS))
    return make_engine(tmp_path)


def read(engine: Engine) -> list[str]:
    return [request.prompt for request in engine.pipeline.requests]


def test_each_sample_has_its_own_words_and_its_file_makes_it_again(engine: Engine) -> None:
    outputs = engine.make("a __colour__ [[cat, dog]]", image_mode=1, seed=4, repeat_generation=4)
    prompts = read(engine)
    assert [prompt.split()[-1] for prompt in prompts] == ["cat", "dog", "cat", "dog"]
    assert len({prompt.split()[1] for prompt in prompts}) > 1
    assert [output.settings["prompt"] for output in outputs] == prompts
    assert outputs[0].settings["original_prompt"] == "a __colour__ [[cat, dog]]"

    engine.pipeline.requests.clear()
    again = engine.make(**{**outputs[1].settings, "prompt": outputs[1].settings["prompt"]})
    assert read(engine) == [prompts[1]] and Path(again[0].path).is_file()


def test_wildcards_go_in_order_where_asked(engine: Engine) -> None:
    engine.make("__colour__", image_mode=1, repeat_generation=5, wildcards_in_order=1, fixed_seed=1, seed=9)
    assert read(engine) == [*COLOURS, "red"]
    assert {request.seed for request in engine.pipeline.requests} == {9}


def test_styles_are_put_around_and_the_prompt_is_kept_as_written(engine: Engine) -> None:
    (output,) = engine.make("a fox", image_mode=1, styles=["SAI Origami"], negative_prompt="rain")
    style = styles()["SAI Origami"]
    (request,) = engine.pipeline.requests
    assert request.prompt == style.prompt.replace("{prompt}", "a fox")
    assert request.negative_prompt == f"rain, {style.negative_prompt}"
    assert output.settings["prompt"] == "a fox" and output.settings["styles"] == ["SAI Origami"]
    assert output.settings["full_prompt"] == request.prompt
    assert output.settings["full_negative_prompt"] == request.negative_prompt
    assert "original_prompt" not in output.settings


def test_an_unknown_style_is_refused_by_name(engine: Engine) -> None:
    assert 'styles: there is no "Nothing"' in str(engine.run(styles=["Nothing"]).error)


def test_a_prompt_without_any_of_this_is_handed_on_as_it_is(engine: Engine) -> None:
    (output,) = engine.make("a (red) fox,  in [the] snow", negative_prompt=" x ", image_mode=1)
    assert read(engine) == ["a (red) fox,  in [the] snow"]
    assert engine.pipeline.requests[0].negative_prompt == " x "
    assert not {"full_prompt", "original_prompt", "full_negative_prompt"} & set(output.settings)


def test_a_list_that_is_not_there_is_told(engine: Engine) -> None:
    engine.make("a __missing__ fox", image_mode=1)
    assert "there is no wildcards/missing.txt" in engine.infos


def test_an_inline_lora_is_one_of_the_task(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, numpy_model(lora_dir="squares"))
    assert 'there is no "fur.safetensors"' in str(engine.run("a fox <lora:fur:0.5>").error)


def test_without_the_expansion_model_the_style_that_wants_it_is_told_once(engine: Engine) -> None:
    engine.make("a fox", image_mode=1, styles=["Fooocus V2"], repeat_generation=2)
    assert engine.infos.count("Fooocus V2") == 1 and read(engine) == ["a fox"] * 2


def save_expansion(folder: Path) -> None:
    """A tiny GPT-2 with random weights."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=160, n_embd=16, n_layer=2, n_head=2,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def test_the_expansion_goes_on_from_the_prompt_by_the_seed(engine: Engine, tmp_path: Path) -> None:
    save_expansion(tmp_path / "models" / "prompt_expansion")
    engine.registry.checkpoints = tmp_path / "models"
    (output,) = engine.make("a red ball", image_mode=1, styles=["Fooocus V2"], seed=5)
    (prompt,) = read(engine)
    assert prompt == f"a red ball, {output.settings['prompt_expansion']}"
    assert output.settings["prompt"] == "a red ball"

    expand = PromptExpansion(tmp_path / "models" / "prompt_expansion")
    assert output.settings["prompt_expansion"] == expand("a red ball", 5) != expand("a red ball", 6)
    assert json.dumps(output.settings)
