"""The attention kernel: what runs here is chosen, what cannot is refused, and other models keep theirs."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_dispatch import _AttentionBackendRegistry

from shared.core.contracts import Step
from shared.core.errors import SettingsError
from shared.diffusion.attention import _MASKED, choose_attention, set_attention, trouble
from shared.diffusion.compiling import compile_blocks
from shared.diffusion.notices import tell_later, told
from shared.diffusion.passes import denoisers
from tests.diffusion.tiny_pipelines import CASES, model_of, window_of


def heard(pipe: object) -> list[str]:
    steps: list[Step] = []
    with told(pipe, model_of(pipe), window_of(), steps.append):
        return [step.notice for step in steps]


def test_on_a_processor_the_best_is_torchs_own() -> None:
    pipe = CASES["wan"].pipe()
    assert choose_attention(pipe, "auto", "cpu") == "sdpa"
    assert heard(pipe) == []


def test_a_wish_is_told_once() -> None:
    pipe = CASES["wan two experts"].pipe()
    assert choose_attention(pipe, "sdpa", "cpu") == "sdpa"
    assert heard(pipe) == ["Attention: sdpa."]
    assert heard(pipe) == []


@pytest.mark.parametrize(("name", "reason"), [("flash", "NVIDIA"), ("sage2", "NVIDIA"), ("sol", "is not known")])
def test_what_cannot_run_here_is_refused_by_name(name: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f'override_attention: "{name}".*{reason}'):
        set_attention(CASES["wan"].pipe().transformer, name)


def test_a_kernel_without_masks_is_refused_for_a_model_that_has_them() -> None:
    assert "mask" in trouble(CASES["ltx"].pipe().transformer, "flash", "cuda:0")
    assert "mask" not in trouble(CASES["wan"].pipe().transformer, "flash", "cpu")


@pytest.mark.parametrize("name", list(CASES))
def test_the_models_with_masks_are_known(name: str) -> None:
    """torch's own flash kernel takes no mask either, and runs on a processor."""
    pipe, default = CASES[name].pipe(), _AttentionBackendRegistry._active_backend
    network = denoisers(pipe)[0]
    network.set_attention_backend("_native_flash")
    try:
        if type(network).__name__ in _MASKED:
            with pytest.raises(ValueError, match="attn_mask"):
                CASES[name].run(pipe, 2)
        else:
            assert torch.isfinite(CASES[name].run(pipe, 2)).all()
    finally:
        _AttentionBackendRegistry._active_backend = default


def test_compiled_blocks_give_the_same() -> None:
    pipe = CASES["wan"].pipe()
    expected = CASES["wan"].run(pipe)
    assert compile_blocks(pipe, "transformer", "cpu", backend="eager")
    assert torch.allclose(CASES["wan"].run(pipe), expected, atol=1e-5)
    assert "compiles the network" in heard(pipe)[0]


def test_nothing_is_compiled_unasked() -> None:
    pipe = CASES["wan"].pipe()
    assert not compile_blocks(pipe, "", "cpu")
    assert heard(pipe) == []


def test_a_compiler_that_does_not_work_is_told() -> None:
    pipe = CASES["wan"].pipe()
    assert not compile_blocks(pipe, "transformer", "cpu", backend="no such compiler")
    assert "it cannot run here, the model runs uncompiled" in heard(pipe)[0]


def test_notices_wait_for_the_next_run() -> None:
    pipe = CASES["wan"].pipe()
    tell_later(pipe, "one")
    tell_later(pipe, "two")
    assert heard(pipe) == ["one", "two"]
