"""The multipart requests of version 1: forms in which lists and objects are texts, and empty means not sent."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_origin

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from starlette.datastructures import FormData, UploadFile

from shared.http.fooocus import ControlType, Side, UpscaleOrVary
from shared.http.fooocus_generation.schemas import (
    AdvancedParams,
    EnhanceBase,
    EnhancePass,
    TextToImage,
)
from shared.http.replies import unknown_fields

Model = TypeVar("Model", bound=BaseModel)
Picture = UploadFile | str

_LITERALS = {"true": True, "false": False, "null": None, "none": None}
MOST_LITERAL = 100_000


class FormFields(TextToImage):
    """What every form may ask for."""

    save_meta: bool = False


class UpscaleVaryForm(FormFields):
    """v1 image-upscale-vary."""

    uov_method: UpscaleOrVary
    upscale_value: float | None = Field(None, ge=1, le=5)


class InpaintForm(FormFields):
    """v1 image-inpaint-outpaint."""

    inpaint_additional_prompt: str = ""
    outpaint_selections: list[Side] = Field(default_factory=list)
    outpaint_distance_left: int = 0
    outpaint_distance_right: int = 0
    outpaint_distance_top: int = 0
    outpaint_distance_bottom: int = 0


_CONTROLS: dict[str, Any] = {
    name: field
    for number in range(1, 5)
    for name, field in {
        f"cn_stop{number}": (float | None, Field(None, ge=0, le=1)),
        f"cn_weight{number}": (float | None, Field(None, ge=0, le=2)),
        f"cn_type{number}": (ControlType, "ImagePrompt"),
    }.items()
}
_PASSES: dict[str, Any] = {
    f"{name}_{number}": (field.rebuild_annotation(), "" if name == "enhance_mask_dino_prompt" else field.default)
    for number in range(1, 4)
    for name, field in EnhancePass.model_fields.items()
}
PicturePromptForm = create_model("PicturePromptForm", __base__=InpaintForm, **_CONTROLS)


class EnhanceForm(create_model("EnhanceFields", __base__=EnhanceBase, **_PASSES)):  # type: ignore[misc]
    """v1 image-enhance."""

    model_config = ConfigDict(title="EnhanceForm")
    save_meta: bool = False

    def passes(self) -> list[dict[str, Any]]:
        """The three passes under the names of version 2."""
        return [
            {name: getattr(self, f"{name}_{number}") for name in EnhancePass.model_fields} for number in range(1, 4)
        ]


UPSCALE_FILES = {"input_image": True}
INPAINT_FILES = {"input_image": True, "input_mask": False}
PROMPT_FILES = {name: False for name in ("input_image", "input_mask", "cn_img1", "cn_img2", "cn_img3", "cn_img4")}
ENHANCE_FILES = {"enhance_input_image": True}
# Sent by the documentation's own examples, and read by nobody.
UNREAD = ("image_prompts",)


def read_form(
    form: FormData, model: type[Model], files: Mapping[str, bool]
) -> tuple[Model, dict[str, Picture], list[str]]:
    """The fields of a form, its pictures by name, and what of it has no effect.

    `files` are the fields with pictures and whether they must be there; one may also hold base64 or an address. Raises
    RequestValidationError as FastAPI does.
    """
    pictures = {name: found for name in files if (found := _picture(form.getlist(name))) is not None}
    errors = [_missing(name) for name, is_needed in files.items() if is_needed and name not in pictures]
    given: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        texts = [text for text in form.getlist(name) if isinstance(text, str) and text.strip()]
        if texts:
            given[name] = _value(name, texts, field.annotation)
    warnings = unknown_fields(
        [name for name in form if name not in files and name not in UNREAD], list(model.model_fields)
    )
    if "advanced_params" in given:
        given["advanced_params"], more = _advanced(given["advanced_params"])
        warnings += more
    try:
        read = model.model_validate(given)
    except ValidationError as error:
        errors += [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()]
        raise RequestValidationError(errors) from error
    if errors:
        raise RequestValidationError(errors)
    return read, pictures, warnings


def form_schema(model: type[BaseModel], files: Mapping[str, bool]) -> dict[str, Any]:
    """The request body for OpenAPI."""
    schema = model.model_json_schema()
    fields = dict(schema["properties"])
    for name in ("loras", "advanced_params"):
        fields[name] = {"type": "string", "description": "JSON as text"}
    for name in files:
        fields[name] = {"type": "string", "format": "binary"}
    needed = [*schema.get("required", []), *(name for name, is_needed in files.items() if is_needed)]
    body = {"type": "object", "properties": fields, "required": needed}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}


def _picture(values: Sequence[Any]) -> Picture | None:
    """The first that holds something: a file, or a text that stands for one."""
    for value in values:
        if isinstance(value, UploadFile) and (value.size or value.filename):
            return value if value.size else None
        if isinstance(value, str) and value.strip():
            return value
    return None


def _missing(name: str) -> dict[str, Any]:
    return {"type": "missing", "loc": ("body", name), "msg": "Field required", "input": None}


def _value(name: str, texts: Sequence[str], annotation: Any) -> Any:
    if name == "advanced_params":
        return texts[0]
    if name == "loras":
        return lenient_json(texts[0])
    if get_origin(annotation) is list:
        return [part for text in texts for part in _parts(text)]
    return texts[-1]


def _parts(text: str) -> list[str]:
    """A list as clients write it: joined by commas, or as JSON or Python would."""
    if text.strip().startswith("["):
        read = lenient_json(text)
        if isinstance(read, list):
            return [str(part).strip() for part in read]
    return [part.strip() for part in text.split(",") if part.strip()]


def lenient_json(text: str) -> Any:
    """JSON, or the same in Python's spelling (single quotes); the text itself where it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip()) if len(text) <= MOST_LITERAL else text
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return text


def _advanced(text: str) -> tuple[dict[str, Any], list[str]]:
    """The advanced parameters that can be used; a form never fails for the others."""
    read = lenient_json(text)
    if not isinstance(read, dict):
        is_empty = str(text).strip().lower() in _LITERALS
        return {}, [] if is_empty else ["advanced_params is no JSON object and has no effect."]
    kept = {str(name): value for name, value in read.items() if value is not None}
    try:
        AdvancedParams.model_validate(kept)
        return kept, []
    except ValidationError as error:
        bad = {str(entry["loc"][0]) for entry in error.errors() if entry["loc"]}
    sound = {name: value for name, value in kept.items() if name not in bad}
    return sound, [f"advanced_params: {name} cannot be used; its default is." for name in sorted(bad)]
