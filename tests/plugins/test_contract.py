"""The plugin interface as the contract has it: each method, each function, each component, by name and at work."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.api import create_gradio_webui_session
from shared.core.state import AppState, GenState, headless_state
from shared.media.video_write import write_video
from shared.session.runtime import Runtime
from shared.ui.app import Page, build_app
from shared.ui.plugins.exports import Exports
from shared.utils.plugins import WAN2GPPlugin
from tests.fakes.page_runtime import PageRuntime
from tests.plugins.contract import FILE, promised
from tests.session.conftest import open_runtime  # noqa: F401

# The methods and globals that plugins of WanGP rely on.
METHODS = (
    "setup_ui", "add_tab", "request_component", "request_global", "set_global", "insert_after", "post_ui_setup",
    "on_tab_select", "on_tab_deselect", "on_model_change", "register_data_hook", "add_custom_js",
)  # fmt: skip
PROPERTIES = ("tab_ids", "component_requests", "global_requests", "custom_js_snippets")
GLOBALS = (
    "get_current_model_settings", "get_default_settings", "get_model_def", "set_model_settings",
    "get_settings_from_file", "get_video_info", "get_video_frame", "has_video_file_extension", "add_to_sequence",
    "generate_dropdown_model_list", "server_config", "get_gen_info", "switch_to_model", "acquire_GPU_ressources",
    "release_GPU_ressources", "any_GPU_process_running", "register_GPU_resident", "goto_media_tab",
)  # fmt: skip
COMPONENTS = (
    "state", "main_tabs", "prompt", "negative_prompt", "image_start", "image_end", "image_refs", "video_guide",
    "video_source", "resolution", "seed", "loras_choices", "loras_multipliers", "model_family", "model_choice",
    "lset_name", "generate_btn", "add_to_queue_btn", "refresh_form_trigger", "plugin_data", "video_length",
    "num_inference_steps",
)  # fmt: skip


@pytest.fixture
def page(runtime: PageRuntime) -> Page:
    return build_app(runtime)


@pytest.fixture
def exports(page: Page) -> Exports:
    return page.plugins.exports


@pytest.fixture
def state(page: Page) -> dict[str, Any]:
    """The state of a window that shows the starter model."""
    made = headless_state()
    AppState(made).model_type = "starter"
    return made


@pytest.fixture
def served(open_runtime: Callable[..., Runtime]) -> Runtime:  # noqa: F811
    return open_runtime(is_server=True)


def test_the_interface_is_what_it_promised(page: Page) -> None:
    kept, now = json.loads(FILE.read_text(encoding="utf-8")), promised(page)
    gone = sorted(set(kept["components"]) - set(now["components"]))
    changed = [part for part in kept if part != "components" and kept[part] != now[part]]
    assert (changed, gone) == ([], []), (
        "The plugin interface has changed. Raise PLUGIN_INTERFACE in shared/core/version.py, tell it in "
        "docs/plugins.md and CHANGELOG.md, then run python -m tests.plugins.contract"
    )


def test_everything_that_the_contract_names_is_there(page: Page) -> None:
    now = promised(page)
    assert set(METHODS) <= set(now["methods"]) and set(PROPERTIES) <= set(now["properties"])
    assert set(GLOBALS) <= set(now["globals"])
    assert set(COMPONENTS) <= set(now["components"])
    assert set(page.form.components) <= set(now["components"])
    plugin = WAN2GPPlugin()
    facts = (plugin.tabs, plugin.name, plugin.version, plugin.description, plugin.type, plugin.uninstallable)
    assert facts == ({}, "WAN2GPPlugin", "1.0.0", "", ["app"], True)


def test_requests_are_kept_once_and_read_as_copies() -> None:
    plugin = WAN2GPPlugin()
    for _ in range(2):
        plugin.request_component("prompt")
        plugin.request_global("get_gen_info")
    plugin.add_tab("a", "A", lambda: None, position=3)
    plugin.add_custom_js("x()")
    assert (plugin.component_requests, plugin.global_requests) == (["prompt"], ["get_gen_info"])
    assert (plugin.tab_ids, plugin.tabs["a"].position, plugin.custom_js_snippets) == (["a"], 3, ["x()"])
    plugin.component_requests.clear()
    plugin.custom_js_snippets.clear()
    assert plugin.component_requests == ["prompt"] and plugin.custom_js_snippets == ["x()"]


def test_models_and_settings_by_name(exports: Exports, state: dict[str, Any], runtime: PageRuntime) -> None:
    assert exports.get("get_model_def")("starter")["architecture"] == "starter"
    assert exports.get("get_model_def")("none") is None
    assert exports.get("get_default_settings")("starter")["model_type"] == "starter"
    own = exports.get("get_current_model_settings")(state)
    exports.get("set_model_settings")(state, "starter", {**own, "seed": 77})
    assert exports.get("get_current_model_settings")(state)["seed"] == 77
    family, base, model = exports.get("generate_dropdown_model_list")("starter")
    assert (model["value"], base["value"]) == ("starter", "starter")
    assert family["value"] == runtime.registry.get("starter").family
    assert Path(exports.get("get_lora_dir")("starter")).is_absolute()


def test_settings_come_from_files(exports: Exports, state: dict[str, Any], tmp_path: Path) -> None:
    read = exports.get("get_settings_from_file")
    path = tmp_path / "a.json"
    told = {"model_type": "starter", "prompt": "a star", "settings_version": 2.5}
    path.write_text(json.dumps(told), encoding="utf-8")
    settings, is_media, is_sound = read(state, str(path), True, True, False)
    assert (settings["prompt"], is_media, is_sound) == ("a star", False, False) and settings["num_inference_steps"] > 0
    assert "num_inference_steps" not in read(state, str(path), True, False, False)[0]
    assert read(state, str(path), False, True, False)[0] is None
    assert read(state, str(path), True, True, False, min_settings_version=99)[0] is None
    path.write_text(json.dumps({"model_type": "elsewhere", "prompt": "x"}), encoding="utf-8")
    assert read(state, str(path), True, True, True)[0]["model_type"] == "starter"
    clip = tmp_path / "clip.mp4"
    write_video(np.zeros((3, 16, 16, 3), np.uint8), clip, 8, metadata={"model_type": "starter", "prompt": "inside"})
    settings, is_media, _ = read(state, str(clip), True, True, False)
    assert settings["prompt"] == "inside" and is_media


def test_clips_names_and_letters(exports: Exports, tmp_path: Path) -> None:
    frames = np.stack([np.full((16, 32, 3), 20 * number, np.uint8) for number in range(5)])
    write_video(frames, tmp_path / "clip.mp4", 8, "libx264_lossless")
    path = str(tmp_path / "clip.mp4")
    assert exports.get("get_video_info")(path) == (8, 32, 16, 5)
    frame = exports.get("get_video_frame")
    assert frame(path, 2).size == (32, 16)
    assert abs(int(frame(path, 2, return_PIL=False).mean()) - 40) <= 4
    assert abs(int(frame(path, 4, target_fps=16, return_PIL=False).mean()) - 40) <= 4
    assert abs(int(frame(path, 99, return_last_if_missing=True, return_PIL=False).mean()) - 80) <= 4
    with pytest.raises(Exception, match="has 5 frames"):
        frame(path, 99)
    is_clip = exports.get("has_video_file_extension")
    assert is_clip("a.MP4|start_frame=3") and not is_clip("a.png")
    assert exports.get("has_image_file_extension")("a.webp") and exports.get("has_audio_file_extension")("b.wav")
    assert exports.get("add_to_sequence")("AB", "BC") == "ABC" and exports.get("del_in_sequence")("ABC", "B") == "AC"


def test_the_configuration_is_read_and_written(exports: Exports, runtime: PageRuntime) -> None:
    config = exports.get("server_config")
    assert config["save_path"] == "outputs" and config.get("nothing", 5) == 5 and json.dumps(config)
    config["save_path"] = "elsewhere"
    kept = json.loads(Path(exports.get("server_config_filename")).read_text(encoding="utf-8"))
    assert kept["save_path"] == "elsewhere"
    assert exports.get("save_path") == "elsewhere"
    with pytest.raises(KeyError):
        config["nothing"]


def test_the_queue_by_functions(exports: Exports, state: dict[str, Any], runtime: PageRuntime) -> None:
    runtime.attach_state(state)
    add = exports.get("add_video_task")
    first = add(model_type="starter", prompt="one", state=state, client_id="mine", plugin_data={"a": 1})
    add(model_type="starter", prompt="two")
    assert [task["prompt"] for task in exports.get("get_queue")()] == ["one", "two"]
    assert GenState(exports.get("get_gen_info")(state)).queue[0]["plugin_data"] == {"a": 1}
    assert exports.get("move_task")(first, 1) and exports.get("get_queue")()[1]["id"] == first
    assert exports.get("abort_generation")(state, "mine") is True and exports.get("abort_generation")(state) is False
    assert exports.get("clear_queue_action")(state) == 1
    with pytest.raises(Exception, match="num_inference_steps"):
        add(model_type="starter", prompt="x", num_inference_steps=0)


def test_hooks_take_part_and_their_faults_stay_out(
    plugin: Callable[..., Path], build: Callable[[], Page], runtime: PageRuntime
) -> None:
    plugin("hooked", """
        class Hooked(WAN2GPPlugin):
            def setup_ui(self):
                self.register_data_hook("before_queue", self.queue)
                self.register_data_hook("before_queue", lambda *values: 1 / 0)
                self.register_data_hook("before_metadata_save", self.save)
                self.register_data_hook("no_such_hook", print)

            def queue(self, settings, plugin_data, model_type):
                plugin_data["seen"] = model_type
                settings["prompt"] += " on the moon"

            def save(self, configs, plugin_data, model_type):
                return {**configs, "note": plugin_data.get("seen")}
    """)
    build()
    task = runtime.submit({"model_type": "starter", "prompt": "a star"})
    assert task.params["prompt"] == "a star on the moon" and task.plugin_data["seen"] == "starter"
    assert runtime.hooks["before_metadata_save"]({"a": 1}, task.plugin_data, "starter") == {"a": 1, "note": "starter"}
    stages = [fault.stage for fault in runtime.plugins.record("hooked").faults]
    assert stages == ["register_data_hook", "hook before_queue"]


def test_hooks_hear_of_outputs_and_ends_of_real_tasks(
    served: Runtime, plugin_of_runtime: Callable[[str, str], None]
) -> None:
    plugin_of_runtime("hears", """
        class Hears(WAN2GPPlugin):
            told = []

            def setup_ui(self):
                self.register_data_hook("before_task", lambda s, d, m: {**s, "count": 2})
                self.register_data_hook("before_metadata_save", lambda s, d, m: {**s, "signed": True})
                self.register_data_hook("after_output", lambda path, s, d: self.told.append(("output", s["signed"])))
                self.register_data_hook("after_task", lambda task, how, error: self.told.append((task["prompt"], how)))
    """)
    page = build_app(served)
    result = served.session().run({"model_type": "starter", "prompt": "a red ball", "steps": 1})
    told = page.plugins.loaded[-1].plugin.told
    end = time.monotonic() + 5
    while len(told) < 3 and time.monotonic() < end:
        time.sleep(0.02)
    assert result.success and told == [("output", True), ("output", True), ("a red ball", "done")]
    page.plugins.close()


def test_each_window_has_a_job_of_its_own(served: Runtime) -> None:
    windows = [headless_state(), headless_state()]
    shown: list[dict[str, Any] | None] = [None]
    session = create_gradio_webui_session(object(), lambda: shown[0])
    served.queue.pause()
    settings = {"model_type": "starter", "prompt": "a red ball", "steps": 1}
    jobs = []
    for window in (*windows, None):
        shown[0] = window
        jobs.append(session.submit_task(settings))
    with pytest.raises(RuntimeError, match="already has a generation"):
        session.submit_task(settings)
    shown[0] = windows[1]
    session.cancel()
    served.queue.resume()
    results = [job.result(timeout=20) for job in jobs]
    assert [result.success for result in results] == [True, False, True] and results[1].cancelled
    assert all(len(GenState(AppState(window).gen).file_list) >= 1 for window in windows)


def test_a_plugin_has_the_device_to_itself(served: Runtime) -> None:
    from shared.utils.process_locks import (
        acquire_GPU_ressources,
        any_GPU_process_running,
        register_GPU_resident,
        release_GPU_ressources,
    )

    state, left = headless_state(), []
    register_GPU_resident(state, "other", "Other", lambda: left.append("other"))
    acquire_GPU_ressources(state, "mine", "Mine")
    assert GenState(AppState(state).gen).process_status == "process:mine" and left == ["other"]
    assert any_GPU_process_running(state, "other") and not any_GPU_process_running(state, "mine")
    job = served.session().submit({"model_type": "starter", "prompt": "a red ball", "steps": 1})
    waiting = threading.Thread(target=acquire_GPU_ressources, args=(headless_state(), "second", "Second"))
    waiting.start()
    time.sleep(0.2)
    assert not job.done and served.device_lock.owner == "mine"
    release_GPU_ressources(state, "mine")
    waiting.join(5)
    assert served.device_lock.owner == "second" and GenState(AppState(state).gen).process_status == "process:main"
    register_GPU_resident(state, "resident", "Resident", lambda: left.append("resident"))
    release_GPU_ressources(state, "second")
    assert job.result(timeout=20).success and left == ["other", "resident"]


def test_old_plugins_find_the_same_names_in_wgp(served: Runtime) -> None:
    import wgp

    page = build_app(served)
    assert wgp.get_model_def("starter")["architecture"] == "starter"
    assert wgp.server_config is page.plugins.exports.server_config
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = wgp.no_such_name


def test_a_tab_costs_less_than_fifty_milliseconds(
    plugin: Callable[..., Path], build: Callable[[], Page], runtime: PageRuntime
) -> None:
    def taken_s() -> float:
        return sum(sum(runtime.plugins.record(f"tab{number}").seconds.values()) for number in range(10))

    for number in range(10):
        plugin(f"tab{number}", f"""
            class Tab(WAN2GPPlugin):
                def setup_ui(self):
                    self.request_component("prompt")
                    self.add_tab("tab{number}", "Tab {number}", self.tab)

                def tab(self):
                    gr.Button("Do").click(lambda text: text, self.prompt, gr.Textbox())
        """)
    costs, before = [], 0.0
    for _ in range(3):
        build()
        costs.append((taken_s() - before) / 10)
        before = taken_s()
    sys.stderr.write(f"a plugin with one tab: {1000 * min(costs):.1f} ms\n")
    assert 0 < min(costs) < 0.05


@pytest.fixture
def plugin_of_runtime(served: Runtime) -> Iterator[Callable[[str, str], None]]:
    """Writes a plugin for the runtime that runs tasks."""
    from tests.plugins.conftest import write_plugin

    def make(name: str, source: str) -> None:
        write_plugin(served.config_dir / "plugins", name, source)
        served.plugins.refresh()
        served.plugins.set_enabled(name, True)

    yield make
