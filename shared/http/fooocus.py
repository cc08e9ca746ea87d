"""What the Fooocus APIs ask for, in one vocabulary, as settings of a task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.core.params import Param
from shared.core.picture_sizes import fold_seed, outpainting_text, parse_aspect_ratio

Performance = Literal["Speed", "Quality", "Extreme Speed", "Lightning", "Hyper-SD"]
UpscaleOrVary = Literal[
    "Disabled", "Vary (Subtle)", "Vary (Strong)", "Upscale (1.5x)", "Upscale (2x)", "Upscale (Fast 2x)",
    "Upscale (Custom)",
]  # fmt: skip
Side = Literal["Left", "Right", "Top", "Bottom"]
ControlType = Literal["ImagePrompt", "FaceSwap", "PyraCanny", "CPDS"]
MaskModel = Literal[
    "u2net", "u2netp", "u2net_human_seg", "u2net_cloth_seg", "silueta", "isnet-general-use", "isnet-anime", "sam"
]
ClothCategory = Literal["full", "upper", "lower"]
SamModel = Literal["vit_b", "vit_l", "vit_h"]
EnhanceOrder = Literal["Before First Enhancement", "After Last Enhancement"]
EnhancePrompts = Literal["Original Prompts", "Last Filled Enhancement Prompts"]

VARY_UPSCALE: Mapping[str, str] = {
    "Vary (Subtle)": "vary_subtle",
    "Vary (Strong)": "vary_strong",
    "Upscale (1.5x)": "upscale_1.5",
    "Upscale (2x)": "upscale_2",
    "Upscale (Fast 2x)": "upscale_fast",
    "Upscale (Custom)": "upscale_custom",
}
FAST: Collection[str] = ("Extreme Speed", "Lightning", "Hyper-SD")
# What a performance means for the steps of a model that has no accelerator of that name.
STEP_FACTORS: Mapping[str, float] = {"Quality": 1.5, "Extreme Speed": 0.5, "Lightning": 0.4, "Hyper-SD": 0.4}
MOST_LORAS, MOST_CONTROLS, MOST_PASSES = 5, 4, 3
NO_MODEL = ("", "none")


@dataclass(frozen=True)
class ControlImage:
    """A picture (its path) that steers the result; None or 0: the usual stop or weight of its kind."""

    path: str
    kind: ControlType = "ImagePrompt"
    stop: float | None = None
    weight: float | None = None


@dataclass(frozen=True)
class Enhancement:
    """A picture (its path) and the passes over it, by the names that the APIs give their fields."""

    path: str
    passes: Sequence[Mapping[str, Any]] = ()
    uov_method: UpscaleOrVary = "Disabled"
    order: EnhanceOrder = "Before First Enhancement"
    prompts: EnhancePrompts = "Original Prompts"


@dataclass(frozen=True)
class Wishes:
    """One request, whichever of the APIs it came through; pictures are paths of local files.

    `given` are the fields that the client sent. `advanced` holds the advanced parameters by their names,
    `refiner_model` the id of a model, `loras` names and weights of LoRAs that are there. `outpaint_distances` are
    pixels by side (0 or less: 30 % of the picture), `inpaint_size` is that picture's (width, height).
    """

    prompt: str = ""
    negative_prompt: str = ""
    style_selections: Sequence[str] = ()
    performance_selection: Performance = "Speed"
    aspect_ratios_selection: str = "1152*896"
    image_number: int = 1
    image_seed: int = -1
    sharpness: float = 2.0
    guidance_scale: float = 4.0
    refiner_model: str = ""
    refiner_switch: float = 0.5
    loras: Sequence[tuple[str, float]] = ()
    save_meta: bool = True
    meta_scheme: str = "fooocus"
    save_extension: str = "png"
    read_wildcards_in_order: bool = False
    advanced: Mapping[str, Any] = field(default_factory=dict)
    uov_method: UpscaleOrVary = "Disabled"
    upscale_value: float | None = None
    uov_image: str = ""
    inpaint_image: str = ""
    inpaint_mask: str = ""
    inpaint_size: tuple[int, int] = (0, 0)
    inpaint_additional_prompt: str = ""
    outpaint_selections: Sequence[Side] = ()
    outpaint_distances: Mapping[str, int] = field(default_factory=dict)
    image_prompts: Sequence[ControlImage] = ()
    enhance: Enhancement | None = None
    given: Collection[str] = ()

    @property
    def repaints(self) -> bool:
        """Whether a part of a picture is made anew: a mask or room around it is given."""
        return bool(self.inpaint_image and (self.inpaint_mask or self.outpaint_selections))


def to_settings(wishes: Wishes, model_type: str, params: Mapping[str, Param]) -> tuple[dict[str, Any], list[str]]:
    """The task for a request, and what of the request has no effect, as sentences.

    `params` are the settings of the model. Fine tuning that the model lacks is left out; a picture or method that it
    lacks stays, for the task's check to refuse by name. Raises SettingsError for an aspect ratio that cannot be read.
    """
    knobs, warnings = _knobs(wishes, params)
    settings: dict[str, Any] = {
        "model_type": model_type,
        "prompt": wishes.prompt,
        "multi_prompts_gen_type": "FG",
        "negative_prompt": wishes.negative_prompt,
        "image_mode": 1,
        "resolution": _resolution(wishes),
        "repeat_generation": 1 if wishes.enhance else wishes.image_number,
        "seed": fold_seed(wishes.image_seed),
        "fixed_seed": int(bool(wishes.advanced.get("disable_seed_increment"))),
        "styles": list(wishes.style_selections),
        "wildcards_in_order": int(wishes.read_wildcards_in_order),
        "image_format": "jpg" if wishes.save_extension == "jpeg" else wishes.save_extension,
        "metadata_scheme": _scheme(wishes),
        **_effort(wishes, params),
        **knobs,
        **_pictures(wishes),
    }
    if "keep_initial_latent" not in params:
        for part in (settings, *settings.get("enhance", ())):
            part.pop("keep_initial_latent", None)
    if wishes.loras:
        settings["activated_loras"] = [name for name, _ in wishes.loras[:MOST_LORAS]]
        settings["loras_multipliers"] = " ".join(f"{weight:g}" for _, weight in wishes.loras[:MOST_LORAS])
    return settings, warnings


def _resolution(wishes: Wishes) -> str:
    size = parse_aspect_ratio(wishes.aspect_ratios_selection)
    width, _, height = size.partition("x")
    own = [wishes.advanced.get(f"overwrite_{side}") or 0 for side in ("width", "height")]
    return "x".join(str(mine) if mine > 0 else usual for mine, usual in zip(own, (width, height), strict=True))


def _scheme(wishes: Wishes) -> str:
    if not wishes.save_meta:
        return "none"
    return "a1111" if wishes.meta_scheme == "a111" else wishes.meta_scheme


def _effort(wishes: Wishes, params: Mapping[str, Param]) -> dict[str, Any]:
    """Steps: those asked for, else what the performance means to the model."""
    effort: dict[str, Any] = {}
    if "performance" in params:
        effort["performance"] = wishes.performance_selection
    elif "num_inference_steps" in params:
        usual, most = params["num_inference_steps"].default, params["num_inference_steps"].maximum or 100
        steps = round(usual * STEP_FACTORS.get(wishes.performance_selection, 1.0))
        effort["num_inference_steps"] = max(1, min(int(most), steps))
    if (own := int(wishes.advanced.get("overwrite_step") or 0)) > 0:
        effort["num_inference_steps"] = own
    return effort


def _tuning(wishes: Wishes) -> list[tuple[str, str, Any]]:
    """(field, setting, value) of the fine tuning."""
    advanced = wishes.advanced
    renamed = {
        "sampler_name": "sample_solver", "scheduler_name": "noise_schedule", "controlnet_softness": "control_softness",
        "refiner_swap_method": "refiner_swap", **{name: name for name in (
            "adm_scaler_positive", "adm_scaler_negative", "adm_scaler_end", "adaptive_cfg", "clip_skip",
            "canny_low_threshold", "canny_high_threshold",
        )},
    }  # fmt: skip
    tuning = [
        ("sharpness", "sharpness", wishes.sharpness),
        ("guidance_scale", "guidance_scale", wishes.guidance_scale),
        *((name, setting, advanced[name]) for name, setting in renamed.items() if name in advanced),
    ]
    if wishes.refiner_model:
        switch = _refiner_switch(wishes)
        tuning += [("refiner_model_name", "refiner_model", wishes.refiner_model)]
        tuning += [("refiner_switch", "refiner_switch", switch)]
    if advanced.get("freeu_enabled"):
        tuning += [("freeu_enabled", "freeu", 1)]
        tuning += [(name, name, advanced[name]) for name in ("freeu_b1", "freeu_b2", "freeu_s1", "freeu_s2")]
    if str(advanced.get("vae_name") or "Default (model)") != "Default (model)":
        tuning += [("vae_name", "vae_file", advanced["vae_name"])]
    if advanced.get("skipping_cn_preprocessor"):
        tuning += [("skipping_cn_preprocessor", "guide_preprocess", 0)]
    return tuning


def _refiner_switch(wishes: Wishes) -> float:
    """A share of the steps; an overwriting number above 1 is a step count."""
    own = float(wishes.advanced.get("overwrite_switch") or -1)
    if own <= 0:
        return wishes.refiner_switch
    if own > 1:
        own /= max(float(wishes.advanced.get("overwrite_step") or 0), 30.0)
    return min(max(own, 0.1), 1.0)


# What a fast performance fixes itself.
FIXED_WHEN_FAST = (
    "sharpness", "guidance_scale", "sample_solver", "noise_schedule", "adm_scaler_positive", "adm_scaler_negative",
    "adm_scaler_end", "adaptive_cfg", "refiner_model", "refiner_switch",
)  # fmt: skip


def _knobs(wishes: Wishes, params: Mapping[str, Param]) -> tuple[dict[str, Any], list[str]]:
    """The fine tuning that the model has; a default of the API is kept from models that are not of its kind."""
    is_native = "performance" in params
    is_fixed = is_native and wishes.performance_selection in FAST
    knobs: dict[str, Any] = {}
    warnings: list[str] = []
    for name, setting, value in _tuning(wishes):
        if is_fixed and setting in FIXED_WHEN_FAST:
            continue
        if not is_native and name not in wishes.given:
            continue
        if setting in params and params[setting].check(value) is None:
            knobs[setting] = value
        elif name in wishes.given:
            warnings.append(f"{name}: {value!r} has no effect, this model does not use it.")
    return knobs, warnings


def _pictures(wishes: Wishes) -> dict[str, Any]:
    """What the pictures ask for: enhancing, else guiding and with it or alone varying, enlarging or repainting."""
    if wishes.enhance is not None:
        return {"image_guide": wishes.enhance.path, "enhance": _passes(wishes)}
    guides = _guides(wishes.image_prompts[:MOST_CONTROLS]) if wishes.image_prompts else {}
    mixes_vary = not guides or bool(wishes.advanced.get("mixing_image_prompt_and_vary_upscale"))
    mixes_inpaint = not guides or bool(wishes.advanced.get("mixing_image_prompt_and_inpaint"))
    if wishes.uov_image and wishes.uov_method != "Disabled" and mixes_vary:
        return {**guides, **_varied(wishes)}
    if wishes.repaints and mixes_inpaint:
        return {**guides, **_repainted(wishes)}
    return guides


def _guides(images: Sequence[ControlImage]) -> dict[str, Any]:
    return {
        "guide_pictures": [image.path for image in images],
        "guide_kinds": [image.kind for image in images],
        "guide_weights": " ".join(f"{image.weight or 0:g}" for image in images),
        "guide_stops": " ".join(f"{image.stop or 0:g}" for image in images),
    }


def _varied(wishes: Wishes) -> dict[str, Any]:
    method = VARY_UPSCALE[wishes.uov_method]
    settings: dict[str, Any] = {"image_guide": wishes.uov_image, "vary_upscale": method}
    if method == "upscale_custom":
        settings["upscale_factor"] = wishes.upscale_value or 2.0
    name = "overwrite_vary_strength" if method.startswith("vary") else "overwrite_upscale_strength"
    if float(wishes.advanced.get(name) or -1) > 0:
        settings["denoising_strength"] = wishes.advanced[name]
    return settings


def _repainted(wishes: Wishes) -> dict[str, Any]:
    advanced = wishes.advanced
    settings: dict[str, Any] = {"image_guide": wishes.inpaint_image, "paste_back": 1}
    if wishes.inpaint_mask:
        settings["image_mode"], settings["image_mask"] = 2, wishes.inpaint_mask
        settings["mask_expand"] = int(advanced.get("inpaint_erode_or_dilate") or 0)
        settings["invert_mask"] = int(bool(advanced.get("invert_mask_checkbox")))
    if wishes.outpaint_selections:
        settings["video_guide_outpainting"] = outpainting_text(
            wishes.outpaint_selections, wishes.outpaint_distances, wishes.inpaint_size
        )
    else:
        settings["denoising_strength"] = float(advanced.get("inpaint_strength", 1.0))
        settings["inpaint_field"] = float(advanced.get("inpaint_respective_field", 0.618))
    if advanced.get("inpaint_disable_initial_latent"):
        settings["keep_initial_latent"] = 0
    if wishes.inpaint_additional_prompt.strip():
        settings["prompt"] = f"{wishes.inpaint_additional_prompt.strip()}\n{wishes.prompt}"
    return settings


def _passes(wishes: Wishes) -> list[dict[str, Any]]:
    enhance = wishes.enhance or Enhancement("")
    passes = [_pass(given) for given in enhance.passes[:MOST_PASSES] if given.get("enhance_enabled")]
    if enhance.uov_method != "Disabled":
        whole: dict[str, Any] = {"vary_upscale": VARY_UPSCALE[enhance.uov_method]}
        filled = [one["prompt"] for one in passes if one["prompt"]]
        if enhance.prompts == "Last Filled Enhancement Prompts" and filled:
            whole["prompt"] = filled[-1]
        passes.insert(0 if enhance.order == "Before First Enhancement" else len(passes), whole)
    return passes


def _pass(given: Mapping[str, Any]) -> dict[str, Any]:
    """One enhancement in the words of the settings."""

    def value(name: str, usual: Any) -> Any:
        return given.get(f"enhance_{name}", usual)

    return {
        "mask_model": value("mask_model", "sam"),
        "mask_prompt": value("mask_dino_prompt", ""),
        "mask_cloth": value("mask_cloth_category", "full"),
        "mask_sam": value("mask_sam_model", "vit_b"),
        "mask_text_threshold": value("mask_text_threshold", 0.25),
        "mask_box_threshold": value("mask_box_threshold", 0.3),
        "mask_detections": value("mask_sam_max_detections", 0),
        "prompt": value("prompt", ""),
        "negative_prompt": value("negative_prompt", ""),
        "denoising_strength": value("inpaint_strength", 1.0),
        "inpaint_field": value("inpaint_respective_field", 0.618),
        "mask_expand": value("inpaint_erode_or_dilate", 0),
        "invert_mask": int(bool(value("mask_invert", False))),
        "keep_initial_latent": int(not value("inpaint_disable_initial_latent", False)),
    }
