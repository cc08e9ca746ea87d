"""LoRAs in the form: the files that are there, and the presets that can be laid over it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.core.state import headless_state
from shared.ui.app import build_app
from tests.fakes.page_runtime import PageRuntime

MODEL = "t2v_1.3B"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageRuntime]:
    made = PageRuntime(tmp_path_factory.mktemp("page"), ("--model-type", MODEL, "--lora-preset", "quick"))
    for name in ("a.safetensors", "people/b.sft"):
        path = made.root / "loras/wan_1.3B" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    write(made.root / "profiles/wan_1.3B/Quick.json", activated_loras=["a.safetensors"], loras_multipliers="0.5",
          num_inference_steps=4, help="4 steps")  # fmt: skip
    write(made.root / "loras/wan_1.3B/mine.lset", loras=["people/b.sft"], loras_mult="0.9")
    yield made
    made.close()


@pytest.fixture(scope="module")
def handlers(runtime: PageRuntime) -> Any:
    return build_app(runtime).handlers


def write(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def values(handlers: Any, updates: dict[Any, Any]) -> dict[str, Any]:
    """What the form shows after the updates, by name."""
    shown = {name: updates.get(component) for name, component in handlers.form.components.items()}
    return {name: update.get("value") for name, update in shown.items() if isinstance(update, dict)}


def pressed(handlers: Any, shown: dict[str, Any], preset: str) -> dict[Any, Any]:
    form = [shown.get(name) for name in handlers.form.names]
    return handlers.choose_preset("w", headless_state(), MODEL, "", *form, preset)


def test_the_files_on_disk_can_be_chosen_and_others_stay(handlers: Any, runtime: PageRuntime) -> None:
    updates = handlers.form.show(MODEL, {"activated_loras": ["gone.safetensors", "a.safetensors"]})
    control = updates[handlers.form.components["activated_loras"]]
    assert [value for _, value in control["choices"]] == ["a.safetensors", "people/b.sft", "gone.safetensors"]
    assert control["value"] == ["gone.safetensors", "a.safetensors"]
    assert runtime.problems({"model_type": MODEL, "prompt": "a ball", "activated_loras": ["c.safetensors"]})


def test_the_page_starts_with_the_preset_of_the_flag(handlers: Any) -> None:
    shown = values(handlers, handlers.open_window(json.dumps({"token": "w"}), headless_state()))
    assert (shown["activated_loras"], shown["loras_multipliers"]) == (["a.safetensors"], "0.5|")
    assert shown["num_inference_steps"] == 4


def test_a_preset_is_laid_over_the_form(handlers: Any) -> None:
    choices = handlers.presets.show(MODEL)[handlers.presets.component]["choices"]
    assert choices == [("Quick (accelerator)", "Quick.json"), ("mine (LoRA preset)", "mine.lset")]
    shown = values(handlers, handlers.form.show(MODEL, {"prompt": "a ball", "seed": 5}))
    quick = values(handlers, pressed(handlers, shown, "Quick.json"))
    assert (quick["prompt"], quick["seed"], quick["num_inference_steps"]) == ("a ball", 5, 4)
    both = values(handlers, pressed(handlers, quick, "mine.lset"))
    assert both["activated_loras"] == ["a.safetensors", "people/b.sft"]
    assert both["loras_multipliers"] == "0.5|0.9"


def test_a_model_without_presets_offers_none(handlers: Any) -> None:
    assert handlers.presets.facts("starter") == []
    assert pressed(handlers, {}, "") == {}
