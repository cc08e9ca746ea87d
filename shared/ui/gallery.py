"""The results: what can be done with one. The browser draws stage and gallery (assets/stage.js, gallery.js)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from shared.core.errors import MediaError
from shared.media.metadata import sidecar_path
from shared.media.video import frame_at, probe
from shared.ui.page_files import page_copy, page_folder
from shared.ui.texts import say


def result_entry(runtime: Any, output_id: Any) -> Any:
    """The line of the history. Raises MediaError when it or its file is gone."""
    entry = runtime.history.get(int(output_id or 0))
    if entry is None:
        raise MediaError(say("file_gone", name=f"#{output_id}"))
    if not Path(entry.path).is_file():
        raise MediaError(say("file_gone", name=Path(entry.path).name))
    return entry


def picture_of(entry: Any) -> str:
    """A picture to start from: the result itself, or the last frame of a clip as a PNG. Raises MediaError."""
    if entry.media_type == "image":
        return page_copy(entry.path)
    frame = frame_at(entry.path, probe(entry.path).num_frames - 1)
    target = page_folder() / f"{Path(entry.path).stem}_last.png"
    Image.fromarray(frame).save(target, compress_level=1)
    return str(target)


def delete_result(runtime: Any, entry: Any) -> None:
    """Take a result off the disk and out of the history."""
    Path(entry.path).unlink(missing_ok=True)
    sidecar_path(entry.path).unlink(missing_ok=True)
    runtime.history.remove(entry.id)
