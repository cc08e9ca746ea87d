"""From a pipeline's signature to the definition keys that the program reads: what it makes, takes and offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.general.arguments import AUDIO_LENGTH, FRAMES, REFERENCES, own_arguments
from models.general.signature import Argument, PipelineSignature
from shared.diffusion.abilities import with_abilities

_FRAME_RATE = ("frame_rate", "fps")
_TIME_SCALES = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio", "vae_temporal_scale_factor")
_SPACE_SCALES = (
    "vae_scale_factor_spatial", "vae_spatial_compression_ratio", "vae_spatial_scale_factor", "vae_scale_factor",
)  # fmt: skip
_SIZES = {"height": 1024, "width": 1024}
_CLIP_SIZES = {"height": 480, "width": 832}
_LARGEST_STEP = 64
_MOST_STEPS = 100


def definition_of(signature: PipelineSignature) -> dict[str, Any]:
    """The keys that a pipeline's signature implies; the JSON's own keys win."""
    kind = kind_of(signature)
    takes_guidance = any(name in signature for name in ("guidance_scale", "true_cfg_scale"))
    keys = {
        "pipeline": signature.name,
        "one_by_one": True,  # not every pipeline makes batches, and few make each sample as if it were alone
        "no_negative_prompt": "negative_prompt" not in signature,
        "prompt_optional": "prompt" not in signature,
        "lock_inference_steps": "num_inference_steps" not in signature,
        "guidance_max_phases": 1 if takes_guidance else 0,
        "custom_settings": [custom for argument in own_arguments(signature) for custom in _custom(argument)],
        "default_settings": {**_sampling_defaults(signature), **_shape_defaults(signature, kind)},
    }
    media = {"clip": _clip_keys, "picture": _picture_keys, "sound": _sound_keys}[kind]
    found = with_abilities((signature.name,), {**keys, **media(signature)})
    if keys["lock_inference_steps"]:
        found = {name: value for name, value in found.items() if not name.endswith("_cache")}
    return found


def kind_of(signature: PipelineSignature) -> str:
    """What comes out: "clip", "picture" or "sound"."""
    if signature.results & {"frames", "videos", "video"} or _first(signature, FRAMES):
        return "clip"
    return "sound" if signature.results & {"audios", "audio"} else "picture"


def _clip_keys(signature: PipelineSignature) -> dict[str, Any]:
    step = next((signature.facts[name] for name in _TIME_SCALES if name in signature.facts), 1)
    usual = signature.default(_first(signature, FRAMES)) or 0
    rate = signature.default(_first(signature, _FRAME_RATE)) or signature.example_fps or 16
    offset = usual % step if usual and step > 1 else min(step, 1)
    letters = ""
    if "image" in signature:
        letters = ("S" if signature.requires("image") else "TS") + ("E" if "last_image" in signature else "")
    guide = {"choices": [["Start from a clip", "GV"]], "letters_filter": "GUV"}
    return {
        "fps": rate,
        "frames_steps": step,
        "frames_offset": offset,
        "frames_minimum": max(offset, step if offset == 0 else offset, 1),
        "vae_block_size": _block(signature),
        "image_prompt_types_allowed": letters or "T",
        "returns_audio": bool(signature.results & {"audio", "audios"}),
        **({"guide_custom_choices": guide} if {"video", "strength"} <= set(signature.arguments) else {}),
        **({"keep_frames_video_guide_not_supported": True} if "video" in signature else {}),
    }


def _picture_keys(signature: PipelineSignature) -> dict[str, Any]:
    keys: dict[str, Any] = {"image_outputs": True, "vae_block_size": _block(signature)}
    if any(name in signature for name in REFERENCES):
        keys["image_ref_choices"] = {"choices": [["Pictures to work on", "I"]], "letters_filter": "I"}
    if "image" not in signature and "control_image" not in signature:
        return keys
    if "mask_image" in signature:
        keys["inpaint_support"] = True
    elif "strength" in signature:
        keys["guide_custom_choices"] = {"choices": [["Start from a picture", "GV"]], "letters_filter": "GUV"}
    elif "control_image" in signature or "ControlNet" in signature.name or "Adapter" in signature.name:
        keys["guide_custom_choices"] = {"choices": [["Follow a control picture", "V"]], "letters_filter": "UV"}
    else:
        keys["image_ref_choices"] = {"choices": [["Pictures to work on", "I"]], "letters_filter": "I"}
        keys["at_least_one_image_ref_needed"] = signature.requires("image")
    if "controlnet_conditioning_scale" in signature:
        keys["control_net_weight_name"] = "Control"
    return keys


def _sound_keys(signature: PipelineSignature) -> dict[str, Any]:
    return {"audio_only": True, "duration_slider": _first(signature, AUDIO_LENGTH) != ""}


def _block(signature: PipelineSignature) -> int:
    space = next((signature.facts[name] for name in _SPACE_SCALES if name in signature.facts), 8)
    return min(max(space, 8) * (2 if space < 32 else 1), _LARGEST_STEP)


def _sampling_defaults(signature: PipelineSignature) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    steps = signature.default("num_inference_steps")
    if steps:
        defaults["num_inference_steps"] = min(int(steps), _MOST_STEPS)
    guidance = signature.default("guidance_scale")
    if isinstance(guidance, (int, float)):
        defaults["guidance_scale"] = max(float(guidance), 1.0)
    strength = signature.default("strength")
    if isinstance(strength, (int, float)):
        defaults["denoising_strength"] = float(strength)
    return defaults


def _shape_defaults(signature: PipelineSignature, kind: str) -> dict[str, Any]:
    if kind == "sound":
        usual = signature.default(_first(signature, AUDIO_LENGTH))
        return {"duration_seconds": float(usual)} if isinstance(usual, (int, float)) else {}
    sizes = {**(_CLIP_SIZES if kind == "clip" else _SIZES)}
    for side in sizes:
        found = signature.default(side) or signature.facts.get(f"default_{side}")
        sizes[side] = found if isinstance(found, int) else sizes[side]
    defaults: dict[str, Any] = {"resolution": f"{sizes['width']}x{sizes['height']}"}
    frames = signature.default(_first(signature, FRAMES))
    return {**defaults, "video_length": int(frames)} if kind == "clip" and frames else defaults


def _custom(argument: Argument) -> Iterator[Mapping[str, Any]]:
    """The argument as a setting of the model's own; nothing for what no setting can hold."""
    kind = _kind(argument)
    if kind:
        yield {"id": argument.name, "type": kind, "default": argument.default, "help": argument.help}


def _kind(argument: Argument) -> str:
    if isinstance(argument.default, bool) or argument.annotation.startswith("bool"):
        return "bool"
    names = {name.strip() for name in argument.annotation.replace("Optional[", "").rstrip("]").split("|")} - {"None"}
    for kind, accepted in (("text", {"str"}), ("int", {"int"}), ("float", {"float", "int"})):
        if names and names <= accepted:
            return kind
    return "text" if names == {"str", "list[str]"} else ""


def _first(signature: PipelineSignature, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in signature), "")
