"""WanGP's profiles: what mmgp is told, and its real hooks on tiny pipelines where the package is installed."""

from __future__ import annotations

import gc
import importlib.util
from typing import Any

import pytest
import torch

from shared.core.contracts import LoadOptions
from shared.diffusion.offload import _stream_with_mmgp, mmgp_arguments, stream, weight_bytes
from tests.fakes.mmgp_on_cpu import run_on_cpu
from tests.fakes.tiny_wan import BUILDERS

needs_mmgp = pytest.mark.skipif(
    importlib.util.find_spec("mmgp") is None, reason="mmgp is not installed (GPL, optional)"
)
GB = 2**30


def told(profile: float, **changes: Any) -> dict[str, Any]:
    return mmgp_arguments(LoadOptions(device="cuda:0", profile=profile, **changes), 10 * GB)


def test_weights_are_never_changed_by_a_profile() -> None:
    for profile in (1, 2, 3, 3.5, 4, 4.5, 5):
        assert told(profile)["quantizeTransformer"] is False and told(profile)["convertWeightsFloatTo"] is None
        assert told(profile)["extraModelsToQuantize"] is None


def test_budgets_pinning_and_copies_follow_the_profile() -> None:
    assert told(4)["budgets"]["transformer"] == 100 and told(4)["budgets"]["*"] == 3000
    assert told(5, preload_mb=500)["budgets"] == {
        "transformer": 500, "transformer_2": 500, "text_encoder": 100, "*": 1000
    }  # fmt: skip
    assert told(3)["budgets"] == {"*": pytest.approx(7168)}
    assert "budgets" not in told(1)
    assert told(3.5)["pinnedMemory"] is False and "pinnedMemory" not in told(3)
    assert told(4.5)["asyncTransfers"] is False and "asyncTransfers" not in told(4)
    assert told(4, reserved_share=0.3, vram_share=0.6)["perc_reserved_mem_max"] == 0.3


def forward(pipe: Any) -> torch.Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        return pipe.transformer(torch.randn(1, 16, 3, 4, 4), torch.tensor([500.0]), torch.randn(1, 10, 32)).sample


@needs_mmgp
@pytest.mark.parametrize("profile", [1, 2, 3, 3.5, 4, 4.5, 5])
def test_a_profile_of_mmgp_gives_the_same_output(profile: float, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = BUILDERS["t2v"]()
    expected = forward(pipe)
    before = torch.get_default_device()
    run_on_cpu(monkeypatch)
    _stream_with_mmgp(pipe, told(profile), int(profile))
    assert torch.equal(forward(pipe), expected)
    assert torch.get_default_device() == before
    del pipe
    gc.collect()


@pytest.mark.parametrize("options", [LoadOptions(profile=4), LoadOptions(profile=5), LoadOptions(leaner=True)])
def test_streamed_weights_give_the_same_output(options: LoadOptions) -> None:
    pipe = BUILDERS["t2v"]()
    expected = forward(pipe)
    networks = {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    stream(networks, {name: weight_bytes(network) for name, network in networks.items()}, options)
    assert torch.equal(forward(pipe), expected)
