"""An object's mask over all frames by SAM 2 of transformers, in a process of its own.

The page's process never loads torch: `segment` starts this file as a program, which reads frames and clicks from a
folder, writes the masks there and tells each finished frame as a line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.media.object_masks import Click, Frames

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_OBJECT = 1


class SegmentationFailed(RuntimeError):
    """The program that makes the masks ended with an error; the text is its last line."""


def segment(
    checkpoint: Path,
    frames: Frames,
    clicks: Sequence[Click],
    start: int = 0,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> Frames:
    """The masks of all frames, uint8 (frames, height, width), from clicks in frame `start`.

    `checkpoint`: a folder with `config.json` and `model.safetensors` of a `Sam2VideoModel`. Raises SegmentationFailed.
    """
    with tempfile.TemporaryDirectory(prefix="wangp-masks-") as name:
        folder = Path(name)
        np.save(folder / "frames.npy", frames)
        request = {"checkpoint": str(checkpoint), "start": start, "clicks": [asdict(click) for click in clicks]}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        _run(folder, on_frame, len(frames))
        return np.load(folder / "masks.npy")


def _run(folder: Path, on_frame: Callable[[int, int], None], total: int) -> None:
    command = [sys.executable, "-m", "plugins.mask_creator.segment", str(folder)]
    with (
        (folder / "errors.txt").open("w+b") as errors,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as program,
    ):
        try:
            for line in program.stdout or ():
                if line.strip().isdigit():
                    on_frame(int(line), total)
        except BaseException:
            program.kill()
            raise
        if program.wait() != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            raise SegmentationFailed(lines[-1] if lines else f"it ended with code {program.returncode}")


def main(folder: Path) -> None:
    """Do what `request.json` in the folder asks for."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    frames = np.load(folder / "frames.npy")
    masks = np.zeros(frames.shape[:3], np.uint8)
    clicks = [Click(**click) for click in request["clicks"]]
    done: set[int] = set()
    for number, mask in iter_masks(Path(request["checkpoint"]), frames, clicks, request["start"]):
        masks[number] = mask
        done.add(number)
        sys.stdout.write(f"{len(done)}\n")
        sys.stdout.flush()
    np.save(folder / "masks.npy", masks)


def iter_masks(
    checkpoint: Path, frames: Frames, clicks: Sequence[Click], start: int
) -> Iterator[tuple[int, np.ndarray]]:
    """(frame number, its mask), from `start` forwards, then backwards."""
    import torch
    from torch.nn import functional
    from transformers import Sam2VideoModel

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = Sam2VideoModel.from_pretrained(checkpoint, dtype=dtype, local_files_only=True).to(device).eval()
    session = _session(model, frames, device, dtype)
    _add_clicks(session, clicks, start, model.config.image_size, frames.shape[1:3])
    with torch.inference_mode():
        for reverse in (False, True):
            for found in model.propagate_in_video_iterator(session, start_frame_idx=start, reverse=reverse):
                logits = functional.interpolate(found.pred_masks.float(), frames.shape[1:3], mode="bilinear")
                mask = (logits[0, 0] > 0).to(torch.uint8).mul(255)
                yield found.frame_idx, mask.cpu().numpy()


def _session(model: Any, frames: Frames, device: str, dtype: Any) -> Any:
    import torch
    from transformers import Sam2VideoInferenceSession

    height, width = frames.shape[1:3]
    pixels = torch.stack([_prepared(torch.from_numpy(frame), model.config.image_size) for frame in frames])
    return Sam2VideoInferenceSession(
        video=pixels, video_height=height, video_width=width, inference_device=device, dtype=dtype
    )


def _prepared(frame: Tensor, side: int) -> Tensor:
    """(height, width, 3) uint8 -> (3, side, side), as the model was trained: stretched to a square, normalised."""
    import torch
    from torch.nn import functional

    pixels = frame.permute(2, 0, 1)[None].float() / 255
    square = functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)[0]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (square - mean) / std


def _add_clicks(session: Any, clicks: Sequence[Click], start: int, side: int, size: tuple[int, int]) -> None:
    import torch

    height, width = size
    points = torch.tensor([[[[click.x * side / width, click.y * side / height] for click in clicks]]])
    labels = torch.tensor([[[int(click.is_object) for click in clicks]]], dtype=torch.int32)
    index = session.obj_id_to_idx(_OBJECT)
    session.add_point_inputs(index, start, {"point_coords": points, "point_labels": labels})
    session.obj_with_new_inputs = [_OBJECT]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
