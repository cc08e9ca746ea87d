"""The tab "Sample": each service of the plugin interface once, in the order of docs/plugins.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from shared.api import SessionJob, create_gradio_progress_callbacks
from shared.ui.plugins.telling import told
from shared.utils.plugins import WAN2GPPlugin

SCRIPT = """
document.addEventListener("keydown", (event) => {
  if (event.altKey && event.key === "s") document.querySelector("#sample_shout")?.click();
});
"""
GLOBALS = (
    "get_current_model_settings", "set_model_settings", "get_default_settings", "get_model_def", "get_video_info",
    "get_video_frame", "has_video_file_extension", "get_unique_id", "get_gen_info", "switch_to_model",
    "acquire_GPU_ressources", "release_GPU_ressources",
)  # fmt: skip


class SamplePlugin(WAN2GPPlugin):
    """What a plugin can do. Nothing here is needed by the program: switch it on to try, copy what you need."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[str, SessionJob] = {}
        self._told: list[str] = []

    # --- 1. what it needs, before the page exists

    def setup_ui(self) -> None:
        for component in ("state", "prompt", "main_tabs", "refresh_form_trigger", "plugin_data"):
            self.request_component(component)
        for name in GLOBALS:
            self.request_global(name)
        self.add_tab("sample", "Sample", self.create_config_ui)
        self.insert_after("prompt", self._build_shout)
        self.register_data_hook("before_queue", self._mark)
        self.register_data_hook("before_metadata_save", self._sign)
        self.register_data_hook("after_task", self._count)
        self.add_custom_js(SCRIPT)

    def _build_shout(self) -> None:
        self._shout = gr.Button("Shout (Alt+S)", size="sm", elem_id="sample_shout")

    # --- 2. wiring, once the components are there

    def post_ui_setup(self, components: Mapping[str, Any]) -> dict[Any, Any]:
        self._shout.click(lambda text: str(text or "").upper(), [self.prompt], [self.prompt], show_progress="hidden")
        return {}

    # --- 3. the tab

    def create_config_ui(self, api_session: Any) -> None:
        self._session = api_session
        with gr.Row():
            with gr.Column(min_width=320):
                gr.Markdown("### A clip with the settings of the form")
                words = gr.Textbox("a small green star spinning", label="Prompt", elem_id="sample_prompt")
                with gr.Row():
                    start = gr.Button("Generate", variant="primary", elem_id="sample_generate")
                    stop = gr.Button("Cancel", elem_id="sample_cancel")
                clip = gr.Video(label="Result", interactive=False, elem_id="sample_clip")
                facts = gr.Markdown(elem_id="sample_facts")
            with gr.Column(min_width=320):
                gr.Markdown("### The form and the queue")
                fill = gr.Button("Write the prompt into the form and show it", elem_id="sample_fill")
                seed = gr.Button("Set the seed to 4242", elem_id="sample_seed")
                model = gr.Button("Choose the starter model", elem_id="sample_model")
                note = gr.Textbox(label="A note that goes with every task of this window", elem_id="sample_note")
                hold = gr.Button("Have the device for a moment", elem_id="sample_hold")
                shown = gr.Code(language="json", label="State", elem_id="sample_state", interactive=False)
        self.on_tab_outputs = [shown]
        start.click(told(self._generate), [self.state, words], [clip, facts])
        stop.click(self._cancel, [self.state], None)
        fill.click(lambda text: (text, self.goto_media_tab()), [words], [self.prompt, self.main_tabs])
        seed.click(told(self._set_seed), [self.state], [self.refresh_form_trigger])
        model.click(lambda: self.switch_to_model("starter", open_media_tab=True), None, None)
        note.change(lambda text: {"sample": {"note": text}}, [note], [self.plugin_data], show_progress="hidden")
        hold.click(told(self._hold), [self.state], [shown])

    def _generate(self, state: dict[str, Any], words: str, progress: gr.Progress = gr.Progress()) -> tuple[str, str]:  # noqa: B008
        settings = {**self.get_current_model_settings(state), "prompt": words}
        job = self._session.submit_task(settings, callbacks=create_gradio_progress_callbacks(progress))
        self._jobs[self._window(state)] = job
        result = job.result()
        if not result.success:
            raise gr.Error(str(result.errors[0]), print_exception=False)
        path = result.generated_files[0]
        if not self.has_video_file_extension(path):
            return path, ""
        fps, width, height, count = self.get_video_info(path)
        last = self.get_video_frame(path, count, return_last_if_missing=True)
        colour = "#{:02x}{:02x}{:02x}".format(*last.resize((1, 1)).getpixel((0, 0)))
        return path, f"{count} frames of {width}x{height} at {fps} a second; the last one is {colour} on average."

    def _cancel(self, state: dict[str, Any]) -> None:
        job = self._jobs.get(self._window(state))
        if job is not None and not job.done:
            job.cancel()

    def _window(self, state: dict[str, Any]) -> str:
        return str(id(self.get_gen_info(state)))

    def _set_seed(self, state: dict[str, Any]) -> str:
        settings = {**self.get_current_model_settings(state), "seed": 4242}
        self.set_model_settings(state, settings["model_type"], settings)
        return self.get_unique_id()

    def _hold(self, state: dict[str, Any]) -> str:
        self.acquire_GPU_ressources(state, "sample", "The sample", gr=gr)
        try:
            return self._state_text(state)
        finally:
            self.release_GPU_ressources(state, "sample")

    # --- 4. what it is told of

    def on_tab_select(self, state: dict[str, Any]) -> str:
        return self._state_text(state)

    def on_tab_deselect(self, state: dict[str, Any]) -> None:
        self._told.append("another tab was opened")

    def on_model_change(self, state: dict[str, Any], model_type: str) -> None:
        self._told.append(f"the model is now {self.get_model_def(model_type)['name']}")

    def _state_text(self, state: dict[str, Any]) -> str:
        gen = self.get_gen_info(state)
        shown = {
            "model": self.get_current_model_settings(state)["model_type"],
            "device": gen.get("process_status"),
            "queue": [task["prompt"] for task in gen.get("queue", [])],
            "results": [Path(path).name for path in gen.get("file_list", [])[-3:]],
            "told": self._told[-5:],
        }
        return json.dumps(shown, indent=2, ensure_ascii=False)

    # --- 5. where it takes part in a task

    def _mark(self, settings: dict[str, Any], plugin_data: dict[str, Any], model_type: str) -> dict[str, Any]:
        """`@star` in a prompt becomes words; done before the task is kept, whichever door it came through."""
        return {**settings, "prompt": str(settings.get("prompt") or "").replace("@star", "a small green star")}

    def _sign(self, configs: dict[str, Any], plugin_data: Mapping[str, Any], model_type: str) -> dict[str, Any]:
        """The window's note is kept inside the result."""
        note = (plugin_data.get("sample") or {}).get("note")
        return {**configs, "sample_note": note} if note else configs

    def _count(self, task: dict[str, Any], outcome: str, error: str) -> None:
        self._told.append(f"task {task['id']}: {outcome} {error}".strip())
