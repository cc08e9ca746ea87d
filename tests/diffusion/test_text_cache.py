"""The same words are encoded once; anything else is encoded anew."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig

from shared.diffusion.text_cache import KEPT_PROMPTS, forget_prompts, remember_prompts
from tests.diffusion.tiny_pipelines import CASES


def counting(pipe: Any) -> list[int]:
    calls = [0]

    def count(*_: Any) -> None:
        calls[0] += 1

    pipe.text_encoder.register_forward_pre_hook(count)
    return calls


@pytest.mark.parametrize("name", ["wan", "ltx", "qwen"])
def test_a_second_job_with_the_same_words_leaves_the_encoder_alone(name: str) -> None:
    case, pipe = CASES[name], CASES[name].pipe()
    expected = case.run(case.pipe())
    calls = counting(pipe)
    remember_prompts(pipe)
    first = case.run(pipe)
    encoded = calls[0]
    assert encoded > 0
    assert torch.equal(first, expected)
    assert torch.equal(case.run(pipe), expected)
    assert calls[0] == encoded


def test_other_words_and_other_options_are_encoded_anew() -> None:
    pipe = CASES["wan"].pipe()
    calls = counting(pipe)
    remember_prompts(pipe)
    for options in ({"prompt": "a"}, {"prompt": "b"}, {"prompt": "a", "max_sequence_length": 20}, {"prompt": ["a"]}):
        pipe.encode_prompt(do_classifier_free_guidance=False, **options)
    assert calls[0] == 4


def test_what_is_handed_out_can_be_changed() -> None:
    pipe = CASES["wan"].pipe()
    remember_prompts(pipe)
    for _ in range(3):
        embeds = pipe.encode_prompt("a", do_classifier_free_guidance=False)[0].detach()
        kept = embeds.clone()
        embeds.zero_()
    assert kept.abs().sum() > 0


def test_only_the_last_prompts_are_kept() -> None:
    pipe = CASES["wan"].pipe()
    calls = counting(pipe)
    remember_prompts(pipe)
    for number in [*range(KEPT_PROMPTS + 1), 0]:
        pipe.encode_prompt(str(number), do_classifier_free_guidance=False)
    assert calls[0] == KEPT_PROMPTS + 2


def test_a_lora_of_the_text_encoder_is_heard_at_once() -> None:
    pipe = CASES["wan"].pipe()
    calls = counting(pipe)
    remember_prompts(pipe)
    before = pipe.encode_prompt("a", do_classifier_free_guidance=False)[0]
    pipe.text_encoder.add_adapter(LoraConfig(r=2, target_modules=["q"], init_lora_weights=False))
    with_lora = pipe.encode_prompt("a", do_classifier_free_guidance=False)[0]
    assert not torch.equal(with_lora, before)
    pipe.encode_prompt("a", do_classifier_free_guidance=False)
    assert calls[0] == 3


def test_prompts_can_be_forgotten() -> None:
    pipe = CASES["wan"].pipe()
    calls = counting(pipe)
    remember_prompts(pipe)
    for _ in range(2):
        pipe.encode_prompt("a", do_classifier_free_guidance=False)
        forget_prompts(pipe)
    assert calls[0] == 2
