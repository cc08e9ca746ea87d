"""Where weights live and which attention kernel runs, on a machine without a graphics card."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers.models.attention_dispatch import _AttentionBackendRegistry

from shared.core.contracts import LoadOptions
from shared.core.errors import SettingsError
from shared.diffusion.attention import set_attention
from shared.diffusion.offload import place
from tests.fakes.tiny_wan import BUILDERS


def backends(model: torch.nn.Module) -> set[str]:
    processors = [module.processor for module in model.modules() if hasattr(module, "processor")]
    return {str(processor._attention_backend) for processor in processors}


@pytest.mark.parametrize("profile", [-1, 1, 2, 3, 3.5, 4, 4.5, 5])
def test_without_a_graphics_card_every_profile_keeps_the_weights_in_memory(profile: float) -> None:
    pipe = BUILDERS["t2v"]()
    assert place(pipe, LoadOptions(profile=profile)) == "resident"
    assert pipe.transformer.device.type == "cpu"


def test_a_kernel_is_set_for_one_model_and_the_default_stays() -> None:
    before = _AttentionBackendRegistry._active_backend
    chosen, other = BUILDERS["t2v"]().transformer, BUILDERS["t2v"]().transformer
    set_attention(chosen, "sdpa")
    assert _AttentionBackendRegistry._active_backend == before
    assert backends(chosen) != backends(other)


@pytest.mark.parametrize("name", ["", "auto"])
def test_no_wish_leaves_the_kernel_alone(name: str) -> None:
    model = BUILDERS["t2v"]().transformer
    before = backends(model)
    set_attention(model, name)
    assert backends(model) == before


@pytest.mark.parametrize("name", ["magic", "sage2", "flash"])
def test_a_kernel_that_cannot_run_here_is_refused(name: str) -> None:
    before = _AttentionBackendRegistry._active_backend
    with pytest.raises(SettingsError, match=f'override_attention: "{name}"'):
        set_attention(BUILDERS["t2v"]().transformer, name)
    assert _AttentionBackendRegistry._active_backend == before


def test_windows_and_colours_load_no_torch(root: Path) -> None:
    code = "import sys, shared.diffusion.windows, shared.diffusion.color; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
