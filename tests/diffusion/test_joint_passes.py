"""Both sides of guidance in one pass give what two passes give, and ask the network half as often."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shared.core.contracts import Step
from shared.diffusion.guidance import steered
from shared.diffusion.joint_passes import allow_joint_passes, joined
from shared.diffusion.passes import denoisers
from shared.diffusion.step_cache import step_cached
from tests.diffusion.tiny_pipelines import CASES, SCALE, model_of, window_of

JOINED = [
    "wan", "wan two experts", "wan from a picture", "wan animate", "skyreels", "lucy", "chrono", "flux", "flux repaint",
    "flux kontext", "qwen", "qwen edit", "hunyuan", "hunyuan 1.5",
]  # fmt: skip
STEPS = 4


def run(name: str, pipe: Any, told: list[Step] | None = None, **settings: Any) -> tuple[torch.Tensor, int]:
    """The latents, and how often the networks were asked."""
    case, calls = CASES[name], [0]
    window, model = window_of(STEPS, SCALE, **settings), model_of(pipe)
    heard = (told if told is not None else []).append
    for network in denoisers(pipe):
        first = next(module for module in network.modules() if module is not network)
        first.register_forward_pre_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    with (
        joined(pipe, model, window, heard), step_cached(pipe, model, window, heard),
        steered(pipe, model, window, heard),
    ):  # fmt: skip
        return case.run(pipe, STEPS), calls[0]


def allowed(name: str) -> Any:
    pipe = CASES[name].pipe()
    allow_joint_passes(pipe, True)
    return pipe


@pytest.mark.parametrize("name", JOINED)
def test_one_pass_gives_what_two_give(name: str) -> None:
    expected, apart = run(name, CASES[name].pipe())
    result, together = run(name, allowed(name))
    assert torch.allclose(result, expected, atol=2e-3 * float(expected.abs().max()))
    first_steps = len(denoisers(allowed(name)))
    assert together / apart == pytest.approx((STEPS + first_steps) / (2 * STEPS), abs=0.01)


def test_it_is_not_done_unasked() -> None:
    pipe = CASES["wan"].pipe()
    window = window_of(STEPS)
    with joined(pipe, model_of(pipe), window, lambda step: None):
        assert "forward" not in vars(pipe.transformer)


@pytest.mark.parametrize("name", ["ltx", "ideogram", "qwen 2.1", "krea2"])
def test_pipelines_that_ask_otherwise_are_left_alone(name: str) -> None:
    pipe, window = allowed(name), window_of(STEPS)
    with joined(pipe, model_of(pipe), window, lambda step: None):
        assert all("forward" not in vars(network) for network in denoisers(pipe))


def test_a_phase_without_guidance_is_asked_for_one_side() -> None:
    phases = {"guidance_phases": 2, "switch_threshold": 900, "guidance2_scale": 1.0}
    expected, apart = run("wan", CASES["wan"].pipe(), **phases)
    result, together = run("wan", allowed("wan"), **phases)
    assert torch.allclose(result, expected, atol=1e-4)
    assert together < apart


@pytest.mark.parametrize("settings", [{"apg_switch": 1}, {"cfg_star_switch": 1}, {"cfg_zero_step": 0}])
def test_guidance_of_other_kinds_gives_the_same(settings: dict[str, Any]) -> None:
    expected, _ = run("wan", CASES["wan"].pipe(), **settings)
    result, _ = run("wan", allowed("wan"), **settings)
    assert torch.allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"skip_steps_cache_type": "first_block"}, "first_block keeps an answer for each"),
     ({"perturbation_switch": 1, "perturbation_layers": [0]}, "leaves out layers")],
)  # fmt: skip
def test_what_needs_two_passes_has_them(settings: dict[str, Any], word: str) -> None:
    told: list[Step] = []
    expected, apart = run("wan", CASES["wan"].pipe(), **settings)
    result, together = run("wan", allowed("wan"), told, **settings)
    assert torch.equal(result, expected)
    assert apart == together
    assert any(word in step.notice for step in told)


def test_short_memory_keeps_them_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.diffusion.room.free_bytes", lambda device: 1000)
    told: list[Step] = []
    _, apart = run("wan", allowed("wan"), told)
    assert "would not fit" in told[0].notice
    assert apart == 2 * STEPS


def test_skipped_steps_are_counted_as_before() -> None:
    told: list[Step] = []
    case, window = CASES["wan"], window_of(12, skip_steps_cache_type="tea", skip_steps_multiplier=2.0)
    results = []
    for pipe in (case.pipe(), allowed("wan")):
        model = model_of(pipe)
        with joined(pipe, model, window, told.append), step_cached(pipe, model, window, told.append):
            results.append(case.run(pipe, 12))
    assert torch.allclose(*results, atol=1e-4)
    assert told[0].facts == told[1].facts
