"""The tab "Long video": a clip of any length, window by window, with the settings of the form."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from plugins.long_video.run import LongVideo
from shared.api import build_media_postprocessing_settings
from shared.core.errors import Cancelled, SettingsError
from shared.ui.plugins.telling import told
from shared.utils.plugins import WAN2GPPlugin

ROOT = Path(__file__).resolve().parents[2]
REDO, ENLARGE = "Make it anew with the form's settings", "Enlarge it"
SIZES = [("1.5 times", "lanczos1.5"), ("2 times", "lanczos2"), ("3 times", "lanczos3"), ("4 times", "lanczos4")]


class LongVideoPlugin(WAN2GPPlugin):
    """Windows of a long clip as tasks of the page's queue, joined when all are done."""

    def __init__(self) -> None:
        super().__init__()
        self._running: dict[str, LongVideo] = {}
        self._guard = threading.Lock()

    def setup_ui(self) -> None:
        self.add_tab("long_video", "Long video", self.create_config_ui)
        self.request_component("state")
        for name in ("server_config", "get_current_model_settings", "get_model_def"):
            self.request_global(name)

    def create_config_ui(self, api_session: Any) -> None:
        self._session = api_session
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                source = gr.Video(label="Clip", height=260, elem_id="long_video_source")
                kind = gr.Radio([REDO, ENLARGE], value=REDO, label="What to do", elem_id="long_video_kind")
                size = gr.Dropdown(SIZES, value="lanczos2", label="Size", visible=False)
                with gr.Row():
                    window = gr.Number(81, label="Frames a window", precision=0, minimum=1,
                                       info="What the model makes at once.", elem_id="long_video_window")  # fmt: skip
                    overlap = gr.Number(9, label="Overlap", precision=0, minimum=0,
                                        info="Frames over which one window fades into the next.")  # fmt: skip
                plan = gr.Markdown(elem_id="long_video_plan")
                with gr.Row():
                    start = gr.Button("Start", variant="primary", elem_id="long_video_start")
                    stop = gr.Button("Stop", elem_id="long_video_stop")
            with gr.Column(scale=3, min_width=320):
                result = gr.Video(label="Whole clip", interactive=False, height=440, elem_id="long_video_result")
                gr.Markdown("Each window is a task of the queue. What is done is kept: after a stop or a failure, "
                            "Start with the same clip and settings goes on where it ended.")  # fmt: skip
        gr.on([source.change, window.change, overlap.change], told(self._plan), [source, window, overlap], [plan],
              show_progress="hidden")  # fmt: skip
        kind.input(lambda kind: gr.update(visible=kind == ENLARGE), [kind], [size], show_progress="hidden")
        start.click(told(self._start), [self.state, source, kind, size, window, overlap], [result])
        stop.click(told(self._stop), None, None, show_progress="hidden")

    def _plan(self, source: str | None, window: float, overlap: float) -> str:
        if not source:
            return ""
        work = LongVideo(source, {}, ROOT, "video_guide", int(window or 0), int(overlap or 0))
        return f"{work.info.num_frames} frames, {work.info.duration_s:.1f} s: {len(work.spans)} windows."

    def _start(
        self, state: dict[str, Any], source: str | None, kind: str, size: str, window: float, overlap: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:  # fmt: skip
        if not source:
            raise ValueError("Choose a clip first.")
        settings, key = self._enlarging(size) if kind == ENLARGE else self._redoing(state)
        folder = ROOT / str(self.server_config.get("save_path") or "outputs")
        work = LongVideo(source, settings, folder, key, int(window or 0), 0 if kind == ENLARGE else int(overlap or 0))
        with self._guard:
            if self._running:
                raise ValueError("A long video is being worked on already. Stop it, or wait for its end.")
            self._running[source] = work
        try:
            return str(work.run(self._session, lambda share, text: progress(share, desc=text)))
        except Cancelled:
            gr.Info("Stopped. What is done is kept; Start goes on from there.")
            return gr.skip()
        finally:
            with self._guard:
                self._running.pop(source, None)

    def _stop(self) -> None:
        with self._guard:
            works = list(self._running.values())
        for work in works:
            work.stop()

    def _enlarging(self, size: str) -> tuple[dict[str, Any], str]:
        settings = build_media_postprocessing_settings(None, spatial_upsampling=size)
        return settings, "video_source"

    def _redoing(self, state: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The form's settings for one window, the clip as its control clip. Raises SettingsError without one."""
        settings = dict(self.get_current_model_settings(state))
        model = str(settings.get("model_type") or state.get("model_type") or "")
        definition = self.get_model_def(model) or {}
        letters = _control_letters(definition)
        if not letters:
            raise SettingsError(f"{definition.get('name', model)} takes no control clip. Choose a model that does.")
        settings |= {"model_type": model, "force_fps": "control", "image_mode": 0}
        if settings.get("video_prompt_type") not in letters:
            settings["video_prompt_type"] = letters[0]
        return settings, "video_guide"


def _control_letters(definition: Mapping[str, Any]) -> list[str]:
    """The values of `video_prompt_type` with which a model takes a control clip, its own order."""
    choices = (definition.get("guide_custom_choices") or {}).get("choices") or ()
    selection = (definition.get("guide_preprocessing") or {}).get("selection") or ()
    return [letters for letters in (*(value for _, value in choices), *selection) if "V" in letters]
