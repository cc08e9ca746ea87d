"""A loaded model holds less at once without being read again, and gives the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from models.wan.pipeline import WanVideo
from shared.core.contracts import LoadOptions
from shared.diffusion.guard import networks_of
from shared.diffusion.joint_passes import allow_joint_passes, joined
from shared.diffusion.leaner import make_leaner, stream_anew
from shared.diffusion.offload import stream, weight_bytes
from tests.diffusion.tiny_pipelines import CASES, model_of, window_of
from tests.fakes.model_defs import wan_model

LEAN = LoadOptions(leaner=True)


@pytest.mark.parametrize("before", [None, LoadOptions(profile=4), LoadOptions(profile=5)])
@pytest.mark.parametrize("name", ["wan", "flux"])
def test_weights_are_streamed_anew_from_wherever_they_were(name: str, before: LoadOptions | None) -> None:
    case = CASES[name]
    expected, pipe = case.run(case.pipe()), case.pipe()
    networks = networks_of(pipe)
    if before is not None:
        stream(dict(networks), {part: weight_bytes(network) for part, network in networks.items()}, before)
        assert torch.equal(case.run(pipe), expected)
    stream_anew(networks, LEAN)
    with torch.no_grad():
        assert torch.equal(case.run(pipe), expected)
    hooked = [module for module in pipe.transformer.modules() if getattr(module, "_diffusers_hook", None)]
    assert any(module._diffusers_hook.get_hook("group_offloading") for module in hooked)


def test_a_leaner_model_decodes_in_small_tiles_and_asks_for_one_side_at_a_time() -> None:
    pipe = CASES["wan"].pipe()
    allow_joint_passes(pipe, True)
    assert make_leaner(pipe, LEAN)
    assert pipe.vae.tiling_policy == 3
    with joined(pipe, model_of(pipe), window_of(), lambda step: None):
        assert "forward" not in vars(pipe.transformer)


def test_what_mmgp_streams_is_loaded_anew() -> None:
    pipe = CASES["wan"].pipe()
    vars(pipe)["_is_streamed_by_mmgp"] = True
    assert not make_leaner(pipe, LEAN)


def test_a_pipeline_of_the_program_becomes_leaner(tmp_path: Path) -> None:
    pipeline: Any = WanVideo(CASES["wan"].pipe(), wan_model("t2v"))
    window = window_of(flow_shift=3.0)
    expected = pipeline(window, lambda step: None, lambda: False).frames[0]
    assert pipeline.make_leaner(LEAN)
    assert (pipeline(window, lambda step: None, lambda: False).frames[0] == expected).all()
