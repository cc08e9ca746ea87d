"""The negative prompt by attention alone equals two attentions a layer, written out."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from shared.core.contracts import Step
from shared.core.errors import SettingsError
from shared.diffusion.abilities import attention_kind
from shared.diffusion.guidance import steered
from shared.diffusion.guidance_layers import blocks_of
from shared.diffusion.guidance_nag import NagStrength, away_from
from shared.diffusion.passes import Pass, around_passes, denoisers
from tests.diffusion.tiny_pipelines import CASES, class_of, model_of, window_of

WAN = CASES["wan"]
NEGATIVE = "the blue ball on the red"
STRENGTH = NagStrength(4.0, 2.5, 0.5)
SETTINGS = {"NAG_scale": 4.0, "NAG_tau": 2.5, "NAG_alpha": 0.5}
CROSS = [name for name in CASES if attention_kind(class_of(name)) == "cross"]
JOINT = [name for name in CASES if attention_kind(class_of(name)) not in ("", "cross")]


def unguided(name: str) -> float:
    """The scale of the pipeline that is none."""
    return 0.0 if class_of(name) == "ZImagePipeline" else 1.0


def kept_away(name: str, pipe: Any, negative: str = NEGATIVE) -> torch.Tensor:
    """The latents with the negative prompt in the attention."""
    case = CASES[name]
    window = replace(window_of(2, 1.0, **SETTINGS), negative_prompt=negative)
    with steered(pipe, model_of(pipe, text_length=case.text_length), window, lambda step: None):
        return case.run(pipe, 2, unguided(name))


@pytest.mark.parametrize("name", CROSS)
def test_negative_attention_equals_two_attentions_per_layer(name: str) -> None:
    case = CASES[name]
    result = kept_away(name, case.pipe())

    reference = case.pipe()
    opposite = NegativeFirst(name)
    networks = denoisers(reference)
    for part in (part for network in networks for part in network.modules() if hasattr(part, "attn2")):
        part.attn2.set_processor(TwoAttentions(part.attn2.processor, opposite))
    with around_passes(reference, opposite):
        expected = case.run(reference, 2, 1.0)
    assert torch.allclose(result, expected, atol=1e-4)
    assert not torch.allclose(result, case.run(case.pipe(), 2, 1.0), atol=1e-4)


class NegativeFirst:
    """Runs each pass with the negative text first, to hear what its layers are given, then as it is asked."""

    def __init__(self, name: str) -> None:
        case = CASES[name]
        pipe = case.pipe()
        options: dict[str, Any] = {"do_classifier_free_guidance": False}
        if "max_sequence_length" in inspect.signature(pipe.encode_prompt).parameters:
            options["max_sequence_length"] = case.text_length
        with torch.inference_mode():
            answer = pipe.encode_prompt(NEGATIVE, **options)
        self.texts = {"encoder_hidden_states": answer[0]}
        self.texts |= {"encoder_attention_mask": answer[1]} if name == "ltx" else {}
        self.is_listening = False
        self.heard: dict[int, tuple[torch.Tensor, Any]] = {}

    def __call__(self, now: Pass) -> Any:
        self.is_listening = True
        now.forward(*now.args, **{**now.options, **self.texts})
        self.is_listening = False
        return now.run()


class TwoAttentions:
    """NAG written out: the layer's attention to each prompt, mixed before its output layer."""

    def __init__(self, processor: Any, opposite: NegativeFirst) -> None:
        self.processor, self.opposite = processor, opposite

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor, attention_mask: Any = None,
        *args: Any, **options: Any,
    ) -> torch.Tensor:  # fmt: skip
        if self.opposite.is_listening:
            self.opposite.heard[id(attn)] = (encoder_hidden_states, attention_mask)
            return self.processor(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **options)
        texts, mask = self.opposite.heard[id(attn)]
        output, attn.to_out = attn.to_out, nn.ModuleList([nn.Identity(), nn.Identity()])
        positive = self.processor(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **options)
        negative = self.processor(attn, hidden_states, texts, mask, *args, **options)
        attn.to_out = output
        return output[0](away_from(positive, negative, STRENGTH))


@pytest.mark.parametrize("name", JOINT)
def test_a_prompt_that_is_its_own_opposite_changes_nothing(name: str) -> None:
    case = CASES[name]
    expected = case.run(case.pipe(), 2, unguided(name))
    assert torch.allclose(kept_away(name, case.pipe(), "a red ball"), expected, atol=1e-4)
    assert not torch.allclose(kept_away(name, case.pipe()), expected, atol=1e-4)


@pytest.mark.parametrize(("name", "tokens"), [("flux", 16), ("qwen", 16), ("z image", 32)])
def test_joint_attention_is_mixed_before_its_output_layer(name: str, tokens: int) -> None:
    case = CASES[name]
    pipe = case.pipe()
    block = blocks_of(pipe.transformer)[0]
    output = (block.attention if name == "z image" else block.attn).to_out[0]
    seen: list[torch.Tensor] = []
    handle = output.register_forward_hook(lambda _, inputs, answer: seen.append(inputs[0][:, :tokens]))
    case.run(pipe, 2, unguided(name))
    # FLUX's first prompt is for what its layers are modulated by, the second one for its attention.
    case.run(pipe, 2, unguided(name), **{"prompt_2" if name == "flux" else "prompt": NEGATIVE})
    kept_away(name, pipe)
    handle.remove()
    positive, negative, mixed = seen[::2]
    assert torch.isfinite(negative).all()
    expected = away_from(positive, negative, STRENGTH)
    assert torch.allclose(mixed, torch.cat([expected, expected]), atol=1e-5)


def test_the_single_blocks_of_flux_keep_one_picture() -> None:
    pipe = CASES["flux"].pipe()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    for block in pipe.transformer.single_transformer_blocks:
        block.register_forward_hook(lambda _, inputs, answer: seen.append(answer))
    kept_away("flux", pipe)
    for texts, pictures in seen:
        assert torch.allclose(*pictures.chunk(2), atol=1e-5)
        assert not torch.allclose(*texts.chunk(2), atol=1e-5)


def test_negative_attention_is_limited() -> None:
    positive, negative = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    whole = away_from(positive, negative, NagStrength(100.0, 2.5, 1.0))
    assert torch.allclose(whole.norm(p=1, dim=-1), 2.5 * positive.norm(p=1, dim=-1))
    assert torch.equal(away_from(positive, negative, NagStrength(5.0, 2.5, 0.0)), positive)


def test_negative_attention_is_told_to_be_idle_beside_guidance() -> None:
    pipe, told = WAN.pipe(), list[Step]()
    with steered(pipe, model_of(pipe), window_of(NAG_scale=4.0), told.append):
        assert torch.equal(WAN.run(pipe), WAN.run(WAN.pipe()))
    assert [step.notice for step in told] == [
        "NAG_scale has no effect while guidance is on. Set guidance_scale to 1 to use it."
    ]


def test_a_pipeline_with_another_attention_is_refused_by_name() -> None:
    pipe = CASES["krea2"].pipe()
    window = window_of(2, 1.0, **SETTINGS)
    with (
        pytest.raises(SettingsError, match="NAG_scale: not available"),
        steered(pipe, model_of(pipe, NAG=True), window, lambda step: None),
    ):
        pytest.fail("it was not refused")
