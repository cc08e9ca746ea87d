"""The tab "Mask creator": click on an object, get its mask over all frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from shared.ui.plugins.telling import told
from shared.utils.plugins import WAN2GPPlugin

ROOT = Path(__file__).resolve().parents[2]
SAM2_FOLDERS = ("sam2.1-hiera-tiny", "sam2.1-hiera-small", "sam2.1-hiera-base-plus", "sam2.1-hiera-large")
OPENCV = "Colours and motion (OpenCV, always here)"
ON, BESIDE = "on the object", "beside the object"
SOURCES = [".mp4", ".mov", ".mkv", ".webm", ".avi", ".png", ".jpg", ".jpeg", ".webp", ".bmp"]


class MaskCreatorPlugin(WAN2GPPlugin):
    """Masks by clicks, for the form's control clip or picture, or as a file."""

    def setup_ui(self) -> None:
        self.add_tab("mask_creator", "Mask creator", self.create_config_ui)
        for component in ("video_guide", "video_mask", "image_guide", "image_mask", "main_tabs"):
            self.request_component(component)
        self.request_global("server_config")

    def create_config_ui(self) -> None:
        work, made = gr.State(None), gr.State(None)
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                source = gr.File(label="Clip or picture", file_types=SOURCES, height=150, elem_id="mask_creator_source")
                shown = gr.Image(
                    label="Click on the object", interactive=False, elem_id="mask_creator_frame", format="jpeg",
                    height=440,
                )
                clicks = gr.Markdown(elem_id="mask_creator_clicks")
                frame = gr.Slider(0, 1, 0, step=1, label="Frame", visible=False, elem_id="mask_creator_number")
            with gr.Column(scale=2, min_width=280):
                kind = gr.Radio([ON, BESIDE], value=ON, label="A click is", elem_id="mask_creator_kind")
                with gr.Row():
                    undo = gr.Button("Take back the last click")
                    clear = gr.Button("Clear")
                method = gr.Dropdown(self._methods(), value=OPENCV, label="Method", elem_id="mask_creator_method",
                                     info="SAM 2 is offered when one of its folders (facebook/sam2.1-hiera-*) "
                                     "lies under a checkpoint folder.")  # fmt: skip
                make = gr.Button("Make the mask", variant="primary", elem_id="mask_creator_make")
                result = gr.Video(label="Mask over the clip", interactive=False, visible=False, height=320)
                picture = gr.Image(label="Mask over the picture", interactive=False, visible=False, format="png",
                                   height=320)  # fmt: skip
                files = gr.File(label="Mask", interactive=False, visible=False, elem_id="mask_creator_files")
                use = gr.Button("Use in the form", visible=False, elem_id="mask_creator_use")
        view = [work, shown, clicks]
        source.change(told(self._open), [source], [*view, frame, result, picture, files, use], show_progress="hidden")
        frame.release(told(self._go_to), [work, frame], view, show_progress="hidden")
        shown.select(told(self._click), [work, kind], view, show_progress="hidden")
        undo.click(told(lambda work: self._show(work.undone() if work else None)), [work], view, show_progress="hidden")
        clear.click(told(lambda work: self._show(work.at(work.frame) if work else None)), [work], view,
                    show_progress="hidden")  # fmt: skip
        make.click(told(self._make), [work, method], [made, result, picture, files, use])
        use.click(
            told(self._use), [work, made],
            [self.video_guide, self.video_mask, self.image_guide, self.image_mask, self.main_tabs],
        )  # fmt: skip

    def _methods(self) -> list[str]:
        return [OPENCV, *self._checkpoints()]

    def _checkpoints(self) -> Mapping[str, Path]:
        """The SAM 2 folders on this machine, by the name under which they are offered."""
        roots = [ROOT / str(root) for root in self.server_config.get("checkpoints_paths") or ("ckpts",)]
        found = [(name, root / name) for root in roots for name in SAM2_FOLDERS]
        return {f"SAM 2 ({name})": path for name, path in found if (path / "config.json").is_file()}

    def _open(self, path: str | None) -> tuple[Any, ...]:
        from plugins.mask_creator.masks import Work  # OpenCV is loaded with the first clip, not with the page

        hidden = [gr.update(visible=False)] * 4
        if not path:
            return *self._show(None), gr.update(visible=False), *hidden
        work = Work.of(path)
        slider = gr.update(maximum=max(1, work.num_frames - 1), value=0, visible=work.num_frames > 1)
        return *self._show(work), slider, *hidden

    def _show(self, work: Any) -> tuple[Any, np.ndarray | None, str]:
        from plugins.mask_creator.masks import enlarged, overlaid

        if work is None:
            return None, None, ""
        on = sum(click.is_object for click in work.clicks)
        told = f"Clicks on the object: {on}, beside it: {len(work.clicks) - on}."
        return work, enlarged(overlaid(work.picture(), work.mask(), work.clicks))[0], told

    def _go_to(self, work: Any, frame: float) -> tuple[Any, ...]:
        return self._show(work.at(int(frame)) if work else None)

    def _click(self, work: Any, kind: str, event: gr.SelectData) -> tuple[Any, ...]:
        if work is None:
            raise ValueError("Choose a clip or picture first.")
        from plugins.mask_creator.masks import enlarged

        factor = enlarged(work.picture())[1]
        x, y = (place / factor for place in event.index)
        return self._show(work.clicked(x, y, kind == ON))

    def _make(self, work: Any, method: str, progress: gr.Progress = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
        from plugins.mask_creator.masks import save_masks
        from plugins.mask_creator.segment import SegmentationFailed

        if work is None:
            raise ValueError("Choose a clip or picture first.")
        checkpoint = self._checkpoints().get(method)
        try:
            masks = work.masks(checkpoint, lambda done, total: progress((done, total), desc="Frames"))
        except SegmentationFailed as error:
            raise ValueError(f"SAM 2 could not be run: {error}") from error
        mask, view = save_masks(work, masks, self._folder(work))
        return (
            str(mask),
            gr.update(value=str(view) if work.is_clip else None, visible=work.is_clip),
            gr.update(value=None if work.is_clip else str(view), visible=not work.is_clip),
            gr.update(value=str(mask), visible=True),
            gr.update(visible=True),
        )

    def _folder(self, work: Any) -> Path:
        key = "save_path" if work.is_clip else "image_save_path"
        return ROOT / str(self.server_config.get(key) or "outputs")

    def _use(self, work: Any, mask: str | None) -> tuple[Any, ...]:
        if work is None or not mask:
            raise ValueError("Make a mask first.")
        source, made = gr.update(value=work.path), gr.update(value=mask)
        clip = (source, made) if work.is_clip else (gr.skip(), gr.skip())
        still = (gr.skip(), gr.skip()) if work.is_clip else (source, made)
        return *clip, *still, self.goto_media_tab()
