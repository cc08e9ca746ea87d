"""What the buttons do, called as Gradio calls them: browser's values in, updates of components out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gradio.utils import get_upload_folder

from shared.core.state import AppState, headless_state
from shared.media.metadata import write_settings
from shared.media.video_write import write_video
from shared.ui.app import Page
from shared.ui.defaults import default_path, default_settings
from tests.fakes.page_runtime import PageRuntime


@pytest.fixture(scope="module")
def window(page: Page) -> Window:
    return Window(page)


@pytest.fixture(autouse=True)
def empty_queue(runtime: PageRuntime) -> Iterator[None]:
    yield
    runtime.queue.resume()
    for task in runtime.queue.tasks():
        runtime.queue.remove(task.id)


class Window:
    """One window: its state, and the values of its controls as the browser would send them."""

    def __init__(self, page: Page) -> None:
        self.page, self.handlers, self.state = page, page.handlers, headless_state()
        self.apply(self.handlers.open_window(json.dumps({"token": "w"}), self.state))

    def apply(self, updates: dict[Any, Any]) -> dict[Any, Any]:
        """Take up what a handler answered."""
        self.values = getattr(self, "values", {})
        for component, update in updates.items():
            if isinstance(update, dict) and update.get("__type__") == "update":
                if "value" in update:
                    self.values[component] = update["value"]
            else:
                self.values[component] = update
        return updates

    def set(self, **settings: Any) -> None:
        """Type into the form."""
        for name, value in settings.items():
            self.values[self.page.form.components[name]] = value

    def shown(self, name: str) -> Any:
        """What the form shows."""
        return self.values.get(self.page.form.components[name])

    def form(self) -> list[Any]:
        """The controls' values in their order."""
        return [self.values.get(component) for component in self.page.form.inputs]

    def problems(self) -> list[str]:
        """What is listed beside the button."""
        return json.loads(self.values.get(self.handlers.problems) or "[]")

    def click(self, name: str, model: str = "starter") -> dict[Any, Any]:
        """Press a button that takes the whole form."""
        extra = self.values.get(self.handlers.extra) or ""
        return self.apply(getattr(self.handlers, name)("w", self.state, model, extra, *self.form()))


def event(**values: Any) -> Any:
    return SimpleNamespace(_data=values)


def uploaded(name: str, content: bytes) -> Path:
    """A file as Gradio keeps it after an upload."""
    folder = Path(get_upload_folder()) / f"test-{abs(hash((name, content)))}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_generate_queues_the_form(window: Window, runtime: PageRuntime) -> None:
    window.set(prompt="a red star", seed=3)
    window.click("generate")
    (task,) = runtime.queue.tasks()
    assert (task.params["prompt"], task.params["seed"], task.params["model_type"]) == ("a red star", 3, "starter")
    assert task.client_id.startswith("page-w-")
    assert window.problems() == []
    assert AppState(window.state).all_settings["starter"]["prompt"] == "a red star"
    assert [entry["prompt"] for entry in AppState(window.state).gen["queue"]] == ["a red star"]


def test_generate_wakes_a_paused_queue_and_add_does_not(window: Window, runtime: PageRuntime) -> None:
    window.set(prompt="a red star")
    runtime.queue.pause()
    window.click("add_to_queue")
    assert runtime.queue.is_paused
    window.click("generate")
    assert not runtime.queue.is_paused
    assert len(runtime.queue.tasks()) == 2


def test_a_bad_value_is_named_and_nothing_is_queued(window: Window, runtime: PageRuntime) -> None:
    window.set(prompt="a red star", num_inference_steps=5000, resolution="huge")
    window.click("generate")
    assert {problem.split(":")[0] for problem in window.problems()} == {"num_inference_steps", "resolution"}
    assert runtime.queue.tasks() == []
    window.set(num_inference_steps=20, resolution="128x128")


def test_a_settings_file_fills_the_form(window: Window) -> None:
    settings = {"model_type": "starter", "prompt": "a ring", "seed": 8, "later": 1}
    file = uploaded("mine.json", json.dumps(settings).encode())
    window.apply(window.handlers.import_upload({"path": str(file)}, "w", window.state, "starter"))
    assert (window.shown("prompt"), window.shown("seed")) == ("a ring", 8)
    assert json.loads(window.values[window.handlers.extra]) == {"later": 1}
    window.click("generate")
    assert window.page.handlers.runtime.queue.tasks()[0].params["later"] == 1
    window.values[window.handlers.extra] = ""


def test_paths_in_a_settings_file_are_not_followed(window: Window) -> None:
    file = uploaded("evil.json", json.dumps({"model_type": "starter", "prompt": "x", "image_start": __file__}).encode())
    window.apply(window.handlers.import_upload({"path": str(file)}, "w", window.state, "starter"))
    assert window.shown("image_start") is None


