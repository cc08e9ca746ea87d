"""The denoising itself, ways to make it faster, and what runs it."""

from __future__ import annotations

from typing import Any

from shared.core.conditions import at_least, equals, is_set
from shared.core.declarations.rules import HAS_STEP_CACHE, MAKES_CLIPS, VIDEO_MODE
from shared.core.params import Param


def cache_multiplier(value: Any) -> Any:
    """The speed-up as a float, so that 2 and 2.0 are one choice."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


# In the order of Fooocus' list: the first is the slowest.
PERFORMANCES = ("Quality", "Speed", "Extreme Speed", "Lightning", "Hyper-SD")

_FREEU = (
    ("b1", 1.01, "backbone 1", "backbone features in the widest part of the network"),
    ("b2", 1.02, "backbone 2", "backbone features in the next part"),
    ("s1", 0.99, "shortcut 1", "low frequencies of the shortcuts into the widest part"),
    ("s2", 0.95, "shortcut 2", "low frequencies of the shortcuts into the next part"),
)
_USES_CACHE = is_set("skip_steps_cache_type")
_REFINES = at_least("self_refiner_setting", 1)

PARAMS: tuple[Param, ...] = (
    Param(
        "num_inference_steps", "int", 30, "Steps",
        "Denoising steps: more are slower and, up to a point, cleaner. Distilled models need 4 to 8.",
        "sampling", minimum=1, maximum=100, step=1, unit="steps", applies=~is_set("lock_inference_steps"),
    ),
    Param(
        "flow_shift", "float", 3.0, "Shift",
        "Moves the steps towards noise (higher: layout and motion) or towards detail (lower).",
        "sampling", minimum=1, maximum=25, step=0.1, applies=is_set("flow_shift"),
    ),
    Param(
        "sample_solver", "choice", "", "Solver",
        "The method that takes the denoising steps.",
        "sampling", choices=(("The model's own", ""),), applies=is_set("sample_solvers"), unsupported="refuse",
    ),
    Param(
        "noise_schedule", "choice", "", "Noise schedule",
        "How the noise levels of the steps are spread; Karras spends more steps on detail.",
        "sampling", choices=(("The model's own", ""),), applies=is_set("noise_schedules"), unsupported="refuse",
    ),
    Param(
        "performance", "choice", "", "Performance",
        "Sets steps, solver, guidance and, for the fast ones, the LoRA that makes them possible.",
        "sampling", choices=(("As set here", ""), *((name, name) for name in PERFORMANCES)),
        applies=is_set("performances"), unsupported="refuse",
    ),
    Param(
        "clip_skip", "int", 2, "CLIP layer",
        "Which layer of the text encoders is read, counted from the last; most models were trained with 2.",
        "sampling", minimum=1, maximum=12, step=1, applies=is_set("clip_skip"), unsupported="refuse",
    ),
    Param(
        "vae_file", "text", "", "VAE file",
        "A file in ckpts/vae that takes the place of the model's own VAE; empty keeps that.",
        "sampling", applies=is_set("vae_choice"), unsupported="refuse",
    ),
    Param(
        "refiner_model", "text", "", "Refiner",
        "The id of a second model that takes over for the last steps; empty for none.",
        "sampling", applies=is_set("refiner"), unsupported="refuse",
    ),
    Param(
        "refiner_switch", "float", 0.8, "Refiner takes over at",
        "The part of the steps that the first model makes.",
        "sampling", minimum=0.1, maximum=1, step=0.01, applies=is_set("refiner"), visible_if=is_set("refiner_model"),
    ),
    Param(
        "refiner_swap", "choice", "joint", "Refiner: handing over",
        "How the half-made picture is handed over: as it is with its noise (joint), cleaned and noised again "
        "(separate), or through the pixels (vae).",
        "sampling", choices=(("As it is", "joint"), ("Noised again", "separate"), ("As pixels", "vae")),
        applies=is_set("refiner"), visible_if=is_set("refiner_model"),
    ),
    Param(
        "freeu", "bool_int", 0, "FreeU",
        "Weighs the network's backbone against its shortcuts; often calmer shapes, at no cost in time.",
        "sampling", applies=is_set("freeu"), unsupported="refuse",
    ),
    *(
        Param(
            f"freeu_{name}", "float", default, f"FreeU: {label}", f"Factor of the {words}.",
            "sampling", minimum=0, maximum=2, step=0.01, applies=is_set("freeu"), visible_if=at_least("freeu", 1),
        )
        for name, default, label, words in _FREEU
    ),
    Param(
        "temperature", "float", 0.8, "Temperature",
        "Variety of models that write token by token: lower is safer, higher livelier.",
        "sampling", minimum=0.1, maximum=1.5, step=0.01, applies=is_set("temperature"),
    ),
    Param(
        "top_p", "float", 0.9, "Top p",
        "Draws among the likeliest tokens that together have this probability.",
        "sampling", minimum=0, maximum=1, step=0.01, applies=is_set("top_p_slider"),
    ),
    Param(
        "top_k", "int", 50, "Top k",
        "Draws among this many of the likeliest tokens; 0 is no limit.",
        "sampling", minimum=0, maximum=100, step=1, applies=is_set("top_k_slider"),
    ),
    Param(
        "self_refiner_setting", "choice", 0, "Self refiner",
        "Denoises early steps more than once, for steadier motion.",
        "sampling", choices=(("Off", 0), ("Mild", 1), ("Strong", 2)), applies=is_set("self_refiner"),
        unsupported="refuse",
    ),
    Param(
        "self_refiner_plan", "text", "", "Self refiner: plan",
        "Which steps are repeated, and how often; empty for the model's plan.",
        "sampling", applies=is_set("self_refiner"), visible_if=_REFINES,
    ),
    Param(
        "self_refiner_f_uncertainty", "float", 0.0, "Self refiner: threshold",
        "How uncertain a part of the picture must be to be refined.",
        "sampling", minimum=0, maximum=1, step=0.01, applies=is_set("self_refiner"), visible_if=_REFINES,
    ),
    Param(
        "self_refiner_certain_percentage", "float", 0.999, "Self refiner: enough",
        "The part of the picture that must be certain to end the refining.",
        "sampling", minimum=0, maximum=1, step=0.001, applies=is_set("self_refiner"), visible_if=_REFINES,
    ),
    Param(
        "RIFLEx_setting", "choice", 0, "Long-clip positions",
        "Stretches the sense of time, so that clips longer than the training length do not repeat themselves.",
        "sampling", choices=(("When the clip is long", 0), ("On", 1), ("Off", 2)),
        applies=is_set("riflex") & MAKES_CLIPS, visible_if=VIDEO_MODE,
    ),
    Param(
        "skip_steps_cache_type", "choice", "", "Step skipping",
        "Reuses or forecasts the prediction where little changes; faster, with some loss of detail.",
        "speed", choices=(("Off", ""), ("Repeat it (tea)", "tea"), ("By a table (mag)", "mag"),
                          ("Forecast it (spectrum)", "spectrum"), ("Ask the first block", "first_block")),
        applies=HAS_STEP_CACHE, unsupported="refuse",
    ),
    Param(
        "skip_steps_multiplier", "choice", 1.75, "Speed-up",
        "How many times faster the denoising shall become; about half as much is safe.",
        "speed", choices=tuple((f"x {factor}", factor) for factor in (1.5, 1.75, 2.0, 2.25, 2.5)),
        older=cache_multiplier, applies=HAS_STEP_CACHE, visible_if=_USES_CACHE,
    ),
    Param(
        "skip_steps_start_step_perc", "float", 0, "Skipping starts after",
        "The part of the steps that are always computed, since the first ones set the layout.",
        "speed", minimum=0, maximum=100, step=1, unit="%", applies=HAS_STEP_CACHE, visible_if=_USES_CACHE,
        aliases=("tea_cache_start_step_perc",),
    ),
    Param(
        "override_profile", "choice", -1, "Memory profile",
        "How the model is spread over graphics memory and main memory, for this task only.",
        "speed", choices=(
            ("As configured", -1), ("1: all in graphics memory", 1), ("2: much main memory", 2),
            ("3: much graphics memory", 3), ("3.5: the same, unpinned", 3.5), ("4: usual", 4),
            ("4.5: leaner", 4.5), ("5: least", 5),
        ),
    ),
    Param(
        "override_attention", "choice", "", "Attention",
        "The attention kernel for this task only.",
        "speed", choices=(
            ("As configured", ""), ("The best here", "auto"), ("sdpa", "sdpa"), ("cudnn", "cudnn"), ("flash", "flash"),
            ("flash3", "flash3"), ("xformers", "xformers"), ("sage", "sage"), ("sage2", "sage2"),
        ),
    ),
    Param(
        "attention_sparsity", "float", 1.0, "Attention kept",
        "With a sparse kernel, the part of the attention that is computed.",
        "speed", minimum=0, maximum=1, step=0.05, applies=is_set("attention_sparsity"),
        visible_if=equals("override_attention", "sol") | equals("override_attention", "radial"),
    ),
    Param(
        "config", "text", "", "Configuration",
        "Names of the model's alternative configurations, separated by commas.",
        "advanced", applies=is_set("configs"), unsupported="refuse",
    ),
    Param(
        "custom_settings", "dict", {}, "The model's own settings",
        "Values of settings that only this model has, by their id.",
        "advanced", applies=is_set("custom_settings"), unsupported="refuse",
    ),
)  # fmt: skip
