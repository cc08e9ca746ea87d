"""How strongly the prompt steers, and the corrections of that steering."""

from __future__ import annotations

import re
from typing import Any

from shared.core.conditions import at_least, equals, is_set
from shared.core.params import Param


def layer_list(value: Any) -> Any:
    """Layer numbers as a list: "8,9" and 9 of earlier versions too."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if isinstance(value, str) and re.fullmatch(r"[\d\s,]*", value):
        return [int(item) for item in re.findall(r"\d+", value)]
    return value


def threshold(value: Any) -> Any:
    """A timestep of 0 to 1000; a fraction of earlier versions (0.9) is 900."""
    if isinstance(value, float) and 0 < value <= 1:
        return round(value * 1000)
    return value


_TWO_PHASES, _THREE_PHASES = at_least("guidance_max_phases", 2, 1), at_least("guidance_max_phases", 3, 1)
_USES_TWO, _USES_THREE = at_least("guidance_phases", 2, 1), at_least("guidance_phases", 3, 1)

PARAMS: tuple[Param, ...] = (
    Param(
        "guidance_scale", "float", 5.0, "Guidance",
        "How strongly the prompt steers. 1 switches it off and halves the time; too much burns colours and motion.",
        "guidance", minimum=1, maximum=20, step=0.1, applies=at_least("guidance_max_phases", 1, 1),
    ),
    Param(
        "guidance_phases", "int", 1, "Guidance phases",
        "Splits the denoising into phases with a guidance of their own.",
        "guidance", minimum=1, maximum=3, step=1, applies=_TWO_PHASES,
    ),
    Param(
        "guidance2_scale", "float", 5.0, "Guidance of phase 2",
        "The guidance after the first switch.",
        "guidance", minimum=1, maximum=20, step=0.1, applies=_TWO_PHASES, visible_if=_USES_TWO,
    ),
    Param(
        "guidance3_scale", "float", 5.0, "Guidance of phase 3",
        "The guidance after the second switch.",
        "guidance", minimum=1, maximum=20, step=0.1, applies=_THREE_PHASES, visible_if=_USES_THREE,
    ),
    Param(
        "switch_threshold", "int", 0, "Switch to phase 2",
        "The noise level at which phase 2 begins: 1000 is pure noise, 0 the finished picture.",
        "guidance", minimum=0, maximum=1000, step=1, older=threshold, applies=_TWO_PHASES, visible_if=_USES_TWO,
    ),
    Param(
        "switch_threshold2", "int", 0, "Switch to phase 3",
        "The noise level at which phase 3 begins; lower than that of phase 2.",
        "guidance", minimum=0, maximum=1000, step=1, older=threshold, applies=_THREE_PHASES, visible_if=_USES_THREE,
    ),
    Param(
        "model_switch_phase", "int", 1, "Change of expert",
        "The phase after which the low-noise expert takes over from the high-noise one.",
        "guidance", minimum=1, maximum=2, step=1, applies=_THREE_PHASES & is_set("two_experts"),
        visible_if=_USES_THREE,
    ),
    Param(
        "alt_guidance_scale", "float", 1.0, "Second guidance",
        "A further guidance whose meaning is the model's own.",
        "guidance", minimum=1, maximum=20, step=0.5, applies=is_set("alt_guidance"),
    ),
    Param(
        "alt_scale", "float", 0.0, "Second scale",
        "A strength whose meaning is the model's own.",
        "guidance", minimum=0, maximum=1, step=0.05, applies=is_set("alt_scale"),
    ),
    Param(
        "audio_guidance_scale", "float", 1.0, "Sound guidance",
        "How strongly the given sound steers the motion.",
        "guidance", minimum=1, maximum=20, step=0.5, applies=is_set("audio_guidance"),
    ),
    Param(
        "embedded_guidance_scale", "float", 6.0, "Embedded guidance",
        "A guidance that the model has learned to take as an input, at no cost in time.",
        "guidance", minimum=1, maximum=20, step=0.5, applies=is_set("embedded_guidance"),
    ),
    Param(
        "NAG_scale", "float", 1, "Negative attention",
        "Makes the negative prompt work where guidance is off; 1 switches it off.",
        "guidance", minimum=1, maximum=20, step=0.1, applies=is_set("NAG"), unsupported="refuse",
    ),
    Param(
        "NAG_tau", "float", 3.5, "Negative attention: limit",
        "How far the attention may be pushed away.",
        "guidance", minimum=1, maximum=5, step=0.1, applies=is_set("NAG"), visible_if=at_least("NAG_scale", 1.01, 1),
    ),
    Param(
        "NAG_alpha", "float", 0.5, "Negative attention: mix",
        "How much of the pushed attention is mixed in.",
        "guidance", minimum=0, maximum=2, step=0.05, applies=is_set("NAG"), visible_if=at_least("NAG_scale", 1.01, 1),
    ),
    Param(
        "perturbation_switch", "choice", 0, "Layer guidance",
        "Steers away from what the model makes with some layers left out; firmer shapes, fewer broken limbs.",
        "guidance", choices=(("Off", 0), ("On", 1)), aliases=("slg_switch",),
        applies=is_set("perturbation"), unsupported="refuse",
    ),
    Param(
        "perturbation_layers", "list", [9], "Layers left out",
        "Numbers of the layers, from 0.",
        "guidance", item="int", aliases=("slg_layers",), older=layer_list, applies=is_set("perturbation"),
        visible_if=at_least("perturbation_switch", 1),
    ),
    Param(
        "perturbation_start_perc", "float", 10, "Layer guidance: from",
        "The part of the steps after which it begins.",
        "guidance", minimum=0, maximum=100, step=1, unit="%", aliases=("slg_start_perc",),
        applies=is_set("perturbation"), visible_if=at_least("perturbation_switch", 1),
    ),
    Param(
        "perturbation_end_perc", "float", 90, "Layer guidance: to",
        "The part of the steps after which it ends.",
        "guidance", minimum=0, maximum=100, step=1, unit="%", aliases=("slg_end_perc",),
        applies=is_set("perturbation"), visible_if=at_least("perturbation_switch", 1),
    ),
    Param(
        "apg_switch", "bool_int", 0, "Projected guidance",
        "Takes out of the guidance what only oversaturates.",
        "guidance", applies=is_set("adaptive_projected_guidance"), unsupported="refuse",
    ),
    Param(
        "cfg_star_switch", "bool_int", 0, "Scaled guidance",
        "Scales the unguided prediction to fit the guided one; steadier at high guidance.",
        "guidance", applies=is_set("cfg_star"), unsupported="refuse",
    ),
    Param(
        "cfg_zero_step", "int", -1, "Quiet first steps",
        "Up to this step the prediction is left out, which spares early mistakes; -1 never.",
        "guidance", minimum=-1, maximum=39, step=1, unit="steps", applies=is_set("cfg_zero"), unsupported="refuse",
    ),
    Param(
        "sharpness", "float", 0.0, "Sharpness",
        "Takes blur out of the prompted prediction as the picture becomes clean; about 2 is usual, 0 is off.",
        "guidance", minimum=0, maximum=30, step=0.1, applies=is_set("sharpness"), unsupported="refuse",
    ),
    Param(
        "adaptive_cfg", "float", 0.0, "Guidance at the start",
        "A guidance above this one begins at it and rises as the picture becomes clean, which spares layout and "
        "colours; 0 is off.",
        "guidance", minimum=0, maximum=30, step=0.1, applies=is_set("adaptive_cfg"), unsupported="refuse",
    ),
    Param(
        "adm_scaler_positive", "float", 1.0, "Size told to the prompt",
        "The prompted side is told that the picture is this many times larger: above 1 it is drawn in finer detail.",
        "guidance", minimum=0, maximum=3, step=0.01, applies=is_set("adm_guidance"), unsupported="refuse",
    ),
    Param(
        "adm_scaler_negative", "float", 1.0, "Size told to the negative prompt",
        "The unprompted side is told that the picture is this many times larger: below 1 it is drawn coarsely, and "
        "guidance leads away from that.",
        "guidance", minimum=0, maximum=3, step=0.01, applies=is_set("adm_guidance"), unsupported="refuse",
    ),
    Param(
        "adm_scaler_end", "float", 0.3, "Told sizes: until",
        "The part of the steps for which the scaled sizes are told.",
        "guidance", minimum=0, maximum=1, step=0.01, applies=is_set("adm_guidance"),
        visible_if=~(equals("adm_scaler_positive", 1.0, 1.0) & equals("adm_scaler_negative", 1.0, 1.0)),
    ),
    Param(
        "motion_amplitude", "float", 1.0, "Amount of motion",
        "Above 1 the clip moves more than the model would by itself.",
        "guidance", minimum=1, maximum=1.4, step=0.01, applies=is_set("motion_amplitude"),
        visible_if=equals("image_mode", 0, default=0),
    ),
)  # fmt: skip
