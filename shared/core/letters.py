"""The flag letters that a model understands, as its definition declares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

# What is made of a control clip: inside the mask (or everywhere), and outside it.
INSIDE: Mapping[str, str] = {
    "U": "raw", "P": "pose", "O": "aligned pose", "D": "depth", "E": "edges", "S": "scribble", "L": "flow",
    "C": "grey", "M": "inpaint", "B": "face",
}  # fmt: skip
OUTSIDE: Mapping[str, str] = {"X": "inpaint", "Y": "depth", "W": "scribble", "Z": "flow"}

CONTROL_KEYS = ("guide_preprocessing", "mask_preprocessing", "guide_custom_choices")
REFERENCE_KEY = "image_ref_choices"
SOUND_KEY = "audio_prompt_type_sources"


class Definition(Protocol):
    """What a ModelDef and a dict have in common."""

    def get(self, key: str, default: Any = None, /) -> Any:
        """The value of a definition key."""


def declared(model: Definition, key: str) -> list[str]:
    """The letter texts that a definition offers under `key`: its `choices` [(label, letters)] or its `selection`."""
    offered = model.get(key) or {}
    if not isinstance(offered, Mapping):
        return []
    choices = offered.get("choices") or offered.get("selection") or ()
    return [str(item[1] if isinstance(item, (list, tuple)) else item) for item in choices]


def first_choice(model: Definition, key: str, letter: str) -> str:
    """The first text offered under `key` that holds `letter`; "" where none does."""
    return next((text for text in declared(model, key) if letter in text), "")


def video_letters(model: Definition) -> str:
    """The letters of video_prompt_type that the definition offers; a control can always be taken as it is (U)."""
    texts = "".join("".join(declared(model, key)) for key in (*CONTROL_KEYS, REFERENCE_KEY))
    if model.get("inpaint_support") or model.get("video_to_video"):
        texts += "VGAN" if model.get("inpaint_support") else "VG"
    if model.get("guide_preprocessing"):
        texts += "V"
    if model.get("mask_preprocessing"):
        texts += "A"
    if "V" in texts:
        texts += "U"
    return "".join(dict.fromkeys(texts))


def sound_letters(model: Definition) -> str:
    """The letters of audio_prompt_type that the definition offers."""
    texts = "".join(declared(model, SOUND_KEY)) or ("A" if model.get("any_audio_prompt") else "")
    return "".join(dict.fromkeys(texts))


def takes_control(model: Definition) -> bool:
    """Whether a clip or picture can steer the result, rather than be what the denoising starts from."""
    if model.get("guide_preprocessing"):
        return True
    customs = declared(model, "guide_custom_choices")
    repaints = bool(model.get("inpaint_support"))
    return any("V" in text and "G" not in text and not (repaints and "A" in text) for text in customs)


def uses_source(letters: str, model: Definition) -> bool:
    """Whether the guide is what the denoising starts from, or what is repainted where a mask is white."""
    if "V" not in letters:
        return False
    repaints = "A" in letters and not model.get("mask_preprocessing")
    return "G" in letters or repaints or not takes_control(model)


def uses_control(letters: str, model: Definition) -> bool:
    """Whether the guide steers the result: it may do so besides what `uses_source` says, when it is processed."""
    if "V" not in letters or not takes_control(model):
        return False
    return not uses_source(letters, model) or any(letter in letters for letter in INSIDE)
