"""What a model takes and makes, inferred from its definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.core.contracts import FamilyHandler
    from shared.core.model_def import ModelDef
    from shared.core.params import Param

_SCHEMA_KEYS = ("infos", "prompt_infos", "sliding_window")


def model_metadata(model: ModelDef, handler: FamilyHandler, params: Mapping[str, Param]) -> dict[str, Any]:
    """The `metadata` object of a model; `finetune` is its id where another checkpoint is its base, else ""."""
    media = _media_inputs(model, params)
    outputs = _outputs(model)
    return {
        "model_type": model.model_type,
        "family": model.family,
        "family_label": handler.label,
        "base_model_type": model.base_model_type,
        "finetune": model.model_type if model.is_finetune else "",
        "main_output": outputs[:1],
        "outputs": outputs,
        "inputs": ["text", *(kind for kind in ("image", "video", "audio") if any(media[kind].values()))],
        "media_inputs": media,
        "capabilities": _capabilities(model, params, media, outputs),
        "setting_values": {
            name: [value for _, value in param.choices] for name, param in params.items() if param.choices
        },
    }


def model_schema(model: ModelDef, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata without the values of settings, with the numbers that a form needs."""
    schema = {key: value for key, value in metadata.items() if key != "setting_values"}
    schema |= {
        "name": model.name,
        "model_type": model.model_type,
        "description": model.description,
        "fps": model.fps,
        "frames_minimum": model.frames_minimum,
        "frames_steps": model.frames_steps,
        **{key: model.get(key) for key in _SCHEMA_KEYS},
    }
    if "video" in metadata["outputs"]:
        schema["frames_maximum"] = model.get("frames_maximum")
    return {"metadata": schema}


def _outputs(model: ModelDef) -> list[str]:
    """What comes out, the main thing first."""
    if model.get("audio_only"):
        return ["audio"]
    if model.get("image_outputs"):
        return ["image"]
    return ["video", *(["image"] if model.makes_images else []), *(["audio"] if model.get("returns_audio") else [])]


def _media_inputs(model: ModelDef, params: Mapping[str, Param]) -> dict[str, dict[str, bool]]:
    letters = str(model.get("image_prompt_types_allowed") or "")
    references = "image_refs" in params
    is_single = bool(model.get("one_image_ref_needed"))
    reference_letters = _choice_letters(model, "image_ref_choices")
    return {
        "image": {
            "start": "S" in letters,
            "end": "E" in letters,
            "reference": references,
            "single_reference": references and is_single,
            "multiple_references": references and not is_single,
            "background": references and "K" in reference_letters,
            "injected_frames": references and "F" in reference_letters,
            "control": "image_guide" in params,
            "mask": "image_mask" in params,
        },
        "video": {
            "continue": "V" in letters,
            "last": "L" in letters,
            "control": "video_guide" in params,
            "mask": "video_mask" in params,
        },
        "audio": {
            "prompt": "audio_guide" in params,
            "output": bool(model.get("returns_audio") or model.get("audio_only")),
        },
    }


def _capabilities(
    model: ModelDef, params: Mapping[str, Param], media: Mapping[str, Mapping[str, bool]], outputs: list[str]
) -> dict[str, bool]:
    image, video, audio = media["image"], media["video"], media["audio"]
    letters = str(model.get("image_prompt_types_allowed") or "")
    is_text_enough = not letters or "T" in letters
    makes_video, makes_image = "video" in outputs, "image" in outputs
    return {
        "text_to_video": makes_video and is_text_enough,
        "text_to_image": makes_image and is_text_enough,
        "text_to_audio": "audio" in outputs,
        "image_to_video": makes_video and image["start"],
        "image_to_image": makes_image and image["control"],
        "video_to_video": makes_video and (video["control"] or bool(model.get("video_to_video"))),
        "audio_to_video": makes_video and audio["prompt"],
        "audio_to_audio": "audio" in outputs and audio["prompt"],
        "video_continuation": video["continue"],
        "reference_images": image["reference"],
        "background_image": image["background"],
        "injected_frames": image["injected_frames"],
        "control_image": image["control"],
        "control_video": video["control"],
        "inpainting": image["mask"] or video["mask"],
        "outpainting": "video_guide_outpainting" in params,
        "audio_output": audio["output"],
        "lora": has_loras(model, params),
        "sliding_window": bool(model.get("sliding_window")),
    }


def has_loras(model: ModelDef, params: Mapping[str, Param]) -> bool:
    """Whether LoRAs can be applied to the model."""
    return "activated_loras" in params and not model.get("no_lora")


def _choice_letters(model: ModelDef, key: str) -> str:
    choices = (model.get(key) or {}).get("choices") or []
    return "".join(str(letters) for _, letters in choices)
