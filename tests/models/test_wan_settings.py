"""What the settings of the Wan models say, and what the family refuses."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from models.wan import handler
from shared.core.settings import problems
from tests.fakes.model_defs import wan_model

PICTURE = Image.new("RGB", (64, 64), "red")


def told(architecture: str, **settings: Any) -> list[str]:
    model = wan_model(architecture)
    params = {param.name: param for param in handler.settings(model)}
    settings = {"prompt": "a red ball", **settings}
    return [*problems(settings, model, params), *handler.problems(settings, model)]


def choices(architecture: str, name: str) -> list[Any]:
    params = {param.name: param for param in handler.settings(wan_model(architecture))}
    return [value for _, value in params[name].choices]


def test_only_what_the_model_can_do_is_offered() -> None:
    assert choices("starter", "image_mode") == [0, 1, 2]
    assert choices("t2v", "image_mode") == [0, 1]
    assert choices("i2v", "image_mode") == [0]
    assert choices("starter", "image_prompt_type") == ["S", "E", "V", "L"]
    assert choices("ti2v_2_2", "image_prompt_type") == ["S", "V", "L"]
    assert set(choices("starter", "video_prompt_type")) == set("VUGAN")
    assert choices("t2v", "sample_solver") == ["", "unipc", "euler", "dpm++"]


@pytest.mark.parametrize("architecture", sorted(handler.architectures))
def test_every_default_is_accepted(architecture: str) -> None:
    model = wan_model(architecture)
    for param in handler.settings(model):
        assert param.check(param.default) is None, param.name


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image_mode": 2, "image_guide": PICTURE}, "image_mask: it is missing. A repainted picture"),
        ({"image_mode": 2, "image_mask": PICTURE}, "image_guide: it is missing"),
        ({"video_prompt_type": "PVG"}, "video_prompt_type: P (Pose) is not available"),
        ({"sample_solver": "magic"}, "sample_solver:"),
        ({"num_inference_steps": 1000}, "num_inference_steps: 1000 is not accepted"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    assert any(sentence.startswith(words) for sentence in told("starter", **settings)), told("starter", **settings)


def test_a_repaint_with_picture_and_mask_is_accepted() -> None:
    settings = {"image_mode": 2, "image_guide": PICTURE, "image_mask": PICTURE, "video_prompt_type": "VAG"}
    assert told("starter", **settings) == []


def test_an_image_model_asks_for_its_image() -> None:
    assert any("image_start" in sentence for sentence in told("i2v"))
    assert told("i2v", image_prompt_type="S", image_start=[PICTURE]) == []
