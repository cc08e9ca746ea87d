"""LoRAs beside weights that are streamed, quantised or compiled."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.core.contracts import LoadOptions
from shared.diffusion.lora import remove_loras
from shared.diffusion.offload import _stream_with_mmgp, mmgp_arguments
from tests.fakes.lora_runs import close, latents, request
from tests.fakes.mmgp_on_cpu import run_on_cpu
from tests.fakes.tiny_wan import BUILDERS


def test_weights_in_groups_or_in_8_bit_take_loras_too(lora: Path, pipe: Any) -> None:
    expected = latents(pipe, request(lora))
    remove_loras(pipe)
    base = latents(pipe)
    pipe.transformer.enable_group_offload(
        onload_device=torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1
    )
    assert np.array_equal(latents(pipe, request(lora)), expected)
    assert np.array_equal(latents(pipe, request()), base)
    small = BUILDERS["t2v"]()
    small.set_progress_bar_config(disable=True)
    small.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    plain = latents(small)
    assert np.array_equal(latents(small, request(lora, multipliers="0")), plain)
    assert np.abs(latents(small, request(lora)) - expected).max() < np.abs(plain - expected).max()
    assert np.array_equal(latents(small, request()), plain)


def test_compiled_blocks_are_not_compiled_anew_for_each_strength(lora: Path) -> None:
    pipe = BUILDERS["t2v"]()
    pipe.set_progress_bar_config(disable=True)
    expected = latents(pipe, request(lora, multipliers="1,0.7,0.4,0.1"))
    remove_loras(pipe)
    passes = []

    def count(graph: Any, inputs: Any) -> Any:
        passes.append(1)
        return graph

    pipe.transformer.compile_repeated_blocks(backend=count, fullgraph=True)
    assert close(latents(pipe, request(lora, multipliers="1,0.7,0.4,0.1")), expected)
    compiled = len(passes)
    latents(pipe, request(lora, multipliers="0.9,0,0.8,0.3"))
    assert len(passes) == compiled


@pytest.mark.skipif(importlib.util.find_spec("mmgp") is None, reason="mmgp is not installed (GPL, optional)")
def test_weights_that_mmgp_streams_take_loras(lora: Path, pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, base = latents(pipe, request(lora)), latents(pipe, request())
    streamed = BUILDERS["t2v"]()
    streamed.set_progress_bar_config(disable=True)
    run_on_cpu(monkeypatch)
    _stream_with_mmgp(streamed, mmgp_arguments(LoadOptions(device="cuda:0", profile=4), 10 * 2**30), 4)
    assert np.array_equal(latents(streamed, request(lora)), expected)
    assert np.array_equal(latents(streamed, request()), base)


def test_quantised_weights_take_loras(lora: Path, pipe: Any) -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    base, on = latents(pipe, request()), latents(pipe, request(lora))
    small = BUILDERS["t2v"]()
    small.set_progress_bar_config(disable=True)
    quantize_(small.transformer.blocks, Int8WeightOnlyConfig())
    plain = latents(small)
    assert np.abs(latents(small, request(lora)) - on).max() < np.abs(on - base).max() / 4
    assert np.array_equal(latents(small, request()), plain)
