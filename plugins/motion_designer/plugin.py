"""The tab "Motion designer": draw how cut-out objects move, get a control clip or trajectories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from plugins.motion_designer.design import Design, Made, Motion, make, object_names
from plugins.motion_designer.motion import EASES
from shared.ui.plugins.telling import told
from shared.utils.plugins import WAN2GPPlugin

ROOT = Path(__file__).resolve().parents[2]
CUT, DRAW = "cuts out the object", "adds to its path"
EASE_NAMES = dict(zip(EASES, ("Even speed", "Starts slowly", "Ends slowly", "Starts and ends slowly"), strict=True))
MOST_FRAMES = 1000
QUIET = {"show_progress": "hidden"}


class MotionDesignerPlugin(WAN2GPPlugin):
    """Paths for objects of a picture, as what a model is steered with."""

    def setup_ui(self) -> None:
        self.add_tab("motion_designer", "Motion designer", self.create_config_ui)
        for component in ("video_guide", "video_mask", "main_tabs"):
            self.request_component(component)
        self.request_global("server_config")

    def create_config_ui(self) -> None:
        design, made = gr.State(None), gr.State(None)
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                source = gr.File(label="Picture", file_types=["image"], height=150, elem_id="motion_designer_source")
                shown = gr.Image(label="Picture", interactive=False, format="jpeg", height=440,
                                 elem_id="motion_designer_picture")  # fmt: skip
            with gr.Column(scale=2, min_width=300):
                click = gr.Radio([CUT, DRAW], value=CUT, label="A click", elem_id="motion_designer_click")
                with gr.Row():
                    undo = gr.Button("Take back the last click")
                    add = gr.Button("New object")
                    remove = gr.Button("Delete the object", variant="stop")
                chosen = gr.Radio([], label="Objects", elem_id="motion_designer_objects")
                motion = self._build_motion()
                with gr.Row():
                    frames = gr.Number(81, label="Frames", precision=0, minimum=1, maximum=MOST_FRAMES)
                    fps = gr.Number(16, label="Frames a second", minimum=1, maximum=120)
                start = gr.Button("Make the control clip", variant="primary", elem_id="motion_designer_make")
                result = gr.Video(label="Control clip", interactive=False, visible=False, height=320)
                files = gr.File(label="Files", interactive=False, visible=False, file_count="multiple",
                                elem_id="motion_designer_files")  # fmt: skip
                use = gr.Button("Use in the form", visible=False, elem_id="motion_designer_use")
        view = [design, shown, chosen, *motion]
        source.change(told(self._open), [source], view, **QUIET)
        shown.select(told(self._click), [design, click], view, **QUIET)
        undo.click(told(lambda design, kind: self._show(_known(design).undone(kind == DRAW))), [design, click], view,
                   **QUIET)  # fmt: skip
        add.click(told(lambda design: self._show(_known(design).with_new_object())), [design], view, **QUIET)
        remove.click(told(lambda design: self._show(_known(design).without_current())), [design], view, **QUIET)
        chosen.input(told(lambda design, number: self._show(replace(_known(design), chosen=number))),
                     [design, chosen], view, **QUIET)  # fmt: skip
        for control in motion:
            control.input(told(self._set_motion), [design, *motion], [design, shown], **QUIET)
        start.click(told(self._make), [design, frames, fps], [made, result, files, use])
        use.click(told(self._use), [made], [self.video_guide, self.video_mask, self.main_tabs])

    def _build_motion(self) -> list[Any]:
        with gr.Row():
            first = gr.Number(0, label="Moves from frame", precision=0, minimum=0)
            last = gr.Number(None, label="to frame (empty: the last)", precision=0, minimum=0)
        with gr.Row():
            ease = gr.Dropdown([(name, ease) for ease, name in EASE_NAMES.items()], value=EASES[0], label="Speed")
            smooth = gr.Checkbox(True, label="Round corners")
        with gr.Row():
            scale = gr.Number(1, label="Size at the end (times)", minimum=0.05, maximum=20)
            turn = gr.Number(0, label="Turn at the end (degrees)")
        return [first, last, ease, smooth, scale, turn]

    def _open(self, path: str | None) -> tuple[Any, ...]:
        return self._show(Design(path) if path else None)

    def _show(self, design: Design | None) -> tuple[Any, ...]:
        if design is None:
            return None, None, gr.update(choices=[], value=None), *[gr.skip()] * 6
        motion = design.current.motion
        values = [motion.first, motion.last, motion.ease, motion.is_smooth, motion.scale, motion.turn_degrees]
        return design, _view(design), gr.update(choices=object_names(design.objects), value=design.chosen), *values

    def _click(self, design: Design | None, kind: str, event: gr.SelectData) -> tuple[Any, ...]:
        known = _known(design)
        x, y = (place / known.enlargement() for place in event.index)
        return self._show(known.drawn(x, y) if kind == DRAW else known.clicked(x, y))

    def _set_motion(self, design: Design | None, *values: Any) -> tuple[Any, Any]:
        first, last, ease, smooth, scale, turn = values
        motion = Motion(int(first or 0), None if last is None else int(last), ease, float(scale or 1), float(turn or 0),
                        bool(smooth))  # fmt: skip
        changed = _known(design).with_current(motion=motion)
        return changed, _view(changed)

    def _make(self, design: Design | None, frames: float, fps: float) -> tuple[Any, ...]:
        num_frames = int(frames or 0)
        if not 1 <= num_frames <= MOST_FRAMES:
            raise ValueError(f"Frames: {num_frames}; 1 to {MOST_FRAMES} are accepted.")
        folder = ROOT / str(self.server_config.get("save_path") or "outputs")
        made = make(_known(design), num_frames, float(fps or 16), folder)
        has_clip = made.clip is not None
        return (
            made,
            gr.update(value=str(made.clip) if has_clip else None, visible=has_clip),
            gr.update(value=made.files, visible=True),
            gr.update(visible=has_clip),
        )

    def _use(self, made: Made | None) -> tuple[Any, Any, Any]:
        if made is None or made.clip is None:
            raise ValueError("Make a control clip first.")
        return gr.update(value=str(made.clip)), gr.update(value=str(made.mask)), self.goto_media_tab()


def _view(design: Design) -> Any:
    factor = design.enlargement()
    return design.shown().repeat(factor, axis=0).repeat(factor, axis=1)


def _known(design: Design | None) -> Design:
    if design is None:
        raise ValueError("Choose a picture first.")
    return design
