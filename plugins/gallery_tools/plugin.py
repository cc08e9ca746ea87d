"""The tab "Gallery tools": join, take frames, change the speed, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from plugins.gallery_tools.tools import at_speed, free_name, side_by_side, take_frames
from shared.media.join import join_clips
from shared.media.sniff import is_video_file
from shared.ui.plugins.telling import told
from shared.utils.plugins import WAN2GPPlugin

ROOT = Path(__file__).resolve().parents[2]


class GalleryToolsPlugin(WAN2GPPlugin):
    """Small jobs on finished clips; every result is a new file in the output folder."""

    def setup_ui(self) -> None:
        self.add_tab("gallery_tools", "Gallery tools", self.create_config_ui)
        self.request_global("server_config")

    def create_config_ui(self) -> None:
        with gr.Row():
            with gr.Column(min_width=320), gr.Group():
                self._build_join()
            with gr.Column(min_width=320), gr.Group():
                self._build_frames()
        with gr.Row():
            with gr.Column(min_width=320), gr.Group():
                self._build_speed()
            with gr.Column(min_width=320), gr.Group():
                self._build_compare()

    def _build_join(self) -> None:
        gr.Markdown("### Join clips")
        clips = gr.File(label="Clips in their order", file_count="multiple", file_types=["video"], height=140,
                        allow_reordering=True, elem_id="gallery_tools_clips")  # fmt: skip
        start = gr.Button("Join", variant="primary", elem_id="gallery_tools_join")
        result = gr.Video(label="Joined", interactive=False, height=240, elem_id="gallery_tools_joined")
        start.click(told(self._join), [clips], [result])

    def _build_frames(self) -> None:
        gr.Markdown("### Take frames out")
        clip = gr.Video(label="Clip", height=240, elem_id="gallery_tools_frames_of")
        places = gr.Textbox("1 L", label="Frames", info="Numbers from 1, seconds (2.5s), L for the last, or all.",
                            elem_id="gallery_tools_places")  # fmt: skip
        start = gr.Button("Take", variant="primary", elem_id="gallery_tools_take")
        result = gr.Gallery(label="Frames", format="png", height=240, elem_id="gallery_tools_taken")
        start.click(told(self._take), [clip, places], [result])

    def _build_speed(self) -> None:
        gr.Markdown("### Slower, faster, backwards")
        clip = gr.Video(label="Clip", height=240)
        with gr.Row():
            speed = gr.Slider(0.1, 10, 0.5, step=0.05, label="Speed (times)")
            backwards = gr.Checkbox(False, label="Backwards")
        start = gr.Button("Make", variant="primary")
        result = gr.Video(label="At the new speed", interactive=False, height=240)
        start.click(told(self._speed), [clip, speed, backwards], [result])

    def _build_compare(self) -> None:
        gr.Markdown("### Side by side")
        with gr.Row():
            left = gr.File(label="Left", file_types=["image", "video"], height=150, min_width=140)
            right = gr.File(label="Right", file_types=["image", "video"], height=150, min_width=140)
        start = gr.Button("Compare", variant="primary")
        clip = gr.Video(label="Both", interactive=False, height=320, visible=False)
        picture = gr.Image(label="Both", interactive=False, height=320, visible=False, format="png")
        start.click(told(self._compare), [left, right], [clip, picture])

    def _folder(self, is_clip: bool) -> Path:
        return ROOT / str(self.server_config.get("save_path" if is_clip else "image_save_path") or "outputs")

    def _join(self, clips: list[str] | None, progress: gr.Progress = gr.Progress()) -> str:  # noqa: B008
        sources = clips or []
        target = free_name(self._folder(True), sources[0] if sources else "clip", "joined", ".mp4")
        return str(join_clips(sources, target, checkpoint=lambda *done: progress(done, desc="Frames")))

    def _take(self, clip: str | None, places: str) -> list[str]:
        return [str(path) for path in take_frames(_given(clip), places, self._folder(False))]

    def _speed(
        self, clip: str | None, speed: float, backwards: bool, progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> str:  # fmt: skip
        tell = lambda *done: progress(done, desc="Frames")  # noqa: E731
        return str(at_speed(_given(clip), float(speed), backwards, self._folder(True), tell))

    def _compare(
        self, left: str | None, right: str | None, progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, Any]:  # fmt: skip
        both = _given(left), _given(right)
        is_clip = any(is_video_file(path) for path in both)
        made = side_by_side(*both, self._folder(is_clip), lambda *done: progress(done, desc="Frames"))
        return (
            gr.update(value=str(made) if is_clip else None, visible=is_clip),
            gr.update(value=None if is_clip else str(made), visible=not is_clip),
        )


def _given(path: str | None) -> str:
    if not path:
        raise ValueError("Choose a file first.")
    return path
