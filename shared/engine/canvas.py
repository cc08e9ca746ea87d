"""Size, length and speed of a result: what was asked for, brought to what the model can make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shared.core.errors import SettingsError
from shared.core.units import MAX_PIXELS, MAX_SIDE_PX, fit_canvas, largest_size, parse_resolution, parse_seconds

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

EXACT: Literal[2] = 2

CanvasMode = Literal[0, 1, 2]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Canvas:
    """Width and height (pixels) and frames a second that the model makes."""

    width: int
    height: int
    fps: float


@dataclass(frozen=True)
class Size:
    """What the model makes, and what that is enlarged to where more was asked for than it can make."""

    width: int
    height: int
    enlarged_to: tuple[int, int] | None = None


def plan_size(
    resolution: str, model: ModelDef, shape: tuple[int, int] | None, canvas_mode: CanvasMode, tell: Tell
) -> Size:
    """The size for a `resolution`, in multiples that the model can make.

    `shape` is the size of the picture or clip whose ratio the result takes, `canvas_mode` how: the `fit_canvas` of
    the configuration. A size beyond the model is made as large as it can and enlarged.
    """
    asked, multiple = parse_resolution(resolution), model.block_size
    reshaped = asked if shape is None else fit_canvas(asked, shape, canvas_mode, 2)
    made = largest_size(
        *reshaped,
        max_side=int(model.get("max_side", MAX_SIDE_PX)),
        max_pixels=int(model.get("max_pixels", MAX_PIXELS)),
        multiple=multiple,
    )
    if made != reshaped:
        tell(
            f"resolution: {reshaped[0]}x{reshaped[1]} is made at {made[0]}x{made[1]}, the largest of about that shape "
            f"that this model can make, and enlarged."
        )
        return Size(*made, enlarged_to=reshaped)
    made = fit_canvas(asked, shape or asked, canvas_mode if shape else EXACT, multiple)
    if made != asked:
        is_reshaped = shape is not None and shape[0] * asked[1] != shape[1] * asked[0] and canvas_mode != EXACT
        reason = (
            f"it takes the shape of the picture or clip given ({shape[0]}x{shape[1]})"
            if shape is not None and is_reshaped
            else f"this model makes multiples of {multiple} pixels"
        )
        tell(f"resolution: {resolution} becomes {made[0]}x{made[1]}, because {reason}.")
    return Size(*made)


def plan_fps(
    force_fps: Any, model_fps: float, source_fps: float | None, control_fps: float | None, tell: Tell
) -> float:
    """Frames a second of the result for a `force_fps`; whole numbers stay whole."""
    text = str(force_fps or "").strip().lower()
    if text in ("", "0"):
        return model_fps
    if text == "auto":
        return source_fps or control_fps or model_fps
    if text in ("source", "control"):
        fps, name = (source_fps, "video_source") if text == "source" else (control_fps, "video_guide")
        if fps is None:
            tell(f'force_fps: "{text}" needs a {name}; the model\'s {model_fps:g} frames a second are used.')
        return fps or model_fps
    try:
        fps = float(text)
    except ValueError:
        fps = 0.0
    if not 1 <= fps <= 240:
        raise SettingsError(
            f'force_fps: "{force_fps}" is not accepted. Use "", "auto", "control", "source" or a number from 1 to 240.'
        )
    return fps


def plan_length(settings: Mapping[str, Any], model: ModelDef, fps: float, tell: Tell) -> int:
    """Frames of the result, of a length that the model can make; 1 for a picture."""
    if settings.get("image_mode"):
        return 1
    asked, rule = settings.get("video_length"), model.frame_rule
    seconds = parse_seconds(asked) if isinstance(asked, str) else None
    length = rule.nearest(round(seconds * fps) if seconds is not None else int(asked or rule.minimum))
    if length != asked:
        tell(f"video_length: {asked} becomes {length} frames, a length that this model can make.")
    return length
