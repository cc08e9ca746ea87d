"""What happens to the finished frames, and how the file is named."""

from __future__ import annotations

from shared.core.conditions import at_least, is_set
from shared.core.declarations.rules import IMAGE_MODE, MAKES_CLIPS, MAKES_PICTURES_OR_CLIPS, VIDEO_MODE
from shared.core.params import Param

_MODES = (
    ("Generate", ""), ("edit_postprocessing", "edit_postprocessing"), ("edit_remux", "edit_remux"),
    ("edit_audio", "edit_audio"), ("Describe a picture", "describe"), ("Make a mask", "make_mask"),
)

PARAMS: tuple[Param, ...] = (
    Param(
        "temporal_upsampling", "text", "", "Smoother motion",
        "Draws frames in between, for more frames a second.",
        "postprocessing", pattern=r"([A-Za-z_]\w*?\d+)?",
        accepts='"" (off), or a method with its factor, such as "rife2"',
        choices=(("Off", ""), ("RIFE x 2", "rife2"), ("RIFE x 4", "rife4")),
        applies=is_set("temporal_upsamplers") & MAKES_CLIPS, visible_if=VIDEO_MODE, unsupported="refuse",
    ),
    Param(
        "spatial_upsampling", "text", "", "Enlarge",
        "Brings the result to a larger size after it is made.",
        "postprocessing", pattern=r"([A-Za-z_]\w*?\d+(\.\d+)?)?",
        accepts='"" (off), or a method with its factor, such as "lanczos1.5"',
        choices=(("Off", ""), ("Lanczos x 1.5", "lanczos1.5"), ("Lanczos x 2", "lanczos2")),
        applies=MAKES_PICTURES_OR_CLIPS, unsupported="refuse",
    ),
    Param(
        "film_grain_intensity", "float", 0, "Film grain",
        "Fine noise over the result, as of film; it hides smooth, artificial surfaces.",
        "postprocessing", minimum=0, maximum=1, step=0.01, applies=MAKES_PICTURES_OR_CLIPS, unsupported="refuse",
    ),
    Param(
        "film_grain_saturation", "float", 0.5, "Film grain: colour",
        "How coloured the grain is; 0 is grey.",
        "postprocessing", minimum=0, maximum=1, step=0.01, applies=MAKES_PICTURES_OR_CLIPS,
        visible_if=at_least("film_grain_intensity", 0.001),
    ),
    Param(
        "output_filename", "text", "", "File name",
        "A template such as {date}_{seed}_{prompt(40)}; empty for the usual name. Also {resolution}, {steps}, "
        "{frames}, {cfg}, {flow_shift}, {number} (the place of the result, from 0).",
        "output", pattern=r"[^\x00-\x1f]{0,400}", accepts="one line of at most 400 characters",
    ),
    Param(
        "image_format", "choice", "", "File format",
        "The kind of picture file for this task; empty takes that of the configuration.",
        "output", choices=(("As configured", ""), ("PNG", "png"), ("JPEG", "jpg"), ("WebP", "webp")),
        applies=MAKES_PICTURES_OR_CLIPS, visible_if=IMAGE_MODE,
    ),
    Param(
        "metadata_scheme", "choice", "", "Settings in the picture",
        "What other programs find in the file beside this program's settings: Fooocus' or A1111's text; or nothing.",
        "output",
        choices=(("This program's", ""), ("Fooocus' too", "fooocus"), ("A1111's too", "a1111"), ("None", "none")),
        applies=MAKES_PICTURES_OR_CLIPS, visible_if=IMAGE_MODE,
    ),
    Param(
        "client_id", "text", "", "Caller's id",
        "An id by which a program finds its own results; it takes no part in the making.",
        "advanced",
    ),
    Param(
        "mode", "choice", "", "Kind of task",
        "Empty makes something new; the edit modes finish a file that exists, describe and make_mask read a picture.",
        "advanced", choices=_MODES, unsupported="refuse",
    ),
    Param(
        "model_type", "text", "", "Model",
        "The id of the model, the name of its file in defaults/ or finetunes/.",
        "advanced",
    ),
)  # fmt: skip
