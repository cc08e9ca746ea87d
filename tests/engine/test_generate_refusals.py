"""No argument is ever ignored in silence: what a model cannot do is refused or told, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared.core.model_params import params_of
from shared.core.params import Param
from shared.core.settings import DECLARATIONS
from tests.fakes.engine import Engine, make_engine, numpy_model

# What names the task, the caller or the file rather than what is made.
NOT_ABOUT_THE_RESULT = {"client_id", "model_type", "mode", "output_filename"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return make_engine(tmp_path_factory.mktemp("engine"))


def used_value(param: Param, folder: Path) -> Any:
    """A value that is accepted and asks for something."""
    if param.is_media:
        path = folder / "picture.png"
        Image.new("RGB", (64, 48)).save(path)
        return str(path)
    asked = [value for _, value in param.choices if value and not param.is_neutral(value)]
    if asked:
        return asked[0]
    match param.type:
        case "int" | "float" | "text_or_int":
            candidates = (param.maximum, param.minimum, 1, 0.5)
            return next(value for value in candidates if value is not None and not param.is_neutral(value))
        case "bool_int":
            return int(not param.default)
        case "list":
            return ["thing.safetensors"] if param.item == "text" else [1]
        case "dict":
            return {"thing": 1}
    return {"video_guide_outpainting": "10 10 10 10", "video_guide_outpainting_ratio": "16:9"}.get(param.name, "T")


@pytest.mark.parametrize("name", sorted(DECLARATIONS.keys() - NOT_ABOUT_THE_RESULT - params_of(numpy_model()).keys()))
def test_an_argument_that_the_model_lacks_is_refused_or_told(engine: Engine, name: str, tmp_path: Path) -> None:
    finished = engine.run(**{name: used_value(DECLARATIONS[name], tmp_path)}, num_inference_steps=1, video_length=5)

    assert name in f"{finished.error}\n{engine.infos}", finished