def test_a_made_clip_gives_its_settings_back(window: Window, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(np.zeros((5, 32, 32, 3), np.uint8), path, fps=8)
    settings = {"type": "WanGP v1", "settings_version": 2.74, "model_type": "starter", "prompt": "a bow", "seed": 5}
    write_settings(path, settings)
    dropped = event(path=str(uploaded("clip.mp4", path.read_bytes())), name="clip.mp4", token="w")
    window.apply(window.handlers.import_dropped(window.state, "starter", dropped))
    assert (window.shown("prompt"), window.shown("seed")) == ("a bow", 5)
    assert window.shown("num_inference_steps") == 20


def test_a_queue_file_joins_the_queue(window: Window, runtime: PageRuntime, tmp_path: Path) -> None:
    runtime.submit({"model_type": "starter", "prompt": "kept"})
    runtime.save_queue(tmp_path / "queue.zip")
    file = uploaded("queue.zip", (tmp_path / "queue.zip").read_bytes())
    window.apply(window.handlers.import_upload({"path": str(file)}, "w", window.state, "starter"))
    assert [task.params["prompt"] for task in runtime.queue.tasks()] == ["kept", "kept"]


@pytest.mark.parametrize("name, content", [("a.json", b"{"), ("a.json", b"3"), ("a.mp4", b"text"), ("a.zip", b"PK no")])
def test_a_file_without_settings_is_told(window: Window, name: str, content: bytes) -> None:
    window.set(prompt="stays")
    window.apply(window.handlers.import_upload({"path": str(uploaded(name, content))}, "w", window.state, "starter"))
    assert len(window.problems()) == 1
    assert window.shown("prompt") == "stays"


def test_a_path_that_was_not_uploaded_is_refused(window: Window) -> None:
    assert window.handlers.import_dropped(window.state, "starter", event(path=__file__, name="x.json")) == {}


def test_a_model_that_is_not_here_keeps_the_present_one(window: Window) -> None:
    file = uploaded("other.json", json.dumps({"model_type": "no_such_model", "prompt": "a kite"}).encode())
    window.apply(window.handlers.import_upload({"path": str(file)}, "w", window.state, "starter"))
    assert window.shown("prompt") == "a kite"
    assert window.values[window.page.picker.model] == "starter"


def test_choosing_a_model_keeps_what_applies(window: Window) -> None:
    window.set(prompt="a comet", num_inference_steps=20)
    window.click("choose_model", "t2v_1.3B")
    assert AppState(window.state).model_type == "t2v_1.3B"
    assert window.shown("prompt") == "a comet"
    assert window.shown("num_inference_steps") == 30
    facts = json.loads(window.values[window.handlers.facts])
    assert facts["model_type"] == "t2v_1.3B"
    window.click("choose_model", "starter")


def test_the_default_can_be_saved_and_reset_brings_it_back(window: Window, runtime: PageRuntime) -> None:
    window.set(prompt="my own default", guidance_scale=3.5)
    window.click("save_as_default")
    path = default_path(runtime, "starter")
    assert json.loads(path.read_text(encoding="utf-8"))["guidance_scale"] == 3.5
    window.set(prompt="something else", guidance_scale=1.0)
    window.apply(window.handlers.reset("w", window.state, "starter"))
    assert (window.shown("prompt"), window.shown("guidance_scale")) == ("my own default", 3.5)
    path.write_text("{ broken", encoding="utf-8")
    own = runtime.registry.get("starter").defaults["guidance_scale"]
    assert default_settings(runtime, "starter")["guidance_scale"] == own
    path.unlink()


def test_export_is_a_settings_file(window: Window) -> None:
    window.set(prompt="a lamp")
    told = json.loads(window.handlers.export("starter", "", *window.form()))
    assert told["name"] == "starter_settings.json"
    assert told["settings"]["prompt"] == "a lamp"
    assert told["settings"]["type"].startswith("WanGP")
    assert "image_start" not in told["settings"]


def test_a_reopened_window_gets_its_form_back(page: Page) -> None:
    picture = uploaded("start.png", b"anything")
    values = {"prompt": "a boat", "seed": 6, "image_start": {"path": str(picture)}, "image_end": {"path": __file__}}
    kept = {"model": "starter", "extra": "", "values": values}
    window = Window(page)
    window.apply(page.handlers.open_window(json.dumps({"token": "w2", "form": kept}), window.state))
    assert (window.shown("prompt"), window.shown("seed")) == ("a boat", 6)
    assert window.shown("image_start") == str(picture)
    assert window.shown("image_end") is None
    page.windows.forget("w2")


def test_a_window_with_nonsense_kept_opens_with_defaults(page: Page) -> None:
    window = Window(page)
    for boot in ("", "[]", json.dumps({"form": {"model": "gone", "values": {"seed": 1}}})):
        window.apply(page.handlers.open_window(boot, headless_state()))
        assert window.shown("seed") in (-1, 1)
